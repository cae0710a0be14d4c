import math

import pytest

from dinomm.evaluation import health_rules
from dinomm.evaluation.health_rules import HeadFacts, RunFacts, judge_measures

K = 1024
UNIFORM = math.log(K)
HEAD = HeadFacts('view', 'DINOHead', K, 0.02, 0.1, 'MeanCentering', 0.9, 64)
KOLEO = HeadFacts('koleo', 'KoLeoHead', images=64)
HEALTHY = {
    'view/cross_entropy': 4.0,
    'view/target_entropy': 1.5,
    'view/prototypes_used': 60.0,
    'feature_std_student': 0.4,
    'feature_std_teacher': 0.3,
    'effective_rank_student': 7.0,
    'effective_rank_teacher': 6.0,
    'weight_distance': 0.1,
    'grad_norm': 1.0,
}


def series(*values):
    return {31 * (i + 1): value for i, value in enumerate(values)}


def measured(number=20, **changed):
    """So many measurements of a healthy run; changed ones by name ('__' for a slash)."""
    changed = {name.replace('__', '/'): value for name, value in changed.items()}
    values = {name: [value] * number for name, value in HEALTHY.items()}
    for name, value in changed.items():
        values[name] = value if isinstance(value, list) else [value] * number
    return {f'health/{name}': series(*column) for name, column in values.items()}


def verdict(scalars, subject, head=HEAD, done=0.5, **facts):
    facts = RunFacts([head, KOLEO], **{'lr': 2e-3, 'max_norm': 3.0, **facts})
    (found,) = [v for v in judge_measures(scalars, facts, done) if v.subject == subject]
    return found


def test_a_healthy_run_triggers_nothing():
    for done in (0.0, 0.05, 0.5, 1.0):
        verdicts = judge_measures(measured(), RunFacts([HEAD, KOLEO], 2e-3, 3.0), done)
        assert {v.state for v in verdicts} <= {'good', 'unknown'}
        assert len({v.subject for v in verdicts}) == len(verdicts) == 7
        assert not any(v.is_collapse for v in verdicts)


def test_the_first_step_says_nothing():
    states = {v.state for v in judge_measures(measured(0), RunFacts([HEAD, KOLEO], 2e-3), 0.5)}
    assert states == {'unknown', 'good'}


@pytest.mark.parametrize(
    ('changed', 'head', 'subject', 'advice'),
    [
        pytest.param(
            {'view__target_entropy': 0.99 * UNIFORM},
            HEAD._replace(teacher_temp=0.1),
            'Collapse, head view',
            'model.heads.view.teacher_temp=0.04 (it is 0.1)',
            id='uniform',
        ),
        pytest.param(
            {'view__cross_entropy': UNIFORM, 'view__target_entropy': 0.95 * UNIFORM},
            HEAD,
            'Collapse, head view',
            'model.heads.view.teacher_temp=0.01 (it is 0.02)',
            id='uniform output',
        ),
        pytest.param(
            {'view__prototypes_used': 1.0, 'view__target_entropy': 0.0},
            HEAD._replace(centre_momentum=1),
            'Collapse, head view',
            'model.heads.view.centering.momentum=0.9 (it is 1)',
            id='one prototype, no centre',
        ),
        pytest.param(
            {'view__prototypes_used': 3.0},
            HEAD,
            'Collapse, head view',
            'optim_wrapper.accumulative_counts=8',
            id='few prototypes',
        ),
        pytest.param(
            {'feature_std_teacher': 0.01, 'feature_std_student': 0.01},
            HEAD,
            'Features',
            'optim_wrapper.optimizer.lr=0.001',
            id='features alike',
        ),
        pytest.param(
            {'effective_rank_teacher': 1.05, 'effective_rank_student': 1.1},
            HEAD,
            'Features',
            "model.heads.koleo=dict(type='KoLeoHead')",
            id='features of one dimension',
        ),
    ],
)
def test_collapses(changed, head, subject, advice):
    found = verdict(measured(**changed), subject, head)
    assert found.state == 'bad' and found.is_collapse
    assert advice in found.text
    assert ('almost uniform' in found.text) == ('view__cross_entropy' in changed)
    early = verdict(measured(**changed), subject, head, done=0.05)
    assert early.state != 'bad' and not early.is_collapse
    # as soon as the last ones are healthy again, so is the verdict
    name, value = next(iter(changed.items()))
    healthy = HEALTHY[name.replace('__', '/')]
    mended = measured(**{name: [value] * 15 + [healthy] * health_rules.RECENT})
    if 'view__cross_entropy' not in changed:
        assert verdict(mended, subject, head).state == 'good'


