"""A pretrained backbone for another network, such as a detector: whole, or an error."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from .backbone import backbone_weights
from .coverage import Coverage, compare_weights
from .files import load_file

PREFIX = 'backbone.'
TOKENS = ('mask_token', 'register_tokens')
FINAL_NORM = 'ln1.'
"""Of a ViT; that of a Swin has its stage's number."""


class Transfer(NamedTuple):
    """What became of the tensors of a backbone and of a file.

    Attributes:
        coverage: Of the backbone by the file.
        allowed_missing: Beginnings of names that the file may lack.
        allowed_unexpected: Beginnings of names that the backbone may lack.
    """

    coverage: Coverage
    allowed_missing: tuple[str, ...]
    allowed_unexpected: tuple[str, ...]

    def faults(self) -> dict[str, list[str]]:
        """Names by what is wrong with them; empty if the backbone arrived whole."""
        return self.coverage.faults(self.allowed_missing, self.allowed_unexpected)

    def table(self) -> str:
        """Counts of the tensors, and the names that are not in both."""
        notes = {
            'missing': self._note(
                self.coverage.missing, self.allowed_missing, 'output norms, which start anew'
            ),
            'unexpected': self._note(
                self.coverage.unexpected, self.allowed_unexpected, 'of no use here'
            ),
        }
        lines = []
        for kind, names in self.coverage._asdict().items():
            listed = '' if kind == 'matched' else ', '.join(names)
            line = f'  {kind:<11}{len(names):>4}  {listed}{notes.get(kind, "")}'
            lines.append(line.rstrip())
        return '\n'.join(lines)

    @staticmethod
    def _note(names: list[str], allowed: tuple[str, ...], meaning: str) -> str:
        return f' ({meaning})' if names and all(name.startswith(allowed) for name in names) else ''


def read_backbone(path: str | Path) -> dict[str, Tensor]:
    """The teacher's backbone of a checkpoint, by names without ``backbone.``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, would run code, or has no backbone.
    """
    content = load_file(path)
    state = content.get('state_dict', content)
    if not isinstance(state, Mapping):
        raise ValueError(
            f'checkpoint {path} has a state_dict of type {type(state).__name__}: expected names '
            'and tensors; give a file that pretraining wrote'
        )
    given = {
        name.removeprefix(PREFIX): value
        for name, value in state.items()
        if isinstance(name, str) and name.startswith(PREFIX) and isinstance(value, Tensor)
    }
    if not given:
        holds = ', '.join(map(str, list(state)[:4])) or 'nothing'
        raise ValueError(
            f'checkpoint {path} has no tensor whose name starts with {PREFIX!r} (it holds '
            f'{holds}): give a file that pretraining wrote, work_dirs/.../epoch_N.pth, or rename '
            'its tensors'
        )
    return given


def compare_backbone(backbone: nn.Module, given: Mapping[str, Tensor]) -> Transfer:
    """Compares a backbone with the weights that it is to get.

    Missing may be the norms of a Swin's earlier outputs; unexpected the mask token, registers and
    the final norm where the backbone has none.
    """
    own = backbone.state_dict()
    last = max(_windows(own), default=None)
    output_norms = tuple(f'norm{stage}.' for stage in range(last or 0))
    final_norm = FINAL_NORM if last is None else f'norm{last}.'
    has_final_norm = any(name.startswith(final_norm) for name in own)
    return Transfer(
        compare_weights(own, given),
        output_norms,
        TOKENS if has_final_norm else (*TOKENS, final_norm),
    )


def load_backbone(backbone: nn.Module, path: str | Path) -> Transfer:
    """Gives a backbone the teacher's weights of a checkpoint.

    Args:
        backbone: Of mmpretrain, mmdet or dinomm, with the names of the pretrained one.
        path: A file that pretraining wrote, or of another form that `backbone_weights` knows.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, or does not fill the backbone; nothing is loaded then.
    """
    given = _read_any(backbone, path)
    transfer = compare_backbone(backbone, given)
    faults = transfer.faults()
    if faults:
        raise ValueError(
            f'checkpoint {path} does not fill the backbone ({type(backbone).__name__}): '
            f'{_reason(backbone.state_dict(), given, transfer.coverage)}. Tensors by fate:\n'
            f'{transfer.coverage.table()}'
        )
    loaded = {name: given[name] for name in transfer.coverage.matched}
    backbone.load_state_dict({**backbone.state_dict(), **loaded})
    return transfer


def _read_any(backbone: nn.Module, path: str | Path) -> Mapping[str, Tensor]:
    try:
        return read_backbone(path)
    except ValueError as not_pretraining:
        try:
            return backbone_weights(backbone, load_file(path), str(path))
        except ValueError:
            raise not_pretraining from None


def _reason(own: Mapping[str, Tensor], given: Mapping[str, Tensor], coverage: Coverage) -> str:
    """Why a file does not fit, in words."""
    windows = [list(_windows(state).values()) for state in (own, given)]
    if all(windows) and windows[0] != windows[1]:
        here, there = (', '.join(map(str, sizes)) for sizes in windows)
        return (
            f'its attention windows are {there} wide, those of the backbone {here}. Take a config '
            'of that window, or set model.backbone.window_size (in each of stage_cfgs where they '
            'differ)'
        )
    tables = [state.get('pos_embed') for state in (own, given)]
    if [n.partition(' ')[0] for n in coverage.mismatched] == ['pos_embed']:
        places = [None if table is None else table.shape[1] for table in tables]
        return (
            f'its position embedding has {places[1]} tokens, that of the backbone {places[0]}. Set '
            'model.backbone.img_size to the size of the global crops in pretraining (224): the '
            'embedding is resized to each input'
        )
    share = len(coverage.matched) / max(1, len(own))
    if share < 0.1:
        return 'it is of another backbone. Take the detector of the pretrained network, or its file'
    return (
        f'it is of another size or version: {share:.0%} of the tensors fit. Set depth, width and '
        'heads (model.backbone.arch or depth) as in the config of the pretraining'
    )


def _windows(state: Mapping[str, Tensor]) -> dict[int, int]:
    """Window of each stage of a Swin, whose table has (2w - 1)^2 rows; empty for other networks."""
    windows = {}
    for name, tensor in state.items():
        found = re.match(r'stages\.(\d+)\..*relative_position_bias_table$', name)
        if found:
            windows[int(found[1])] = (round(len(tensor) ** 0.5) + 1) // 2
    return windows
