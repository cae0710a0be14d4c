"""DINOv2's losses against the published ones."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dinomm.models import MaskedPatchHead, SinkhornKnopp
from dinomm.models.heads.cross_view import cross_view_loss
from dinomm.models.heads.koleo_head import koleo_loss, nearest_distances
from dinomm.models.heads.masked_patch_head import MaskedRows
from dinomm.models.masking import Masks

from .dino import tensors
from .result import Result, compare

Arrays = Mapping[str, np.ndarray]


def check_losses(arrays: Arrays) -> Iterator[Result]:
    """Assignments, view, masked-patch and KoLeo losses and their gradients.

    Stored logits are bottleneck rows whose prototypes are the identity, so they run through the
    very path of training.
    """
    actual: dict[str, Any] = {
        **{f'sk/{name}': value for name, value in _sinkhorn(tensors(arrays, 'sk/')).items()},
        **{f'view/{name}': value for name, value in _view(tensors(arrays, 'view/')).items()},
        **{f'patch/{name}': value for name, value in _patch(tensors(arrays, 'patch/')).items()},
        **{f'koleo/{name}': value for name, value in _koleo(tensors(arrays, 'koleo/')).items()},
    }
    for name, value in actual.items():
        yield compare(name, value, arrays[name], 1e-5, relative=True)


def _sinkhorn(stored: dict[str, Tensor]) -> dict[str, Tensor | None]:
    logits, temperature = stored['teacher'], float(stored['temp'])
    centering = SinkhornKnopp(logits.shape[1])
    centering.see(logits, torch.eye(logits.shape[1]), temperature)
    return {'assignment': centering.targets(logits, temperature)}


def _view(stored: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """All pairs count here: the students are local views, beside two uniform global ones."""
    student, targets = stored['student'].requires_grad_(), stored['teacher_prob']
    num_prototypes, num_global = targets.shape[-1], len(targets)
    identity = torch.eye(num_prototypes)
    views = torch.cat([torch.zeros_like(targets), student])
    loss = cross_view_loss(views, identity, targets, identity, lambda rows: rows, 0.1)
    total = loss * num_global * (len(views) - 1)
    total.backward()
    of_global_pairs = num_global * (num_global - 1) * math.log(num_prototypes)
    return {'loss_sum': total.detach() - of_global_pairs, 'grad': student.grad}


def _patch(stored: dict[str, Tensor]) -> dict[str, Tensor | None]:
    masks = Masks.of(stored['masks'].numpy(), num_views=len(stored['masks']))
    student, teacher = stored['student'].requires_grad_(), stored['teacher']
    num_prototypes = student.shape[1]
    head = MaskedPatchHead(
        in_channels=1,
        num_prototypes=num_prototypes,
        bottleneck_channels=num_prototypes,
        student_temp=0.1,
        teacher_temp=float(stored['temp']),
        centering={'type': 'dinomm.SinkhornKnopp'},
    )
    identity = torch.eye(num_prototypes)
    head.prototypes.weight_v.data.copy_(identity)
    rows = (MaskedRows(student, masks.weights), MaskedRows(teacher, masks.weights))
    loss = head.loss(*rows, identity, batch=len(masks.cells) // 2)
    loss.backward()
    return {'assignment': head.targets(teacher), 'loss': loss, 'grad': student.grad}


def _koleo(stored: dict[str, Tensor]) -> dict[str, Tensor | None]:
    features = stored['x'].requires_grad_()
    loss = koleo_loss(nearest_distances(features))
    loss.backward()
    return {'loss': loss, 'grad': features.grad}
