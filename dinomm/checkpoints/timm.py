"""Names and order of timm's ViT and Swin, to dinomm's and back.

timm's ViT with registers has no position for the class token (``no_embed_class``): it is added to
the token. Its packed SwiGLU is called as an MLP is. A stage of its Swin begins with patch merging,
where dinomm's ends with it.
"""

import re
from typing import Any

import torch

from .dino import NO_MASKS, VIT
from .formats import Family, Format, Forward, State
from .forms import SwinForm, VitForm
from .networks import filled
from .swin import EARLIER_NORMS, NO_INDEX, NO_MASK, PUBLISHED, read_swin, write_swin

NAMES = VIT + [
    ('register_tokens', 'reg_token'),
    ('layers.{i}.attn.gamma1.weight', 'blocks.{i}.ls1.gamma'),
    ('layers.{i}.ffn.gamma2.weight', 'blocks.{i}.ls2.gamma'),
]
SWIGLU = (('.ffn.w12.', '.ffn.layers.0.0.'), ('.ffn.w3.', '.ffn.layers.1.'))


def read_vit(state: State) -> State:
    """dinomm's weights from a state whose names alone are dinomm's."""
    first = state.get('layers.0.ffn.layers.0.0.weight')
    second = state.get('layers.0.ffn.layers.1.weight')
    if first is not None and second is not None and len(first) == 2 * second.shape[1]:
        state = _renamed(state, [(theirs, ours) for ours, theirs in SWIGLU])
    if 'register_tokens' in state:
        if not {'cls_token', 'pos_embed'} <= set(state):
            raise ValueError('registers without a class token or positions are not read')
        positions = state['pos_embed']
        state['pos_embed'] = torch.cat([torch.zeros_like(positions[:, :1]), positions], dim=1)
    return state


def write_vit(state: State) -> State:
    """The inverse; of class token and its position the sum alone stays, with registers."""
    state = _renamed(state, SWIGLU)
    if 'register_tokens' in state:
        positions = state['pos_embed']
        state['cls_token'] = state['cls_token'] + positions[:, :1]
        state['pos_embed'] = positions[:, 1:]
    return state


def _renamed(state: State, pairs) -> State:
    renamed = {}
    for name, tensor in state.items():
        for old, new in pairs:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def _read_swin(state: State) -> State:
    if any(name.startswith('stages.0.downsample.') for name in state):
        raise ValueError('layers.0.downsample is no name of timm, whose first stage has none')
    return read_swin(_moved_merging(state, -1))


def _write_swin(state: State) -> State:
    return _moved_merging(write_swin(state), 1)


def _moved_merging(state: State, by: int) -> State:
    def moved(found: re.Match) -> str:
        return f'stages.{int(found[1]) + by}.downsample.'

    return {re.sub(r'^stages\.(\d+)\.downsample\.', moved, n): t for n, t in state.items()}


def model_options(form: VitForm | SwinForm) -> dict[str, Any]:
    """Arguments of ``timm.create_model``."""
    if isinstance(form, SwinForm):
        return dict(
            model_name='swin_tiny_patch4_window7_224',
            img_size=form.image,
            patch_size=form.patch,
            window_size=form.window,
            embed_dim=form.width,
            depths=form.depths,
            num_heads=form.heads,
            mlp_ratio=form.mlp_ratio,
            num_classes=0,
        )
    size = 'giant' if form.swiglu else 'small'
    registers = 'reg4_' if form.registers else ''
    published = f'vit_{size}_patch14_{registers}dinov2'
    is_plain = not (form.layer_scale or form.swiglu or form.registers)
    options = dict(
        model_name='vit_small_patch16_224' if is_plain else published,
        img_size=form.image,
        patch_size=form.patch,
        embed_dim=form.width,
        depth=form.depth,
        num_heads=form.heads,
        mlp_ratio=_exact_ratio(form.hidden * (2 if form.swiglu else 1), form.width),
        num_classes=0,
    )
    if form.registers not in (0, 4):
        options['reg_tokens'] = form.registers
    if not (is_plain or form.layer_scale):
        options['init_values'] = None
    if not form.qkv_bias:
        options['qkv_bias'] = False
    return options


def _exact_ratio(hidden: int, width: int) -> float:
    """timm truncates width x ratio."""
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else (hidden + 0.5) / width


@torch.no_grad()
def forward(form: VitForm | SwinForm, state: State, images: torch.Tensor) -> Forward:
    """Features of timm's network with the weights.

    Raises:
        ImportError: There is no timm.
    """
    import timm

    network: Any = timm.create_model(**model_options(form))
    coverage = filled(network, state)
    features = network.forward_features(images)
    if isinstance(form, SwinForm):
        return Forward(features.flatten(1, 2), coverage)
    patches = features[:, 1 + form.registers :]
    return Forward(torch.cat([features[:, :1], patches], dim=1), coverage)


def usage(form: VitForm | SwinForm, file: str) -> str:
    """A line that loads the file."""
    options = model_options(form)
    name = options.pop('model_name')
    told = ', '.join(f'{key}={value!r}' for key, value in options.items())
    return f'timm.create_model({name!r}, {told}, checkpoint_path={file!r})'


FORMAT = Format(
    'timm',
    'timm',
    (
        Family('vit', NAMES, read_vit, write_vit, left_out=NO_MASKS),
        Family(
            'swin',
            PUBLISHED,
            _read_swin,
            _write_swin,
            left_out=(*NO_INDEX, *EARLIER_NORMS),
            beside=(*NO_INDEX, *NO_MASK),
            norm_eps=1e-5,
        ),
    ),
    forward=forward,
    usage=usage,
)
