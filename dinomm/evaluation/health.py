"""What the logged scalars of a pretraining run say about its health.

Plain rules on losses, k-NN and times; nothing is read from files here, and torch is not needed.
The two collapses of self-distillation (DINO, arXiv:2104.14294, section 5.3): the output is uniform
over the K prototypes, the loss ln K; or one prototype takes every image, the loss 0.
"""

import math
from collections.abc import Mapping

from .verdict import Series, Verdict, mean

MIN_LOGGED = 10
"""Logged steps below which nothing is said of a loss."""
TAIL = 0.2
"""Share of the logged steps, the last ones, whose mean is 'the loss now'."""
NEAR_UNIFORM = 0.02
"""A loss this close to ln K, as a share of it, is that of a uniform output."""
ONE_PROTOTYPE = 0.01
"""Below this share of ln K the loss is that of one prototype."""
STILL_FALLING = 0.01
"""A loss that fell by this share between the last two fifths is still falling."""
KNN_POINTS = 2.0
"""Smaller differences of k-NN accuracy, in points, count as noise."""
KNN_FROM = 0.2
"""Share of a run in which k-NN says nothing."""
KNN_RISEN = 0.5
"""Share of a run after which k-NN should have risen."""
WARM_UP = 0.1
"""Share of a run in which a loss near ln K is no news, as the rate still rises."""
WAITING = 0.25
"""Share of a step spent waiting for data, above which the loader is too slow."""


def judge(
    scalars: Mapping[str, Series], uniform: Mapping[str, float], done: float = 1.0
) -> list[Verdict]:
    """Verdicts on a run.

    Args:
        scalars: By name, as `dinomm.visualization.scalars.read_scalars` gives them; losses of
            heads are 'loss_<head>'.
        uniform: For each head the loss of uniform outputs: ln K times the head's weight.
        done: Share of the planned steps that are done.
    """
    return [
        *(judge_loss(h, scalars.get(f'loss_{h}', {}), v, done) for h, v in uniform.items()),
        judge_trend(scalars.get('loss', {})),
        judge_knn(scalars, done),
        judge_loader(scalars),
    ]


def judge_loss(head: str, loss: Series, uniform: float, done: float = 1.0) -> Verdict:
    """Collapse of one head, by its loss now; arguments as of `judge`."""
    subject, key = f'Collapse, head {head}', f'model.heads.{head}'
    if not finite(loss):
        return Verdict('bad', subject, _not_finite(loss))
    if len(loss) < MIN_LOGGED:
        return Verdict('unknown', subject, _too_few(len(loss)))
    now = tail_mean(loss)
    values = f'{now:.2f} with {uniform:.2f} for a uniform output'
    if now > (1 + NEAR_UNIFORM) * uniform:
        return Verdict(
            'bad',
            subject,
            f'The loss is above the uniform value ({values}): the student contradicts its '
            'teacher; lower the rate (optim_wrapper.optimizer.lr).',
        )
    if now > (1 - NEAR_UNIFORM) * uniform and done < WARM_UP:
        return Verdict(
            'unknown',
            subject,
            f'The loss is that of a uniform output ({values}), as is normal so early: look again '
            'after a tenth of the run.',
        )
    if now > (1 - NEAR_UNIFORM) * uniform:
        return Verdict(
            'bad',
            subject,
            f'The loss is that of a uniform output ({values}): it collapsed or has not begun; '
            f'lower {key}.teacher_temp, or lengthen optim_wrapper.freeze_last_layer.',
        )
    if now < ONE_PROTOTYPE * uniform:
        return Verdict(
            'bad',
            subject,
            f'The loss is almost 0 ({values}): one prototype takes every image; check '
            f'{key}.centering.momentum (0.9) and enlarge the batch '
            '(optim_wrapper.accumulative_counts).',
        )
    return Verdict('good', subject, f'No sign of it: the loss is {values}, and not near 0.')


def judge_trend(loss: Series) -> Verdict:
    """Whether the summed loss still falls; DINO's may rise as targets sharpen."""
    subject = 'Learning'
    if not finite(loss):
        return Verdict('bad', subject, _not_finite(loss))
    if len(loss) < MIN_LOGGED:
        return Verdict('unknown', subject, _too_few(len(loss)))
    values = [loss[iteration] for iteration in sorted(loss)]
    length = max(1, round(TAIL * len(values)))
    now, before = mean(values[-length:]), mean(values[-2 * length : -length])
    change = f'{before:.3f} to {now:.3f} over the last two fifths of the log'
    if now < (1 - STILL_FALLING) * before:
        return Verdict(
            'good',
            subject,
            f'The loss still falls, {change}: a longer schedule (train_cfg.max_epochs) may give '
            'more.',
        )
    if now > (1 + STILL_FALLING) * before:
        return Verdict(
            'watch',
            subject,
            f'The loss rises, {change}: normal while targets sharpen, so judge by k-NN; if that '
            'falls too, lower optim_wrapper.optimizer.lr.',
        )
    return Verdict('good', subject, f'The loss is level, {change}: this schedule is used up.')


