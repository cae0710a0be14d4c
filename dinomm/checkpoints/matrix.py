"""All formats of weights, and which of them a file has."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from . import dino, dinov2, esvit, huggingface, ibot, mmdet, mmpretrain, timm, torchvision
from .formats import Backbone, Format, read_names

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        torchvision.FORMAT,
        dino.FORMAT,
        ibot.FORMAT,
        dinov2.FORMAT,
        esvit.FORMAT,
        timm.FORMAT,
        huggingface.FORMAT,
        mmpretrain.MMPRETRAIN,
        mmdet.FORMAT,
        mmpretrain.DINOMM,
    )
}
"""By name, as the command line has it; where files of two look alike, the likelier first."""

PREFIXES = ('backbone.', 'module.backbone.', 'module.', '')
"""Before the names of a backbone, in files of any format."""


def read_weights(format: Format, state: Mapping[str, Tensor]) -> Backbone:
    """The backbone among the weights of a file, by dinomm's names.

    Raises:
        ValueError: The names are not the format's.
    """
    best, errors = None, []
    for prefix, given in under_prefixes(format, state):
        try:
            found = read_names(format, given)
        except ValueError as error:
            errors.append((len(given), error))
            continue
        if best is None or len(found.state) > len(best.state):
            beside = {n: 'beside the backbone' for n in state if not n.startswith(prefix)}
            left_out = {prefix + name: reason for name, reason in found.left_out.items()}
            best = found._replace(left_out={**left_out, **beside})
    if best is None:
        raise max(errors, key=lambda found: found[0])[1]
    return best


def under_prefixes(
    format: Format, state: Mapping[str, Tensor]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Weights without each prefix that the names of a format may have."""
    for prefix in (*format.prefixes, *PREFIXES):
        given = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
        if given:
            yield prefix, given


def recognised(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the formats that the weights of a file may have, the likeliest first."""
    found = []
    for name, format in FORMATS.items():
        try:
            read_weights(format, state)
        except ValueError:
            continue
        found.append(name)
    return found
