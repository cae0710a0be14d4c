import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dinomm.models import DINOHead, MaskedPatchHead, SelfDistillation, Tokens
from dinomm.models.masking import Masks

OPTIONS = {
    'in_channels': 12,
    'num_prototypes': 20,
    'hidden_channels': 16,
    'bottleneck_channels': 8,
}
BATCH, CELLS = 3, 9


def build(**options):
    return MaskedPatchHead(**(OPTIONS | options))


def masks(*numbers):
    cells = np.zeros((len(numbers), CELLS), dtype=bool)
    for view, number in enumerate(numbers):
        cells[view, np.random.default_rng(view).permutation(CELLS)[:number]] = True
    return Masks.of(cells, 2 * BATCH)


def tokens(masks):
    region = torch.randn(2 * BATCH, CELLS, 12)
    return Tokens(region[:, 0], region, (3, 3), masks)


def test_loss_is_the_mean_over_views_of_their_masked_cells():
    head, teacher = build(loss_weight=0.5, teacher_temp=0.05), build()
    head.centering.center.copy_(torch.randn(1, 20) * 0.1)
    drawn = masks(4, 0, 1, 9, 0, 2)
    student, seen = tokens(drawn), tokens(drawn)
    local = Tokens(torch.randn(6, 12), torch.zeros(6, 0, 12), (2, 2))
    loss = head.loss(
        head.project([student, local]),
        teacher.project([seen]),
        teacher.prototype_weights(),
        BATCH,
    )
    expected = 0.0
    for view in range(2 * BATCH):
        cells = drawn.cells[view]
        if not cells.any():
            continue
        logits = head.prototypes(head.bottleneck(student.region[view, cells])) / 0.1
        given = teacher.prototypes(teacher.bottleneck(seen.region[view, cells]))
        targets = ((given - head.centering.center) / 0.05).softmax(-1)
        expected += -(targets * F.log_softmax(logits, -1)).sum(-1).mean()
    torch.testing.assert_close(loss, 0.5 * expected / (2 * BATCH))


def test_centre_is_of_the_masked_cells():
    head = build(centering={'type': 'dinomm.MeanCentering', 'momentum': 0.0})
    drawn = masks(4, 0, 1, 9, 0, 2)
    seen = tokens(drawn)
    rows = head.project([seen])
    head.loss(rows, rows, head.prototype_weights(), BATCH)
    head.finish_step(performed=True)
    logits = head.prototypes(head.bottleneck(seen.region[drawn.cells]))
    torch.testing.assert_close(head.centering.center, logits.mean(0, keepdim=True))


@pytest.mark.parametrize('centering', ['MeanCentering', 'SinkhornKnopp'])
@pytest.mark.parametrize('batch_norm', [False, True])
@pytest.mark.parametrize('numbers', [(0,) * 6, (0, 0, 1, 0, 0, 0)])
def test_hardly_a_masked_cell(numbers, batch_norm, centering):
    head = build(batch_norm=batch_norm, centering={'type': f'dinomm.{centering}'})
    drawn = masks(*numbers)
    rows = head.project([tokens(drawn)])
    loss = head.loss(rows, rows, head.prototype_weights().detach(), BATCH)
    loss.backward()
    head.finish_step(performed=True)
    assert loss.isfinite() and (loss > 0) == (sum(numbers) > 0)
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in head.parameters() if p.requires_grad
    )


def model(tiny_model, **patch):
    from dinomm.registry import MODELS

    config = tiny_model(masking={'type': 'PatchMasking', 'min_cells': 1})
    config['backbone']['mask_token'] = True
    config['heads']['patch'] = {'type': 'MaskedPatchHead', **OPTIONS, **patch}
    return MODELS.build(config)


def test_tied_head_has_no_parameters_and_learns_the_other_one(tiny_model):
    tied, own = model(tiny_model, tied_to='view'), model(tiny_model)
    assert [n for n, _ in tied.heads['patch'].named_parameters()] == []
    assert set(tied.heads['patch'].state_dict()) == {'centering.center'}
    assert len(list(own.parameters())) > len(list(tied.parameters()))
    tied.init_weights()
    assert tied.heads['patch'].projector is tied.heads['view'].projector
    teacher = copy.deepcopy(tied)
    assert teacher.heads['patch'].prototypes is teacher.heads['view'].prototypes
    assert teacher.heads['patch'].prototypes is not tied.heads['view'].prototypes
    drawn = masks(4, 0, 1, 9, 0, 2)
    rows = tied.heads['patch'].project([tokens(drawn)])
    tied.heads['patch'].loss(rows, rows, rows.rows.new_zeros(20, 8), BATCH).backward()
    assert tied.heads['view'].projector[0].weight.grad.any()


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        ({'tied_to': 'views'}, r"tied_to is 'views'.*one of \['view', 'patch'\]"),
        ({'tied_to': 'patch'}, r"tied_to is 'patch'"),
        ({'tied_to': 'view', 'num_prototypes': 9}, r'num_prototypes is 9.*has 20'),
    ],
)
def test_refuses_to_be_tied(options, says, tiny_model):
    with pytest.raises(ValueError, match=says):
        model(tiny_model, **options)


def test_needs_masking(tiny_model):
    from dinomm.registry import MODELS

    config = tiny_model()
    config['heads']['patch'] = {'type': 'MaskedPatchHead', **OPTIONS}
    with pytest.raises(ValueError, match=r'model\.heads\.patch.*set model\.masking'):
        MODELS.build(config)
    with pytest.raises(ValueError, match='needs masked views'):
        build().project([tokens(None)])


def test_student_alone_sees_the_masks(tiny_model, batch):
    """The teacher's tokens are of whole views, the student's of masked ones, at the same cells."""
    network = model(tiny_model)
    network.attach_teacher(copy.deepcopy(network))
    seen = {}
    for name, owner in (('student', network), ('teacher', network.teacher)):
        head = owner.heads['patch']
        project = head.project

        def kept(groups, name=name, project=project):
            seen[name] = groups
            return project(groups)

        object.__setattr__(head, 'project', kept)
    inputs = network.data_preprocessor(batch(4))['inputs']
    losses = network.loss(inputs)
    assert set(losses) == {'loss_view', 'loss_patch'}
    student, teacher = seen['student'][0], seen['teacher'][0]
    assert student.masks is teacher.masks and student.masks.cells.shape == (8, 4)
    assert isinstance(network, SelfDistillation) and isinstance(network.heads['view'], DINOHead)
    whole = ~student.masks.cells.any(1)
    assert whole.any() and not whole.all()
    torch.testing.assert_close(student.region[whole], teacher.region[whole])
    assert not torch.allclose(student.region[~whole], teacher.region[~whole])
    assert seen['student'][1].masks is None and seen['student'][1].region.shape[1] == 0
