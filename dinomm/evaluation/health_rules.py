"""Plain rules on what `HealthHook` measures: numbers in, sentences out.

Nothing is read from files, and torch is not needed. Of each measure the mean of the last ones
counts, and what is normal at the beginning of a run is no fault there.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from .verdict import Series, Verdict, mean

RECENT = 5
"""Measurements whose mean is 'now'."""
NEEDED = 3
"""Measurements below which nothing is said."""
WARM_UP = 0.1
"""Share of a run in which rate and centre are on their way."""
UNIFORM = 0.98
"""Targets of more than this share of ln K are uniform."""
BLURRED = 0.9
"""Targets of more than this share of ln K hold little to learn."""
NOTHING_LEARNED = 0.99
"""A loss above this share of ln K is that of a uniform output."""
FEW_PROTOTYPES = 4
"""Effective number of prototypes, at most K / 8 and an eighth of the images, below which few take
all images."""
ALIKE = 0.02
"""Features whose spread, 1 in all directions, is below this are alike for all images."""
ONE_DIMENSION = 1.2
"""Effective rank below which it is one."""
STILL = 1e-7
"""Relative distance of student and teacher below which the student does not move."""
EXPLODING = 20.0
"""Factor by which the gradient's norm may grow over its usual value."""
USUAL = 10
"""Earlier measurements that make a usual value."""
FEW_IMAGES = {'MeanCentering': 16, 'SinkhornKnopp': 32, 'KoLeoHead': 8}
"""Images below which a centre, a balance or a neighbour says little."""


class HeadFacts(NamedTuple):
    """What the rules need to know of a head.

    Attributes:
        name: In ``model.heads``.
        type: Of the head.
        prototypes: K; 0 where it has none.
        teacher_temp: Now.
        student_temp: Of the student.
        centering: Its type; '' where there is none.
        centre_momentum: Of a `MeanCentering`.
        images: That the centering, or KoLeo, sees at once: of a step on all processes, for
            Sinkhorn-Knopp and KoLeo of a micro-batch.
    """

    name: str
    type: str
    prototypes: int = 0
    teacher_temp: float = 0.04
    student_temp: float = 0.1
    centering: str = ''
    centre_momentum: float | None = None
    images: int = 0

    @property
    def key(self) -> str:
        """Where the head stands in a config."""
        return f'model.heads.{self.name}'


class RunFacts(NamedTuple):
    """What the rules need to know of a run.

    Attributes:
        heads: Of the model.
        lr: The peak learning rate.
        max_norm: To which gradients are clipped; None: they are not.
        images: That a measurement sees.
    """

    heads: Sequence[HeadFacts]
    lr: float
    max_norm: float | None = None
    images: int = 64


def judge_measures(scalars: Mapping[str, Series], facts: RunFacts, done: float) -> list[Verdict]:
    """Verdicts on a run by its measures.

    Args:
        scalars: By name, ``health/...`` as `HealthHook` logs them.
        facts: The run's settings.
        done: Share of the planned steps that are done since the run, or this phase of it, began.
    """
    with_targets = [head for head in facts.heads if head.prototypes]
    return [
        *(judge_targets(head, scalars, done, facts.images) for head in with_targets),
        *(judge_sharpness(head, scalars, done) for head in with_targets),
        judge_features(scalars, facts, done),
        judge_movement(scalars, facts, done),
        judge_gradient(scalars, facts, done),
        *(judge_batch(head) for head in facts.heads if head.images),
    ]


