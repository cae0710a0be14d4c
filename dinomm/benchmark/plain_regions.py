"""EsViT's region loss as its equation reads: the oracle of dinomm's, and what it is measured by."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def plain_region_loss(
    student_logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    student_features: Sequence[Tensor],
    teacher_features: Sequence[Tensor],
) -> Tensor:
    """For each pair of views: log-softmax of all rows, gather of the matched targets, product.

    Args:
        student_logits: (B, T_v, K) of each view, divided by the student's temperature.
        targets: (B, T_q, K) probabilities of each view that the teacher saw.
        student_features: (B, T_v, C) of each view, by which regions are matched.
        teacher_features: (B, T_q, C) likewise.
    """
    losses = []
    for q, target in enumerate(targets):
        for v, logits in enumerate(student_logits):
            if v == q:
                continue
            similarity = F.normalize(student_features[v], dim=-1) @ (
                F.normalize(teacher_features[q], dim=-1).mT
            )
            best = similarity.argmax(-1, keepdim=True).expand(-1, -1, target.shape[-1])
            matched = torch.gather(target, 1, best)
            losses.append(-(matched * logits.log_softmax(-1)).sum(-1).mean())
    return torch.stack(losses).mean()