@pytest.mark.parametrize(('loss', 'entropy'), [(1.0, 0.85), (0.97, 0.97)])
def test_a_high_loss_or_a_high_entropy_alone_is_no_collapse(loss, entropy):
    scalars = measured(view__cross_entropy=loss * UNIFORM, view__target_entropy=entropy * UNIFORM)
    assert verdict(scalars, 'Collapse, head view').state == 'good'


def test_a_teacher_that_has_yet_to_follow_its_student_is_no_collapse():
    """Layer scales of 1e-5 make the features of an untrained network alike."""
    found = verdict(measured(feature_std_teacher=0.004, effective_rank_teacher=1.1), 'Features')
    assert found.state == 'good' and not found.is_collapse
    assert 'same for all images' in found.text and "student's not (spread 0.400" in found.text


def test_few_prototypes_of_few_images_are_no_collapse():
    scalars = measured(view__prototypes_used=1.5)
    assert verdict(scalars, 'Collapse, head view', images=8).state == 'good'
    assert verdict(scalars, 'Collapse, head view', HEAD._replace(prototypes=8)).state == 'good'
    assert verdict(scalars, 'Collapse, head view', images=64).state == 'bad'


def test_student_that_does_not_move():
    found = verdict(measured(weight_distance=1e-9), 'Student', lr=1e-6)
    assert found.state == 'bad' and not found.is_collapse
    assert 'optim_wrapper.optimizer.lr=0.0005' in found.text
    assert verdict(measured(weight_distance=1e-9), 'Student', done=0.05).state == 'good'
    assert verdict(measured(weight_distance=1e-5), 'Student').state == 'good'


@pytest.mark.parametrize(
    ('tail', 'state'),
    [([50.0] * 3, 'bad'), ([50.0], 'good'), ([10.0] * 3, 'good'), ([0.01] * 3, 'good')],
)
def test_exploding_gradients(tail, state):
    scalars = measured(grad_norm=[1.0] * 15 + tail)
    found = verdict(scalars, 'Gradient')
    assert found.state == state
    if state == 'bad':
        assert 'optim_wrapper.clip_grad.max_norm=0.3' in found.text
        assert 'max_norm=0.1,' in verdict(scalars, 'Gradient', max_norm=0.3).text
        assert verdict(scalars, 'Gradient', done=0.05).state == 'good'
        few = measured(number=6, grad_norm=[1.0] * 3 + tail)
        found = verdict(few, 'Gradient')
        assert found.state == 'unknown' and 'Fewer than 13 measurements' in found.text


def test_temperature():
    subject = 'Temperature, head view'
    found = verdict(measured(0), subject, HEAD._replace(teacher_temp=0.1), done=0.0)
    assert found.state == 'watch'
    assert "not below the student's 0.1" in found.text and 'teacher_temp=0.04' in found.text
    blurred = measured(view__target_entropy=0.95 * UNIFORM)
    found = verdict(blurred, subject, HEAD._replace(teacher_temp=0.07))
    assert found.state == 'watch'
    assert '95% of the entropy' in found.text
    assert 'model.heads.view.teacher_temp=0.035 (it is 0.07)' in found.text
    assert verdict(blurred, subject, done=0.15).state == 'good'
    assert verdict(measured(view__target_entropy=0.85 * UNIFORM), subject).state == 'good'


@pytest.mark.parametrize(
    ('head', 'few', 'advice'),
    [
        (HEAD, 15, 'optim_wrapper.accumulative_counts'),
        (HEAD._replace(centering='SinkhornKnopp', centre_momentum=None), 31, 'batch_size'),
        (KOLEO._replace(name='view'), 7, 'batch_size'),
    ],
)
def test_batch_too_small(head, few, advice):
    found = verdict(measured(), 'Batch, head view', head._replace(images=few))
    assert found.state == 'watch' and advice in found.text and f'sees {few} images' in found.text
    assert verdict(measured(), 'Batch, head view', head._replace(images=few + 1)).state == 'good'