def judge_targets(
    head: HeadFacts, scalars: Mapping[str, Series], done: float, images: int
) -> Verdict:
    """Whether a head's targets have collapsed, to uniform or to one or a few prototypes."""
    subject = f'Collapse, head {head.name}'
    entropy, used, cross_entropy = (
        recent(scalars, f'health/{head.name}/{measure}')
        for measure in ('target_entropy', 'prototypes_used', 'cross_entropy')
    )
    if entropy is None or used is None or cross_entropy is None:
        return unknown(subject)
    uniform = math.log(head.prototypes)
    values = f'entropy {entropy:.2f} of at most ln K = {uniform:.2f}, loss {cross_entropy:.2f}'
    if done < WARM_UP:
        return Verdict('unknown', subject, f'The targets are still on their way ({values}).')
    if used < min(FEW_PROTOTYPES, head.prototypes / 8, images / 8):
        return Verdict(
            'bad',
            subject,
            f'{used:.1f} of {head.prototypes:,} prototypes take all images ({values}): '
            f'{_against_few_prototypes(head)}.',
            is_collapse=True,
        )
    nothing_learned = cross_entropy > NOTHING_LEARNED * uniform and entropy > BLURRED * uniform
    if nothing_learned or entropy > UNIFORM * uniform:
        almost = '' if entropy > UNIFORM * uniform else 'almost '
        return Verdict(
            'bad',
            subject,
            f'The targets are {almost}uniform over the prototypes ({values}), so there is nothing '
            f'to learn: sharpen them, {_colder(head)}.',
            is_collapse=True,
        )
    return Verdict(
        'good',
        subject,
        f'No sign of it: {values}, {used:.0f} of {head.prototypes:,} prototypes used.',
    )


def judge_sharpness(head: HeadFacts, scalars: Mapping[str, Series], done: float) -> Verdict:
    """Whether the teacher's temperature is too high."""
    subject = f'Temperature, head {head.name}'
    if head.teacher_temp >= head.student_temp:
        return Verdict(
            'watch',
            subject,
            f"The teacher's temperature {head.teacher_temp:g} is not below the student's "
            f'{head.student_temp:g}, so nothing sharpens the targets: {_colder(head)}.',
        )
    entropy = recent(scalars, f'health/{head.name}/target_entropy')
    if entropy is None:
        return unknown(subject)
    share = entropy / math.log(head.prototypes) if head.prototypes > 1 else 0.0
    if share > BLURRED and done >= 2 * WARM_UP:
        return Verdict(
            'watch',
            subject,
            f'The targets have {share:.0%} of the entropy of uniform ones, little to learn from: '
            f'{_colder(head)}.',
        )
    return Verdict('good', subject, f'The targets have {share:.0%} of the largest entropy.')


def judge_features(scalars: Mapping[str, Series], facts: RunFacts, done: float) -> Verdict:
    """Whether the backbone gives one feature, or one direction, for all images."""
    subject = 'Features'
    student, teacher = (_described(scalars, network) for network in ('student', 'teacher'))
    if student is None or teacher is None:
        return unknown(subject)
    (values, flat), (of_student, flat_student) = teacher, student
    if flat and flat_student and done >= WARM_UP:
        return Verdict(
            'bad',
            subject,
            f"The teacher's features {flat} ({values}): start anew with a lower rate, "
            f'optim_wrapper.optimizer.lr={facts.lr / 2:.2g}, or spread them by '
            "model.heads.koleo=dict(type='KoLeoHead').",
            is_collapse=True,
        )
    if flat:  # as those of a network that begins with small layer scales, and averages slowly
        text = f"The teacher's features {flat} ({values}), the student's not ({of_student})."
        return Verdict('good', subject, text)
    return Verdict('good', subject, f"The teacher's features differ ({values}).")


def _described(scalars: Mapping[str, Series], network: str) -> tuple[str, str] | None:
    """The features' values in words, and what they have in common ('' where they differ)."""
    spread, rank = (
        recent(scalars, f'health/{measure}_{network}')
        for measure in ('feature_std', 'effective_rank')
    )
    if spread is None or rank is None:
        return None
    flat = 'fill one dimension alone' if rank < ONE_DIMENSION else ''
    flat = 'are the same for all images' if spread < ALIKE else flat
    return f'spread {spread:.3f} of 1, effective rank {rank:.1f}', flat


