"""Which images a head's prototypes stand for."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn

from dinomm.checkpoints.files import load_file
from dinomm.checkpoints.head import head_weights
from dinomm.registry import MODELS

from .features import Extraction, image_loader, is_own
from .network import FrozenNetwork

CHUNK_BYTES = 64 * 2**20
"""Size of the largest logits tensor held at a time."""


class Excitation(NamedTuple):
    """The n images that excite each of K prototypes most, best first.

    Attributes:
        score: (K, n) logits; cosines where prototypes have length 1. -inf where there are fewer
            than n images.
        image: (K, n) numbers of the images, -1 where there is none.
        region: (K, n) the most excited region of the image, 0 for a head of views.
        chosen: (K,) how many rows (images, or regions of all) have it as their largest target.
        grid: (h, w) of the regions; (1, 1) for a head of views.
    """

    score: Tensor
    image: Tensor
    region: Tensor
    chosen: Tensor
    grid: tuple[int, int]


def load_head(config: Config, checkpoint: str, name: str, student: bool = False) -> Any:
    """The head of a config with the weights of a checkpoint, in evaluation mode.

    Raises:
        ValueError: The config has no such head, or the checkpoint has no weights of it.
    """
    heads = config.get('model', {}).get('heads') or {}
    if name not in heads:
        raise ValueError(
            f'model.heads of the config has no {name!r}: '
            + (f'expected one of {", ".join(heads)}' if heads else 'it has no head at all')
        )
    head = MODELS.build(dict(heads[name]))
    weights = head_weights(head, load_file(checkpoint), checkpoint, name, student)
    head.load_state_dict(weights, strict=False)
    head.requires_grad_(False)
    nn.Module.train(head, False)
    return head


@torch.no_grad()
def measure_excitation(
    network: FrozenNetwork, head: Any, images: Any, how: Extraction, most: int
) -> Excitation:
    """Runs the images of a data set through backbone and head.

    Args:
        network: In evaluation mode.
        head: See :func:`load_head`.
        images: ``ImageFiles``; one that cannot be read is left out.
        how: Images at once and workers.
        most: n, images of a prototype.
    """
    device = next(network.parameters()).device
    head.to(device)
    grids = []

    def rows() -> Iterable[tuple[Tensor, Tensor]]:
        for batch in image_loader(images, how):
            own = [i for i, sample in enumerate(batch['data_samples']) if is_own(images, sample)]
            if not own:
                continue
            numbers = [batch['data_samples'][i].sample_key[2] for i in own]
            (group,) = network.data_preprocessor(batch, False)['inputs']
            regions = head.uses_regions != 'none'
            (tokens,) = network.extract_feat([group], regions)
            features = tokens.region if regions else tokens.view[:, None]
            grids.append(tokens.grid if regions else (1, 1))
            bottleneck = head.bottleneck(features[own].flatten(0, 1)).float()
            yield bottleneck.unflatten(0, (len(own), -1)), torch.tensor(numbers, device=device)

    found = find_exciting(rows(), head.prototypes.weight.float(), head.targets, most)
    return Excitation(*found[:4], grids[0])


def find_exciting(
    batches: Iterable[tuple[Tensor, Tensor]],
    prototypes: Tensor,
    targets: Callable[[Tensor], Tensor],
    most: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best images of all prototypes, in memory of K x n beside a chunk of logits.

    Args:
        batches: Bottleneck rows (B, R, D) of R regions an image, and the images' numbers (B,).
        prototypes: (K, D).
        targets: Logits (..., K) to target probabilities.
        most: n.

    Returns:
        ``score``, ``image``, ``region`` and ``chosen`` of :class:`Excitation`.

    Raises:
        ValueError: There is no image.
    """
    kept = len(prototypes), most
    score = prototypes.new_full(kept, -torch.inf)
    image = torch.full(kept, -1, device=prototypes.device)
    region = torch.zeros_like(image)
    chosen = image.new_zeros(len(prototypes))
    for rows, numbers in batches:
        step = max(1, CHUNK_BYTES // (4 * rows.shape[1] * len(prototypes)))
        for part, part_numbers in zip(rows.split(step), numbers.split(step), strict=True):
            logits = part @ prototypes.T  # (b, R, K)
            best = targets(logits).argmax(-1).flatten()
            chosen += torch.bincount(best, minlength=len(prototypes))
            largest, where = logits.max(1)
            score, order = torch.cat([score, largest.T], 1).topk(most, 1)
            image = torch.cat([image, part_numbers.expand(len(prototypes), -1)], 1).gather(1, order)
            region = torch.cat([region, where.T], 1).gather(1, order)
    if not chosen.any():
        raise ValueError('none of the images can be read')
    return score.cpu(), image.cpu(), region.cpu(), chosen.cpu()


def sample_prototypes(chosen: Tensor, number: int) -> list[int]:
    """So many of the prototypes that some row has chosen, evenly from the most chosen to the least.

    Args:
        chosen: (K,) how many rows chose each.
        number: At most so many.
    """
    used = [k for k in chosen.argsort(descending=True, stable=True).tolist() if chosen[k] > 0]
    places = torch.linspace(0, len(used) - 1, min(number, len(used))).round().int().tolist()
    return [used[place] for place in places]
