"""EsViT's Swin and its two losses against the published ones."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dinomm.checkpoints.esvit import swin_state
from dinomm.models import DINOHead, RegionMatchingHead, encode
from dinomm.models.backbones.swin_attention import last_attention, speed_up
from dinomm.models.heads.region_head import Regions
from dinomm.registry import MODELS

from .dino import fill, tensors
from .result import Result, compare

Arrays = Mapping[str, np.ndarray]


def swin_config(published: Mapping[str, Tensor], image_size: int) -> dict[str, Any]:
    """mmpretrain's Swin as EsViT has it: of the form that published weights have.

    Every norm has eps 1e-6; maps smaller than the window are padded; a stage whose map at
    ``image_size`` does not exceed the window is not shifted, and its window is the map.
    """
    tables = [name for name in published if name.endswith('relative_position_bias_table')]
    stages = [[n for n in tables if n.startswith(f'layers.{i}.')] for i in range(4)]
    dims, _, patch, _ = published['patch_embed.proj.weight'].shape
    norm = {'type': 'LN', 'eps': 1e-6}
    stage_cfgs = []
    for i, names in enumerate(stages):
        window = (1 + round(len(published[names[0]]) ** 0.5)) // 2
        block: dict[str, Any] = {'norm_cfg': norm}
        if image_size // patch // 2**i <= window:
            block['shift'] = False
        stage = {'window_size': window, 'block_cfgs': block}
        stage_cfgs.append({**stage, 'downsample_cfg': {'norm_cfg': norm}} if i < 3 else stage)
    return {
        'type': 'mmpretrain.SwinTransformer',
        'arch': {
            'embed_dims': dims,
            'depths': [len(names) for names in stages],
            'num_heads': [published[names[0]].shape[1] for names in stages],
        },
        'img_size': image_size,
        'patch_size': patch,
        'pad_small_map': True,
        'drop_path_rate': 0.0,
        'norm_cfg': norm,
        'patch_cfg': {'norm_cfg': norm},
        'stage_cfgs': stage_cfgs,
    }


def check_swin(arrays: Arrays) -> Iterator[Result]:
    """View and region features, and the attention of the last block, at both crop sizes."""
    published = tensors(arrays, 'w/')
    backbone = speed_up(MODELS.build(swin_config(published, arrays['x_global'].shape[-1])))
    fill(backbone, swin_state(published))
    nn.Module.train(backbone, False)
    for size in ('global', 'local'):
        images = torch.from_numpy(np.array(arrays[f'x_{size}']))
        with torch.no_grad():
            tokens = encode(backbone, images)
            attention = last_attention(backbone, images)
        for name, actual in {
            'view': tokens.view,
            'region': tokens.region,
            'attention': attention,
        }.items():
            yield compare(f'{name} {size}', actual, arrays[f'{name}_{size}'], 1e-4)


def identity_head(kind: type, arrays: Arrays) -> Any:
    """A head of half the loss whose bottleneck rows are its logits: its prototypes are one-hot."""
    num_prototypes = arrays['0/teacher_view'].shape[1]
    head = kind(
        in_channels=1,
        num_prototypes=num_prototypes,
        bottleneck_channels=num_prototypes,
        student_temp=float(arrays['student_temp']),
        centering={'type': 'dinomm.MeanCentering', 'momentum': float(arrays['center_momentum'])},
        loss_weight=0.5,
    )
    head.prototypes.weight_v.data.copy_(torch.eye(num_prototypes))
    return head


def check_loss(arrays: Arrays) -> Iterator[Result]:
    """Loss, gradients and both centres of one step an epoch, the centres carried on."""
    heads = {
        'view': identity_head(DINOHead, arrays),
        'region': identity_head(RegionMatchingHead, arrays),
    }
    identity = heads['view'].prototypes.weight.detach()
    batch = len(arrays['0/teacher_view']) // 2
    sizes = [int(arrays['regions_global'])] * 2
    sizes += [int(arrays['regions_local'])] * (len(arrays['0/student_view']) // batch - 2)
    for step, temperature in enumerate(arrays['teacher_temps']):
        stored = tensors(arrays, f'{step}/')
        students = {name: stored[f'student_{name}'].requires_grad_() for name in heads}
        given = {
            'view': (students['view'], stored['teacher_view']),
            'region': (
                regions(students['region'], stored['student_feature'], sizes, batch),
                regions(stored['teacher_region'], stored['teacher_feature'], sizes[:2], batch),
            ),
        }
        loss = torch.zeros(())
        for name, head in heads.items():
            head.teacher_temp = float(temperature)
            loss = loss + head.loss(*given[name], identity, batch)
        loss.backward()
        actual: dict[str, Any] = {'loss': loss}
        for name, head in heads.items():
            head.finish_step(performed=True)
            actual[f'grad_student_{name}'] = students[name].grad
            actual[f'center_{name}'] = head.centering.center
        for name, value in actual.items():
            yield compare(f'{name} {step}', value, arrays[f'{step}/{name}'], 1e-5, relative=True)


def regions(rows: Tensor, features: Tensor, sizes: list[int], batch: int) -> Regions:
    """Regions with one group a view, from rows (sum B * T, .) in the order of the views."""
    lengths = [batch * size for size in sizes]
    return Regions(
        *(
            [part.unflatten(0, (batch, -1)) for part in stored.split(lengths)]
            for stored in (rows, features)
        )
    )
