"""Region correspondence: does a region find itself in another view of its image?

The measurement of EsViT's published code (arXiv:2106.09785, section 4.3): the second view is the
first one mirrored, jittered and grey, so the true match of a region is its mirror image.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform
from torch import Tensor
from torch.utils.data import DataLoader

from dinomm.datasets.transforms.multi_crop import draw_jitter
from dinomm.datasets.transforms.photometric import recolor
from dinomm.datasets.transforms.views import Jitter
from dinomm.models.tokens import Tokens

JITTER = Jitter(prob=0.8, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
PAIRS = 10  # so many of an image count: those of the largest similarity


class Matches(NamedTuple):
    """The region of a second view that is most similar to each region of a first one.

    Attributes:
        region: (N, T) its index.
        cosine: (N, T) float32 similarity of the two.
    """

    region: Tensor
    cosine: Tensor


def match_regions(first: Tensor, second: Tensor) -> Matches:
    """Matches regions (N, T, C) with regions (N, T', C) of the same image, in float32."""
    with torch.autocast(first.device.type, enabled=False):
        similarity = F.normalize(first.float(), dim=-1) @ F.normalize(second.float(), dim=-1).mT
    cosine, region = similarity.max(-1)
    return Matches(region, cosine)


def mirror(grid: tuple[int, int]) -> Tensor:
    """(h * w,) the cell that mirrors each cell of a grid (h, w), row-major, left to right."""
    return torch.arange(grid[0] * grid[1]).view(grid).flip(1).flatten()


class Correspondence(NamedTuple):
    """Quality of the best pairs of each image.

    Attributes:
        accuracy: (N,) share of the pairs whose second region is the true one.
        distance: (N,) mean distance between the centres of the second and the true one, pixels.
    """

    accuracy: Tensor
    distance: Tensor


def mirrored_correspondence(
    first: Tensor,
    second: Tensor,
    grid: tuple[int, int],
    image_size: tuple[int, int],
    pairs: int = PAIRS,
) -> Correspondence:
    """Compares the regions of views with those of their mirrored views.

    Args:
        first: (N, h * w, C) regions.
        second: (N, h * w, C) regions of the mirrored views.
        grid: (h, w) of either.
        image_size: (H, W) of a view in pixels: a cell is H / h high.
        pairs: How many pairs of each image count, the most similar first.

    Raises:
        ValueError: The regions do not fill the grid.
    """
    regions = grid[0] * grid[1]
    if not first.shape[1] == second.shape[1] == regions:
        raise ValueError(
            f'{first.shape[1]} and {second.shape[1]} regions do not fill a grid of '
            f'{grid[0]}x{grid[1]}: give the regions of two views of one size'
        )
    matches = match_regions(first, second)
    best = matches.cosine.topk(min(pairs, regions), dim=1).indices
    found = matches.region.gather(1, best)
    true = mirror(grid).to(best.device)[best]
    down = (found // grid[1] - true // grid[1]) * (image_size[0] / grid[0])
    right = (found % grid[1] - true % grid[1]) * (image_size[1] / grid[1])
    distance = torch.hypot(down.float(), right.float())
    return Correspondence((found == true).float().mean(1), distance.mean(1))


class AddMirroredView(BaseTransform):
    """Adds a second view: the first one mirrored, with probability .8 jittered, and grey.

    What is random depends on the sample's key alone.
    """

    def transform(self, results: dict) -> dict:
        """Extends ``views``, ``boxes`` and ``flips``, which hold one view."""
        rng = results['sample_key'].generator()
        steps = draw_jitter(JITTER, rng) if rng.random() < JITTER.prob else []
        (view,) = results['views']
        mirrored = recolor(np.ascontiguousarray(view[:, ::-1]), [*steps, ('gray', 1)])
        results['views'] = [view, mirrored]
        results['boxes'] = np.repeat(results['boxes'], 2, axis=0)
        results['flips'] = np.append(results['flips'], ~results['flips'])
        return results


@torch.no_grad()
def measure_correspondence(model: Any, batches: DataLoader, pairs: int = PAIRS) -> dict[str, float]:
    """Means over all images.

    Args:
        model: A `SelfDistillation` in evaluation mode.
        batches: With two views an image, the second as `AddMirroredView` makes it.
        pairs: See `mirrored_correspondence`.

    Returns:
        'accuracy' (0 to 1), 'distance' in pixels of a view, and the number of 'images'.

    Raises:
        ValueError: The backbone gives no regions.
    """
    measured: list[Correspondence] = []
    for batch in batches:
        (group,) = model.data_preprocessor(batch, False)['inputs']
        (tokens,) = model.extract_feat([group])
        first, second = require_regions(tokens).chunk(2)
        size = tuple(group.images.shape[-2:])
        measured.append(mirrored_correspondence(first, second, tokens.grid, size, pairs))
    accuracy, distance = (torch.cat(values).cpu() for values in zip(*measured, strict=True))
    return {
        'accuracy': accuracy.mean().item(),
        'distance': distance.mean().item(),
        'images': len(accuracy),
    }


class BestPairs(NamedTuple):
    """The most similar regions of two views of one size, best first.

    Attributes:
        first: Regions of the first view, numbered row-major.
        second: For each the region of the second view that it is most similar to.
        cosine: Their similarity.
        closest: For either view the region most similar to the view's own feature.
        grid: (h, w) of the regions of either view.
    """

    first: list[int]
    second: list[int]
    cosine: list[float]
    closest: tuple[int, int]
    grid: tuple[int, int]


@torch.no_grad()
def best_pairs(model: Any, first: Tensor, second: Tensor, pairs: int = PAIRS) -> BestPairs:
    """Matches the regions of two views, (3, H, W) uint8.

    Args:
        model: A `SelfDistillation` in evaluation mode.
        first: Its regions look for their match.
        second: The view that they look in.
        pairs: How many, the most similar first.

    Raises:
        ValueError: The backbone gives no regions.
    """
    batch = {'inputs': [first[None], second[None]], 'data_samples': None}
    (tokens,) = model.extract_feat(model.data_preprocessor(batch, False)['inputs'])
    regions = require_regions(tokens)
    matches = match_regions(regions[:1], regions[1:])
    best = matches.cosine[0].topk(min(pairs, regions.shape[1])).indices
    closest = match_regions(tokens.view[:, None], regions).region.flatten().tolist()
    return BestPairs(
        best.tolist(),
        matches.region[0, best].tolist(),
        matches.cosine[0, best].tolist(),
        (closest[0], closest[1]),
        tokens.grid,
    )


def require_regions(tokens: Tokens) -> Tensor:
    """The regions (N, T, C).

    Raises:
        ValueError: There is none, or only one.
    """
    if tokens.region.shape[1] < 2:
        raise ValueError(
            f'model.backbone gives {tokens.region.shape[1]} regions an image, but correspondence '
            'compares several: choose a backbone whose output is a map or patch tokens, or '
            'larger views'
        )
    return tokens.region
