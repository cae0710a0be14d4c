import pytest
import torch
from torch import nn

from dinomm.engine import DINOOptimWrapper, TwoGroupConstructor
from dinomm.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS


@pytest.fixture
def model(tiny_model):
    return MODELS.build(tiny_model())


def build(model, optimizer=None, paramwise_cfg=None, **wrapper):
    config = {'optimizer': {'type': 'AdamW', 'lr': 0.1, **(optimizer or {})}, **wrapper}
    return TwoGroupConstructor(config, paramwise_cfg)(model)


def names_of(model, group):
    members = {id(parameter) for parameter in group['params']}
    return {name for name, parameter in model.named_parameters() if id(parameter) in members}


def test_two_groups_as_published(model):
    wrapper = build(model, {'weight_decay': 0.04})
    assert isinstance(wrapper, DINOOptimWrapper)
    decayed, undecayed = wrapper.optimizer.param_groups
    assert (decayed['weight_decay'], undecayed['weight_decay']) == (0.04, 0.0)
    expected = {
        name
        for name, _ in model.named_parameters()
        if name.endswith('.bias') or '.ln1.' in name or '.ln2.' in name
    }
    assert names_of(model, undecayed) == expected
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert names_of(model, decayed) == trainable - expected
    assert {'backbone.cls_token', 'backbone.pos_embed'} <= names_of(model, decayed)
    assert 'heads.view.prototypes.weight_g' not in trainable


def test_free_lengths_are_decayed_as_published(tiny_model):
    model = MODELS.build(tiny_model(head={'fixed_length': False}))
    decayed, _ = build(model).optimizer.param_groups
    assert 'heads.view.prototypes.weight_g' in names_of(model, decayed)


def test_last_layer_is_the_prototypes(model):
    wrapper = build(model, freeze_last_layer=1)
    assert [id(p) for p in wrapper.last_layer] == [id(model.heads['view'].prototypes.weight_v)]
    assert wrapper.freeze_last_layer == 1


def test_wrapped_model_gives_the_same_groups(model):
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = model

    groups = [build(m).optimizer.param_groups for m in (model, Wrapper())]
    for bare, wrapped in zip(*groups, strict=True):
        assert names_of(model, bare) == names_of(model, wrapped)


def test_layer_decay_groups_and_rates(model):
    wrapper = build(model, {'lr': 0.1}, {'layer_decay': 0.5})
    rates = {}
    for group in wrapper.optimizer.param_groups:
        for name in names_of(model, group):
            rates[name] = group['lr']
    # embedding, two blocks, and everything above
    assert rates['heads.view.projector.0.weight'] == pytest.approx(0.1)
    assert rates['backbone.layers.1.attn.qkv.weight'] == pytest.approx(0.05)
    assert rates['backbone.layers.0.attn.qkv.bias'] == pytest.approx(0.025)
    assert rates['backbone.cls_token'] == pytest.approx(0.0125)
    assert set(rates) == {n for n, p in model.named_parameters() if p.requires_grad}
    for group in wrapper.optimizer.param_groups:
        undecayed = names_of(model, group) & {'backbone.ln1.bias', 'backbone.layers.0.ln1.weight'}
        assert not undecayed or group['weight_decay'] == 0
    assert len(wrapper.optimizer.param_groups) == 8


def rates_of(model, wrapper):
    return {
        name: group['lr']
        for group in wrapper.optimizer.param_groups
        for name in names_of(model, group)
    }


def test_patch_embedding_has_a_rate_of_its_own(model):
    wrapper = build(model, {'lr': 0.1}, {'patch_embed_lr': 0.2})
    rates = rates_of(model, wrapper)
    slow = {name for name, rate in rates.items() if rate == pytest.approx(0.02)}
    projection = 'backbone.patch_embed.projection'
    assert slow == {f'{projection}.weight', f'{projection}.bias'}
    assert {rates[name] for name in set(rates) - slow} == {0.1}
    # on top of its layer's
    rates = rates_of(model, build(model, {'lr': 0.1}, {'patch_embed_lr': 0.2, 'layer_decay': 0.5}))
    assert rates[f'{projection}.weight'] == pytest.approx(0.1 * 0.5**3 * 0.2)
    assert rates['backbone.cls_token'] == pytest.approx(0.1 * 0.5**3)


@pytest.mark.parametrize('multiplier', [0.2, 5.0])
def test_the_full_rate_stands_first(model, multiplier):
    # it is what the log shows as lr
    wrapper = build(model, {'lr': 0.1}, {'patch_embed_lr': multiplier})
    assert wrapper.get_lr()['lr'][0] == 0.1


def test_the_least_rate_is_multiplied_too(model):
    wrapper = build(model, {'lr': 0.1}, {'patch_embed_lr': 0.2, 'layer_decay': 0.5})
    before = rates_of(model, wrapper)
    scheduler = PARAM_SCHEDULERS.build(
        {
            'type': 'CosineAnnealingLR',
            '_scope_': 'dinomm',
            'eta_min_ratio': 0.3,
            'by_epoch': False,
            'end': 7,
            'optimizer': wrapper,
        }
    )
    for _ in range(7):
        scheduler.step()
    after = rates_of(model, wrapper)
    left = after['heads.view.prototypes.weight_v'] / 0.1  # at the least, but for a step of 7
    assert 0.3 < left < 0.35
    assert len(set(after.values())) == 5
    assert after == pytest.approx({name: left * rate for name, rate in before.items()})


