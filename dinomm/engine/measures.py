"""What a step tells of its health, gathered on the device and read at once.

The collapses of self-distillation show in the teacher's targets P (DINO, arXiv 2104.14294,
section 5.3): the cross-entropy is H(P) + KL(P, student), and H(P) goes to ln K or to 0.
"""

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_gather, all_reduce, get_world_size
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from dinomm.models.heads.head import TargetRows

CHUNK_BYTES = 64 * 2**20
"""Size of the largest logits tensor held at a time."""

TENSORS_AT_ONCE = 32
"""Weights of which differences are held at a time."""

MOST_ROWS = 256
"""Images, over all processes, whose features are looked at."""


@torch.no_grad()
def target_sums(targets: 'TargetRows', head: Any, prototypes: Tensor) -> Tensor:
    """Sums over the targets P of weighted rows: of w, w H(P) and w P.

    Args:
        targets: The teacher's N rows and their weights w.
        head: Its ``targets`` makes probabilities of logits.
        prototypes: (K, D) of the teacher's head.

    Returns:
        (2 + K,) float32.
    """
    rows, weights = targets.rows.float(), targets.weights.float()
    prototypes = prototypes.float()
    sums = rows.new_zeros(2 + len(prototypes))
    step = max(1, CHUNK_BYTES // (4 * len(prototypes)))
    for some, share in zip(rows.split(step), weights.split(step), strict=True):
        probabilities = head.targets(some @ prototypes.T)
        entropies = torch.special.entr(probabilities).sum(-1)
        sums += torch.cat([share.sum()[None], (share @ entropies)[None], share @ probabilities])
    return sums


class StepMeasures:
    """Measures one step: the model shows it what it sees, :meth:`read` gives plain numbers."""

    def __init__(self) -> None:
        self._heads: dict[str, Tensor] = {}
        self._features: list[Tensor] = []

    @torch.no_grad()
    def see_head(
        self, name: str, head: Any, loss: Tensor, targets: 'TargetRows | None', prototypes: Tensor
    ) -> None:
        """Takes the weighted loss of a head and the rows that it learned; None: nothing to see."""
        if targets is None:
            return
        with torch.autocast(loss.device.type, enabled=False):
            cross_entropy = (loss.detach().float() / head.loss_weight)[None]
            self._heads[name] = torch.cat([cross_entropy, target_sums(targets, head, prototypes)])

    def see_features(self, student: Tensor, teacher: Tensor) -> None:
        """Takes view features (B, C) of the same view of each image."""
        most = max(1, MOST_ROWS // get_world_size())
        self._features = [rows.detach()[:most].float() for rows in (student, teacher)]

    @torch.no_grad()
    def read(self, more: dict[str, Tensor]) -> dict[str, float]:
        """The measures of all processes, in one copy from the device.

        Args:
            more: Further scalars (0-d), the same in all processes.

        Returns:
            For each head with targets ``<head>/cross_entropy`` (nats; of masked patches that of
            the masked views), ``/target_entropy``, ``/kl`` and ``/prototypes_used``, exp of the
            entropy of the mean target, of 1 to K; what is of :func:`feature_measures`; ``more``.
            What cannot be told, as no view was masked, or is not finite, is left out.
        """
        names = [*more]
        values = [value.detach().float().reshape(1) for value in more.values()]
        for name, sums in self._heads.items():
            all_reduce(sums)
            cross_entropy, weight, entropy = sums[:3].clone()
            mean_target = sums[3:] / weight
            measured = {
                'cross_entropy': cross_entropy / weight,
                'target_entropy': entropy / weight,
                'kl': (cross_entropy - entropy) / weight,
                'prototypes_used': torch.special.entr(mean_target).sum().exp(),
            }
            names += [f'{name}/{measure}' for measure in measured]
            values += [value.reshape(1) for value in measured.values()]
        features = [torch.cat(all_gather(rows)) for rows in self._features]
        device = features[0].device
        parts = [value.to(device, non_blocking=True) for value in values]
        packed = torch.cat([*parts, *(rows.flatten() for rows in features)]).cpu()
        read = dict(zip(names, packed[: len(names)].tolist(), strict=True))
        rows = packed[len(names) :].view(2, *features[0].shape)
        return {**{k: v for k, v in read.items() if math.isfinite(v)}, **feature_measures(*rows)}


def feature_measures(student: Tensor, teacher: Tensor) -> dict[str, float]:
    """How spread features (N, C) of the same images are, and how alike the networks' are.

    Returns:
        ``cosine`` of student and teacher, the mean over the images. Of each network
        ``feature_std_<network>``: the standard deviation of the L2-normalised features, the mean
        over the channels, times the root of C: 0 where all are alike, 1 where they point
        everywhere; and ``effective_rank_<network>`` (RankMe).
    """
    measured = {'cosine': float(F.cosine_similarity(student, teacher).mean())}
    for network, rows in (('student', student), ('teacher', teacher)):
        spread = F.normalize(rows, dim=-1).std(0, correction=0).mean() * rows.shape[1] ** 0.5
        measured[f'feature_std_{network}'] = float(spread)
        measured[f'effective_rank_{network}'] = float(effective_rank(rows))
    return {name: value for name, value in measured.items() if math.isfinite(value)}


def effective_rank(rows: Tensor) -> Tensor:
    """RankMe (arXiv 2210.02885, eq. 1) of features (N, C): exp of singular values' entropy.

    Of 1 to the smaller of N and C. NaN where a feature is not finite.
    """
    if not rows.isfinite().all():
        return rows.new_full((), torch.nan)
    values = torch.linalg.svdvals(rows)
    shares = values / values.sum().clamp(min=1e-12) + 1e-7
    return torch.special.entr(shares).sum().exp()


@torch.no_grad()
def weight_distance(student: nn.Module, teacher: nn.Module) -> Tensor:
    """Norm (0-d) of the difference of all weights of two networks, as a share of the second's."""
    pairs = zip(student.parameters(), teacher.parameters(), strict=True)
    apart: list[Tensor] = []
    whole: list[Tensor] = []
    while some := list(islice(pairs, TENSORS_AT_ONCE)):
        ours, theirs = map(list, zip(*some, strict=True))
        apart += torch._foreach_norm(torch._foreach_sub(ours, theirs))
        whole += torch._foreach_norm(theirs)
    return torch.stack(apart).norm() / torch.stack(whole).norm().clamp(min=1e-12)
