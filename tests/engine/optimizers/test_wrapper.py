import copy

import pytest
import torch
from torch import nn

from dinomm.engine import DINOAmpOptimWrapper, DINOOptimWrapper
from dinomm.engine.optimizers.wrapper import clip_each

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')


def network(device='cpu'):
    return nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)).to(device)


def wrap(model, cls=DINOOptimWrapper, optimizer=None, **options):
    optimizer = {'lr': 0.1, **(optimizer or {})}
    return cls(optimizer=torch.optim.AdamW(model.parameters(), **optimizer), **options)


def loss_of(model, seed=0):
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    return model(torch.randn(5, 4, generator=generator).to(device)).square().mean()


def weights(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def gradients_at_step(monkeypatch, wrapper):
    seen = []
    step = wrapper.optimizer.step

    def note(**kwargs):
        for group in wrapper.optimizer.param_groups:
            seen.extend(None if p.grad is None else p.grad.clone() for p in group['params'])
        return step(**kwargs)

    monkeypatch.setattr(wrapper.optimizer, 'step', note)
    return seen


def test_each_gradient_is_clipped_on_its_own():
    gradients = [torch.randn(3, 4) * scale for scale in (0.01, 1.0, 100.0)] + [torch.zeros(2)]
    before = [gradient.clone() for gradient in gradients]
    clip_each(gradients, 1.5)
    for clipped, gradient in zip(gradients, before, strict=True):
        factor = min(1.0, 1.5 / (float(gradient.norm()) + 1e-6))
        torch.testing.assert_close(clipped, factor * gradient)
    assert torch.equal(gradients[0], before[0])
    assert float(gradients[2].norm()) == pytest.approx(1.5, rel=1e-4)


def clipped(gradients, max_norm):
    """By their common norm."""
    total = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * min(1.0, max_norm / float(total + 1e-6)) for gradient in gradients]


@pytest.mark.parametrize('per', ['parameter', 'part', 'model'])
def test_clipping_before_the_step(monkeypatch, per):
    model = network()
    loss_of(model).mul(50).backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    expected = {
        'parameter': [clipped([gradient], 0.3)[0] for gradient in gradients],
        'part': clipped(gradients[:2], 0.3) + clipped(gradients[2:], 0.3),
        'model': clipped(gradients, 0.3),
    }[per]
    model.zero_grad()
    wrapper = wrap(model, clip_grad={'max_norm': 0.3, 'per': per})
    if per == 'part':
        wrapper.parts = {'first': [*model[0].parameters()], 'second': [*model[1].parameters()]}
    seen = gradients_at_step(monkeypatch, wrapper)
    wrapper.update_params(loss_of(model).mul(50))
    for actual, gradient in zip(seen, expected, strict=True):
        torch.testing.assert_close(actual, gradient)


def test_a_part_below_the_norm_or_without_gradients_stays_as_it_is(monkeypatch):
    model = network()
    wrapper = wrap(model, clip_grad={'max_norm': 1e6, 'per': 'part'}, freeze_last_layer=1)
    wrapper.parts = {'first': [*model[0].parameters()], 'second': [*model[1].parameters()]}
    wrapper.last_layer = list(model[1].parameters())
    wrapper.start_epoch(0)
    seen = gradients_at_step(monkeypatch, wrapper)
    wrapper.update_params(loss_of(model))
    assert seen[2:] == [None, None] and all(gradient.any() for gradient in seen[:2])


def test_parts_that_nobody_named():
    model = network()
    wrapper = wrap(model, clip_grad={'max_norm': 1.0, 'per': 'part'})
    with pytest.raises(ValueError, match=r"per is 'part'.*constructor='TwoGroupConstructor'"):
        wrapper.update_params(loss_of(model))


@pytest.mark.parametrize('options', [{}, {'per': 'parameter'}])
def test_the_former_key_is_answered_with_the_new_one(options):
    clip_grad = {'max_norm': 3.0, 'per_parameter': False, **options}
    with pytest.raises(ValueError, match=r"per_parameter is now called per.*per='model' for False"):
        wrap(network(), clip_grad=clip_grad)


@pytest.mark.parametrize(
    'clip_grad',
    [
        3.0,
        {},
        {'max_norm': 0},
        {'max_norm': float('nan')},
        {'max_norm': True},
        {'max_norm': '3'},
        {'max_norm': 1.0, 'norm_type': 2},
        {'max_norm': 1.0, 'per': 'head'},
        {'max_norm': 1.0, 'per': ['part']},
    ],
    ids=str,
)
def test_clip_grad_of_another_form_is_an_error(clip_grad):
    with pytest.raises(ValueError, match=r'optim_wrapper\.clip_grad is .*max_norm=3\.0'):
        wrap(network(), clip_grad=clip_grad)


