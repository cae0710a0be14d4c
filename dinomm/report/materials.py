"""The network and the images that the report's sections share, made when one first needs them."""

import os
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from dinomm import data_config
from dinomm.data_paths import require_root

from .summary import run_views
from .work_dir import Run

GALLERY = 200
"""Images among which neighbours are looked for."""
DATASET_KEYS = ('type', 'root', 'data_root', 'part', 'val_fraction', 'max_bad_images')


class Materials(ExitStack):
    """What a run trained, loaded; temporary files go when it is left.

    Each property raises ValueError if what it needs is not there.

    Args:
        run: The run.
        data: Folder of images in place of the run's.
        number: How many images are looked at.
    """

    def __init__(self, run: Run, data: str | None = None, number: int = 4) -> None:
        super().__init__()
        self.run, self.data, self.number = run, data, number

    @cached_property
    def config(self) -> Config:
        """The run's, as mmengine's."""
        return Config(self.run.config)

    @cached_property
    def data_config(self) -> Config:
        """The same, its data sets reading ``data`` as by ``tools/train.py --data``."""
        config = Config(self.run.config)
        if self.data is not None:
            data_config.set_data(config, self.data)
        root = dataset_config(config, 'train').get('root')
        if root is None:
            raise ValueError('the data set of the run is no folder, list or shards of images')
        require_root(root, 'the root of the training images', 'give by --data')
        return config

    @cached_property
    def viewed_config(self) -> Config:
        """The run's, with a view for evaluation where it has no validation that states one."""
        config = Config(self.run.config)
        if config.get('val_dataloader') is None:
            size = max((view.get('size', 224) for view in run_views(config)), default=224)
            view = {'type': 'CenterView', 'short_side': size, 'size': size}
            pipeline = [{'type': 'LoadImage'}, view, {'type': 'PackViews'}]
            config.val_dataloader = {'batch_size': 1, 'dataset': {'pipeline': pipeline}}
        return config

    @cached_property
    def model(self) -> Any:
        """The student with random weights, for its parameters."""
        from dinomm.config_check import check_config
        from dinomm.evaluation.isolation import random_state_kept
        from dinomm.registry import MODELS

        check_config(self.config)
        with random_state_kept():
            return MODELS.build(self.config.model)

    @cached_property
    def checkpoint(self) -> Path:
        """The newest file of weights that can be read."""
        return self._loaded[0]

    @cached_property
    def network(self) -> Any:
        """The backbone, with the teacher's weights of that file."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[Path, Any]:
        from dinomm.evaluation.network import load_network

        reasons = []
        for path in self.run.checkpoints:
            try:
                return path, load_network(self.config, str(path), device='cpu')
            except (ValueError, OSError) as error:  # cut short, or deleted meanwhile: an older one
                reasons.append(str(error))
        raise ValueError(reasons[0] if reasons else f'{self.run.folder} has no checkpoint yet')

    @cached_property
    def training_images(self) -> Any:
        """The data set that is trained on, its images whole."""
        return decoded(self.data_config, 'train')

    @cached_property
    def paths(self) -> list[str]:
        """Files of the images to look at, of validation where there is one."""
        return self._files(decoded(self.data_config, self._shown), self.number)

    @cached_property
    def gallery(self) -> list[str]:
        """Files of training images among which neighbours are looked for."""
        shown = set(self.paths)
        return [p for p in self._files(self.training_images, GALLERY) if p not in shown]

    @property
    def _shown(self) -> str:
        return 'train' if self.data_config.get('val_dataloader') is None else 'val'

    def same_class(self, query: str, other: str) -> bool | None:
        """Whether two of these files lie in folders of one class; None without such folders."""
        shown = dataset_config(self.data_config, self._shown)
        if self._shown != 'val' or shown.get('labels') is None:
            return None
        classes = [
            class_folder(path, dataset_config(self.data_config, part).get('root', ''))
            for path, part in ((query, 'val'), (other, 'train'))
        ]
        return None if None in classes else classes[0] == classes[1]

    def _files(self, dataset: Any, number: int) -> list[str]:
        """Readable files, evenly over a data set; of shards as temporary ones."""
        from dinomm.datasets.transforms import BrokenImageError
        from dinomm.evaluation.images import read_picture

        folder = self.enter_context(TemporaryDirectory())
        files = []
        for index in spread(len(dataset), number):
            path = dataset.image_path(index)
            try:
                if not os.path.isfile(path):
                    path = written(dataset[index]['img'], Path(folder, f'{index}'), path)
                read_picture(path)
            except BrokenImageError:
                continue
            files.append(path)
        if not files:
            raise ValueError(f'no image of {dataset.root} can be read')
        return files


def dataset_config(config: Config, part: str) -> dict[str, Any]:
    """Of the data loader 'train' or 'val'.

    Raises:
        ValueError: The config has no such loader.
    """
    loader = config.get(f'{part}_dataloader')
    if not loader:
        raise ValueError(f'the config has no {part}_dataloader, which names images')
    return dict(loader.dataset)


def decoded(config: Config, part: str) -> Any:
    """A data set without its views."""
    from dinomm.registry import DATASETS

    given = dataset_config(config, part)
    kept = {key: given[key] for key in DATASET_KEYS if key in given}
    return DATASETS.build({**kept, 'pipeline': [{'type': 'LoadImage'}]})


def class_folder(path: str, root: str) -> str | None:
    """The folder on a root's first level that a file lies in."""
    if not Path(path).is_relative_to(root):
        return None
    inside = Path(path).relative_to(root).parts
    return inside[0] if len(inside) > 1 else None


def spread(count: int, number: int) -> list[int]:
    """So many indices at most, evenly over all."""
    return sorted({int(i) for i in np.linspace(0, count - 1, num=min(number, count))})


def written(picture: np.ndarray, folder: Path, name: str) -> str:
    """A picture of a shard as a file."""
    folder.mkdir()
    path = folder / f'{Path(name).stem}.png'
    Image.fromarray(picture).save(path)
    return str(path)
