"""Do the heads of the last block look at objects? Jaccard of attention and annotated masks.

The table of figure 4 of DINO (arXiv:2104.14294), by the protocol that its authors describe
(facebookresearch/dino#54): of each head the pixels that hold 60 % of the class token's attention
are a mask; each annotated mask is compared with the best head's.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.models.backbones import DINOVisionTransformer

from .attention import last_attention
from .images import normalised, read_picture, whole_patches
from .masks import VOID, jaccard, read_mask, read_names
from .network import FrozenNetwork

MASS = 0.6
SIZE = 480

MaskKind = Literal['class', 'object', 'foreground']


class AnnotatedImage(NamedTuple):
    """An image of PASCAL VOC and its annotation."""

    image: Path
    mask: Path


def find_annotated(
    root: str | Path, kind: MaskKind = 'class', subset: str = 'val', most: int | None = None
) -> list[AnnotatedImage]:
    """The images of ``ImageSets/Segmentation/<subset>.txt`` in a folder such as VOC2012.

    Args:
        root: With ``JPEGImages`` and ``SegmentationClass`` or (kind 'object')
            ``SegmentationObject``.
        kind: Of the masks.
        subset: Name of the list.
        most: So many at most, evenly spread over all.

    Raises:
        ValueError: The list or one of its files is missing.
    """
    root = Path(root).expanduser()
    masks = root / ('SegmentationObject' if kind == 'object' else 'SegmentationClass')
    listing = root / 'ImageSets' / 'Segmentation' / f'{subset}.txt'
    layout = (
        f'a folder as VOCdevkit/VOC2012, with ImageSets/Segmentation/{subset}.txt, JPEGImages and '
        f'{masks.name}'
    )
    names = read_names(listing, 'image', layout)
    if most is not None and most < len(names):
        names = [names[round(i)] for i in np.linspace(0, len(names) - 1, most)]
    found = [
        AnnotatedImage(root / 'JPEGImages' / f'{name}.jpg', masks / f'{name}.png') for name in names
    ]
    for path in (path for pair in found for path in pair):
        if not path.is_file():
            raise ValueError(f'{path} does not exist, but {listing} names it')
    return found


def require_mass(mass: float) -> None:
    """Raises ValueError if it is no share."""
    if not 0 < mass <= 1:
        raise ValueError(f'mass is {mass}: expected a share of the attention, above 0 and up to 1')


def attention_masks(attention: Tensor, mass: float = MASS) -> Tensor:
    """The fewest places that hold a share of the attention, as booleans of the same shape.

    Args:
        attention: (..., T), not negative; scaled to sum 1 over T.
        mass: The share, 0 to 1.

    Raises:
        ValueError: The share is none.
    """
    require_mass(mass)
    ordered, places = attention.double().sort(-1)
    below = ordered.cumsum(-1) / ordered.sum(-1, keepdim=True)
    return torch.zeros_like(attention, dtype=torch.bool).scatter(-1, places, below > 1 - mass)


def class_attention(backbone: torch.nn.Module, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Attention of the last block from the class token to the patches.

    Returns:
        (N, heads, h * w), which sums to less than 1, and the grid (h, w).

    Raises:
        ValueError: The backbone has no class token, or gives no attention.
    """
    if not isinstance(backbone, DINOVisionTransformer) or not backbone.with_cls_token:
        raise ValueError(
            f'model.backbone of type {type(backbone).__name__} has no class token whose attention '
            'could be a mask: expected DINOVisionTransformer with_cls_token=True'
        )
    patch = backbone.patch_embed.projection.stride
    grid = (images.shape[-2] // patch[0], images.shape[-1] // patch[1])
    attention = last_attention(backbone, images)
    return attention[:, :, 0, backbone.num_extra_tokens :], grid


def annotated_masks(mask: np.ndarray, kind: MaskKind) -> np.ndarray:
    """(M, H, W) booleans: one of each number but 0 and void; one of all for kind 'foreground'."""
    numbers = [number for number in np.unique(mask) if number not in (0, VOID)]
    masks = mask == np.array(numbers, dtype=mask.dtype)[:, None, None]
    return masks.any(0, keepdims=True) if kind == 'foreground' and numbers else masks


def overlap_with_attention(
    attention: Tensor, grid: tuple[int, int], mask: np.ndarray, kind: MaskKind, mass: float = MASS
) -> np.ndarray:
    """Jaccard of each annotated mask with each head's, and with that of the heads' mean.

    Args:
        attention: (heads, h * w) of one image.
        grid: (h, w).
        mask: (H, W) numbers; a patch covers (H / h, W / w) of its pixels.
        kind: Of the masks.
        mass: See :func:`attention_masks`.

    Returns:
        (M, heads + 1), 0 to 1, the mean's last. Void pixels do not count.
    """
    heads = torch.cat([attention, attention.mean(0, keepdim=True)])
    found = attention_masks(heads, mass).unflatten(-1, grid).cpu()
    rows, columns = (
        torch.arange(side) * cells // side for side, cells in zip(mask.shape, grid, strict=True)
    )
    enlarged = found[:, rows][:, :, columns].numpy()
    return jaccard(annotated_masks(mask, kind)[:, None], enlarged[None], mask == VOID)


class AttentionOverlap(NamedTuple):
    """Overlap in one image, means over its annotated masks, 0 to 1.

    Attributes:
        best: Of each mask's best head.
        heads: (heads,) of each head.
        mean_attention: Of the mean over the heads.
    """

    best: float
    heads: np.ndarray
    mean_attention: float


@torch.no_grad()
def measure_image(
    network: FrozenNetwork,
    annotated: AnnotatedImage,
    kind: MaskKind = 'class',
    mass: float = MASS,
    size: int = SIZE,
) -> AttentionOverlap | None:
    """Looks at one image and compares; None where the annotation has no object.

    Args:
        network: In evaluation mode.
        annotated: The image.
        kind: Of the masks.
        mass: See :func:`attention_masks`.
        size: Image and annotation are resized to a square of so many pixels, of which whole
            patches are looked at.

    Raises:
        ValueError: A file cannot be read, image and mask differ in size, or the backbone gives no
            attention of a class token.
    """
    picture, mask = read_picture(annotated.image), read_mask(annotated.mask)
    if picture.shape[:2] != mask.shape:
        raise ValueError(
            f'mask {annotated.mask} is of {mask.shape[0]}x{mask.shape[1]} pixels, but image '
            f'{annotated.image} of {picture.shape[0]}x{picture.shape[1]}: make them equal'
        )
    square = resized_crop(picture, (0, 0, *mask.shape), (size, size))
    images = normalised(network, torch.from_numpy(square).permute(2, 0, 1)[None])
    images = whole_patches(network.backbone, images)
    with network.autocast(images.device):
        attention, grid = class_attention(network.backbone, images)
    resized = Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST)
    seen = np.array(resized)[: images.shape[-2], : images.shape[-1]]
    overlap = overlap_with_attention(attention[0].float(), grid, seen, kind, mass)
    if not len(overlap):
        return None
    heads = overlap[:, :-1]
    return AttentionOverlap(float(heads.max(1).mean()), heads.mean(0), float(overlap[:, -1].mean()))


def summarise(overlaps: list[AttentionOverlap | None]) -> dict[str, Any]:
    """Means over the images with an object, in percent.

    Returns:
        ``best head`` of each mask (the published figure), ``random head`` (its expectation: the
        mean over the heads), ``mean attention`` of the heads, ``one head``: the head that is best
        over all images, its number (from 0) and every head's mean; numbers of images.

    Raises:
        ValueError: No image has an object.
    """
    seen = [overlap for overlap in overlaps if overlap is not None]
    if not seen:
        raise ValueError(
            f'none of the {len(overlaps)} masks has an object: expected pixels that are neither 0 '
            '(background) nor 255 (void)'
        )
    heads = 100 * np.mean([overlap.heads for overlap in seen], axis=0)
    return {
        'best head': 100 * float(np.mean([overlap.best for overlap in seen])),
        'random head': float(heads.mean()),
        'mean attention': 100 * float(np.mean([overlap.mean_attention for overlap in seen])),
        'one head': float(heads.max()),
        'its number': int(heads.argmax()),
        'heads': heads.tolist(),
        'images': len(seen),
        'images without object': len(overlaps) - len(seen),
    }
