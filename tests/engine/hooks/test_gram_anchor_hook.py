import pytest
import torch
from mmengine.hooks import Hook

from dinomm.engine import GramAnchorHook
from dinomm.engine.schedules import Clock


class Watch(Hook):
    """Before every iteration: the anchor's and the teacher's backbone, and the loss after it."""

    priority = 'LOWEST'

    def __init__(self):
        self.anchors, self.teachers, self.losses = [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        anchor = runner.model._anchor
        self.anchors.append(anchor and copied(anchor.backbone))
        self.teachers.append(copied(runner.model.teacher.backbone))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss_gram']))


def copied(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in second)


@pytest.fixture
def run(make_runner, tiny_model):
    """Trains eight iterations with an anchor; returns the Runner and what was seen."""

    def run(counts=1, backbone=None, **hook):
        model = tiny_model(**({} if backbone is None else {'backbone': backbone}))
        model['heads']['gram'] = {'type': 'GramHead'}
        watch = Watch()
        runner = make_runner(
            model=model,
            wrapper={'accumulative_counts': counts},
            hooks=[{'type': 'GramAnchorHook', **hook}, watch],
        )
        runner.train()
        return runner, watch

    return run


def taken_at(watch):
    """Iterations at which the anchor is another one than before, and equals the teacher."""
    changed = []
    for i, (anchor, teacher) in enumerate(zip(watch.anchors, watch.teachers, strict=True)):
        before = watch.anchors[i - 1] if i else None
        if anchor is not None and (before is None or not equal(anchor, before)):
            assert equal(anchor, teacher)
            changed.append(i)
    return changed


def test_how_many_anchors_are_due():
    hook = GramAnchorHook(begin=3, refresh=2, max_refreshes=2, by_step=True)
    assert [hook.due(Clock(step, 4)) for step in range(12)] == [0] * 3 + [1] * 2 + [2] * 2 + [3] * 5
    hook = GramAnchorHook(begin=1, refresh=2)
    assert [hook.due(Clock(4 * epoch + 3, 4)) for epoch in range(8)] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert [GramAnchorHook(begin=1).due(Clock(4 * e, 4)) for e in range(4)] == [0, 1, 1, 1]
    once = GramAnchorHook(begin=1, refresh=1, max_refreshes=0)
    assert [once.due(Clock(4 * e, 4)) for e in range(4)] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ('hook', 'expected'),
    [
        ({}, [0]),
        ({'begin': 1}, [4]),
        ({'begin': 2}, []),
        ({'begin': 1, 'refresh': 2, 'by_step': True}, [1, 3, 5, 7]),
        ({'begin': 1, 'refresh': 2, 'by_step': True, 'max_refreshes': 1}, [1, 3]),
    ],
    ids=str,
)
def test_the_anchor_is_the_teacher_of_its_time(run, hook, expected):
    _, watch = run(**hook)
    assert taken_at(watch) == expected
    begin = expected[0] if expected else 8
    assert watch.anchors[:begin] == [None] * begin
    assert not any(watch.losses[:begin])
    # at the very start student and teacher are one, and so is the anchor
    assert all(loss > 0 for loss in watch.losses[max(begin, 1) :])


def test_micro_batches_of_a_step_have_one_anchor(run):
    _, watch = run(counts=2, begin=1, refresh=1, by_step=True)
    assert taken_at(watch) == [2, 4, 6]


def test_the_anchor_is_frozen_and_apart(run, tiny_model):
    backbone = tiny_model()['backbone'] | {'drop_path_rate': 0.5}
    runner, _ = run(backbone=backbone)
    model, anchor = runner.model, runner.model._anchor
    assert not anchor.training and not anchor.backbone.layers[0].training
    assert not any(parameter.requires_grad for parameter in anchor.parameters())
    assert not hasattr(anchor, 'heads')
    networks = [model, model.teacher, anchor]
    pointers = [{p.data_ptr() for p in network.parameters()} for network in networks]
    assert not pointers[0] & pointers[2] and not pointers[1] & pointers[2]
    assert not any('anchor' in name for name, _ in model.named_modules())
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(anchor.backbone(images)[-1], anchor.backbone(images)[-1])


def test_the_first_anchor_from_a_file(run, tmp_path, tiny_model):
    from dinomm.registry import MODELS

    model = MODELS.build(tiny_model())
    torch.save(model.backbone.state_dict(), tmp_path / 'anchor.pth')
    hook = {'begin': 2, 'refresh': 3, 'by_step': True, 'load_from': str(tmp_path / 'anchor.pth')}
    _, watch = run(**hook)
    assert watch.anchors[1] is None
    assert all(equal(watch.anchors[i], model.backbone.state_dict()) for i in (2, 3, 4))
    assert equal(watch.anchors[5], watch.teachers[5]) and not equal(
        watch.anchors[5], watch.anchors[4]
    )


def test_wrong_use(make_runner, run, tmp_path):
    with pytest.raises(ValueError, match=r'no head of model\.heads compares with'):
        make_runner(hooks=[{'type': 'GramAnchorHook'}]).train()
    torch.save({'a.b': torch.ones(2)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other.pth has no weight of model\.backbone'):
        run(load_from=str(tmp_path / 'other.pth'))
    for key, value in (
        ('begin', -1),
        ('begin', None),
        ('begin', 1.5),
        ('refresh', 0),
        ('refresh', True),
        ('max_refreshes', -1),
    ):
        with pytest.raises(ValueError, match=rf'GramAnchorHook.{key} is {value}: expected'):
            GramAnchorHook(**{key: value})