def test_timms_patch_embedding(model):
    wrapped = nn.Module()
    wrapped.backbone = nn.Module()
    wrapped.backbone.timm_model = nn.Module()
    wrapped.backbone.timm_model.patch_embed = nn.Linear(2, 2)
    wrapped.backbone.patch_embedding = nn.Linear(2, 2)
    rates = rates_of(wrapped, build(wrapped, {'lr': 0.1}, {'patch_embed_lr': 0.2}))
    assert rates['backbone.timm_model.patch_embed.weight'] == pytest.approx(0.02)
    assert rates['backbone.patch_embedding.weight'] == 0.1


def test_multipliers_that_make_no_sense(model):
    with pytest.raises(ValueError, match=r'patch_embed_lr is 0.2, but model.backbone has no patch'):
        build(detector(nn.Conv2d(2, 2, 1)), {'lr': 0.1}, {'patch_embed_lr': 0.2})
    for key, value in (('patch_embed_lr', -1), ('patch_embed_lr', '0.2'), ('layer_decay', 0)):
        with pytest.raises(ValueError, match=rf'paramwise_cfg.{key} is .* multiplier above 0'):
            build(model, {'lr': 0.1}, {key: value})


def test_parts_are_backbone_and_heads(tiny_model):
    config = tiny_model()
    config['heads']['other'] = config['heads']['view']
    model = MODELS.build(config)
    parts = build(model).parts
    assert list(parts) == ['backbone', 'heads.view', 'heads.other']
    for part, parameters in parts.items():
        expected = [p for p in model.get_submodule(part).parameters() if p.requires_grad]
        assert list(map(id, parameters)) == list(map(id, expected))


def test_unknown_key_is_named(model):
    with pytest.raises(ValueError, match=r"paramwise_cfg has \['norm_decay_mult'\]"):
        build(model, paramwise_cfg={'norm_decay_mult': 0.0})


@pytest.mark.parametrize(
    'optimizer',
    [
        {'type': 'SGD', 'momentum': 0.9},
        {'type': 'mmpretrain.LARS', 'momentum': 0.9, 'weight_decay': 1e-6},
        {'type': 'LARS', 'momentum': 0.9},
        {'type': 'AdamW', 'fused': True},
    ],
    ids=str,
)
def test_other_optimizers_step(model, optimizer):
    wrapper = build(model, optimizer)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    wrapper.update_params(sum(p.square().sum() for p in model.parameters() if p.requires_grad))
    assert wrapper.steps == 1
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and before[name].any():
            assert not torch.equal(parameter, before[name]), name


def test_lars_leaves_the_rates_of_biases_and_norms_alone(model):
    wrapper = build(model, {'type': 'LARS', 'momentum': 0.0, 'lr': 0.1})
    weight = model.backbone.ln1.weight
    before = weight.detach().clone()
    wrapper.update_params(weight.mul(3).sum())
    torch.testing.assert_close(weight.detach(), before - 0.3)


def test_config_builds_it_by_name(model):
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        {
            'type': 'TwoGroupConstructor',
            'optim_wrapper_cfg': {
                'type': 'DINOAmpOptimWrapper',
                'optimizer': {'type': 'AdamW', 'lr': 1.0},
                'accumulative_counts': 2,
            },
        }
    )
    wrapper = constructor(model)
    assert type(wrapper).__name__ == 'DINOAmpOptimWrapper'
    assert wrapper.accumulative_counts == 2


def detector(backbone):
    """As those of mmdet: the layers are known to the backbone alone."""
    model = nn.Module()
    model.backbone, model.neck = backbone, nn.Conv2d(2, 2, 1)
    return model


def test_layer_decay_of_a_detector(model):
    parts = detector(model.backbone)
    options = {'layer_decay': 0.5, 'no_decay': ('pos_embed', 'cls_token')}
    wrapper = build(parts, {'lr': 0.1, 'weight_decay': 0.1}, options, type='OptimWrapper')
    rates, decayed = {}, {}
    for group in wrapper.optimizer.param_groups:
        for name in names_of(parts, group):
            rates[name], decayed[name] = group['lr'], group['weight_decay'] > 0
    assert rates['neck.weight'] == rates['backbone.ln1.weight'] == pytest.approx(0.1)
    assert rates['backbone.layers.1.attn.qkv.weight'] == pytest.approx(0.05)
    assert rates['backbone.layers.0.attn.qkv.weight'] == pytest.approx(0.025)
    assert rates['backbone.pos_embed'] == pytest.approx(0.0125)
    assert rates['backbone.patch_embed.projection.weight'] == pytest.approx(0.0125)
    undecayed = {name for name, is_decayed in decayed.items() if not is_decayed}
    assert {'backbone.pos_embed', 'backbone.cls_token', 'neck.bias'} <= undecayed
    assert {'backbone.patch_embed.projection.weight', 'neck.weight'}.isdisjoint(undecayed)


def test_layer_decay_needs_layers():
    with pytest.raises(ValueError, match='Conv2d does not: leave layer_decay away'):
        build(detector(nn.Conv2d(2, 2, 1)), {'lr': 0.1}, {'layer_decay': 0.5})
