"""Images of a list, cut to no fixed size, and a network's tokens of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dinomm.datasets.file_names import is_image
from dinomm.datasets.samplers import SampleKey
from dinomm.datasets.transforms import BrokenImageError, LoadImage
from dinomm.models.mmpretrain_models import backbones
from dinomm.models.preprocessor import ViewGroup
from dinomm.models.tokens import Tokens
from dinomm.progress import Countdown

from .features import Extraction
from .labelled import whole
from .network import FrozenNetwork
from .sharding import gather_rows, share_of_process

Prepare = Callable[[np.ndarray, int], np.ndarray]
"""From a picture (H, W, 3) uint8 and its number in the list to the picture that is looked at."""

Describe = Callable[[FrozenNetwork, list[Tensor]], Tensor]
"""From pictures (3, H, W) uint8 to their features (N, C) in main memory; its repr says how."""


def list_images(folder: str | Path, purpose: str) -> list[str]:
    """Image files of a folder, sorted, not those of its subfolders.

    Raises:
        ValueError: There is no such folder, or no image in it; ``purpose`` says what for.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ValueError(f'{folder}, the folder of {purpose}, does not exist')
    files = sorted(str(path) for path in folder.iterdir() if is_image(path.name))
    if not files:
        raise ValueError(f'{folder}, the folder of {purpose}, has no image')
    return files


def read_picture(path: str | Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of a file; gray, 16-bit gray and transparent ones too.

    Raises:
        BrokenImageError: It is missing or cannot be decoded.
    """
    return LoadImage().transform({'img_path': str(path)})['img']


class ToPicture(BaseTransform):
    """Turns ``img`` into the picture (3, H, W) uint8 that is looked at; ends a pipeline.

    Args:
        prepare: See :data:`Prepare`.
    """

    def __init__(self, prepare: Prepare) -> None:
        self.prepare = prepare

    def transform(self, results: dict) -> Tensor:  # type: ignore[override]
        """Takes ``img`` and ``sample_key``."""
        picture = self.prepare(results['img'], results['sample_key'].index)
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)


class Pictures(Dataset):
    """Pictures of files, each prepared; a file that cannot be read gives its error in place.

    Args:
        paths: The files.
        prepare: See :data:`Prepare`.
    """

    def __init__(self, paths: Sequence[str], prepare: Prepare) -> None:
        self.paths = list(paths)
        self.labels = self.storage = None  # as ImageFiles without labels, on this machine
        self.pipeline: list[Any] = [LoadImage(), ToPicture(prepare)]

    def __len__(self) -> int:
        return len(self.paths)

    def image_path(self, number: int) -> str:
        """The file of a picture."""
        return self.paths[number]

    def __getitem__(self, number: int) -> Tensor | BrokenImageError:
        """(3, H, W) uint8."""
        results: Any = {'img_path': self.paths[number], 'sample_key': SampleKey(0, 0, number)}
        try:
            for transform in self.pipeline:
                results = transform(results)
        except BrokenImageError as error:  # torch would wrap a worker's exception in its traceback
            return error
        return results


def describe_pictures(
    network: FrozenNetwork, pictures: Any, describe: Describe, how: Extraction, name: str
) -> Tensor:
    """Features (N, C) of all pictures in their order; the processes share the work.

    Args:
        network: In evaluation mode.
        pictures: :class:`Pictures`, or ``ImageFiles`` whose pipeline ends with :class:`ToPicture`.
        describe: See :data:`Describe`.
        how: Pictures of any sizes at once, processes that decode, and where features are kept.
        name: Of the pictures, in the plural.

    Raises:
        ValueError: A file cannot be read: a ranking needs every image.
    """
    key = how.cache.key(network, pictures, {'describe': repr(describe)}) if how.cache else ''
    stored = how.cache.load(key) if how.cache else None
    if how.cache and stored is not None:
        how.tell(f'{name}: features of {len(stored["rows"]):,} images from {how.cache.path(key)}')
        return stored['rows']
    rows = _describe_share(network, pictures, describe, how, name)
    bad = getattr(whole(pictures), 'bad_images', [])  # of ImageFiles
    if bad:
        raise ValueError(
            f'{len(bad)} images cannot be read, among them {", ".join(bad[:5])}: repair or remove '
            'them, a ranking needs every image'
        )
    rows = gather_rows(rows)
    if how.cache:
        how.cache.save(key, {'rows': rows})
    return rows


def _describe_share(
    network: FrozenNetwork, pictures: Any, describe: Describe, how: Extraction, name: str
) -> Tensor:
    countdown = Countdown(name, len(pictures), how.tell)
    loader = DataLoader(
        pictures,
        how.batch_size,
        sampler=share_of_process(len(pictures)),
        num_workers=how.workers,
        collate_fn=list,
    )
    rows = []
    for batch in loader:
        for picture in batch:
            if isinstance(picture, BrokenImageError):
                raise picture
        rows.append(describe(network, batch))
        countdown.add(len(batch) * get_world_size())
    return torch.cat(rows) if rows else torch.empty(0, 0)


def patch_stride(backbone: nn.Module) -> tuple[int, int]:
    """Height and width of a patch where a backbone cuts images into patches that it keeps.

    (1, 1) for a backbone of maps, which takes every size.
    """
    if isinstance(backbone, backbones.VisionTransformer):
        return tuple(backbone.patch_embed.projection.stride)
    if isinstance(backbone, backbones.TIMMBackbone):
        embedding = getattr(backbone.timm_model, 'patch_embed', None)
        side = getattr(embedding, 'patch_size', (1, 1))
        return (side, side) if isinstance(side, int) else tuple(side)
    return (1, 1)


def whole_patches(backbone: nn.Module, images: Tensor) -> Tensor:
    """Images (N, 3, H, W) without the rows and columns that fill no patch, as published.

    Raises:
        ValueError: They are smaller than a patch.
    """
    patch = patch_stride(backbone)
    height, width = (
        side - side % length for side, length in zip(images.shape[-2:], patch, strict=True)
    )
    if not (height and width):
        raise ValueError(
            f'an image of {images.shape[-2]}x{images.shape[-1]} pixels is smaller than a patch of '
            f'{patch[0]}x{patch[1]}: leave it out, look at larger images (--size), or at one scale'
        )
    return images[..., :height, :width]


def normalised(network: FrozenNetwork, pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) uint8 as the network takes them, on its device."""
    (group,) = network.data_preprocessor({'inputs': [pictures], 'data_samples': None})['inputs']
    return group.images


def encode_whole_patches(network: FrozenNetwork, images: Tensor, regions: bool = True) -> Tokens:
    """Tokens of normalised images of any size."""
    group = ViewGroup(whole_patches(network.backbone, images), 1)
    return network.extract_feat([group], regions)[0]
