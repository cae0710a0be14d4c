"""DINOv2's network against the published one."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from dinomm.checkpoints.dinov2 import vit_name
from dinomm.models import DINOVisionTransformer, encode_groups

from .dino import fill, tensors
from .result import Result, compare

Arrays = Mapping[str, np.ndarray]
NUM_HEADS = 3  # of the stored networks; no shape tells


def build_vit(state: dict[str, Tensor], image_size: int, num_heads: int) -> DINOVisionTransformer:
    """A ViT of the form that published DINOv2 weights have, and these weights."""
    width, _, patch, _ = state['patch_embed.proj.weight'].shape
    registers = state['register_tokens'].shape[1] if 'register_tokens' in state else 0
    is_swiglu = 'blocks.0.mlp.w12.weight' in state
    backbone = DINOVisionTransformer(
        arch={
            'embed_dims': width,
            'num_layers': 1 + max(int(k.split('.')[1]) for k in state if k.startswith('blocks.')),
            'num_heads': num_heads,
            'feedforward_channels': 4 * width if is_swiglu else len(state['blocks.0.mlp.fc1.bias']),
        },
        img_size=image_size,
        patch_size=patch,
        layer_scale_init_value=1e-5,
        layer_cfgs={'ffn_type': 'swiglu_fused' if is_swiglu else 'origin'},
        num_registers=registers,
        mask_token='mask_token' in state,
        position_offset=0.0 if registers else 0.1,
        position_antialias=bool(registers),
        pad_to_patch=False,
        pack=True,
    )
    fill(backbone, {vit_name(name): value for name, value in state.items()})
    return backbone


def check_vit(arrays: Arrays) -> Iterator[Result]:
    """Class and patch tokens of each network; all inputs packed, and each on its own."""
    for variant in sorted({name.split('/')[0] for name in arrays}):
        stored = tensors(arrays, f'{variant}/')
        backbone = build_vit(
            tensors(arrays, f'{variant}/w/'), stored['x_native'].shape[-1], NUM_HEADS
        )
        nn.Module.train(backbone, False)
        inputs = {
            name.removeprefix('x_'): stored[name] for name in sorted(stored) if name[:2] == 'x_'
        }
        masks = [stored['mask'] if name == 'masked' else None for name in inputs]
        for packed in (True, False):
            backbone.pack = packed
            with torch.no_grad():
                groups = encode_groups(backbone, list(inputs.values()), [True] * len(inputs), masks)
            how = ' (packed)' if packed else ''
            for name, tokens in zip(inputs, groups, strict=True):
                for kind, actual in {'cls': tokens.view, 'patch': tokens.region}.items():
                    expected = stored[f'{kind}_{name}']
                    yield compare(f'{variant} {kind} {name}{how}', actual, expected, 1e-4)
