"""Does a detector's backbone get a checkpoint whole, and compute what the pretrained one does?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from dinomm.checkpoints.transfer import load_backbone, read_backbone
from dinomm.config_check import check_config
from dinomm.config_values import check_values

SIZES = ((224, 224), (200, 328), (96, 64))
"""Height and width of images whose features are compared, as in pretraining, a detector, small."""
TOLERANCE = 1e-5
"""Largest difference of features, relative to the largest feature."""

SWIN_FROM_MMDET = {'drop_rate', 'drop_path_rate', 'out_indices', 'with_cp', 'window_size'}
RESNET_FROM_MMDET = {'depth', 'num_stages', 'strides', 'dilations', 'out_indices', 'style'}


class TransferCheck(NamedTuple):
    """The result.

    Attributes:
        table: Tensors by what became of them.
        num_tensors: Of the detector's backbone, without those that start anew.
        num_identical: Of them, those equal to the teacher's, bit for bit.
        differences: Largest difference of the features by size of image, relative to the largest
            feature of the map.
    """

    table: str
    num_tensors: int
    num_identical: int
    differences: dict[tuple[int, int], float]

    @property
    def passed(self) -> bool:
        """Whether all is equal."""
        return (
            self.num_identical == self.num_tensors
            and max(self.differences.values()) <= TOLERANCE  # a nan is not
        )

    def text(self) -> str:
        """A few lines for people."""
        sizes = ', '.join(f'{h}x{w}: {d:.1e}' for (h, w), d in self.differences.items())
        return (
            f'{self.table}\n'
            f"identical to the teacher's: {self.num_identical} of {self.num_tensors} tensors\n"
            f"feature maps against the pretrained network's, largest relative difference: {sizes} "
            f'(at most {TOLERANCE:.0e})\n'
            f'{"passed" if self.passed else "FAILED"}'
        )


@torch.no_grad()
def check_transfer(config: Config, checkpoint: str) -> TransferCheck:
    """Builds the detector, loads its backbone as training does, and compares.

    The pretrained network is built anew, of the class that pretraining trains, with the detector's
    settings (layer norms, windows and their shift, outputs), and filled by torch alone. Output
    norms that start anew are copied from the detector.

    Args:
        config: A detector's, with ``model.backbone``.
        checkpoint: A file that pretraining wrote.

    Raises:
        ValueError: The config has errors, or the checkpoint does not fill the backbone.
    """
    backbone_config = (config.get('model') or {}).get('backbone')
    if backbone_config is None or config.get('default_scope') != 'mmdet':
        raise ValueError(
            f'{config.filename} is no config of a detector: expected one of mmdet with '
            'model.backbone, such as those of configs/detection'
        )
    given = read_backbone(checkpoint)  # errors of the file come before the slow imports
    check_values(config)
    check_config(config)
    from mmdet.registry import MODELS

    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        backbone = MODELS.build(config.model).backbone
        pretrained = MODELS.build(pretrained_config(backbone_config))
    transfer = load_backbone(backbone, checkpoint)
    loaded = backbone.state_dict()
    own = {name: given.get(name, loaded.get(name)) for name in pretrained.state_dict()}
    pretrained.load_state_dict(own)
    matched = transfer.coverage.matched
    new = transfer.coverage.missing
    return TransferCheck(
        table=transfer.table(),
        num_tensors=len(loaded) - len(new),
        num_identical=sum(torch.equal(loaded[name], given[name]) for name in matched),
        differences={
            size: largest_difference(feature_maps(backbone, image), feature_maps(pretrained, image))
            for size in SIZES
            for image in [torch.randn(1, 3, *size)]
        },
    )


def pretrained_config(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """The network that pretraining trains, with the settings of a detector's backbone."""
    settings = {k: v for k, v in backbone.items() if k not in ('init_cfg', '_scope_')}
    name = str(settings.pop('type'))
    family = FAMILIES.get(name if '.' in name else f'mmdet.{name}')
    return {'type': name, **settings} if family is None else family(settings)


def feature_maps(backbone: nn.Module, image: Tensor) -> list[Tensor]:
    """Maps (1, C, h, w) of each output; tokens are put in their places."""
    nn.Module.train(backbone, False)  # mmpretrain's backbones return None from eval()
    outputs = backbone(image)
    maps = []
    for output in outputs if isinstance(outputs, list | tuple) else [outputs]:
        if output.ndim == 3:
            patch: Any = backbone.patch_embed.projection.kernel_size  # type: ignore[union-attr]
            rows, columns = (-(-side // p) for side, p in zip(image.shape[-2:], patch, strict=True))
            patches = output[0, output.shape[1] - rows * columns :]
            output = patches.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
        maps.append(output)
    return maps


def largest_difference(maps: list[Tensor], expected: list[Tensor]) -> float:
    """Over all maps, relative to the largest entry of each; infinite if shapes differ."""
    if [m.shape for m in maps] != [e.shape for e in expected]:
        return float('inf')
    pairs = zip(maps, expected, strict=True)
    return max(float((m - e).abs().max() / e.abs().max()) for m, e in pairs)


def _fast_swin(settings: dict[str, Any]) -> dict[str, Any]:
    return {'type': 'mmpretrain.SwinTransformer', **settings}


def _vit_feature_map(settings: dict[str, Any]) -> dict[str, Any]:
    return {'type': 'dinomm.DINOVisionTransformer', **settings}


def _mmdet_swin(settings: dict[str, Any]) -> dict[str, Any]:
    arch = {
        'embed_dims': settings.get('embed_dims', 96),
        'depths': settings.get('depths', (2, 2, 6, 2)),
        'num_heads': settings.get('num_heads', (3, 6, 12, 24)),
    }
    kept = {key: settings[key] for key in SWIN_FROM_MMDET & set(settings)}
    norm = settings.get('norm_cfg', {'type': 'LN'})
    return {
        'type': 'mmpretrain.SwinTransformer',
        'arch': arch,
        'pad_small_map': True,
        'out_indices': (0, 1, 2, 3),
        'norm_cfg': norm,
        'patch_cfg': {'norm_cfg': norm},
        'stage_cfgs': {'block_cfgs': {'norm_cfg': norm}, 'downsample_cfg': {'norm_cfg': norm}},
        **kept,
    }


def _mmdet_resnet(settings: dict[str, Any]) -> dict[str, Any]:
    kept = {key: settings[key] for key in RESNET_FROM_MMDET & set(settings)}
    return {'type': 'mmpretrain.ResNet', 'out_indices': (0, 1, 2, 3), **kept}


FAMILIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    'dinomm.FastSwinTransformer': _fast_swin,
    'dinomm.ViTFeatureMap': _vit_feature_map,
    'mmdet.ResNet': _mmdet_resnet,
    'mmdet.SwinTransformer': _mmdet_swin,
}
"""A backbone of detectors -> the pretrained network with its settings; others are their own."""
