"""Names of the published iBOT checkpoints: DINO's ViT, with a mask token and LayerScale by need."""

from .dino import VIT
from .formats import Family, Format

NAMES = VIT + [
    ('mask_token', 'masked_embed'),
    ('layers.{i}.attn.gamma1.weight', 'blocks.{i}.gamma_1'),
    ('layers.{i}.ffn.gamma2.weight', 'blocks.{i}.gamma_2'),
]
FORMAT = Format('ibot', 'the published iBOT', (Family('vit', NAMES),), container='state_dict')
