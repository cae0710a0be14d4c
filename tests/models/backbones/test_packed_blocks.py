import pytest
import torch
from torch import nn

from dinomm.models import DINOVisionTransformer, encode_groups

ARCH = {'embed_dims': 24, 'num_layers': 3, 'num_heads': 3, 'feedforward_channels': 48}
SIZES = ((3, 28, 42), (5, 14, 14), (4, 28, 28))  # images, height, width


def build(**options):
    options = {'arch': ARCH, 'layer_scale_init_value': 0.5, 'mask_token': True, **options}
    backbone = DINOVisionTransformer(img_size=42, patch_size=7, pack=True, **options)
    for name, parameter in backbone.named_parameters():
        nn.init.normal_(parameter, 1.0 if 'ln' in name else 0.0, 0.3)
    return backbone


def inputs():
    images = [torch.randn(n, 3, h, w) for n, h, w in SIZES]
    masks = [torch.rand(3, 4, 6) < 0.4, None, torch.rand(4, 16) < 0.4]
    return images, masks


def run(backbone, pack, regions, seed=0):
    """Tokens and gradients of a pass with random weights of the sum."""
    torch.manual_seed(5)
    images, masks = inputs()
    backbone.pack = pack
    backbone.zero_grad()
    torch.manual_seed(seed)
    groups = encode_groups(backbone, images, regions, masks)
    outputs = [part for tokens in groups for part in tokens[:2]]
    torch.manual_seed(6)
    sum((part * torch.randn_like(part)).sum() for part in outputs).backward()
    gradients = {name: p.grad for name, p in backbone.named_parameters()}
    return [groups, outputs, gradients]


OPTIONS = [
    {},
    {'num_registers': 2},
    {'layer_cfgs': {'ffn_type': 'swiglu_fused'}},
    {'with_cls_token': False},
    {'positions': 'rotary'},
    {'positions': 'rotary', 'rotary_rescale': 2.0},
    {'drop_path_rate': 0.08},
    {'drop_path_rate': 0.4, 'skip_dropped': True},
    {'drop_path_rate': 0.4, 'skip_dropped': True, 'drop_path_uniform': True, 'num_registers': 1},
    {'qkv_bias': False, 'final_norm': False},
    {'out_indices': [0, 1]},
]


@pytest.mark.parametrize('options', OPTIONS, ids=str)
@pytest.mark.parametrize('regions', [(True, False, True), (True, True, True)], ids=str)
def test_one_pass_equals_one_pass_a_size(options, regions):
    backbone = build(**options)
    (packed, values, gradients), (_, expected, expected_gradients) = (
        run(backbone, pack, regions) for pack in (True, False)
    )
    assert [tokens.grid for tokens in packed] == [(4, 6), (2, 2), (4, 4)]
    for value, reference in zip(values, expected, strict=True):
        torch.testing.assert_close(value, reference, atol=1e-5, rtol=1e-5)
    for name, reference in expected_gradients.items():
        if reference is None:  # behind the last block in out_indices
            assert gradients[name] is None and name.startswith(('layers.2.', 'ln1.'))
            continue
        scale = float(reference.abs().max()) + 1e-6
        assert float((gradients[name] - reference).abs().max()) < 1e-5 * scale, name


@pytest.mark.parametrize('options', OPTIONS[6:9], ids=str)
def test_stochastic_depth_drops_in_both(options):
    """Else the equality above would say nothing of it."""
    backbone = build(**options)
    for pack in (True, False):
        first, second = (run(backbone, pack, [True] * 3, seed)[1][0] for seed in (0, 1))
        assert not torch.allclose(first, second)


@torch.no_grad()
def test_an_image_sees_itself_alone():
    backbone = build()
    images, masks = inputs()
    before = backbone.forward_packed(images, masks)
    images[1][2] += 1
    for i, (old, new) in enumerate(
        zip(before, backbone.forward_packed(images, masks), strict=True)
    ):
        changed = (old[0] != new[0]).flatten(1).any(1)
        assert changed.tolist() == [(i, n) == (1, 2) for n in range(len(changed))]


@torch.no_grad()
def test_packing_is_one_call_of_each_layer():
    backbone = build()
    images, masks = inputs()
    rows = []
    for layer in backbone.layers:
        layer.ffn.register_forward_pre_hook(lambda _module, args: rows.append(len(args[0])))
    num_tokens = [n * (1 + h // 7 * (w // 7)) for n, h, w in SIZES]
    backbone(images, [False, True, False], masks)
    # the last block computes one token of each image of the second size
    assert rows == [sum(num_tokens)] * 2 + [num_tokens[0] + 5 + num_tokens[2]]
    rows.clear()
    encode_groups(backbone, images, [True] * 3, masks)
    assert len(rows) == 3
    rows.clear()
    backbone.pack = False
    encode_groups(backbone, images, [True] * 3, masks)
    assert len(rows) == 9


@torch.no_grad()
def test_lists_give_what_tensors_give():
    backbone = build(out_indices=[0, 2])
    images, masks = inputs()
    packed = backbone(images, masks=masks)
    for output, group, mask in zip(packed, images, masks, strict=True):
        alone = backbone(group, masks=mask)
        assert len(output) == len(alone) == 2
        torch.testing.assert_close(output, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('pack', [True, False])
def test_a_step_in_bfloat16_is_near_that_in_float32(pack):
    options = {'drop_path_rate': 0.4, 'skip_dropped': True, 'num_registers': 1}
    backbone = build(**options, layer_cfgs={'ffn_type': 'swiglu_fused'}, positions='rotary')
    _, expected, gradients = run(backbone, pack, [True, False, True])
    gradients = {name: gradient.clone() for name, gradient in gradients.items()}
    with torch.autocast('cpu', torch.bfloat16):
        _, values, rounded = run(backbone, pack, [True, False, True])
    for value, reference in zip(values, expected, strict=True):
        assert value.isfinite().all()
        assert (value.float() - reference).norm() < 0.1 * reference.norm() + 1e-6
    for name, reference in gradients.items():
        assert (rounded[name] - reference).norm() < 0.2 * reference.norm() + 1e-3, name


def compiled_equals_eager(backbone, tolerance, **compiler):
    torch._dynamo.reset()
    _, expected, gradients = run(backbone, True, [True, False, True])
    gradients = {name: gradient.clone() for name, gradient in gradients.items()}
    backbone.compile(fullgraph=True, **compiler)
    _, values, found = run(backbone, True, [True, False, True])
    for value, reference in zip(values, expected, strict=True):
        torch.testing.assert_close(value, reference, atol=tolerance, rtol=tolerance)
    for name, reference in gradients.items():
        scale = float(reference.abs().max()) + 1e-6
        assert float((found[name] - reference).abs().max()) < tolerance * scale, name


@pytest.mark.slow
@pytest.mark.parametrize(
    'options', [{}, {'positions': 'rotary'}, OPTIONS[8], {'drop_path_rate': 0.1}], ids=str
)
def test_a_step_with_masks_is_one_graph(options):
    """Without random numbers of the compiler's own: those of stochastic depth are the same."""
    arch = {**ARCH, 'num_layers': 2}
    compiled_equals_eager(build(arch=arch, **options), 1e-5, backend='aot_eager')


@pytest.mark.slow
def test_a_compiled_step_with_masks_equals_the_eager_one():
    compiled_equals_eager(build(arch={**ARCH, 'num_layers': 1}, num_registers=1), 1e-4)