def test_frozen_last_layer_keeps_weights_and_moments():
    model = network()
    wrapper = wrap(model, freeze_last_layer=2, optimizer={'weight_decay': 0.5})
    wrapper.last_layer = list(model[1].parameters())
    start = weights(model)
    for epoch in range(2):
        wrapper.start_epoch(epoch)
        wrapper.update_params(loss_of(model))
        assert equal(weights(model[1]), start[2:])
        assert not any(p in wrapper.optimizer.state for p in wrapper.last_layer)
    assert not equal(weights(model[0]), start[:2])
    assert wrapper.steps == 2
    wrapper.start_epoch(2)
    wrapper.update_params(loss_of(model))
    assert not equal(weights(model[1]), start[2:])
    # and moments that are there already stay as they are
    state = copy.deepcopy(wrapper.optimizer.state[model[1].weight])
    wrapper.start_epoch(0)
    wrapper.update_params(loss_of(model))
    after = wrapper.optimizer.state[model[1].weight]
    assert all(torch.equal(torch.as_tensor(after[k]), torch.as_tensor(state[k])) for k in state)


def test_freezing_without_a_last_layer_is_an_error():
    wrapper = wrap(network(), freeze_last_layer=1)
    with pytest.raises(ValueError, match=r'freeze_last_layer.*TwoGroupConstructor'):
        wrapper.start_epoch(0)
    wrap(network()).start_epoch(0)


def test_two_micro_batches_are_one_step():
    model, reference = network(), None
    reference = copy.deepcopy(model)
    wrapper, whole = wrap(model, accumulative_counts=2), wrap(reference)
    for step in range(2):
        before = weights(model)
        wrapper.update_params(loss_of(model, 2 * step))
        assert (wrapper.stepped, wrapper.steps) == (False, step)
        assert equal(weights(model), before)
        wrapper.update_params(loss_of(model, 2 * step + 1))
        assert (wrapper.stepped, wrapper.steps) == (True, step + 1)
        both = loss_of(reference, 2 * step) + loss_of(reference, 2 * step + 1)
        whole.update_params(both / 2)
    for actual, expected in zip(weights(model), weights(reference), strict=True):
        torch.testing.assert_close(actual, expected)


def test_state_round_trip():
    model = network()
    wrapper = wrap(model)
    for seed in range(3):
        wrapper.update_params(loss_of(model, seed))
    other = copy.deepcopy(model)
    restored = wrap(other)
    restored.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    assert restored.steps == 3
    for each in (wrapper, restored):
        each.update_params(loss_of(model if each is wrapper else other, 9))
    assert restored.steps == 4 and restored.stepped
    assert equal(weights(model), weights(other))


def test_state_of_another_wrapper_is_not_changed_by_loading():
    state = wrap(network()).state_dict()
    keys = set(state)
    wrap(network()).load_state_dict(state)
    assert set(state) == keys


def test_bfloat16_on_a_cpu():
    model = network()
    wrapper = wrap(model, DINOAmpOptimWrapper)
    with wrapper.optim_context(model):
        assert torch.is_autocast_enabled('cpu')
        output = model(torch.randn(2, 4))
    assert not torch.is_autocast_enabled('cpu')
    assert output.dtype == torch.bfloat16
    before = weights(model)
    wrapper.update_params(output.float().square().mean())
    assert wrapper.stepped and wrapper.steps == 1
    assert not equal(weights(model), before)
    assert {weight.dtype for weight in weights(model)} == {torch.float32}
    assert 'loss_scaler' not in wrapper.state_dict()


def test_float16_needs_a_gpu():
    with pytest.raises(ValueError, match=r'float16 training needs a CUDA GPU.*--amp bfloat16'):
        wrap(network(), DINOAmpOptimWrapper, dtype='float16')


def test_unknown_type_is_an_error():
    with pytest.raises(ValueError, match=r"optim_wrapper\.dtype is 'fp16'"):
        wrap(network(), DINOAmpOptimWrapper, dtype='fp16')


def test_fused_optimizer_and_float16_exclude_each_other():
    wrapper = wrap(network(), DINOAmpOptimWrapper, optimizer={'fused': True})
    wrapper.device_type = 'cuda'
    with pytest.raises(ValueError, match=r'optim_wrapper\.optimizer\.fused=False'):
        wrapper._build_scaler(65536.0)


class SkippingScaler:
    """Stands in for torch's: scales, and skips the first step as if a gradient were not finite."""

    def __init__(self):
        self.calls = []

    def scale(self, loss):
        return 8 * loss

    def unscale_(self, optimizer):
        self.calls.append('unscale')
        for group in optimizer.param_groups:
            for parameter in group['params']:
                parameter.grad /= 8

    def step(self, optimizer):
        self.calls.append('step')
        if self.calls.count('step') > 1:
            optimizer.step()

    def update(self):
        self.calls.append('update')

    def state_dict(self):
        return {'scale': 8}

    def load_state_dict(self, state):
        self.loaded = state


