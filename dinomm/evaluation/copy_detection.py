"""Finds the originals of edited copies, as on Copydays.

DINO's protocol (arXiv:2104.14294, section 4.2.1): a descriptor joins the class token and the
GeM-pooled patch tokens of a square view; copies ask, originals and distractors answer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dinomm.datasets.file_names import is_image
from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.models.tokens import Tokens

from .images import encode_whole_patches, list_images, normalised
from .network import FrozenNetwork
from .ranking import Relevance

GEM_POWER = 4.0
GEM_FLOOR = 1e-6
SIZE = 320
FOUND = 20
"""So many images of each ranking count."""

NAME_LENGTH = 4
"""So many first characters of a copy's name are those of its original's."""


def gem(regions: Tensor, power: float = GEM_POWER) -> Tensor:
    """Generalised mean over the regions: (N, T, C) to (N, C) float32 (arXiv:1711.02512, eq. 3).

    Values below 1e-6 are raised to it.
    """
    raised = regions.float().clamp(min=GEM_FLOOR).pow(power)
    return raised.mean(1).pow(1 / power)


def copy_descriptor(tokens: Tokens) -> Tensor:
    """View feature (class token, or mean of a map) and GeM of the regions, (N, 2 C) float32."""
    return torch.cat([tokens.view.float(), gem(tokens.region)], dim=1)


class Whitening(NamedTuple):
    """Centres features and scales their principal directions to equal spread.

    Attributes:
        mean: (C,).
        directions: (C, C) rows, the directions over the root of their energy.
    """

    mean: Tensor
    directions: Tensor

    def apply(self, features: Tensor) -> Tensor:
        """(N, C) to (N, C) float32."""
        return ((features.double() - self.mean) @ self.directions.T).float()


def learn_whitening(features: Tensor) -> Whitening:
    """Learns from (N, C) features of other images.

    As published, the directions are those of the second moments about zero, not about the mean,
    and energies below 1e-5 of the largest are raised to it.

    Raises:
        ValueError: Fewer than two images.
    """
    if len(features) < 2:
        raise ValueError(f'whitening learns from many images, got {len(features)}')
    features = features.double()
    energies, vectors = torch.linalg.eigh(features.T @ features / len(features))
    energies = energies.clamp(min=float(energies.max()) * 1e-5)
    order = energies.argsort(descending=True)
    return Whitening(features.mean(0), (vectors / energies.sqrt()).T[order])


class CopySet(NamedTuple):
    """Images in the layout of Copydays.

    Attributes:
        originals: Files.
        copies: Name of a folder of copies ('strong', 'crops/10', 'jpegqual/3' ...) to its files.
    """

    originals: list[str]
    copies: dict[str, list[str]]


def find_copies(root: str | Path) -> CopySet:
    """The folders ``original`` and ``strong``, and those in ``crops`` and ``jpegqual`` if any.

    Raises:
        ValueError: ``original`` or ``strong`` is missing or empty.
    """
    root = Path(root).expanduser()
    originals = list_images(root / 'original', 'the originals')
    copies = {'strong': list_images(root / 'strong', 'the strong copies')}
    for kind in ('crops', 'jpegqual'):
        for folder in sorted((root / kind).glob('*'), key=lambda p: (len(p.name), p.name)):
            if folder.is_dir() and any(is_image(path.name) for path in folder.iterdir()):
                copies[f'{kind}/{folder.name}'] = list_images(folder, f'the copies {kind}')
    return CopySet(originals, copies)


def originals_of(copies: list[str], originals: list[str]) -> list[Relevance]:
    """The originals whose name begins with the same four characters.

    Raises:
        ValueError: A copy has no original.
    """
    names = np.array([Path(path).name[:NAME_LENGTH] for path in originals])
    relevance = []
    for path in copies:
        positives = np.flatnonzero(names == Path(path).name[:NAME_LENGTH])
        if not len(positives):
            raise ValueError(
                f'{path} is a copy of no original: expected a file in original/ whose name begins '
                f'with {Path(path).name[:NAME_LENGTH]!r}'
            )
        relevance.append(Relevance(positives, np.array([], dtype=np.int64)))
    return relevance


@dataclass(frozen=True)
class CopyDescriptors:
    """Descriptors of pictures of one size; see :data:`.images.Describe`."""

    @torch.no_grad()
    def __call__(self, network: FrozenNetwork, pictures: list[Tensor]) -> Tensor:
        """(N, 2 C) of pictures (3, H, W) uint8, in main memory."""
        images = normalised(network, torch.stack(pictures))
        return copy_descriptor(encode_whole_patches(network, images)).cpu()


@dataclass
class Square:
    """Resizes a picture to a square, whatever its shape was; see :data:`.images.Prepare`."""

    size: int = SIZE

    def __call__(self, picture: np.ndarray, _: int) -> np.ndarray:
        """(H, W, 3) to (size, size, 3), bicubic."""
        return resized_crop(picture, (0, 0, *picture.shape[:2]), (self.size, self.size))
