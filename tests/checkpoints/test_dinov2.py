import numpy as np
import pytest

from dinomm.checkpoints.dinov2 import vit_name
from dinomm.models import DINOVisionTransformer


@pytest.mark.parametrize('variant', ['mlp', 'swiglu', 'reg'])
def test_every_name_of_a_published_vit(golden, variant):
    prefix = f'{variant}/w/'
    with np.load(golden / 'dinov2_vit.npz') as arrays:
        published = [name.removeprefix(prefix) for name in arrays if name.startswith(prefix)]
    ours = DINOVisionTransformer(
        arch={'embed_dims': 12, 'num_layers': 3, 'num_heads': 3, 'feedforward_channels': 24},
        img_size=28,
        patch_size=14,
        layer_scale_init_value=1e-5,
        mask_token=True,
        num_registers=4 if variant == 'reg' else 0,
        layer_cfgs={'ffn_type': 'swiglu_fused' if variant == 'swiglu' else 'origin'},
    ).state_dict()
    assert {vit_name(name) for name in published} == set(ours)
    assert len(published) == len(ours)


def test_blocks_in_chunks_keep_their_number():
    assert vit_name('blocks.3.11.ls1.gamma') == 'layers.11.attn.gamma1.weight'
    assert vit_name('blocks.11.mlp.fc1.bias') == 'layers.11.ffn.layers.0.0.bias'
