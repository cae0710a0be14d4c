import pytest
import torch
from torch import nn

from dinomm.benchmark.plain_regions import plain_region_loss
from dinomm.models import DINOHead, RegionMatchingHead, Tokens
from dinomm.models.heads.region_head import by_image

OPTIONS = {
    'in_channels': 12,
    'num_prototypes': 20,
    'hidden_channels': 16,
    'bottleneck_channels': 8,
}
BATCH = 3


def build(**options):
    return RegionMatchingHead(**(OPTIONS | options))


def tokens(*grids, width=12):
    """One group a (views, height, width of the map)."""
    groups = []
    for views, rows, columns in grids:
        region = torch.randn(views * BATCH, rows * columns, width)
        groups.append(Tokens(region.mean(1), region, (rows, columns)))
    return groups


LAYOUTS = {
    'two resolutions': [(2, 3, 3), (4, 2, 2)],
    'no local crops': [(2, 3, 3)],
    'three resolutions': [(2, 3, 3), (2, 2, 2), (1, 1, 1)],
    'maps that are not square': [(2, 2, 4), (3, 1, 3)],
    'globals and locals of one size': [(5, 2, 2)],
    'global views of two sizes': [(1, 3, 3), (1, 2, 2), (2, 1, 1)],
}


def teacher_groups(groups, num_views=2):
    """The first views of ``groups``, as another network would see them."""
    taken = []
    for group in groups:
        views = min(num_views, len(group.region) // BATCH)
        if views:
            region = torch.randn_like(group.region[: views * BATCH])
            taken.append(Tokens(region.mean(1), region, group.grid))
        num_views -= views
    return taken


def per_view(tensors):
    return [view for tensor in tensors for view in tensor.split(BATCH)]


@pytest.mark.parametrize('layout', LAYOUTS)
def test_loss_is_that_of_all_pairs(layout):
    head, teacher = build(loss_weight=0.5), build()
    groups = tokens(*LAYOUTS[layout])
    seen = teacher_groups(groups)
    student = head.project(groups)
    with torch.no_grad():
        targets = teacher.project(seen)
    loss = head.loss(student, targets, teacher.prototypes.weight, BATCH)
    expected = plain_region_loss(
        [head.prototypes(view) / head.student_temp for view in per_view(student.rows)],
        [head.targets(teacher.prototypes(view)) for view in per_view(targets.rows)],
        per_view([group.region for group in groups]),
        per_view([group.region for group in seen]),
    )
    torch.testing.assert_close(loss, 0.5 * expected)


def test_regions_of_an_image_stand_side_by_side():
    groups = [torch.randn(2 * BATCH, 4, 5), torch.randn(BATCH, 3, 5)]
    joined = by_image(groups, BATCH)
    assert joined.shape == (BATCH, 11, 5)
    for image in range(BATCH):
        expected = [groups[0][image], groups[0][BATCH + image], groups[1][image]]
        assert torch.equal(joined[image], torch.cat(expected))


@pytest.mark.parametrize('options', [{}, {'fixed_length': False}, {'batch_norm': True}], ids=str)
def test_every_trainable_parameter_gets_a_gradient(options):
    head, teacher = build(**options), build(**options)
    head.init_weights()
    groups = tokens(*LAYOUTS['two resolutions'])
    with torch.no_grad():
        targets = teacher.project(teacher_groups(groups))
    head.loss(head.project(groups), targets, teacher.prototypes.weight, BATCH).backward()
    for name, parameter in head.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.any(), name


def test_matching_has_no_gradient_and_the_rows_have():
    head = build()
    group = tokens((2, 2, 2))[0]
    group.region.requires_grad_()
    regions = head.project([group])
    assert not regions.features[0].requires_grad and regions.rows[0].requires_grad
    torch.testing.assert_close(regions.rows[0].norm(dim=-1), torch.ones(2 * BATCH, 4))


def test_batch_norm_sees_the_regions_of_all_views_together():
    head = build(batch_norm=True)
    groups = tokens((2, 2, 2), (3, 1, 1))
    head.project(groups)
    inputs = head.projector[0](torch.cat([group.region.flatten(0, 1) for group in groups]))
    torch.testing.assert_close(head.projector[1].running_mean, 0.1 * inputs.mean(0))
    assert int(head.projector[1].num_batches_tracked) == 1


def test_centre_is_the_mean_over_all_teacher_regions():
    head = build(centering={'type': 'dinomm.MeanCentering', 'momentum': 0.7})
    logits = []
    for _ in range(2):  # two micro-batches
        regions = head.project(tokens((2, 2, 2)))
        logits.append(head.prototypes(regions.rows[0]).detach().flatten(0, 1))
        head.loss(regions, regions, head.prototypes.weight, BATCH)
        assert not head.centering.center.any()
    head.finish_step(performed=True)
    expected = 0.3 * torch.cat(logits).mean(0, keepdim=True)
    torch.testing.assert_close(head.centering.center, expected)


def test_a_backbone_without_a_map_is_an_error():
    view = torch.randn(2 * BATCH, 12)
    with pytest.raises(ValueError, match=r'model\.backbone gives no map.*model\.heads'):
        build().project([Tokens(view, view[:, None, :][:, :0], (0, 0))])


def test_wrong_width_names_the_key():
    with pytest.raises(ValueError, match=r'model\.heads\.\*\.in_channels=13'):
        build().project(tokens((2, 2, 2), width=13))


@pytest.mark.parametrize('kind', [DINOHead, RegionMatchingHead])
@pytest.mark.parametrize('key', OPTIONS)
def test_widths_below_one_name_class_and_key(kind, key):
    with pytest.raises(ValueError, match=f'{kind.__name__}.{key} is 0'):
        kind(**(OPTIONS | {key: 0}))


def test_initialisation_is_the_published_one():
    head = build(in_channels=64, hidden_channels=128)
    head.init_weights()
    linear = next(module for module in head.projector if isinstance(module, nn.Linear))
    assert float(linear.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
