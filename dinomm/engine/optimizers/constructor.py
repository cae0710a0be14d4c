"""Parameter groups as published, and few of them, so that foreach and fused kernels apply."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from mmengine.optim import OptimWrapper
from torch import nn

from dinomm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS


def is_decayed(name: str, parameter: nn.Parameter) -> bool:
    """DINO's rule: all but biases and one-dimensional parameters.

    So class token, position embedding and Swin's relative-position tables are decayed.
    """
    return not name.endswith('.bias') and parameter.ndim != 1


PATCH_EMBEDDING = re.compile(r'backbone\.(timm_model\.)?patch_embed\.')


def parts_of(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Trainable parameters of each part: 'backbone', 'heads.<name>', another module by its name."""
    parts: dict[str, list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part, *inside = name.split('.')
            parts['.'.join([part, inside[0]]) if part == 'heads' else part].append(parameter)
    return dict(parts)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TwoGroupConstructor:
    """Two parameter groups, decayed and not; more of the like with layer-wise decay.

    The second group has weight decay 0 (and ``lars_exclude``, as LARS leaves these parameters'
    rates alone); a schedule of weight decay by ratio or of mmpretrain's keeps it at 0.

    Args:
        optim_wrapper_cfg: The config's ``optim_wrapper``.
        paramwise_cfg: ``dict(layer_decay=.75)`` multiplies the rate of the layer i of n by
            .75 ** (n - 1 - i), by the backbone's ``get_layer_depth``: 0 for the embedding, n - 1
            for what follows the backbone, as neck and heads of a detector.
            ``no_decay=('pos_embed',)``: parts of further names in the second group.
            ``patch_embed_lr=.2`` multiplies the rate of ``backbone.patch_embed`` (DINOv2), on top
            of its layer's. A schedule's least rate is multiplied too if it is an
            ``eta_min_ratio``, as published; an ``eta_min`` is one for all.

    Raises:
        ValueError: Another key or a multiplier that makes no sense; layer decay for a backbone
            that cannot tell its layers, a multiplier for one that has no ``patch_embed``.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.wrapper_cfg = dict(optim_wrapper_cfg)
        self.optimizer_cfg = self.wrapper_cfg.pop('optimizer')
        options = dict(paramwise_cfg or {})
        self.layer_decay = options.pop('layer_decay', 1.0)
        self.patch_embed_lr = options.pop('patch_embed_lr', 1.0)
        self.no_decay = tuple(options.pop('no_decay', ()))
        if options:
            raise ValueError(
                f'optim_wrapper.paramwise_cfg has {sorted(options)}: TwoGroupConstructor takes '
                'layer_decay, patch_embed_lr and no_decay alone'
            )
        for key in ('layer_decay', 'patch_embed_lr'):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(
                    f'optim_wrapper.paramwise_cfg.{key} is {value!r}: expected a multiplier above '
                    '0; 1 changes nothing'
                )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds optimizer and wrapper for ``model`` (DDP-wrapped or bare)."""
        model = getattr(model, 'module', model)
        optimizer = OPTIMIZERS.build({**self.optimizer_cfg, 'params': self.param_groups(model)})
        wrapper = OPTIM_WRAPPERS.build(
            {'type': 'DINOOptimWrapper', **self.wrapper_cfg, 'optimizer': optimizer}
        )
        if hasattr(wrapper, 'last_layer'):
            wrapper.parts = parts_of(model)
            wrapper.last_layer = [
                p
                for name, p in model.named_parameters()
                if p.requires_grad and '.prototypes.' in name
            ]
        return wrapper

    def param_groups(self, model: nn.Module) -> list[dict]:
        """Groups of the trainable parameters, those of the full rate first."""
        self._require_patch_embedding(name for name, _ in model.named_parameters())
        members: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                decayed = is_decayed(name, parameter) and not any(
                    part in name for part in self.no_decay
                )
                members[self._lr_scale(model, name), decayed].append(parameter)
        lr = self.optimizer_cfg.get('lr')
        groups = []
        for (scale, decayed), params in sorted(
            members.items(), key=lambda item: (item[0][0] != 1, -item[0][0], not item[0][1])
        ):
            group: dict = {'params': params}
            if not decayed:
                group |= {'weight_decay': 0.0, 'lars_exclude': True}
            if scale != 1.0:
                group['lr'] = lr * scale
            groups.append(group)
        return groups

    def _require_patch_embedding(self, names: Iterable[str]) -> None:
        if self.patch_embed_lr != 1.0 and not any(map(PATCH_EMBEDDING.match, names)):
            raise ValueError(
                f'optim_wrapper.paramwise_cfg.patch_embed_lr is {self.patch_embed_lr}, but '
                'model.backbone has no patch_embed (ViT and Swin have): leave it away'
            )

    def _lr_scale(self, model: Any, name: str) -> float:
        scale = self.patch_embed_lr if PATCH_EMBEDDING.match(name) else 1.0
        if self.layer_decay == 1.0:
            return scale
        depth, num_layers = layer_depth(model, name)
        return scale * self.layer_decay ** (num_layers - 1 - depth)


def layer_depth(model: Any, name: str) -> tuple[int, int]:
    """The layer of a parameter, 0 to n - 1, and n; mmdet's detectors leave it to their backbone.

    Raises:
        ValueError: Neither the model nor its backbone can tell.
    """
    if hasattr(model, 'get_layer_depth'):
        return model.get_layer_depth(name)
    backbone: Any = getattr(model, 'backbone', None)
    if not hasattr(backbone, 'get_layer_depth'):
        raise ValueError(
            f'optim_wrapper.paramwise_cfg.layer_decay needs a backbone that counts its layers, as '
            f"mmpretrain's ViT, Swin and ResNet do; {type(backbone).__name__} does not: leave "
            'layer_decay away or take such a backbone'
        )
    return backbone.get_layer_depth(name, 'backbone.')
