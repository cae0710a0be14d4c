"""EsViT's region matching (arXiv 2106.09785, section 3.2, eq. 4), without keeping the logits.

Every region of a student view learns the target of the most similar region that the teacher saw
in another view of the same image,

    L = 1/M sum_q sum_{v != q} mean_b mean_i ( - sum_k P_q[b, j*(i), k] log p_v[b, i, k] ),

M the number of pairs of a teacher view q and another student view v, and j*(i) the region of q
whose backbone feature has the largest cosine similarity with that of region i.

As sum_k P[k] = 1, a student row needs its log-sum-exp and the weighted sum of the targets it is
matched with; so the logits of a chunk of rows suffice, and their gradient is known in the same
pass.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from .known_gradient import with_known_gradient

CHUNK_BYTES = 48 * 2**20
"""Size of the largest logits tensor of the student held at a time."""

BLOCK_BYTES = 2**20
"""Logits become probabilities and gradients in pieces of this size, which fit into a cache."""

Targets = Callable[[Tensor], Tensor]


@torch.no_grad()
def best_matches(student: Tensor, teacher: Tensor, teacher_sizes: Sequence[int]) -> Tensor:
    """The most similar region of each teacher view, for every student region.

    Cosine similarity in float32 whatever autocast says.

    Args:
        student: (B, S, C) backbone features of all student regions of an image.
        teacher: (B, T, C) of all teacher regions.
        teacher_sizes: How many of the T regions each of the Q teacher views has.

    Returns:
        (B, S, Q) positions among the T regions.
    """
    with torch.autocast(student.device.type, enabled=False):
        student = F.normalize(student.float(), dim=-1)
        teacher = F.normalize(teacher.float(), dim=-1)
        first, matches = 0, []
        for size in teacher_sizes:
            similarity = student @ teacher[:, first : first + size].mT
            matches.append(similarity.argmax(-1) + first)
            first += size
    return torch.stack(matches, dim=-1)


def pair_weights(
    student_sizes: Sequence[int], num_teacher_views: int, device: torch.device | None = None
) -> Tensor:
    """(S, Q): the share of a student region and a teacher view in an image's loss; they sum to 1.

    0 where both come from the same view. A view counts the same however many regions it has.

    Raises:
        ValueError: There is no pair: a single view has nothing to be matched with.
    """
    pairs = num_teacher_views * (len(student_sizes) - 1)
    if pairs < 1:
        raise ValueError(
            'the data give one view an image: region matching needs at least two (MultiCrop.views)'
        )
    weights = []
    for view, size in enumerate(student_sizes):
        share = torch.full((size, num_teacher_views), 1 / (pairs * size), device=device)
        if view < num_teacher_views:
            share[:, view] = 0
        weights.append(share)
    return torch.cat(weights)


def _loss_and_gradients(
    student,
    student_prototypes,
    teacher,
    teacher_prototypes,
    matches,
    weights,
    targets,
    temp,
    *,
    need_prototypes,
):
    batch, regions, _ = student.shape
    num_prototypes = len(student_prototypes)
    weights = weights / batch
    loss = student.new_zeros(())
    grad_student = torch.empty_like(student)
    grad_prototypes = torch.empty_like(student_prototypes) if need_prototypes else None
    probabilities = student.new_empty(teacher.shape[1], num_prototypes)
    chunks = _slices(regions, CHUNK_BYTES // (4 * num_prototypes))
    block_bytes = BLOCK_BYTES if student.device.type == 'cpu' else CHUNK_BYTES
    block = block_bytes // (4 * num_prototypes)
    logits = student.new_empty(chunks[0].stop, num_prototypes)
    for image in range(batch):
        torch.mm(teacher[image], teacher_prototypes.T, out=probabilities)
        for rows in _slices(len(probabilities), block):
            probabilities[rows] = targets(probabilities[rows])
        for rows in chunks:
            scaled = student[image, rows] / temp
            gradient = torch.mm(scaled, student_prototypes.T, out=logits[: len(scaled)])
            loss += _replace_by_gradient(
                gradient, probabilities, matches[image, rows], weights[rows], block
            )
            torch.mm(gradient, student_prototypes, out=grad_student[image, rows])
            if grad_prototypes is not None:
                started = image > 0 or rows.start > 0
                grad_prototypes.addmm_(gradient.T, scaled, beta=int(started))
    grad_student /= temp
    return loss, grad_student, grad_prototypes


def _replace_by_gradient(logits, probabilities, matches, weights, block_rows):
    """Overwrites the student's logits (R, K) with their gradient; returns the rows' loss."""
    loss = logits.new_zeros(())
    for rows in _slices(len(logits), block_rows):
        block, total_weight = logits[rows], weights[rows].sum(1, keepdim=True)
        minus_targets = F.embedding_bag(
            matches[rows], probabilities, mode='sum', per_sample_weights=-weights[rows]
        )
        largest = block.amax(-1, keepdim=True)
        loss += torch.dot(minus_targets.flatten(), block.flatten())
        normaliser = block.sub_(largest).exp_().sum(-1, keepdim=True)
        loss += (total_weight * (largest + normaliser.log())).sum()
        torch.addcmul(minus_targets, block, total_weight / normaliser, out=block)
    return loss


def _slices(length: int, largest: int) -> list[slice]:
    """Consecutive slices of about equal length, at most ``largest`` but at least 1."""
    pieces = -(-length // max(1, largest))
    bounds = [length * i // pieces for i in range(pieces + 1)]
    return [slice(first, last) for first, last in pairwise(bounds)]


def region_matching_loss(
    student: Tensor,
    student_prototypes: Tensor,
    teacher: Tensor,
    teacher_prototypes: Tensor,
    matches: Tensor,
    weights: Tensor,
    targets: Targets,
    student_temp: float,
) -> Tensor:
    """The mean cross-entropy between student regions and the teacher regions matched with them.

    Computed in float32 whatever autocast says. The gradient flows to ``student`` and
    ``student_prototypes`` alone, and can be taken once.

    Args:
        student: (B, S, D) bottleneck rows of all student regions of an image.
        student_prototypes: (K, D).
        teacher: (B, T, D) of all teacher regions.
        teacher_prototypes: (K, D).
        matches: (B, S, Q) from :func:`best_matches`.
        weights: (S, Q) from :func:`pair_weights`.
        targets: Teacher logits (..., K) to target probabilities, row by row.
        student_temp: Divides the student's logits.

    Returns:
        Scalar; ln K where the student's output is uniform.
    """
    compute = partial(
        _loss_and_gradients,
        teacher=teacher.detach().float(),
        teacher_prototypes=teacher_prototypes.detach().float(),
        matches=matches,
        weights=weights,
        targets=targets,
        temp=student_temp,
    )
    return with_known_gradient(student, student_prototypes, compute)
