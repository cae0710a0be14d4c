"""What ``DINOVisionTransformer`` can be told, checked in words."""

from collections.abc import Collection, Sequence

FFN_TYPES = ('origin', 'swiglu_fused')
POSITIONS = ('table', 'rotary')


def require(holds: bool, sentence: str) -> None:
    """Raises a ValueError about ``model.backbone`` unless something holds."""
    if not holds:
        raise ValueError(f'model.backbone.{sentence}')


def check_options(
    arch: str | dict,
    arch_names: Collection[str],
    out_type: str,
    position_offset: float,
    positions: str,
    rotary_rescale: float,
    num_registers: int,
) -> None:
    """Checks values that need no network.

    Raises:
        ValueError: One is none of what is expected.
    """
    require(
        out_type == 'raw',
        f'out_type is {out_type!r}: DINOVisionTransformer gives all tokens; leave out_type away',
    )
    require(
        not isinstance(arch, str) or arch in arch_names,
        f'arch is {arch!r}: expected a dict or one of {sorted(arch_names)}',
    )
    require(
        0 <= position_offset < 1,
        f'position_offset is {position_offset}: expected from 0 up to, but not including, 1',
    )
    require(positions in POSITIONS, f'positions is {positions!r}: expected one of {POSITIONS}')
    require(
        rotary_rescale == 0 or rotary_rescale > 1,
        f'rotary_rescale is {rotary_rescale}: expected 0 or the largest factor, above 1',
    )
    require(
        rotary_rescale == 0 or positions == 'rotary',
        f'rotary_rescale is {rotary_rescale}, but positions is {positions!r}: set '
        "positions='rotary', or leave rotary_rescale away",
    )
    require(num_registers >= 0, f'num_registers is {num_registers}: expected 0 or more (DINOv2: 4)')


def layer_settings(
    layer_cfgs: dict | Sequence[dict] | None, drop_path_rate: float | None
) -> dict | list[dict]:
    """mmpretrain's ``layer_cfgs``, with ``drop_path_rate`` for the blocks that name no other.

    Raises:
        ValueError: An ``ffn_type`` is unknown.
    """
    if layer_cfgs is not None and not isinstance(layer_cfgs, dict):
        return [_one_layer(settings, drop_path_rate) for settings in layer_cfgs]
    return _one_layer(layer_cfgs or {}, drop_path_rate)


def _one_layer(settings: dict, drop_path_rate: float | None) -> dict:
    require(
        settings.get('ffn_type', 'origin') in FFN_TYPES,
        f'layer_cfgs has ffn_type={settings.get("ffn_type")!r}: expected one of {FFN_TYPES}',
    )
    return settings if drop_path_rate is None else {'drop_path_rate': drop_path_rate, **settings}
