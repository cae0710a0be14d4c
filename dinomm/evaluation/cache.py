"""Features on disk, under a key of everything that they depend on."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from torch import Tensor

from dinomm import __version__
from dinomm.checkpoints.files import load_file
from dinomm.data_paths import is_url

from .labelled import Images, indices, labels, whole
from .network import FrozenNetwork


class FeatureCache:
    """A folder of features, each file named by the hash of what its features depend on.

    That is the network (its form, every weight, precision, normalisation), the images (their
    names, sizes, times of change and labels), the pipeline, what is read from the network, and
    dinomm's version.

    Args:
        folder: Is made when something is saved.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        self._networks: dict[int, str] = {}

    def key(self, network: FrozenNetwork, dataset: Images, reading: dict[str, Any]) -> str:
        """The hash for a network's features of a data set."""
        if id(network) not in self._networks:
            self._networks[id(network)] = network_hash(network)
        parts = {
            'network': self._networks[id(network)],
            'images': images_hash(dataset),
            'pipeline': [_described(transform) for transform in whole(dataset).pipeline],
            'reading': reading,
            'version': __version__,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.folder / f'{key}.pth'

    def load(self, key: str) -> dict[str, Any] | None:
        """What was saved under the key, if every process has it; None otherwise.

        The tensors stay on disk until they are read.
        """
        found = torch.tensor(int(self.path(key).is_file()))
        all_reduce(found, op='min')
        return load_file(self.path(key), mmap=True) if found else None

    def save(self, key: str, content: dict[str, Any]) -> None:
        """Writes tensors and plain data, whole or not at all; the first process alone."""
        if not is_main_process():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f'.{key}.{os.getpid()}.partial'
        try:
            torch.save(content, partial)
            os.replace(partial, self.path(key))
        finally:
            partial.unlink(missing_ok=True)


def network_hash(network: FrozenNetwork) -> str:
    """Of a network's form, weights, normalisation and precision."""
    digest = hashlib.sha256(str(network.backbone).encode())
    digest.update(str(network.amp).encode())
    buffers = [(name, tensor) for name, tensor in network.named_buffers()]
    for name, tensor in sorted([*network.named_parameters(), *buffers]):
        digest.update(f'{name} {tuple(tensor.shape)} {tensor.dtype}'.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def images_hash(dataset: Images) -> str:
    """Of the names and labels of images, and of the size and time of change of local files."""
    data, digest = whole(dataset), hashlib.sha256()
    for index in indices(dataset):
        name = data.image_path(index)
        digest.update(name.encode())
        if not is_url(name) and os.path.isfile(name):
            stat = os.stat(name)
            digest.update(f'{stat.st_size} {stat.st_mtime_ns}'.encode())
    for shard in getattr(data.storage, 'shards', ()):
        if not is_url(shard):
            stat = os.stat(shard)
            digest.update(f'{shard} {stat.st_size} {stat.st_mtime_ns}'.encode())
    numbers = labels(dataset)
    if numbers is not None:
        digest.update(numbers.numpy().tobytes())
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _described(transform: Any) -> str:
    settings = vars(transform) if hasattr(transform, '__dict__') else {}
    texts = {name: str(value) for name, value in settings.items()}
    return f'{type(transform).__name__} {json.dumps(texts, sort_keys=True)}'
