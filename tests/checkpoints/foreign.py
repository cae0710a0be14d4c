"""Networks of other libraries with random weights, none of them 0 or 1."""

import torch

VIT = dict(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2)
HF_VIT = dict(
    image_size=32, patch_size=8, hidden_size=24, num_hidden_layers=2, num_attention_heads=2
)
SWIN = dict(embed_dim=12, depths=(2, 1, 2, 1), num_heads=(1, 2, 3, 6), window_size=4)


def randomised(network):
    """All parameters drawn anew, so that no scale or bias can hide a mistake."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if 'running_var' in name or (tensor.ndim == 1 and not name.endswith('bias')):
            tensor.copy_(1 + 0.2 * noise.clamp(-2, 2))
        elif tensor.ndim == 1 or 'running_mean' in name:
            tensor.copy_(0.1 * noise)
        else:
            fan_in = tensor[0].numel() if tensor.ndim in (2, 4) else 1
            tensor.copy_(noise * fan_in**-0.5)
    return network.eval()


def timm_network(name, **options):
    import timm

    return randomised(timm.create_model(name, **options))


def timm_networks():
    """Small networks of each form by name."""
    ratio = dict(mlp_ratio=64 * 2 / 24)
    return {
        'plain': ('vit_small_patch16_224', VIT),
        'layer-scale': ('vit_small_patch14_dinov2', VIT),
        'registers': ('vit_small_patch14_reg4_dinov2', VIT),
        'swiglu': ('vit_giant_patch14_dinov2', VIT | ratio),
        'swiglu-registers': ('vit_giant_patch14_reg4_dinov2', VIT | ratio),
        'swin': ('swin_tiny_patch4_window7_224', SWIN | dict(img_size=64, patch_size=2)),
    }


def hf_network(name, **options):
    import transformers as hf

    kinds = {'vit': 'ViT', 'dinov2': 'Dinov2', 'registers': 'Dinov2WithRegisters', 'swin': 'Swin'}
    kind = kinds[name]
    network = getattr(hf, f'{kind}Model')(getattr(hf, f'{kind}Config')(**options))
    return randomised(network)


HF_NETWORKS = {
    'plain': ('vit', HF_VIT | dict(intermediate_size=96)),
    'layer-scale': ('dinov2', HF_VIT),
    'registers': ('registers', HF_VIT),
    'swiglu': ('dinov2', HF_VIT | dict(use_swiglu_ffn=True)),
    'swiglu-registers': ('registers', HF_VIT | dict(use_swiglu_ffn=True)),
    'swin': (
        'swin',
        dict(
            image_size=64,
            patch_size=2,
            embed_dim=12,
            depths=[2, 1, 2, 1],
            num_heads=[1, 2, 3, 6],
            window_size=4,
        ),
    ),
}
