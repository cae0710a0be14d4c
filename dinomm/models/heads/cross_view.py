"""Cross-entropy between the views of two networks, without keeping the logits.

DINO, eq. 2 and 3: every student view learns the targets that the teacher gives to every *other*
global view,

    L = 1/M sum_q sum_{v != q} mean_b ( - sum_k P_q[b, k] log p_v[b, k] ),

M the number of such pairs. As sum_k P_q[k] = 1, a student row needs its log-sum-exp and the sum
of the targets it is matched with; so the logits of a few images at a time suffice, and their
gradient is known in the same pass.
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
    student, student_prototypes, teacher, teacher_prototypes, targets, temp, *, need_prototypes
):
    num_views, batch, _ = student.shape
    num_teacher = len(teacher)
    pairs = num_teacher * (num_views - 1)
    # how many targets each student view is matched with
    matched = torch.full((num_views, 1, 1), float(num_teacher), device=student.device)
    matched[:num_teacher] -= 1

    loss = student.new_zeros(())
    grad_student = torch.empty_like(student)
    grad_prototypes = torch.zeros_like(student_prototypes) if need_prototypes else None
    num_prototypes = len(student_prototypes)
    step = max(1, CHUNK_BYTES // (4 * num_views * num_prototypes))
    for images in torch.arange(batch).split(step):
        chunk = slice(int(images[0]), int(images[-1]) + 1)
        probabilities = targets(teacher[:, chunk] @ teacher_prototypes.T)
        total = probabilities.sum(0)
        rows = student[:, chunk]
        logits = (rows @ student_prototypes.T).div_(temp)
        normaliser = logits.logsumexp(-1, keepdim=True)
        loss += (matched * normaliser).sum() - (total * logits.sum(0)).sum()
        loss += (probabilities * logits[:num_teacher]).sum()

        grad_logits = logits.sub_(normaliser).exp_().mul_(matched).sub_(total)
        grad_logits[:num_teacher] += probabilities
        grad_student[:, chunk] = grad_logits @ student_prototypes
        if grad_prototypes is not None:
            grad_prototypes.addmm_(grad_logits.flatten(0, 1).T, rows.flatten(0, 1))
    loss /= pairs * batch
    grad_student /= pairs * batch * temp
    if grad_prototypes is not None:
        grad_prototypes /= pairs * batch * temp
    return loss, grad_student, grad_prototypes


def cross_view_loss(
    student: Tensor,
    student_prototypes: Tensor,
    teacher: Tensor,
    teacher_prototypes: Tensor,
    targets: Targets,
    student_temp: float,
) -> Tensor:
    """The mean cross-entropy over all pairs of a teacher view and another student view.

    Computed in float32 whatever autocast says. The gradient flows to ``student`` and
    ``student_prototypes`` alone.

    Args:
        student: (V, B, D) bottleneck rows of V views; the first Q show what the teacher saw.
        student_prototypes: (K, D).
        teacher: (Q, B, D) bottleneck rows of the Q global views.
        teacher_prototypes: (K, D).
        targets: Teacher logits (..., K) to target probabilities, row by row.
        student_temp: Divides the student's logits.

    Returns:
        Scalar; ln K where the student's output is uniform.

    Raises:
        ValueError: There is no pair: a single view has nothing to be matched with.
    """
    if len(student) < 2:
        raise ValueError(
            'the data give one view an image: DINO needs at least two (MultiCrop.views)'
        )
    compute = partial(
        _loss_and_gradients,
        teacher=teacher.detach().float(),
        teacher_prototypes=teacher_prototypes.detach().float(),
        targets=targets,
        temp=student_temp,
    )
    return with_known_gradient(student, student_prototypes, compute)
