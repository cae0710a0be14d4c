"""Images of a list, cut to no fixed size, and a network's tokens of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmpretrain.models.backbones import TIMMBackbone, VisionTransformer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dinomm.datasets.file_names import is_image
from dinomm.datasets.transforms import BrokenImageError, LoadImage
from dinomm.models.tokens import Tokens, encode

Prepare = Callable[[np.ndarray, int], np.ndarray]
"""From a picture (H, W, 3) uint8 and its number in the list to the picture that is looked at."""


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


class Pictures(Dataset):
    """Pictures of files, each prepared; a file that cannot be read gives its error in place.

    Args:
        paths: The files.
        prepare: See :data:`Prepare`.
    """

    def __init__(self, paths: Sequence[str], prepare: Prepare) -> None:
        self.paths = list(paths)
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Tensor | BrokenImageError:
        """(3, H, W) uint8."""
        try:
            picture = self.prepare(read_picture(self.paths[number]), number)
        except BrokenImageError as error:  # torch would wrap a worker's exception in its traceback
            return error
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)


def share_of_process(items: int) -> range:
    """Numbers of the items that this process looks at: every n-th of n processes."""
    rank, processes = get_dist_info()
    return range(rank, items, processes)


def picture_batches(
    paths: Sequence[str], prepare: Prepare, batch_size: int, workers: int = 0
) -> Iterator[list[Tensor]]:
    """This process's share of the pictures, (3, H, W) uint8, in batches of any sizes.

    Raises:
        BrokenImageError: A file cannot be read: an evaluation needs every image.
    """
    loader = DataLoader(
        Pictures(paths, prepare),
        batch_size=batch_size,
        sampler=share_of_process(len(paths)),
        num_workers=workers,
        collate_fn=list,
    )
    for batch in loader:
        for picture in batch:
            if isinstance(picture, BrokenImageError):
                raise picture
        yield batch


def patch_stride(backbone: nn.Module) -> tuple[int, int]:
    """Height and width of a patch where a backbone cuts images into patches that it keeps.

    (1, 1) for a backbone of maps, which takes every size.
    """
    if isinstance(backbone, VisionTransformer):
        return tuple(backbone.patch_embed.projection.stride)
    if isinstance(backbone, TIMMBackbone):
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


def normalised(model: Any, pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) uint8 as the model's network takes them, on its device."""
    data = {'inputs': [pictures], 'data_samples': None}
    (group,) = model.data_preprocessor(data, False)['inputs']
    return group.images


def encode_whole_patches(model: Any, images: Tensor, regions: bool = True) -> Tokens:
    """Tokens of normalised images of any size."""
    return encode(model.backbone, whole_patches(model.backbone, images), regions)
