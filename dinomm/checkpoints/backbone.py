"""A backbone's weights out of a file of any format, by the backbone's names."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mmengine.logging import print_log
from torch import Tensor, nn

from .coverage import Coverage, compare_weights
from .formats import read_names
from .matrix import FORMATS, under_prefixes
from .positions import adapt_positions
from .training import unpacked

CONTAINERS = ('state_dict', 'teacher', 'model')
STUDENTS = ('ema_state_dict', 'student')
"""Keys under which a file holds the weights; dinomm's teacher is its ``state_dict``."""

HEADS = ('fc.', 'head.', 'head_dense.', 'head_dist.', 'classifier.', 'heads.')
"""Parts of a network that are no backbone, beside one without a prefix."""

MASK_TOKEN = 'mask_token'
BESIDE = (*HEADS, *(f'timm_model.{head}' for head in HEADS))
UNUSED = (MASK_TOKEN,)
"""What a backbone may lack."""

State = dict[str, Tensor]


class Reading(NamedTuple):
    """One way to read a file.

    Attributes:
        name: For people.
        state: Weights by the backbone's names.
        coverage: Of the backbone.
    """

    name: str
    state: State
    coverage: Coverage


def backbone_weights(
    backbone: nn.Module, content: Mapping, file: str, student: bool = False, adapt: bool = False
) -> State:
    """The weights of ``backbone`` that a file's content holds, all of them.

    Tried are the usual prefixes, and the names of every format of :data:`~.matrix.FORMATS`; the
    way that fills most of the backbone is taken. A classifier beside the backbone is left out, and
    the mask token where the backbone has none.

    Args:
        backbone: Asks for its ``state_dict``.
        content: What the file holds.
        file: Its name, for messages.
        student: Whether the student is meant and not the teacher.
        adapt: Whether training goes on from them: a position embedding of another grid is
            resized, a mask token that the file lacks stays as it is; both are logged.

    Raises:
        ValueError: No way fills the backbone, or there is no student.
    """
    state = stored_weights(content, file, student)
    asked = backbone.state_dict()
    readings = [
        Reading(name, given, compare_weights(asked, given))
        for name, given in (_adapted(backbone, state) if adapt else _readings(state))
    ]
    best = max(readings, key=_fit)
    if not any(_fit(best)):
        examples = ', '.join(list(state)[:4])
        raise ValueError(
            f'checkpoint {file} has no weight of model.backbone ({type(backbone).__name__}): it '
            f'holds {len(state)} tensors such as {examples}'
        )
    try:
        is_apart = 'backbone.' in best.name
        best.coverage.require(allow_unexpected=UNUSED if is_apart else (*UNUSED, *BESIDE))
    except ValueError as error:
        raise ValueError(f'checkpoint {file}, read as {best.name}: {error}') from None
    if adapt:
        print_log(f'checkpoint {file}, read as {best.name}', logger='current')
    return {name: best.state[name] for name in best.coverage.matched}


def _adapted(backbone: nn.Module, state: State) -> Iterator[tuple[str, State]]:
    own = backbone.state_dict()
    for name, given in _readings(state):
        notes = [name, adapt_positions(backbone, given)]
        if MASK_TOKEN in own and MASK_TOKEN not in given and own.keys() & given.keys():
            given[MASK_TOKEN] = own[MASK_TOKEN]
            notes.append('mask token as it was')
        yield ', '.join(filter(None, notes)), given


def _fit(reading: Reading) -> tuple[int, int]:
    """How many tensors have a name and the shape, and how many a name alone."""
    return len(reading.coverage.matched), len(reading.coverage.mismatched)


def stored_weights(content: Mapping, file: str, student: bool = False) -> State:
    """The tensors of the teacher, or of the student, in a file of any form.

    Raises:
        ValueError: There are none.
    """
    content = unpacked(content)
    keys = STUDENTS if student else CONTAINERS
    state = next((content[key] for key in keys if isinstance(content.get(key), Mapping)), None)
    if state is None and student:
        raise ValueError(
            f'checkpoint {file} holds no student ({" or ".join(STUDENTS)}): leave --student away'
        )
    state = content if state is None else state
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f'checkpoint {file} holds no weights')
    return tensors


def _readings(state: State) -> Iterator[tuple[str, State]]:
    for prefix, given in under_prefixes(FORMATS['dinomm'], state):
        yield f"the backbone's names {_after(prefix)}", given
        yield (
            f"timm's names {_after(prefix)}",
            {f'timm_model.{name}': tensor for name, tensor in given.items()},
        )
    for format in FORMATS.values():
        for prefix, given in under_prefixes(format, state):
            try:
                yield f'names of {format.title} {_after(prefix)}', read_names(format, given).state
            except ValueError:  # names of another network
                continue


def _after(prefix: str) -> str:
    return f'after {prefix!r}' if prefix else 'without a prefix'
