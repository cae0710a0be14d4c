import copy

import pytest
import torch

from dinomm.engine import LARS

SHAPES = [(5, 3), (2, 3, 4, 4), (7, 1)]


def groups(seed=0):
    torch.manual_seed(seed)
    matrices = [torch.randn(shape, requires_grad=True) for shape in SHAPES]
    vectors = [torch.randn(6, requires_grad=True), torch.zeros(3, requires_grad=True)]
    return [
        {'params': matrices},
        {'params': vectors, 'weight_decay': 0.0, 'lars_exclude': True},
    ]


def published_step(params, buffers, excluded, lr, momentum, weight_decay, eta):
    """One tensor at a time; the rate is applied to the buffer, not put into it."""
    for i, p in enumerate(params):
        update = p.grad.clone()
        if not excluded:
            update += weight_decay * p
            if p.norm() > 0 and update.norm() > 0:
                update *= eta * p.norm() / update.norm()
        buffers[i] = momentum * buffers[i] + update
        p -= lr * buffers[i]


@torch.no_grad()
def test_steps_of_the_published_rule():
    ours, theirs = groups(), copy.deepcopy(groups())
    optimizer = LARS(ours, lr=1.0, momentum=0.8, weight_decay=0.3, eta=0.02)
    buffers = [[torch.zeros_like(p) for p in group['params']] for group in theirs]
    for step in range(5):
        lr = 1.0 + step  # a rate that changes tells the two orders of rate and buffer apart
        for mine, other, buffer in zip(optimizer.param_groups, theirs, buffers, strict=True):
            mine['lr'] = lr
            for p, q in zip(mine['params'], other['params'], strict=True):
                p.grad = torch.randn_like(p) * (step + 1)
                q.grad = p.grad.clone()
            excluded = 'lars_exclude' in other
            published_step(other['params'], buffer, excluded, lr, 0.8, 0.3, 0.02)
        gradients = [p.grad.clone() for group in optimizer.param_groups for p in group['params']]
        optimizer.step()
        for mine, other in zip(optimizer.param_groups, theirs, strict=True):
            for p, q in zip(mine['params'], other['params'], strict=True):
                torch.testing.assert_close(p, q)
        after = [p.grad for group in optimizer.param_groups for p in group['params']]
        assert all(map(torch.equal, after, gradients))


@torch.no_grad()
@pytest.mark.parametrize(('weights', 'gradients'), [(0.0, 2.0), (2.0, 0.0), (0.0, 0.0)])
def test_a_norm_of_zero_leaves_the_rate_alone(weights, gradients):
    parameter = torch.full((2, 2), weights, requires_grad=True)
    parameter.grad = torch.full((2, 2), gradients)
    LARS([parameter], lr=0.5, momentum=0.0).step()
    assert torch.equal(parameter, torch.full((2, 2), weights - 0.5 * gradients))


@torch.no_grad()
def test_what_has_no_gradient_stays():
    moved, still = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2, requires_grad=True)
    moved.grad = torch.ones(2, 2)
    optimizer = LARS([moved, still], lr=1.0, weight_decay=0.1)
    optimizer.step()
    assert torch.equal(still, torch.ones(2, 2)) and not torch.equal(moved, still)
    assert still not in optimizer.state


def test_state_is_resumed():
    def step(optimizer):
        for group in optimizer.param_groups:
            for p in group['params']:
                p.grad = p.detach().cos()
        optimizer.step()

    whole, part = groups(), groups()
    straight, first = (LARS(g, lr=2.0, weight_decay=1e-3) for g in (whole, part))
    step(straight)
    step(first)
    resumed = LARS(part, lr=2.0)
    resumed.load_state_dict(first.state_dict())
    step(straight)
    step(resumed)
    for one, two in zip(straight.param_groups, resumed.param_groups, strict=True):
        assert all(map(torch.equal, one['params'], two['params']))


@pytest.mark.parametrize('key', ['lr', 'momentum', 'weight_decay'])
def test_negative_numbers_are_errors(key):
    with pytest.raises(ValueError, match=f'optimizer.{key} is -1'):
        LARS([torch.ones(1, requires_grad=True)], **{'lr': 1.0, key: -1})
