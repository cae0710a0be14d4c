"""Weighted cross-entropy between rows of two networks, without keeping the logits.

    L = sum_m w_m ( - sum_k P[m, k] log p[m, k] )

The logits of a chunk of rows at a time suffice, and their gradient is known in the same pass.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from .known_gradient import with_known_gradient

CHUNK_BYTES = 64 * 2**20
"""Size of the largest logits tensor held at a time."""

Targets = Callable[[Tensor], Tensor]


def _loss_and_gradients(
    student,
    student_prototypes,
    teacher,
    teacher_prototypes,
    weights,
    targets,
    temp,
    *,
    need_prototypes,
):
    loss = student.new_zeros(())
    grad_student = torch.zeros_like(student)
    grad_prototypes = torch.zeros_like(student_prototypes) if need_prototypes else None
    step = max(1, CHUNK_BYTES // (4 * len(student_prototypes)))
    for first in range(0, len(student), step):
        chunk = slice(first, first + step)
        rows, weight = student[chunk] / temp, weights[chunk, None]
        probabilities = targets(teacher[chunk].float() @ teacher_prototypes.float().T)
        logits = rows @ student_prototypes.T
        normaliser = logits.logsumexp(-1, keepdim=True)
        own = normaliser - (probabilities * logits).sum(-1, keepdim=True)
        loss += (weight * own).sum()
        grad_logits = logits.sub_(normaliser).exp_().sub_(probabilities).mul_(weight)
        grad_student[chunk] = grad_logits @ student_prototypes
        if grad_prototypes is not None:
            grad_prototypes.addmm_(grad_logits.T, rows)
    grad_student /= temp
    return loss, grad_student, grad_prototypes


def row_loss(
    student: Tensor,
    student_prototypes: Tensor,
    teacher: Tensor,
    teacher_prototypes: Tensor,
    weights: Tensor,
    targets: Targets,
    student_temp: float,
) -> Tensor:
    """The weighted sum of the cross-entropies of M pairs of rows; 0 where M is 0.

    Computed in float32 whatever autocast says. The gradient flows to ``student`` and
    ``student_prototypes`` alone.

    Args:
        student: (M, D) bottleneck rows.
        student_prototypes: (K, D).
        teacher: (M, D) bottleneck rows, in the same order.
        teacher_prototypes: (K, D).
        weights: (M,) w.
        targets: Teacher logits (..., K) to target probabilities, row by row.
        student_temp: Divides the student's logits.

    Returns:
        Scalar.
    """
    compute = partial(
        _loss_and_gradients,
        teacher=teacher.detach(),
        teacher_prototypes=teacher_prototypes.detach(),
        weights=weights,
        targets=targets,
        temp=student_temp,
    )
    return with_known_gradient(student, student_prototypes, compute)
