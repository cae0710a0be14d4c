"""A head's weights out of a checkpoint of dinomm's, or of the published DINO ViT."""

from collections.abc import Mapping

from torch import Tensor, nn

from .coverage import compare_weights
from .dino import head_name

TEACHERS = ('state_dict', 'teacher')
STUDENTS = ('ema_state_dict', 'student')


def head_weights(
    head: nn.Module, content: Mapping, file: str, name: str, student: bool = False
) -> dict[str, Tensor]:
    """The weights of ``head`` that a file's content holds, all of them.

    Args:
        head: Asks for its ``state_dict``.
        content: What the file holds.
        file: Its name, for messages.
        name: Of the head in ``model.heads``.
        student: Whether the student's is meant and not the teacher's.

    Raises:
        ValueError: The file holds no such head, or one of another form.
    """
    keys = STUDENTS if student else TEACHERS
    stored: Mapping = next((content[k] for k in keys if isinstance(content.get(k), Mapping)), {})
    state = {key.removeprefix('module.'): value for key, value in stored.items()}
    prefix = f'heads.{name}.'
    given = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    published = {head_name(k[len('head.') :]): v for k, v in state.items() if k.startswith('head.')}
    given = given or published
    if not any(key.startswith('prototypes.') for key in given):
        raise ValueError(
            f'checkpoint {file} holds no head {name!r} with prototypes ({prefix}*): take one that '
            'a run of dinomm wrote, not a backbone alone'
        )
    asked = head.state_dict()
    missing = () if given is not published else ('centering.',)
    try:
        compare_weights(asked, given).require(allow_missing=missing)
    except ValueError as error:
        raise ValueError(f'checkpoint {file}, {prefix}*: {error}') from None
    return given
