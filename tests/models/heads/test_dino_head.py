import math

import pytest
import torch
from torch import nn

from dinomm.engine.schedules import Clock
from dinomm.models import DINOHead, Tokens
from dinomm.models.heads.prototype_head import build_projector

OPTIONS = {
    'in_channels': 12,
    'num_prototypes': 20,
    'hidden_channels': 16,
    'bottleneck_channels': 8,
}


def build(**options):
    return DINOHead(**(OPTIONS | options))


def tokens(*sizes):
    features = [torch.randn(size, 12) for size in sizes]
    return [Tokens(view, view[:, None], (1, 1)) for view in features]


def loss(head, teacher, views=5, batch=3):
    student = head.project(tokens(2 * batch, (views - 2) * batch))
    with torch.no_grad():
        targets = teacher.project(tokens(2 * batch))
    return head.loss(student, targets, teacher.prototypes.weight, batch)


@pytest.mark.parametrize('options', [{}, {'fixed_length': False}, {'batch_norm': True}], ids=str)
def test_every_trainable_parameter_gets_a_gradient(options):
    head = build(**options)
    head.init_weights()
    loss(head, build(**options)).backward()
    for name, parameter in head.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.any(), name
        else:
            assert name == 'prototypes.weight_g'


def test_rows_are_normalised_and_in_the_groups_order():
    head = build()
    groups = tokens(4, 6)
    rows = head.project(groups)
    assert rows.shape == (10, 8)
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(10))
    torch.testing.assert_close(rows[4:], head.project(groups[1:]))


def test_batch_norm_sees_all_views_together():
    head = build(batch_norm=True)
    groups = tokens(4, 6)
    head.project(groups)
    first = head.projector[1]
    inputs = head.projector[0](torch.cat([group.view for group in groups]))
    torch.testing.assert_close(first.running_mean, 0.1 * inputs.mean(0))
    assert int(first.num_batches_tracked) == 1


def test_layers_and_their_places():
    plain = build_projector(4, 6, 2, 3, norm=False)
    assert [type(m) for m in plain] == [nn.Linear, nn.GELU, nn.Linear, nn.GELU, nn.Linear]
    normed = build_projector(4, 6, 2, 2, norm=True)
    assert [type(m) for m in normed] == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear]
    (single,) = build_projector(4, 6, 2, 1, norm=True)
    assert (single.in_features, single.out_features) == (4, 2)
    with pytest.raises(ValueError, match='num_layers is 0'):
        build_projector(4, 6, 2, 0, norm=False)


def test_initialisation_is_the_published_one():
    head = build(in_channels=64, hidden_channels=128, bottleneck_channels=64)
    head.init_weights()
    for module in head.projector:
        if isinstance(module, nn.Linear):
            assert float(module.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
            assert not module.bias.any()
    bound = 1 / math.sqrt(64)  # torch's own for a linear layer
    assert bound * 0.9 < head.prototypes.weight_v.abs().max() <= bound
    assert torch.equal(head.prototypes.weight_g, torch.ones(20, 1))


def test_pretrained_weights_survive_the_initialisation(tmp_path):
    expected = build().state_dict()
    torch.save({'state_dict': expected}, tmp_path / 'head.pth')
    head = build(init_cfg={'type': 'Pretrained', 'checkpoint': str(tmp_path / 'head.pth')})
    head.init_weights()
    for name, value in head.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_loss_is_weighted_and_starts_at_ln_k():
    head, teacher = build(loss_weight=0.5, student_temp=1e4), build()
    assert float(loss(head, teacher)) == pytest.approx(0.5 * math.log(20), rel=1e-3)


def test_centre_is_the_mean_of_the_teachers_logits():
    head, teacher = build(centering={'type': 'dinomm.MeanCentering', 'momentum': 0.7}), build()
    logits = []
    for _ in range(2):  # two micro-batches
        rows = teacher.project(tokens(6)).detach()
        logits.append(teacher.prototypes(rows))
        head.loss(rows, rows, teacher.prototypes.weight, batch=3)
        assert not head.centering.center.any()
    head.finish_step(performed=True)
    expected = 0.3 * torch.cat(logits).mean(0, keepdim=True)
    torch.testing.assert_close(head.centering.center, expected)
    head.loss(rows, rows, teacher.prototypes.weight, batch=3)
    head.finish_step(performed=False)
    torch.testing.assert_close(head.centering.center, expected)


def test_centre_under_autocast_is_that_of_float32():
    heads = build(), build()
    rows = nn.functional.normalize(torch.randn(6, 8), dim=-1)
    weight = torch.randn(20, 8)
    heads[0].loss(rows, rows, weight, batch=3)
    with torch.autocast('cpu', torch.bfloat16):
        heads[1].loss(rows, rows, weight, batch=3)
    assert torch.equal(heads[0].centering.sums, heads[1].centering.sums)


def test_wrong_width_names_the_key():
    wide = torch.randn(2, 13)
    with pytest.raises(ValueError, match=r'model\.heads\.\*\.in_channels=13'):
        build().project([Tokens(wide, wide[:, None], (1, 1))])


@pytest.mark.parametrize(
    ('form', 'temperatures'),
    [
        (0.05, [0.05] * 4),
        ({'start': 0.02, 'end': 0.06, 'warmup_epochs': 3}, [0.02, 0.04, 0.06, 0.06]),
        ({'start': 0.02, 'end': 0.06}, [0.06] * 4),
        (0, [0.0] * 4),
    ],
)
def test_teacher_temperature_follows_the_epoch(form, temperatures):
    head = build(teacher_temp=form)
    assert head.teacher_temp == pytest.approx(temperatures[0])
    for epoch, expected in enumerate(temperatures):
        head.start_step(Clock(epoch, 1))
        assert head.teacher_temp == pytest.approx(expected)


@pytest.mark.parametrize(
    'form',
    [
        -0.04,
        'warm',
        None,
        {},
        {'start': 0.04},
        {'start': 0.04, 'end': 0.07, 'epochs': 3},
        {'start': 0.0, 'end': 0.07},
        {'start': 'low', 'end': 0.07},
        {'start': 0.04, 'end': 0.07, 'warmup_epochs': -1},
        {'start': 0.04, 'end': 0.07, 'start_epoch': -1},
        {'start': 0.04, 'end': 0.07, 'warmup_epochs': None},
    ],
    ids=str,
)
def test_teacher_temperature_of_another_form_is_an_error(form):
    with pytest.raises(ValueError, match=r'teacher_temp is .*expected a number above 0, dict'):
        build(teacher_temp=form)


def test_student_temperature_must_be_positive():
    with pytest.raises(ValueError, match='student_temp is 0'):
        build(student_temp=0)