def test_a_step_that_the_scaler_skips_does_not_count():
    model = network()
    wrapper = wrap(model, DINOAmpOptimWrapper, clip_grad={'max_norm': 0.01})
    wrapper.loss_scaler = SkippingScaler()
    before = weights(model)
    wrapper.update_params(loss_of(model))
    assert (wrapper.stepped, wrapper.steps) == (False, 0)
    assert equal(weights(model), before)
    plain = copy.deepcopy(model)
    wrapper.update_params(loss_of(model))
    assert (wrapper.stepped, wrapper.steps) == (True, 1)
    wrap(plain, clip_grad={'max_norm': 0.01}).update_params(loss_of(plain))
    for actual, expected in zip(weights(model), weights(plain), strict=True):
        torch.testing.assert_close(actual, expected)
    assert wrapper.loss_scaler.calls == ['unscale', 'step', 'update'] * 2


def test_scaler_state_is_saved_and_may_be_missing():
    model = network()
    wrapper = wrap(model, DINOAmpOptimWrapper)
    without = wrapper.state_dict()
    wrapper.loss_scaler = SkippingScaler()
    with_scaler = wrapper.state_dict()
    assert with_scaler['loss_scaler'] == {'scale': 8}
    wrapper.load_state_dict(with_scaler)
    assert wrapper.loss_scaler.loaded == {'scale': 8}
    wrapper.load_state_dict(without)
    wrap(model).load_state_dict(without)
    wrap(model, DINOAmpOptimWrapper).load_state_dict(with_scaler)


@needs_gpu
@pytest.mark.gpu
def test_infinite_gradient_is_skipped_on_a_gpu():
    model = network('cuda')
    wrapper = wrap(model, DINOAmpOptimWrapper, dtype='float16', clip_grad={'max_norm': 1.0})
    before, scale = weights(model), wrapper.loss_scaler.get_scale()
    wrapper.update_params(loss_of(model) * float('inf'))
    assert (wrapper.stepped, wrapper.steps) == (False, 0)
    assert equal(weights(model), before)
    assert wrapper.loss_scaler.get_scale() < scale
    with wrapper.optim_context(model):
        loss = loss_of(model)
    wrapper.update_params(loss.float())
    assert (wrapper.stepped, wrapper.steps) == (True, 1)
    assert not equal(weights(model), before)


@needs_gpu
@pytest.mark.gpu
def test_fused_float16_is_an_error_on_a_gpu():
    with pytest.raises(ValueError, match='fused=False'):
        wrap(network('cuda'), DINOAmpOptimWrapper, dtype='float16', optimizer={'fused': True})


@pytest.mark.parametrize('fused', [False, True])
@pytest.mark.parametrize('clip_grad', [None, {'max_norm': 1.0}, {'max_norm': 1.0, 'per': 'model'}])
@pytest.mark.parametrize('factor', [float('nan'), float('inf')])
def test_a_loss_that_is_not_finite_is_skipped(fused, clip_grad, factor):
    model = network()
    wrapper = wrap(model, optimizer={'fused': fused}, clip_grad=clip_grad)
    wrapper.update_params(loss_of(model))
    plain = copy.deepcopy(model)
    plain_wrapper = wrap(plain, optimizer={'fused': fused}, clip_grad=clip_grad)
    plain_wrapper.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    before = weights(model)
    wrapper.update_params(loss_of(model) * factor)
    assert (wrapper.stepped, wrapper.steps) == (False, 1)
    assert equal(weights(model), before)
    for one in (wrapper, plain_wrapper):
        one.update_params(loss_of(model if one is wrapper else plain, seed=1))
        assert (one.stepped, one.steps) == (True, 2)
    assert equal(weights(model), weights(plain))


def test_a_constant_that_is_not_finite_is_seen_though_no_gradient_is():
    model = network()
    wrapper = wrap(model)
    wrapper.update_params(loss_of(model) + float('inf'))
    assert not wrapper.stepped


def test_norm_of_the_gradients_before_clipping():
    for clip_grad in (None, {'max_norm': 0.01}, {'max_norm': 0.01, 'per': 'model'}):
        model = network()
        wrapper = wrap(model, clip_grad=clip_grad)
        expected = torch.cat(
            [grad.flatten() for grad in torch.autograd.grad(loss_of(model), [*model.parameters()])]
        ).norm()
        wrapper.update_params(loss_of(model))
        torch.testing.assert_close(wrapper.grad_norm, expected)
