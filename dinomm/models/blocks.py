"""One vector an image from each of the last blocks, as linear probes read them.

Published: class tokens of the last blocks for DINO's ViT (arXiv:2104.14294, appendix F.2), means
of the tokens for EsViT's Swin, where the last stage's blocks alone pass the final norm.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from mmpretrain.models.backbones import SwinTransformer, TIMMBackbone, VisionTransformer
from torch import Tensor, nn

from .tokens import encode


class BlockFeatures(NamedTuple):
    """Features of N images.

    Attributes:
        blocks: (N, C_i) of each of the last blocks, the last one last.
        patches: (N, C) mean over the patch tokens of the last block, where a class token stands
            beside them, else None.
    """

    blocks: list[Tensor]
    patches: Tensor | None


class Trunk(NamedTuple):
    """A transformer's blocks in their order.

    Attributes:
        blocks: Each with the final norm where its output passes one.
        num_prefix: How many tokens stand before the patches.
        has_class_token: Whether the first is a class token.
    """

    blocks: list[tuple[nn.Module, nn.Module | None]]
    num_prefix: int = 0
    has_class_token: bool = False


def num_blocks(backbone: nn.Module) -> int:
    """How many blocks can be read; 1, the output, for what has no blocks of known form."""
    trunk = find_trunk(backbone)
    return 1 if trunk is None else len(trunk.blocks)


def block_features(backbone: nn.Module, images: Tensor, last: int) -> BlockFeatures:
    """Runs ``backbone`` on (N, 3, H, W) normalised images and reads its last blocks.

    A backbone without blocks of known form (ResNet) gives the mean of its last map.

    Raises:
        ValueError: There are fewer blocks.
    """
    trunk = find_trunk(backbone)
    available = 1 if trunk is None else len(trunk.blocks)
    if not 1 <= last <= available:
        raise ValueError(
            f'{last} blocks were asked for, but model.backbone ({type(backbone).__name__}) has '
            f'{available} that can be read: give 1 to {available}'
        )
    if trunk is None:
        return BlockFeatures([encode(backbone, images, regions=False).view], None)
    chosen = trunk.blocks[-last:]
    with outputs_kept([block for block, _ in chosen]) as outputs:
        backbone(images)
    tokens = [
        output if norm is None else norm(output)
        for output, (_, norm) in zip(outputs, chosen, strict=True)
    ]
    if not trunk.has_class_token:
        return BlockFeatures([_mean(output, trunk.num_prefix) for output in tokens], None)
    return BlockFeatures([output[:, 0] for output in tokens], _mean(tokens[-1], trunk.num_prefix))


def find_trunk(backbone: nn.Module) -> Trunk | None:
    """The blocks of a ViT or Swin of mmpretrain's or timm's; None of another network."""
    if isinstance(backbone, VisionTransformer):
        norm = backbone.ln1 if backbone.final_norm else None
        return Trunk(
            [(layer, norm) for layer in backbone.layers],
            backbone.num_extra_tokens,
            backbone.with_cls_token,
        )
    if isinstance(backbone, SwinTransformer):
        last = getattr(backbone, f'norm{len(backbone.stages) - 1}', None)
        return _staged([stage.blocks for stage in backbone.stages], last)
    if isinstance(backbone, TIMMBackbone):
        return _timm_trunk(backbone.timm_model)
    return None


def _timm_trunk(model: Any) -> Trunk | None:
    norm = getattr(model, 'norm', None)
    if isinstance(getattr(model, 'blocks', None), nn.Sequential | nn.ModuleList):
        if not hasattr(model, 'num_prefix_tokens'):
            return None
        prefix = model.num_prefix_tokens
        has_class_token = getattr(model, 'has_class_token', prefix > 0)
        return Trunk([(block, norm) for block in model.blocks], prefix, has_class_token)
    stages = [getattr(layer, 'blocks', None) for layer in getattr(model, 'layers', ())]
    if type(model).__name__ == 'SwinTransformer' and all(stages):
        return _staged(stages, norm)
    return None


def _staged(stages: list, norm: nn.Module | None) -> Trunk:
    """Blocks of all stages; those of the last one have the final norm."""
    *before, last = stages
    blocks = [(block, None) for stage in before for block in stage]
    return Trunk([*blocks, *((block, norm) for block in last)])


@contextmanager
def outputs_kept(modules: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Collects the outputs of modules that run in this order within the block."""
    outputs: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
        for module in modules
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _mean(tokens: Tensor, num_prefix: int) -> Tensor:
    """Of tokens (N, L, C), or of a map (N, h, w, C)."""
    if tokens.ndim == 4:
        return tokens.flatten(1, 2).mean(1)
    return tokens[:, num_prefix:].mean(1)
