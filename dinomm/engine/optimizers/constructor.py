"""Parameter groups as published, and few of them, so that foreach and fused kernels apply."""

from collections import defaultdict
from typing import Any

from mmengine.optim import OptimWrapper
from torch import nn

from dinomm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS


def is_decayed(name: str, parameter: nn.Parameter) -> bool:
    """DINO's rule: all but biases and one-dimensional parameters.

    So class token, position embedding and Swin's relative-position tables are decayed.
    """
    return not name.endswith('.bias') and parameter.ndim != 1


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

    Raises:
        ValueError: Another key; or layer decay for a backbone that cannot tell its layers.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.wrapper_cfg = dict(optim_wrapper_cfg)
        self.optimizer_cfg = self.wrapper_cfg.pop('optimizer')
        options = dict(paramwise_cfg or {})
        self.layer_decay = options.pop('layer_decay', 1.0)
        self.no_decay = tuple(options.pop('no_decay', ()))
        if options:
            raise ValueError(
                f'optim_wrapper.paramwise_cfg has {sorted(options)}: TwoGroupConstructor takes '
                'layer_decay and no_decay alone'
            )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Builds optimizer and wrapper for ``model`` (DDP-wrapped or bare)."""
        model = getattr(model, 'module', model)
        optimizer = OPTIMIZERS.build({**self.optimizer_cfg, 'params': self.param_groups(model)})
        wrapper = OPTIM_WRAPPERS.build(
            {'type': 'DINOOptimWrapper', **self.wrapper_cfg, 'optimizer': optimizer}
        )
        if hasattr(wrapper, 'last_layer'):
            wrapper.last_layer = [
                p
                for name, p in model.named_parameters()
                if p.requires_grad and '.prototypes.' in name
            ]
        return wrapper

    def param_groups(self, model: nn.Module) -> list[dict]:
        """Groups of the trainable parameters, in the model's order."""
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
            members.items(), key=lambda item: (-item[0][0], not item[0][1])
        ):
            group: dict = {'params': params}
            if not decayed:
                group |= {'weight_decay': 0.0, 'lars_exclude': True}
            if scale != 1.0:
                group['lr'] = lr * scale
            groups.append(group)
        return groups

    def _lr_scale(self, model: Any, name: str) -> float:
        if self.layer_decay == 1.0:
            return 1.0
        depth, num_layers = layer_depth(model, name)
        return self.layer_decay ** (num_layers - 1 - depth)


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
