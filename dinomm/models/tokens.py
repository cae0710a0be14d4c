"""What a backbone says about an image, in one form for every family.

``encode`` runs a backbone and gives :class:`Tokens`. One small adapter a family; a backbone of no
known family is an error, never a guess.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmpretrain.models.backbones import ResNet, SwinTransformer, TIMMBackbone, VisionTransformer
from torch import Tensor, nn

from .backbones import DINOVisionTransformer
from .masking import Masks


class Tokens(NamedTuple):
    """Features of N images of one size.

    Attributes:
        view: (N, C), one vector an image: class token, or mean of the map.
        region: (N, T, C), the T = h * w regions, row-major: patch tokens, or cells of the map;
            empty (N, 0, C) where they were not asked for and cost extra.
        grid: (h, w).
        masks: Of the views, where the student's are masked: the student's tokens are of the masked
            views, the teacher's of the same views unmasked.
    """

    view: Tensor
    region: Tensor
    grid: tuple[int, int]
    masks: Masks | None = None


def encode(
    backbone: nn.Module, images: Tensor, regions: bool = True, masks: Tensor | None = None
) -> Tokens:
    """Runs ``backbone`` on (N, 3, H, W) images of one size.

    Args:
        backbone: Of a known family.
        images: Normalised.
        regions: Whether the region features are needed.
        masks: Booleans (N, h, w) or (N, h * w) over the cells of ``backbone.mask_grid(H, W)``:
            true where the mask token stands in for what is seen.

    Raises:
        ValueError: The backbone's output has no form that is known here, or it cannot mask.
    """
    options: dict = {}
    if isinstance(backbone, DINOVisionTransformer) and not regions:
        options['view_only'] = True
    if masks is not None:
        require_mask_token(backbone)
        options['masks'] = masks
    return _tokens(backbone, backbone(images, **options), images)


def encode_groups(
    backbone: nn.Module,
    groups: Sequence[Tensor],
    regions: Sequence[bool],
    masks: Sequence[Tensor | None],
) -> list[Tokens]:
    """:func:`encode` of several groups of images, each of one size.

    One pass a group; a ``DINOVisionTransformer`` with ``pack=True`` takes all in one, with the
    same result.

    Args:
        backbone: Of a known family.
        groups: (N, 3, H, W) each, normalised.
        regions: Of each, whether the region features are needed.
        masks: Of each, or None.

    Raises:
        ValueError: As :func:`encode`.
    """
    if not getattr(backbone, 'pack', False) or len(groups) == 1:
        return [
            encode(backbone, *arguments) for arguments in zip(groups, regions, masks, strict=True)
        ]
    # through the call and not forward_packed, which torch.compile and hooks would not see
    outputs = backbone(list(groups), [not wanted for wanted in regions], list(masks))
    return [
        _tokens(backbone, output, images) for output, images in zip(outputs, groups, strict=True)
    ]


def require_mask_token(backbone: nn.Module) -> None:
    """Checks that ``backbone`` can mask its input.

    Raises:
        ValueError: It has no mask token.
    """
    if getattr(backbone, 'mask_token', None) is None:
        raise ValueError(
            f'model.backbone of type {type(backbone).__name__} cannot mask its input: take '
            'DINOVisionTransformer or FastSwinTransformer, with mask_token=True'
        )


def _tokens(backbone: nn.Module, output: Any, images: Tensor) -> Tokens:
    last = output[-1] if isinstance(output, list | tuple) else output
    height, width = images.shape[-2:]
    if isinstance(backbone, VisionTransformer):
        return _vit_tokens(backbone, last, height, width)
    if isinstance(backbone, TIMMBackbone):
        return _timm_tokens(backbone.timm_model, last, height, width)
    if last.ndim == 4:
        return _map_tokens(last)
    raise ValueError(
        f'model.backbone of type {type(backbone).__name__} gives a tensor of shape '
        f'{tuple(last.shape)}: expected a map (N, C, h, w). Set its out_type or out_indices so '
        'that the last output is the feature map'
    )


def mask_grid(backbone: Any, images: Tensor) -> tuple[int, int]:
    """The cells (h, w) of an image that can be masked.

    Raises:
        ValueError: The backbone cannot mask.
    """
    require_mask_token(backbone)
    return backbone.mask_grid(*images.shape[-2:])


def width_of(backbone: nn.Module) -> int | None:
    """The feature width C where the backbone states it, else None."""
    if isinstance(backbone, TIMMBackbone):
        return getattr(backbone.timm_model, 'num_features', None)
    if isinstance(backbone, SwinTransformer):
        return backbone.num_features[backbone.out_indices[-1]]
    if isinstance(backbone, VisionTransformer):
        return backbone.embed_dims
    if isinstance(backbone, ResNet) and backbone.out_indices[-1] == backbone.num_stages - 1:
        return backbone.feat_dim
    return None


def _map_tokens(feature_map: Tensor) -> Tokens:
    region = feature_map.flatten(2).transpose(1, 2)
    height, width = feature_map.shape[-2:]
    return Tokens(region.mean(1), region, (height, width))


def _sequence_tokens(
    sequence: Tensor, prefix: int, has_class_token: bool, grid: tuple[int, int]
) -> Tokens:
    region = sequence[:, prefix:]
    view = sequence[:, 0] if has_class_token else region.mean(1)
    return Tokens(view, region, grid)


def _vit_tokens(backbone: VisionTransformer, last: Tensor, height: int, width: int) -> Tokens:
    if backbone.out_type != 'raw':
        raise ValueError(
            f"model.backbone.out_type is {backbone.out_type!r}: set it to 'raw', so that class "
            'token and patch tokens are both given'
        )
    patch = backbone.patch_embed.projection.stride
    grid = (-(-height // patch[0]), -(-width // patch[1]))
    return _sequence_tokens(last, backbone.num_extra_tokens, backbone.with_cls_token, grid)


def _timm_tokens(model: nn.Module, last: Tensor, height: int, width: int) -> Tokens:
    if last.ndim == 4:
        if getattr(model, 'output_fmt', 'NCHW') == 'NHWC':
            last = last.permute(0, 3, 1, 2)
        return _map_tokens(last)
    if last.ndim != 3:
        raise ValueError(
            f'timm model {type(model).__name__} gives a tensor of shape {tuple(last.shape)}: '
            'expected tokens (N, L, C) or a map; choose another model.backbone.model_name'
        )
    prefix = getattr(model, 'num_prefix_tokens', int(hasattr(model, 'cls_token')))
    tokens = last.shape[1] - prefix
    rows = round((tokens * height / width) ** 0.5)
    columns = tokens // max(rows, 1)
    if rows * columns != tokens or height * columns != width * rows:
        raise ValueError(
            f'timm model {type(model).__name__} gives {tokens} tokens for an image of '
            f'{height}x{width}, which are no grid of square patches; choose view sizes that are '
            'multiples of the patch size, or another model.backbone.model_name'
        )
    # registers may stand before the patches without a class token
    has_class_token = getattr(model, 'has_class_token', prefix > 0)
    return _sequence_tokens(last, prefix, has_class_token, (rows, columns))


def views(groups: Sequence[Tokens]) -> Tensor:
    """View features of all groups: (sum N, C), in the groups' order."""
    return torch.cat([tokens.view for tokens in groups])
