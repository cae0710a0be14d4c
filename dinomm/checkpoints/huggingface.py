"""Names of Hugging Face's ViTModel, Dinov2Model, Dinov2WithRegistersModel and SwinModel.

Written are the names of the files on its hub, which ``from_pretrained`` of every release takes;
read are also those that newer releases have inside. Queries, keys and values are apart.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .coverage import Coverage
from .dino import NO_MASKS
from .dinov2 import with_mask_token
from .formats import Family, Format, Forward, Patterns, State
from .forms import Form, SwinForm, VitForm
from .names import NameTable
from .networks import EPS, evaluated
from .swin import EARLIER_NORMS, NO_INDEX, read_swin, write_swin

EMBEDDINGS = [
    ('cls_token', 'embeddings.cls_token'),
    ('pos_embed', 'embeddings.position_embeddings'),
    ('patch_embed.projection.', 'embeddings.patch_embeddings.projection.'),
    ('ln1.', 'layernorm.'),
]
PARTS = {'q': 'query', 'k': 'key', 'v': 'value'}


def _attention(ours: str, hub: str, *newer: str) -> list[tuple[str, ...]]:
    """Queries, keys and values; ``{}`` stands for the block in ``newer``, for all in ``hub``."""
    pairs: list[tuple[str, ...]] = [
        (
            f'{ours}.{part}.',
            f'{hub}.{word}.',
            *(f'{block}.attention.{part}_proj.' for block in newer),
        )
        for part, word in PARTS.items()
    ]
    return pairs


def _block(ours: str, hub: str, newer: str) -> list[tuple[str, ...]]:
    blocks = (hub, newer)
    return [
        *_attention(f'{ours}.attn.qkv', f'{hub}.attention.attention', *blocks),
        (
            f'{ours}.attn.proj.',
            f'{hub}.attention.output.dense.',
            *(f'{block}.attention.o_proj.' for block in blocks),
        ),
    ]


OURS, LAYER = 'layers.{i}', 'encoder.layer.{i}'
VIT = NameTable(
    [
        *EMBEDDINGS,
        *_block(OURS, LAYER, OURS),
        *(
            (f'layers.{{i}}.ln{n}.', f'{LAYER}.layernorm_{place}.', f'{OURS}.layernorm_{place}.')
            for n, place in ((1, 'before'), (2, 'after'))
        ),
        ('layers.{i}.ffn.layers.0.0.', f'{LAYER}.intermediate.dense.', f'{OURS}.mlp.fc1.'),
        ('layers.{i}.ffn.layers.1.', f'{LAYER}.output.dense.', f'{OURS}.mlp.fc2.'),
    ]
)
DINOV2 = NameTable(
    [
        *EMBEDDINGS,
        ('mask_token', 'embeddings.mask_token'),
        ('register_tokens', 'embeddings.register_tokens'),
        *_block(OURS, LAYER, LAYER),
        ('layers.{i}.ln1.', f'{LAYER}.norm1.'),
        ('layers.{i}.ln2.', f'{LAYER}.norm2.'),
        ('layers.{i}.attn.gamma1.weight', f'{LAYER}.layer_scale1.lambda1'),
        ('layers.{i}.ffn.gamma2.weight', f'{LAYER}.layer_scale2.lambda1'),
        ('layers.{i}.ffn.layers.0.0.', f'{LAYER}.mlp.fc1.'),
        ('layers.{i}.ffn.layers.1.', f'{LAYER}.mlp.fc2.'),
        ('layers.{i}.ffn.w12.', f'{LAYER}.mlp.weights_in.'),
        ('layers.{i}.ffn.w12.gate.', f'{LAYER}.mlp.gate_proj.'),
        ('layers.{i}.ffn.w12.up.', f'{LAYER}.mlp.up_proj.'),
        ('layers.{i}.ffn.w3.', f'{LAYER}.mlp.weights_out.', f'{LAYER}.mlp.down_proj.'),
    ]
)
STAGE, BLOCK = 'stages.{i}.blocks.{j}', 'encoder.layers.{i}.blocks.{j}'
SWIN_TABLE = 'relative_position_bias_table'
SWIN = NameTable(
    [
        ('patch_embed.projection.', 'embeddings.patch_embeddings.projection.'),
        ('patch_embed.norm.', 'embeddings.norm.'),
        (f'{STAGE}.norm1.', f'{BLOCK}.layernorm_before.'),
        *_attention(f'{STAGE}.attn.w_msa.qkv', f'{BLOCK}.attention.self', BLOCK),
        (
            f'{STAGE}.attn.w_msa.proj.',
            f'{BLOCK}.attention.output.dense.',
            f'{BLOCK}.attention.o_proj.',
        ),
        (
            f'{STAGE}.attn.w_msa.{SWIN_TABLE}',
            f'{BLOCK}.attention.self.{SWIN_TABLE}',
            f'{BLOCK}.attention.relative_position_bias.{SWIN_TABLE}',
        ),
        (f'{STAGE}.norm2.', f'{BLOCK}.layernorm_after.'),
        (f'{STAGE}.ffn.layers.0.0.', f'{BLOCK}.intermediate.dense.', f'{BLOCK}.mlp.fc1.'),
        (f'{STAGE}.ffn.layers.1.', f'{BLOCK}.output.dense.', f'{BLOCK}.mlp.fc2.'),
        ('stages.{i}.downsample.norm.', 'encoder.layers.{i}.downsample.norm.'),
        ('stages.{i}.downsample.reduction.', 'encoder.layers.{i}.downsample.reduction.'),
        ('norm.', 'layernorm.'),
    ]
)
POOLER: Patterns = ((r'pooler\.', 'the pooler of a classifier'),)


def joined(state: State, whole: str, parts: Iterable[str]) -> State:
    """The state with ``...WHOLE.weight`` instead of ``...WHOLE.PART.weight`` of every part.

    Raises:
        ValueError: A part is missing.
    """
    parts = list(parts)
    pattern = re.compile(rf'(.*\.{whole})\.({"|".join(parts)})\.(\w+)\Z')
    result = {}
    for name, tensor in state.items():
        found = pattern.match(name)
        if not found:
            result[name] = tensor
            continue
        module, _, kind = found.groups()
        if f'{module}.{kind}' in result:
            continue
        names = [f'{module}.{part}.{kind}' for part in parts]
        missing = [each for each in names if each not in state]
        if missing:
            raise ValueError(f'{missing[0]} is missing, {name} is there')
        result[f'{module}.{kind}'] = torch.cat([state[each] for each in names])
    return result


def split(state: State, whole: str, parts: Iterable[str]) -> State:
    """The inverse of :func:`joined`."""
    parts = list(parts)
    pattern = re.compile(rf'(.*\.{whole})\.(\w+)\Z')
    result = {}
    for name, tensor in state.items():
        found = pattern.match(name)
        if found:
            module, kind = found.groups()
            for part, piece in zip(parts, tensor.chunk(len(parts)), strict=True):
                result[f'{module}.{part}.{kind}'] = piece
        else:
            result[name] = tensor
    return result


def _read_vit(state: State) -> State:
    state = joined(joined(state, 'qkv', PARTS), 'w12', ('gate', 'up'))
    if 'mask_token' in state:
        state['mask_token'] = state['mask_token'].flatten(0, -2)
    return state


def _write_vit(state: State) -> State:
    return split(state, 'qkv', PARTS)


def _write_dinov2(state: State) -> State:
    if 'layers.0.attn.gamma1.weight' not in state:
        raise ValueError('Hugging Face has no registers or SwiGLU without LayerScale')
    return with_mask_token(split(state, 'qkv', PARTS))


def _read_swin(state: State) -> State:
    return read_swin(joined(state, 'qkv', PARTS))


def _write_swin(state: State) -> State:
    return split(write_swin(state), 'qkv', PARTS)


def config(form: Form, norm_eps: float | None) -> dict[str, Any]:
    """What ``config.json`` says; ``norm_eps`` is that of the network the weights come from.

    Raises:
        ValueError: Hugging Face has no network of that form.
    """
    common = dict(image_size=form.image, layer_norm_eps=norm_eps, dtype='float32')
    if isinstance(form, SwinForm):
        return dict(
            architectures=['SwinModel'],
            model_type='swin',
            embed_dim=form.width,
            depths=list(form.depths),
            num_heads=list(form.heads),
            window_size=form.window,
            patch_size=form.patch,
            mlp_ratio=form.mlp_ratio,
            **common,
        )
    if not isinstance(form, VitForm):
        raise ValueError('Hugging Face is no format of a ResNet here')
    common |= dict(
        hidden_size=form.width,
        num_hidden_layers=form.depth,
        num_attention_heads=form.heads,
        patch_size=form.patch,
        qkv_bias=form.qkv_bias,
    )
    if not form.layer_scale:
        return dict(
            architectures=['ViTModel'],
            model_type='vit',
            intermediate_size=form.hidden,
            **common,
        )
    ratio = round(form.hidden * (1.5 if form.swiglu else 1) / form.width)
    if _hidden(form.width * ratio, form.swiglu) != form.hidden:
        raise ValueError(
            f'Hugging Face has no DINOv2 of width {form.width} with an MLP of {form.hidden}: its '
            'mlp_ratio is a whole number'
        )
    common |= dict(mlp_ratio=ratio, use_swiglu_ffn=form.swiglu)
    if form.registers:
        return dict(
            architectures=['Dinov2WithRegistersModel'],
            model_type='dinov2_with_registers',
            num_register_tokens=form.registers,
            **common,
        )
    return dict(architectures=['Dinov2Model'], model_type='dinov2', **common)


def _hidden(width: int, swiglu: bool) -> int:
    return (width * 2 // 3 + 7) // 8 * 8 if swiglu else width


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the library's progress bars and reports; the coverage says what they would."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@torch.no_grad()
def forward(form: Form, state: State, images: torch.Tensor) -> Forward:
    """Features of Hugging Face's network with the weights, eps 1e-6.

    Raises:
        ImportError: There are no transformers.
    """
    import transformers

    settings = config(form, EPS)
    kind = getattr(transformers, settings.pop('architectures')[0])
    options = {} if kind.__name__.startswith('Dinov2') else {'add_pooling_layer': False}
    settings.pop('dtype')
    with _quiet(transformers.utils.logging):
        network, found = kind.from_pretrained(
            None,
            config=kind.config_class(**settings),
            state_dict={name: tensor.clone() for name, tensor in state.items()},
            output_loading_info=True,
            **options,
        )
    evaluated(network)
    features = network(images).last_hidden_state
    coverage = Coverage(
        [name for name in network.state_dict() if name not in found['missing_keys']],
        sorted(found['missing_keys']),
        sorted(found['unexpected_keys']),
        [str(names) for names in found['mismatched_keys']],
    )
    if isinstance(form, VitForm):
        features = torch.cat([features[:, :1], features[:, 1 + form.registers :]], dim=1)
    return Forward(features, coverage)


def usage(form: Form, file: str) -> str:
    """A line that loads the file."""
    settings = config(form, None)
    kind, told = settings.pop('architectures')[0], ''
    if not kind.startswith('Dinov2'):
        told = ', add_pooling_layer=False'
    if not file.endswith(('.pth', '.safetensors')):
        return f'transformers.AutoModel.from_pretrained({file!r}{told})'
    return (
        f'transformers.{kind}.from_pretrained(None, config=CONFIG, state_dict=WEIGHTS{told}) with '
        f'WEIGHTS = {_reading(file)}; convert to a folder instead to have the config beside it'
    )


def _reading(file: str) -> str:
    if file.endswith('.safetensors'):
        return f'safetensors.torch.load_file({file!r})'
    return f'torch.load({file!r}, weights_only=True)'


FORMAT = Format(
    'huggingface',
    'Hugging Face',
    (
        Family('vit', VIT, _read_vit, _write_vit, NO_MASKS, POOLER, norm_eps=1e-12),
        Family('vit', DINOV2, _read_vit, _write_dinov2, beside=POOLER),
        Family(
            'swin',
            SWIN,
            _read_swin,
            _write_swin,
            left_out=(*NO_INDEX, *EARLIER_NORMS),
            beside=(*POOLER, *NO_INDEX),
            norm_eps=1e-5,
        ),
    ),
    prefixes=('vit.', 'dinov2.', 'dinov2_with_registers.', 'swin.'),
    forward=forward,
    usage=usage,
    config=config,
)
