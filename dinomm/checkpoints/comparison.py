"""Do the networks of two libraries compute the same with converted weights?"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from .coverage import Coverage, compare_weights
from .formats import Backbone, write_names
from .forms import Form, SwinForm
from .matrix import FORMATS
from .networks import mm_network

TOLERANCE = 1e-4
"""Largest difference of features, times the largest feature where that is above 1."""


class Comparison(NamedTuple):
    """Of networks with the same weights.

    Attributes:
        coverage: Of the last format's network where its library is installed, else of dinomm's.
        differences: Largest difference from the features of dinomm's network, by library.
        notes: Which libraries were not asked, and why.
    """

    coverage: Coverage
    differences: dict[str, float]
    notes: list[str]


def compare_networks(
    backbone: Backbone, form: Form, formats: Sequence[str], forward: bool = True
) -> Comparison:
    """Features of one random image (seed 0), layer norms of eps 1e-6 everywhere.

    Args:
        backbone: The weights.
        form: Of the network.
        formats: Names of the formats whose libraries' networks are compared with dinomm's.
        forward: Whether to compute; otherwise names and shapes alone are compared.

    Raises:
        ValueError: A network is not filled whole, or features differ by more than 1e-4.
    """
    if not forward:
        network = mm_network(form, backbone.state, 'dinomm')
        coverage = compare_weights(network.state_dict(), backbone.state)
        _require_whole('dinomm', coverage)
        return Comparison(coverage, {}, ['features were not compared'])
    if 'mmdet' in formats and isinstance(form, SwinForm):
        # mmdet shifts the windows of a map that is one window, the others do not
        form = form._replace(image=2 * form.image)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, form.image, form.image, generator=generator) * 2 - 1
    reference = _forward('dinomm', backbone, form, images)
    coverage, differences, notes = reference.coverage, {}, []
    for name in formats:
        if FORMATS[name].forward is None:
            notes.append(f'no package has the networks of {FORMATS[name].title} to compare with')
            continue
        if name == 'dinomm':
            continue
        try:
            found = _forward(name, backbone, form, images)
        except ImportError as error:
            notes.append(f'features were not compared with {name}: {error}')
            continue
        if name == formats[-1]:
            coverage = found.coverage
        differences[name] = _difference(name, found.features, reference.features)
    return Comparison(coverage, differences, notes)


def _forward(name: str, backbone: Backbone, form: Form, images: torch.Tensor):
    forward = FORMATS[name].forward
    assert forward is not None
    weights = write_names(FORMATS[name], backbone).state
    found = forward(
        form, {n: t.float() if t.is_floating_point() else t for n, t in weights.items()}, images
    )
    _require_whole(name, found.coverage)
    return found


def _require_whole(name: str, coverage: Coverage) -> None:
    if coverage.faults():
        raise ValueError(
            f"the weights do not fill {name}'s network. Tensors by fate:\n{coverage.table()}"
        )


def _difference(name: str, features: torch.Tensor, reference: torch.Tensor) -> float:
    difference = (features - reference).abs().max().item()
    allowed = TOLERANCE * max(1.0, reference.abs().max().item())
    if not difference <= allowed:  # a nan is not
        raise ValueError(
            f"features of {name}'s network differ by {difference:.1e} from those of dinomm's "
            f'(at most {allowed:.1e}): nothing was written. If the heads are not one for each 64 '
            'channels, say so by --heads'
        )
    return difference
