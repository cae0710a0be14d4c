"""A run in words and tables: network, objective, views, schedule, data, cost, commands."""

import math
import shlex
import statistics
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from .html import Html, join, table, tag
from .work_dir import Run

OBJECTIVES = {
    'DINOHead': "DINO's cross-view loss on view features",
    'RegionMatchingHead': "EsViT's region matching on patch or map features",
}
SOURCES = ('Python', 'PyTorch', 'TorchVision', 'OpenCV', 'MMEngine')
FLAGS = {'type', 'by_epoch', 'convert_to_iter_based'}
Row = tuple[Any, Any]


def of_class(config: Mapping[str, Any]) -> str:
    """The bare name of a config's type."""
    return str(config.get('type', '?')).rpartition('.')[2]


def is_self_distillation(run: Run) -> bool:
    """Whether the run trained by this package's algorithm, and not a detector, say."""
    return of_class(run.config.get('model', {})) == 'SelfDistillation'


def overview(run: Run, parameters: Mapping[str, int], images: int | None) -> Html:
    """What was trained and how, a paragraph and a table.

    Args:
        run: The run.
        parameters: Of 'backbone' and of each head; empty where the network cannot be built.
        images: In the data set; None where it cannot be read.
    """
    config = run.config
    rows = [
        ('Network', network(config.get('model', {}), parameters)),
        *objectives(config.get('model', {}), parameters),
        ('Teacher', teacher(config)),
        *views(config),
        ('Batch', batch(run)),
        ('Optimizer', described(config.get('optim_wrapper', {}).get('optimizer', {}))),
        ('Gradient', gradient(config.get('optim_wrapper', {}))),
        ('Schedules', join(*map(described, schedules(config)), by='; ')),
        ('Length', length(run)),
        ('Precision', precision(config.get('optim_wrapper', {}))),
        ('Data', data(config, images)),
        ('Seed', config.get('randomness', {}).get('seed', run.environment.get('seed'))),
    ]
    return join(
        tag('p', in_words(run, parameters)),
        table([(name, value) for name, value in rows if value not in (None, '')]),
    )


def in_words(run: Run, parameters: Mapping[str, int]) -> str:
    """One or two plain sentences."""
    model = run.config.get('model', {})
    size = f' of {counted(parameters["backbone"])} parameters' if parameters else ''
    if not is_self_distillation(run):
        return f'This run trained a {of_class(model)}, which is no self-distillation.'
    by = ' and '.join(
        OBJECTIVES.get(of_class(head), of_class(head)) for head in model.get('heads', {}).values()
    )
    crops = run_views(run.config)
    cut = ', '.join(f'{v.get("num", 1)} of {v.get("size", 224)} pixels' for v in crops)
    return (
        f'A {of_class(model.get("backbone", {}))}{size} was trained without labels, by {by}: a '
        'student learns to give the output that its teacher, the average of its own past, gives '
        f'for other views of the same image. Each image is cut into views: {cut}.'
    )


def network(model: Mapping[str, Any], parameters: Mapping[str, int]) -> str:
    """The backbone's type, shape and size."""
    size = f', {counted(parameters["backbone"])} parameters' if parameters else ''
    return described(model.get('backbone', {})) + size


def objectives(model: Mapping[str, Any], parameters: Mapping[str, int]) -> Iterator[Row]:
    """A row for each head."""
    for name, head in (model.get('heads') or {}).items():
        size = f', {counted(parameters[name])} parameters' if name in parameters else ''
        objective = OBJECTIVES.get(of_class(head), of_class(head))
        yield f'Head {name}', f'{objective}; {described(head)}{size}'


def teacher(config: Mapping[str, Any]) -> str | None:
    """How the teacher follows."""
    hooks = [h for h in config.get('custom_hooks') or [] if of_class(h) == 'TeacherEMAHook']
    return described(hooks[0]) if hooks else None


