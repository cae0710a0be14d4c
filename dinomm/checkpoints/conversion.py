"""From a file of weights in one format to a file in another, checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from dinomm import weight_files
from dinomm.weight_files import AUTO

from .backbone import stored_weights
from .comparison import compare_networks
from .coverage import Coverage
from .files import AtomicLocalBackend, load_file, save_file
from .formats import Backbone, Format, Reasons, State, Written, write_names
from .forms import Form, form_of
from .matrix import FORMATS, read_weights, recognised
from .training import can_go_on, training_from, training_to, unpacked

CLUES = {'ema_state_dict': 'dinomm', 'ibot_loss': 'ibot', 'ibot_patch_loss': 'dinov2'}
"""Formats by what else is in a file."""

HEADS = {'heads': 'dinomm', 'dino_head': 'dinov2', 'head_dense': 'esvit'}
"""Formats by the beginnings of names."""


EPS_OPTIONS = {
    'timm': 'create it with norm_layer=functools.partial(torch.nn.LayerNorm, eps={:g})',
    'mmdet': "give it norm_cfg=dict(type='LN', eps={:g})",
    'huggingface': 'give its config layer_norm_eps={:g}',
}
HF_SWIN_EPS = 1e-5


class Conversion(NamedTuple):
    """What became of a file.

    Attributes:
        source: Name of its format.
        target: Name of the new one's.
        form: Of the network.
        is_training: Whether heads and centres came along.
        coverage: Of the target's network where its library is installed, else of dinomm's.
        left_out: Names that the new file lacks, and why.
        notes: What a user of the file should know.
        differences: Largest difference of each library's features from those of dinomm's network.
        usage: A line that loads the new file.
    """

    source: str
    target: str
    form: Form
    is_training: bool
    coverage: Coverage
    left_out: Reasons
    notes: list[str]
    differences: dict[str, float]
    usage: str


def convert(
    source: str,
    target: str,
    file: str | Path,
    out: str | Path,
    *,
    heads: int | None = None,
    student: bool = False,
    backbone_only: bool = False,
    forward: bool = True,
    force: bool = False,
) -> Conversion:
    """Converts a file of weights, checks the result and writes it.

    Args:
        source: Name of the file's format, or 'auto'.
        target: Name of the new one's, see :data:`~.matrix.FORMATS`.
        file: A checkpoint, or a folder of Hugging Face.
        out: .pth, .safetensors, or a folder (Hugging Face alone).
        heads: Attention heads of a ViT; by default those of the ``config.json`` beside the file,
            else one for each 64 channels.
        student: Take the student's backbone, not the teacher's.
        backbone_only: Leave heads and centres out.
        forward: Compare the features of dinomm's network with those of the libraries' networks.
        force: Overwrite.

    Raises:
        FileNotFoundError: There is no such file.
        FileExistsError: There is a result already.
        ValueError: The file is not in the source's format, or already in the target's, or the
            target has no place for its weights, or the features differ.
    """
    weight_files.require_formats(source, target)
    weight_files.require_free(target, file, out, force)
    content = unpacked(load_file(weight_files.weights_file(file)))
    state = stored_weights(content, str(file), student)
    source = _source(content, state, source, target, str(file))
    found = read_weights(FORMATS[source], state)
    try:
        form = form_of(found.kind, found.state, _heads_of_config(file) if heads is None else heads)
        written = write_names(FORMATS[target], found)
    except ValueError as error:
        raise ValueError(f'checkpoint {file}: {error}') from None
    left_out = {**found.left_out, **written.left_out}
    result = _packed(FORMATS[target], written.state, out)
    is_training = not (backbone_only or student) and can_go_on(content, source, target)
    if is_training:
        result, left_out = (
            training_from(source, content) if target == 'dinomm' else training_to(target, content)
        )
    elif not left_out and _is_the_same(content, result, file, out):
        raise ValueError(_already(file, target))
    compared = compare_networks(found, form, [source, target], forward)
    _write(FORMATS[target], form, found.norm_eps, result, Path(out).expanduser())
    usage = FORMATS[target].usage
    return Conversion(
        source=source,
        target=target,
        form=form,
        is_training=is_training,
        coverage=compared.coverage,
        left_out=left_out,
        notes=[*compared.notes, *_notes(found, written, source, target, out)],
        differences=compared.differences,
        usage=usage(form, str(out)) if usage else '',
    )


def _source(content: Mapping[str, Any], state: State, source: str, target: str, file: str) -> str:
    """The file's format, by its name or by what the names in it look like."""
    if source == AUTO:
        seen = _by_clues(content, state) or recognised(state)
        if not seen:
            raise ValueError(
                f'checkpoint {file} has names of no format that is known: {_some(state)}'
            )
        return seen[0]
    try:
        read_weights(FORMATS[source], state)
        return source
    except ValueError as error:
        seen = recognised(state)
        if target in seen:
            raise ValueError(_already(file, target)) from None
        looks = (
            f'it looks like {" or ".join(seen)}: give that as FROM'
            if seen
            else ('nor does it look like any other format')
        )
        raise ValueError(
            f'checkpoint {file} is not in the format {source} ({error}); {looks}'
        ) from None


