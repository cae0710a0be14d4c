import math

import pytest

from dinomm.evaluation import health

UNIFORM = math.log(1024)


def series(*values, step=10):
    return {step * number: value for number, value in enumerate(values, 1)}


def falling(start, end, length=50):
    return series(*(start + (end - start) * i / (length - 1) for i in range(length)))


def scalars(loss, **more):
    return {'loss': loss, 'loss_view': loss, **more}


def states(verdicts):
    return {verdict.subject: verdict.state for verdict in verdicts}


def test_a_healthy_run():
    times = {name: series(*[value] * 50) for name, value in (('time', 0.2), ('data_time', 0.01))}
    run = scalars(falling(6.9, 3.4), **times) | {'knn/top1_k20': series(50.0, 60.0, 65.0)}
    verdicts = health.judge(run, {'view': UNIFORM})
    assert states(verdicts) == {
        'Collapse, head view': 'good',
        'Learning': 'good',
        'k-NN': 'good',
        'Data loading': 'good',
    }
    assert all(verdict.text.endswith('.') and '\n' not in verdict.text for verdict in verdicts)


@pytest.mark.parametrize(
    ('end', 'state', 'words'),
    [
        (UNIFORM, 'bad', 'model.heads.view.teacher_temp'),
        (UNIFORM * 0.985, 'bad', 'uniform'),
        (UNIFORM * 0.95, 'good', 'No sign'),
        (UNIFORM * 1.1, 'bad', 'contradicts'),
        (0.01, 'bad', 'one prototype'),
        (UNIFORM * 0.05, 'good', 'No sign'),
        (math.nan, 'bad', 'not finite at iteration 500'),
        (math.inf, 'bad', 'not finite'),
    ],
)
def test_collapse(end, state, words):
    loss = falling(UNIFORM, UNIFORM / 2, 40) | dict.fromkeys(range(410, 501, 10), end)
    if not math.isfinite(end):
        loss = falling(UNIFORM, 3) | {500: end}
    verdict = health.judge_loss('view', loss, UNIFORM)
    assert (verdict.state, words in verdict.text) == (state, True), verdict


def test_near_uniform_is_no_news_at_the_start():
    loss = series(*[UNIFORM] * 20)
    assert health.judge_loss('view', loss, UNIFORM, done=0.05).state == 'unknown'
    assert health.judge_loss('view', loss, UNIFORM, done=0.2).state == 'bad'
    assert health.judge_loss('view', series(*[0.001] * 20), UNIFORM, done=0.05).state == 'bad'


@pytest.mark.parametrize(('logged', 'state'), [(0, 'unknown'), (9, 'unknown'), (10, 'good')])
def test_too_few_steps_to_say(logged, state):
    loss = series(*[3.0] * logged)
    verdicts = states(health.judge(scalars(loss), {'view': UNIFORM}))
    assert verdicts['Collapse, head view'] == verdicts['Learning'] == state


@pytest.mark.parametrize(
    ('loss', 'state', 'words'),
    [
        (falling(6, 3), 'good', 'still falls'),
        (falling(3, 6), 'watch', 'rises'),
        (series(*[3.0] * 30), 'good', 'level'),
    ],
)
def test_trend(loss, state, words):
    verdict = health.judge_trend(loss)
    assert (verdict.state, words in verdict.text) == (state, True)


def test_trend_does_not_depend_on_the_order_of_reading():
    loss = falling(6, 3)
    assert health.judge_trend(dict(reversed(loss.items()))) == health.judge_trend(loss)


@pytest.mark.parametrize(
    ('values', 'done', 'state', 'words'),
    [
        ((), 1.0, 'unknown', 'No k-NN'),
        ((50.0,), 1.0, 'unknown', 'val_interval'),
        ((50.0, 40.0), 0.2, 'unknown', 'too early'),
        ((50.0, 40.0), 0.21, 'bad', 'below its start'),
        ((50.0, 60.0, 47.9), 1.0, 'bad', 'below its start'),
        ((50.0, 60.0, 48.1), 1.0, 'watch', 'fell'),
        ((50.0, 60.0, 57.9), 1.0, 'watch', 'fell'),
        ((50.0, 51.5, 49.6), 0.5, 'watch', 'no better than at its start'),
        ((50.0, 51.5, 49.6), 0.49, 'unknown', 'not risen yet'),
        ((50.0, 52.1), 0.5, 'good', 'rose'),
        ((98.0, 98.0), 0.5, 'good', 'was high from the start'),
        ((50.0, 60.0, 59.0), 1.0, 'good', 'and holds.'),
        ((50.0, 60.0, 61.0), 1.0, 'good', 'still rises'),
    ],
)
def test_knn(values, done, state, words):
    logged = {'knn/top1_k20': series(*values)} if values else {}
    verdict = health.judge_knn({**logged, 'knn/top5_k20': series(*[0.0] * 3)}, done)
    assert (verdict.state, words in verdict.text) == (state, True), verdict


def test_knn_before_training_is_called_so():
    values = {0: 50.0, 10: 60.0}
    assert '50.0 % before training' in health.judge_knn({'knn/top1_k20': values}).text
    assert '50.0 % at first' in health.judge_knn({'knn/top1_k20': series(50.0, 60.0)}).text


def test_largest_k_counts_by_number():
    run = {'knn/top1_k10': series(60.0, 50.0), 'knn/top1_k100': series(50.0, 60.0)}
    assert health.judge_knn({**run, 'knn/top1_k20': series(60.0, 50.0)}).state == 'good'
    assert list(health.knn_series(run)) == [10, 100]


def test_waiting_for_data_counts_steps_of_training_alone():
    times = {'time': {10: 0.2, 20: 0.2, 25: 100.0}, 'data_time': {10: 0.1, 20: 0.1, 25: 0.0}}
    verdict = health.judge_loader({'loss': {10: 1.0, 20: 1.0}, **times})
    assert verdict.state == 'watch'
    assert '50%' in verdict.text
    assert health.judge_loader({'loss': {10: 1.0}}).state == 'unknown'
