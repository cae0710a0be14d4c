"""What a format of weights is: names of a backbone's parameters, and their order inside."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from .coverage import Coverage
from .names import NameTable

State = dict[str, Tensor]
Reasons = dict[str, str]
Patterns = tuple[tuple[str, str], ...]
"""(Regular expression of names, why they are left out)."""

BESIDE: Patterns = (
    (r'(fc|head|head_dist|classifier|heads|pre_logits)\.', 'a classifier or projection head'),
    (r'(head_dense|head\w*_norm|fc_norm)\.', 'a head'),
)
PARTS = {
    'register_tokens': 'register tokens',
    'gamma': 'LayerScale',
    '.ffn.w': 'a SwiGLU',
    'norm': 'norms of earlier stages',
}


class Forward(NamedTuple):
    """What a library's network made of converted weights.

    Attributes:
        features: (N, T, C), normed: class token first, then patches; no registers.
        coverage: Of the network by the weights.
    """

    features: Tensor
    coverage: Coverage


class Family(NamedTuple):
    """How a format holds one kind of network.

    Attributes:
        kind: 'vit', 'swin' or 'resnet'.
        names: dinomm's and the format's.
        read: Applied to a state that has dinomm's names: splits, joins, reorders.
        write: The inverse, applied before the names become the format's.
        left_out: dinomm's names that are not written, and why.
        beside: The format's names that are not read, and why.
        requires: A name (of the format's) that every file of it has.
        norm_eps: Of the layer norms, as the format's networks have it; None without such norms.
    """

    kind: str
    names: NameTable
    read: Callable[[State], State] = dict
    write: Callable[[State], State] = dict
    left_out: Patterns = ()
    beside: Patterns = ()
    requires: str = ''
    norm_eps: float | None = 1e-6


class Format(NamedTuple):
    """A format of files of weights.

    Attributes:
        name: For the command line.
        title: For sentences.
        families: One for each kind of network, the simplest first.
        prefix: Of every name in a file that is written.
        container: Key under which a written file holds the weights; none if empty.
        prefixes: Further ones that files may have.
        forward: (form, weights by the format's names, images) -> :class:`Forward`; None without a
            library.
        usage: (form, file) -> a line of Python that loads the file.
        config: (form, eps of the layer norms) -> what stands beside the weights in a folder.
    """

    name: str
    title: str
    families: tuple[Family, ...]
    prefix: str = ''
    container: str = ''
    prefixes: tuple[str, ...] = ()
    forward: Callable[[Any, State, Tensor], Forward] | None = None
    usage: Callable[[Any, str], str] | None = None
    config: Callable[[Any, float | None], dict] | None = None

    def family(self, kind: str) -> Family:
        """The first of a kind.

        Raises:
            ValueError: The format has none of that kind.
        """
        for family in self.families:
            if family.kind == kind:
                return family
        kinds = ', '.join(dict.fromkeys(family.kind for family in self.families))
        raise ValueError(f'{self.name} holds no {kind}: it has {kinds}')


class Backbone(NamedTuple):
    """Weights of a backbone by dinomm's names.

    Attributes:
        kind: 'vit', 'swin' or 'resnet'.
        state: Without a prefix.
        left_out: The file's names that were not read, and why.
        norm_eps: Of the layer norms, where the weights come from.
    """

    kind: str
    state: State
    left_out: Reasons
    norm_eps: float | None


def read_names(format: Format, given: Mapping[str, Tensor]) -> Backbone:
    """A backbone by dinomm's names.

    Args:
        format: Whose names ``given`` has.
        given: Without a prefix.

    Raises:
        ValueError: A name is none of the format's.
    """
    errors = []
    for family in format.families:
        try:
            return _read_family(format, family, given)
        except ValueError as error:
            known = sum(family.names.ours(name) is not None for name in given)
            errors.append((known, error))
    raise max(errors, key=lambda found: found[0])[1]


def _read_family(format: Format, family: Family, given: Mapping[str, Tensor]) -> Backbone:
    state, left_out = {}, {}
    for name, tensor in given.items():
        ours = family.names.ours(name)
        reason = None if ours else _reason(name, (*family.beside, *BESIDE))
        if ours:
            state[ours] = tensor
        elif reason:
            left_out[name] = reason
        else:
            raise ValueError(f'{name} is no name of {format.title} ({family.kind})')
    if family.requires not in ('', *given):
        raise ValueError(f'{format.title} has a {family.requires}, which is missing')
    if not state:
        raise ValueError(f'there is no name of {format.title}')
    return Backbone(family.kind, family.read(state), left_out, family.norm_eps)


class Written(NamedTuple):
    """Weights by the names of a format.

    Attributes:
        state: Without a prefix.
        left_out: dinomm's names that it lacks, and why.
        norm_eps: Of the layer norms of the format's network, by default.
    """

    state: State
    left_out: Reasons
    norm_eps: float | None


def write_names(format: Format, backbone: Backbone) -> Written:
    """A backbone by a format's names.

    Raises:
        ValueError: The format has no place for a tensor, or for that kind of network.
    """
    format.family(backbone.kind)
    faults = []
    for family in format.families:
        if family.kind != backbone.kind:
            continue
        try:
            return _write_family(format, family, backbone.state)
        except ValueError as error:
            faults.append(error)
    raise faults[-1]


def _write_family(format: Format, family: Family, ours: State) -> Written:
    state, left_out = {}, {}
    for name, tensor in family.write(ours).items():
        theirs, reason = family.names.theirs(name), _reason(name, family.left_out)
        if theirs is not None:
            state[theirs] = tensor
        elif reason is not None:
            left_out[name] = reason
        else:
            part = next((text for key, text in PARTS.items() if key in name), 'it')
            raise ValueError(f'{format.title} has no place for {part} ({name})')
    return Written(state, left_out, family.norm_eps)


def _reason(name: str, patterns: Patterns) -> str | None:
    return next((reason for pattern, reason in patterns if re.match(pattern, name)), None)