def judge_knn(scalars: Mapping[str, Series], done: float = 1.0) -> Verdict:
    """Whether k-NN accuracy rose from the first validation; of several k the largest counts.

    That is one of the untrained network with ``train_cfg.val_begin=0``. ``done`` as of `judge`.
    """
    subject = 'k-NN'
    by_k = knn_series(scalars)
    if not by_k:
        return Verdict(
            'unknown',
            subject,
            'No k-NN was measured: wait for the first validation (train_cfg.val_interval); without '
            'one give class folders, or labels in val_cfg and val_dataloader.',
        )
    k, series = list(by_k.items())[-1]
    values = [series[iteration] for iteration in sorted(series)]
    if len(values) < 2:
        return Verdict(
            'unknown',
            subject,
            f'One measurement alone ({values[0]:.1f} %, k = {k}) shows no direction: lower '
            'train_cfg.val_interval.',
        )
    first, best, last = values[0], max(values), values[-1]
    start = 'at first' if min(series) else 'before training'
    course = f'{first:.1f} % {start}, {best:.1f} % at best, {last:.1f} % now, k = {k}'
    if done <= KNN_FROM:
        return Verdict('unknown', subject, f'It is too early to say ({course}).')
    if last < first - KNN_POINTS:
        return Verdict(
            'bad',
            subject,
            f'Accuracy is below its start ({course}): the features got worse; lower '
            'optim_wrapper.optimizer.lr or the teacher_temp of the heads.',
        )
    if last < best - KNN_POINTS:
        return Verdict(
            'watch',
            subject,
            f'Accuracy fell from its best ({course}): use the checkpoint best_*.pth, and a lower '
            'optim_wrapper.optimizer.lr next time.',
        )
    rose = best >= first + KNN_POINTS
    if not rose and best < 100 - KNN_POINTS:
        if done < KNN_RISEN:
            return Verdict('unknown', subject, f'Accuracy has not risen yet ({course}).')
        return Verdict(
            'watch',
            subject,
            f'Accuracy is no better than at its start ({course}): train for more steps '
            '(train_cfg.max_epochs), and look whether the loss of every head has left ln K.',
        )
    rising = last >= max(values[:-1])
    end = 'and still rises: longer may give more.' if rose and rising else 'and holds.'
    what = 'rose' if rose else 'was high from the start'
    return Verdict('good', subject, f'Accuracy {what} ({course}) {end}')


def judge_loader(scalars: Mapping[str, Series]) -> Verdict:
    """Whether the network waits for its data, by the training steps' times."""
    subject = 'Data loading'
    steps = sorted(scalars.get('loss', {}))
    times = [
        [scalars.get(name, {}).get(step, math.nan) for step in steps]
        for name in ('data_time', 'time')
    ]
    pairs = [pair for pair in zip(*times, strict=True) if all(map(math.isfinite, pair))]
    total = sum(time for _, time in pairs)
    if not total:
        return Verdict('unknown', subject, 'The log holds no times of training steps.')
    share = sum(waiting for waiting, _ in pairs) / total
    if share > WAITING:
        return Verdict(
            'watch',
            subject,
            f'{share:.0%} of the time was spent waiting for images: raise '
            'train_dataloader.num_workers, or pack the images into shards.',
        )
    return Verdict('good', subject, f'{share:.0%} of the time was spent waiting for images.')


def knn_series(scalars: Mapping[str, Series]) -> dict[int, Series]:
    """Top-1 accuracy in percent by k, the smallest k first."""
    found = {
        int(k): series
        for name, series in scalars.items()
        for head, _, k in [name.rpartition('/top1_k')]
        if head and k.isdecimal()
    }
    return dict(sorted(found.items()))


def finite(series: Series) -> bool:
    """Whether all values are numbers; an empty series counts as such."""
    return all(map(math.isfinite, series.values()))


def tail_mean(series: Series) -> float:
    """Mean of the last fifth."""
    values = [series[iteration] for iteration in sorted(series)]
    return mean(values[-max(1, round(TAIL * len(values))) :])


def _not_finite(loss: Series) -> str:
    first = min(iteration for iteration, value in loss.items() if not math.isfinite(value))
    return (
        f'The loss is not finite at iteration {first}: resume from the last checkpoint with '
        'bfloat16 or float32, a lower optim_wrapper.optimizer.lr or a smaller '
        'optim_wrapper.clip_grad.max_norm.'
    )


def _too_few(logged: int) -> str:
    return (
        f'{logged} logged steps are too few to say, {MIN_LOGGED} are needed: wait, or lower '
        'default_hooks.logger.interval.'
    )