def run_views(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups of views that the training pipeline cuts."""
    dataset = (config.get('train_dataloader') or {}).get('dataset', {})
    crops = [step for step in dataset.get('pipeline', []) if of_class(step) == 'MultiCrop']
    return list(crops[0].get('views', [])) if crops else []


def views(config: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each group of views."""
    for number, view in enumerate(run_views(config), 1):
        what = f'{view.get("num", 1)} of {view.get("size", 224)} px'
        rest = listed({k: v for k, v in view.items() if k not in ('num', 'size')})
        yield f'Views {number}', f'{what}; {rest}' if rest else what


def batch(run: Run) -> str:
    """Images of a step."""
    per_process = run.config.get('train_dataloader', {}).get('batch_size', 1)
    counts = run.config.get('optim_wrapper', {}).get('accumulative_counts', 1)
    processes = run.logs[-1].processes
    parts = [f'{per_process} on a process', f'{processes} process{"es" * (processes > 1)}']
    if counts > 1:
        parts.append(f'{counts} micro-batches a step')
    return f'{per_process * counts * processes:,} images a step ({", ".join(parts)})'


def gradient(wrapper: Mapping[str, Any]) -> str:
    """Clipping and freezing."""
    parts = {key: wrapper[key] for key in ('clip_grad', 'freeze_last_layer') if key in wrapper}
    return listed(parts)


def schedules(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of rate and weight decay."""
    found = config.get('param_scheduler') or []
    return [found] if isinstance(found, Mapping) else list(found)


def length(run: Run) -> str:
    """What was planned and what was done."""
    plan = run.config.get('train_cfg') or {}
    planned = f'{plan["max_epochs"]} epochs' if 'max_epochs' in plan else ''
    if run.planned:
        planned = ', '.join(filter(None, [planned, f'{run.planned:,} iterations']))
    return f'{planned or "unknown"} planned; {run.iteration:,} iterations done'


def precision(wrapper: Mapping[str, Any]) -> str:
    """The number format of autocast."""
    return str(wrapper.get('dtype', 'float16')) if 'Amp' in of_class(wrapper) else 'float32'


def data(config: Mapping[str, Any], images: int | None) -> str:
    """Where the images lie, and how many."""
    dataset = (config.get('train_dataloader') or {}).get('dataset', {})
    root = dataset.get('root', dataset.get('data_root'))
    return f'{root}' + (f' ({images:,} images)' if images is not None else '')


def cost(run: Run) -> Html:
    """Time, memory and speed from the log."""
    steps = run.scalars.get('loss', {})

    def logged(name: str) -> list[float]:
        values = [v for i, v in run.scalars.get(name, {}).items() if i in steps]
        return [value for value in values if math.isfinite(value)]

    if not logged('time'):
        raise ValueError('nothing was logged yet: the times of training steps are missing')
    step = statistics.median(logged('time'))
    spent = sum((log.duration for log in run.logs), timedelta())
    sessions = len([log for log in run.logs if log.started])
    memory = logged('memory')
    rows: list[Row] = [
        ('Time in all', f'{spent} in {sessions} session{"s" * (sessions != 1)}, with validation'),
        ('Time of a step', f'{1000 * step:,.0f} ms, the median of the logged ones'),
    ]
    if logged('data_time'):
        waiting = sum(logged('data_time')) / sum(logged('time'))
        rows.append(('Waiting for data', f'{waiting:.1%} of the time'))
    if logged('images_per_s'):
        speed = statistics.median(logged('images_per_s'))
        rows.append(('Speed', f'{speed:,.0f} images a second'))
    if memory:
        rows.append(('Peak memory of the GPU', f'{max(memory) / 1024:.2f} GiB'))
    if logged('peak_gib'):
        rows.append(('Peak memory of the process', f'{max(logged("peak_gib")):.2f} GiB'))
    if run.planned and not run.is_finished():
        left = timedelta(seconds=round(step * (run.planned - run.iteration)))
        rows.append(('Left at this speed', f'{left} for {run.planned - run.iteration:,} steps'))
    return table(rows)


def state(run: Run, now: datetime) -> str:
    """Finished, going or stopped; one sentence."""
    if run.is_finished():
        return f'Finished: all {run.planned:,} iterations are done.'
    of_all = f' of {run.planned:,}' if run.planned else ''
    far = f'iteration {run.iteration:,}{of_all}' if run.iteration else 'before its first log line'
    if run.is_going(now):
        return f'Still going, at {far}.'
    why = f' It says: {run.logs[-1].stopped}.' if run.logs[-1].stopped else ''
    return f'Stopped at {far}; last sign of it {run.written:%Y-%m-%d %H:%M}.{why}'


def commands(run: Run) -> Html:
    """What trains, goes on with and evaluates the same."""
    config = shlex.quote(str(run.config_file))
    processes = run.logs[-1].processes
    train = f'bash tools/dist_train.sh {config} {processes}' if processes > 1 else ''
    train = train or f'python tools/train.py {config}'
    again = f'{train} --work-dir {shlex.quote(str(run.folder) + "_again")}'
    if run.config.get('resume') or run.config.get('load_from'):
        again += ' --cfg-options resume=False load_from=None'
    parts = [tag('h3', 'Train the same again'), tag('pre', tag('code', again))]
    if not run.is_finished():
        resume = f'{train} --work-dir {shlex.quote(str(run.folder))} --resume'
        parts += [tag('h3', 'Go on with this run'), tag('pre', tag('code', resume))]
    if run.checkpoints:
        checkpoint = shlex.quote(str(run.checkpoints[0]))
        evaluate = f'python tools/evaluate.py knn {config} {checkpoint}'
        parts += [tag('h3', 'Evaluate'), tag('pre', tag('code', evaluate))]
    parts.append(
        tag(
            'p',
            f'{run.config_file.name} is the whole config as it ran, every option of the command '
            'line in it.',
        )
    )
    return join(*parts)


def versions(run: Run) -> Html:
    """Of the training, from its log, and of this report."""
    import platform

    from dinomm import __version__
    from dinomm.benchmark.report import processor

    logged = run.environment
    rows: list[Row] = [(f'{name}, training', logged[name]) for name in SOURCES if name in logged]
    rows += [(n, v) for n, v in logged.items() if n.startswith('GPU ') and n != 'GPU number']
    if not rows:
        rows.append(('Training', 'the log of the run is missing'))
    rows += [
        ('dinomm, this report', __version__),
        ('Python, this report', platform.python_version()),
        ('Machine, this report', f'{processor()}, {platform.system()}'),
    ]
    return table(rows)


def described(config: Any) -> str:
    """A config in a line: its type and its arguments."""
    if not isinstance(config, Mapping) or not config:
        return ''
    rest = listed(config)
    return f'{of_class(config)}: {rest}' if rest else of_class(config)


def listed(config: Mapping[str, Any]) -> str:
    """Keys and values in a line, nested ones in brackets."""
    return ', '.join(f'{k} {_text(v)}' for k, v in config.items() if k not in FLAGS)


def counted(number: int) -> str:
    """A number of parameters."""
    if number < 1e6:
        return f'{number:,}'
    return f'{number / 1e6:.3g} million'


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = [str(of_class(value))] if 'type' in value else []
        return f'({", ".join(filter(None, [*inside, listed(value)]))})'
    if isinstance(value, list | tuple):
        return '[' + ', '.join(map(_text, value)) + ']'
    return str(value)