def judge_movement(scalars: Mapping[str, Series], facts: RunFacts, done: float) -> Verdict:
    """Whether the student moves away from its teacher."""
    subject = 'Student'
    distance = recent(scalars, 'health/weight_distance')
    if distance is None:
        return unknown(subject)
    if distance < STILL and done >= WARM_UP:
        return Verdict(
            'bad',
            subject,
            f"The student does not move (its weights are {distance:.0e} from the teacher's): "
            f'raise the rate, optim_wrapper.optimizer.lr={max(10 * facts.lr, 5e-4):.2g}, and look '
            'whether param_scheduler holds it at 0 or something is frozen.',
        )
    return Verdict('good', subject, f"Its weights are {distance:.1e} from the teacher's.")


def judge_gradient(scalars: Mapping[str, Series], facts: RunFacts, done: float) -> Verdict:
    """Whether the gradients grow beyond what they were."""
    subject = 'Gradient'
    series = scalars.get('health/grad_norm', {})
    values = [series[iteration] for iteration in sorted(series)]
    if len(values) < USUAL + NEEDED:
        return unknown(subject, USUAL + NEEDED)
    now, usual = median(values[-NEEDED:]), median(values[:-NEEDED])
    course = f'norm {now:.3g} now, {usual:.3g} before'
    if now > EXPLODING * usual and done >= WARM_UP:
        norm = facts.max_norm
        clip = 0.3 if norm is None or norm > 0.3 else norm / 3
        return Verdict(
            'bad',
            subject,
            f'The gradients explode ({course}): clip them, optim_wrapper.clip_grad.max_norm='
            f'{clip:.2g}, or lower the rate, optim_wrapper.optimizer.lr={facts.lr / 2:.2g}.',
        )
    return Verdict('good', subject, f'It keeps its size ({course}).')


def judge_batch(head: HeadFacts) -> Verdict:
    """Whether centre, balance or neighbours are of too few images."""
    subject = f'Batch, head {head.name}'
    least = FEW_IMAGES.get(head.centering or head.type)
    if least is None or head.images >= least or head.centre_momentum == 1:
        return Verdict('good', subject, f'{head.images:,} images at once.')
    what = {'MeanCentering': 'the centre', 'SinkhornKnopp': 'Sinkhorn-Knopp'}.get(
        head.centering, 'KoLeo'
    )
    more = -(-least // head.images)
    knob = (
        f'optim_wrapper.accumulative_counts={more} times what it is'
        if head.centering == 'MeanCentering'
        else f'a train_dataloader.batch_size {more} times as large (it sees micro-batches)'
    )
    return Verdict(
        'watch',
        subject,
        f'{what[0].upper()}{what[1:]} sees {head.images} images at once, too few to say much '
        f'({least} or more): take {knob}.',
    )


def recent(scalars: Mapping[str, Series], name: str) -> float | None:
    """Mean of the last measurements; None where there are too few."""
    series = scalars.get(name, {})
    if len(series) < NEEDED:
        return None
    return mean([series[iteration] for iteration in sorted(series)[-RECENT:]])


def unknown(subject: str, needed: int = NEEDED) -> Verdict:
    """Too early to say."""
    text = f'Fewer than {needed} measurements: wait, or lower default_hooks.logger.interval.'
    return Verdict('unknown', subject, text)


def _colder(head: HeadFacts) -> str:
    lower = min(0.04, head.teacher_temp / 2)
    return f'{head.key}.teacher_temp={lower:.2g} (it is {head.teacher_temp:g})'


def _against_few_prototypes(head: HeadFacts) -> str:
    if head.centre_momentum is not None and head.centre_momentum > 0.99:
        return (
            f'the centre hardly moves, set {head.key}.centering.momentum=0.9 (it is '
            f'{head.centre_momentum:g})'
        )
    warmer = min(2 * head.teacher_temp, 0.07) or 0.04
    return (
        f'enlarge the batch that the centre sees, optim_wrapper.accumulative_counts=8, or sharpen '
        f'less, {head.key}.teacher_temp={warmer:.2g}'
    )