def _by_clues(content: Mapping[str, Any], state: State) -> list[str]:
    clues = [name for key, name in CLUES.items() if key in content]
    heads = {name.partition('.')[0] for name in state}
    clues += [name for head, name in HEADS.items() if head in heads]
    return clues


def _already(file: str | Path, target: str) -> str:
    return (
        f'checkpoint {file} has the names of {target} already: there is nothing to convert, and a '
        'second conversion would spoil it'
    )


def _some(state: State) -> str:
    return ', '.join(list(state)[:3])


def _heads_of_config(file: str | Path) -> int | None:
    """What Hugging Face's config.json beside the weights says."""
    path = weight_files.weights_file(file).with_name('config.json')
    if not path.is_file():
        return None
    try:
        heads = json.loads(path.read_text()).get('num_attention_heads')
    except (ValueError, AttributeError):
        return None
    return heads if isinstance(heads, int) else None


def _packed(format: Format, weights: State, out: str | Path) -> dict[str, Any]:
    named = {format.prefix + name: tensor for name, tensor in weights.items()}
    in_container = format.container and Path(out).suffix != '.safetensors'
    return {format.container: named} if in_container else named


def _is_the_same(
    content: Mapping[str, Any], result: Mapping[str, Any], file: str | Path, out: str | Path
) -> bool:
    """Whether a result says what the file says already."""
    kinds = [
        weight_files.is_folder(path) or Path(path).suffix == '.safetensors' for path in (file, out)
    ]
    return kinds[0] == kinds[1] and _layout(content) == _layout(result)


def _layout(content: Mapping[str, Any]) -> set[str]:
    """Names of tensors, those of a container after its name."""
    names = set()
    for key, value in content.items():
        if isinstance(value, Mapping):
            names |= {f'{key}/{name}' for name, each in value.items() if isinstance(each, Tensor)}
        elif isinstance(value, Tensor):
            names.add(key)
    return names


def _notes(
    found: Backbone, written: Written, source: str, target: str, out: str | Path
) -> list[str]:
    notes = []
    if 'mask_token' not in found.state and any(n.endswith('mask_token') for n in written.state):
        notes.append('a mask token of zeros was added, which the network has and the file has not')
    if target == 'timm' and 'register_tokens' in found.state:
        notes.append('class token and its position became their sum, as timm holds them')
    if found.norm_eps != written.norm_eps:
        option = EPS_OPTIONS.get(target, 'give the network its eps').format(found.norm_eps)
        place = 'it stands in config.json' if weight_files.is_folder(out) else option
        notes.append(
            f'layer norms have eps {found.norm_eps:g} in {source}, {written.norm_eps:g} by default '
            f'in {target}: {place}'
        )
    if target == 'huggingface' and found.kind == 'swin' and found.norm_eps != HF_SWIN_EPS:
        notes.append(
            f"Hugging Face's Swin has eps {HF_SWIN_EPS:g} in patch embedding and merging, whatever "
            'its config says: features differ a little from those compared'
        )
    return notes


def _write(
    format: Format, form: Form, norm_eps: float | None, result: dict[str, Any], out: Path
) -> None:
    if not weight_files.is_folder(out):
        save_file(out, result)
        return
    if format.config is None:
        raise ValueError(f'{format.name} has no folders: give a file as OUT')
    config = format.config(form, norm_eps)
    first = next(iter(result.values()))
    config['dtype'] = str(first.dtype).removeprefix('torch.')
    save_file(out / weight_files.FOLDER_FILES[0], result)
    text = json.dumps(config, indent=2) + '\n'
    AtomicLocalBackend().put(text.encode(), out / 'config.json')
