"""Watches a run: what its outputs, features and gradients say, in words."""

import json
import math
from pathlib import Path

from mmengine.dist import broadcast_object_list, get_world_size, is_main_process
from mmengine.hooks import Hook, LoggerHook

from dinomm.distributed import unwrapped
from dinomm.engine.measures import StepMeasures, weight_distance
from dinomm.engine.stopping import CollapseError, save_now
from dinomm.evaluation.health import judge_knn
from dinomm.evaluation.health_rules import HeadFacts, RunFacts, judge_measures
from dinomm.evaluation.verdict import Verdict
from dinomm.registry import HOOKS
from dinomm.visualization.files import replaced_when_whole

FILE = 'health.json'
KEY = 'health'
"""Of the past measures in a checkpoint."""
PREFIX = 'health/'
KEPT = 100
"""Past measurements that the rules look at."""


@HOOKS.register_module()
class HealthHook(Hook):
    """Measures the one step that is logged, judges by plain rules, and tells once.

    Between these steps it does nothing. Measured are, for each head with targets, cross-entropy,
    entropy of the teacher's targets, KL from these to the student and the effective number of
    prototypes (:class:`.StepMeasures`); spread and effective rank of both networks' view features,
    and their cosine; the norm of the gradient before clipping; how far the student's weights are
    from the teacher's. The tracker gets them as ``health/...``. ``health.json`` in the work
    directory holds the last ones and the verdicts of
    :func:`~dinomm.evaluation.health_rules.judge_measures`. A bad verdict is a warning in the log,
    repeated rarely while it lasts. Training is not changed by it.

    Args:
        stop_on_collapse: End the run with a checkpoint when an output or the features collapsed.
        repeat: A lasting verdict is told again after so many measurements.

    Raises:
        CollapseError: The run collapsed and was to stop then. Tools exit with its
            ``exit_status``, 3.
    """

    priority = 'ABOVE_NORMAL'  # before the teacher moves

    def __init__(self, stop_on_collapse: bool = False, repeat: int = 100):
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 1:
            raise ValueError(
                f'default_hooks.health.repeat is {repeat!r}: expected a whole number from 1'
            )
        self.stop_on_collapse = stop_on_collapse
        self.repeat = repeat
        self.interval = 10
        self.scalars: dict[str, dict[int, float]] = {}
        self.verdicts: list[Verdict] = []
        self._first_step: int | None = None
        self._measures: StepMeasures | None = None
        self._told: dict[str, int] = {}
        self._knn: Verdict | None = None
        self._collapse: str | None = None

    # ---- what is carried on

    def before_run(self, runner) -> None:
        """Finds the logger's interval."""
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self.interval = loggers[0].interval if loggers else 10

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """On resume, takes the past measures."""
        past = checkpoint.get(KEY)
        if getattr(runner, '_resume', False) and past:
            self.scalars = {name: dict(series) for name, series in past['scalars'].items()}
            self._first_step = past['first_step']

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keeps the past measures."""
        checkpoint[KEY] = {'scalars': self.scalars, 'first_step': self._first_step}

    # ---- a step

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Stops a collapsed run; has the model measure a step that will be logged."""
        if self._first_step is None:
            self._first_step = runner.optim_wrapper.steps
        self._stop_if_collapsed(runner)
        model = unwrapped(runner.model)
        due = self.every_n_inner_iters(batch_idx, self.interval)
        last = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if hasattr(model, 'measure') and (due or last):
            self._measures = StepMeasures()
            model.measure(self._measures)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Reads the measures, unless the step was skipped, and judges."""
        if self._measures is None:
            return
        measures, self._measures = self._measures, None
        model, wrapper = unwrapped(runner.model), runner.optim_wrapper
        model.measure(None)
        if wrapper.should_update() and not wrapper.stepped:
            return
        more = {'weight_distance': weight_distance(model, model.teacher)}
        if wrapper.grad_norm is not None:
            more['grad_norm'] = wrapper.grad_norm
        read = {PREFIX + name: value for name, value in measures.read(more).items()}
        iteration = runner.iter + 1
        for name, value in read.items():
            series = self.scalars.setdefault(name, {})
            series[iteration] = value
            if len(series) > KEPT:
                del series[min(series)]
        runner.visualizer.add_scalars(read, step=iteration)
        self._judge(runner, iteration)

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Takes the k-NN accuracies, and judges them once."""
        for name, value in (metrics or {}).items():
            if '/top1_k' in name:
                self.scalars.setdefault(name, {})[runner.iter] = float(value)
        self._knn = None
        if self._first_step is not None:
            self._judge(runner, runner.iter)

    def after_train(self, runner) -> None:
        """Stops a run that collapsed at its very end."""
        self._stop_if_collapsed(runner)

    # ---- verdicts

    def _judge(self, runner, iteration: int) -> None:
        if is_main_process():
            facts, done = run_facts(runner), self._done(runner)
            self._knn = self._knn or judge_knn(self.scalars, done)
            self.verdicts = [*judge_measures(self.scalars, facts, done), self._knn]
            self._tell(runner)
            self._write(runner, iteration, facts)
        if not self.stop_on_collapse:
            return
        collapse = [next((v.text for v in self.verdicts if v.is_collapse), None)]
        broadcast_object_list(collapse)
        self._collapse = collapse[0]

    def _done(self, runner) -> float:
        """Share of the steps, since this run or phase began, that are done."""
        wrapper, first = runner.optim_wrapper, self._first_step or 0
        total = math.ceil(runner.max_iters / wrapper.accumulative_counts) - first
        return (wrapper.steps - first) / max(1, total)

    def _tell(self, runner) -> None:
        ill = {v.subject: v for v in self.verdicts if v.state in ('bad', 'watch')}
        for subject in [subject for subject in self._told if subject not in ill]:
            del self._told[subject]
        for subject, verdict in ill.items():
            times = self._told.get(subject, 0)
            if times % self.repeat == 0:
                tell = runner.logger.warning if verdict.state == 'bad' else runner.logger.info
                tell(f'health, {subject}: {verdict.text}')
            self._told[subject] = times + 1

    def _write(self, runner, iteration: int, facts: RunFacts) -> None:
        content = {
            'iteration': iteration,
            'optimizer_step': runner.optim_wrapper.steps,
            'done': round(self._done(runner), 4),
            'verdicts': [verdict._asdict() for verdict in self.verdicts],
            'heads': [head._asdict() for head in facts.heads],
            'measures': {
                name: {'iteration': max(series), 'value': series[max(series)]}
                for name, series in self.scalars.items()
            },
        }
        with replaced_when_whole(Path(runner.work_dir) / FILE) as partial:
            partial.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')

    def _stop_if_collapsed(self, runner) -> None:
        if self._collapse is None:
            return
        path = save_now(runner, runner.iter)
        where = f'checkpoint {path}' if path else 'no checkpoint was written'
        raise CollapseError(
            f'stopped at iteration {runner.iter} (--stop-on-collapse; {where}): {self._collapse}'
        )


def run_facts(runner) -> RunFacts:
    """What the rules need to know of a run, as it stands."""
    wrapper, processes = runner.optim_wrapper, get_world_size()
    micro_batch, counts = runner.train_dataloader.batch_size, wrapper.accumulative_counts
    heads = []
    for name, head in unwrapped(runner.model).heads.items():
        facts = HeadFacts(name, type(head).__name__)
        if hasattr(head, 'centering'):
            centering = type(head.centering).__name__
            # Sinkhorn-Knopp sees micro-batches
            seen = micro_batch * processes * (1 if centering == 'SinkhornKnopp' else counts)
            facts = facts._replace(
                prototypes=head.num_prototypes,
                teacher_temp=head.teacher_temp,
                student_temp=head.student_temp,
                centering=centering,
                centre_momentum=getattr(head.centering, 'momentum', None),
                images=seen,
            )
        elif hasattr(head, 'over_ranks'):
            facts = facts._replace(images=micro_batch * (processes if head.over_ranks else 1))
        heads.append(facts)
    peak = wrapper.optimizer.defaults['lr']
    return RunFacts(heads, peak, wrapper.max_norm, micro_batch * processes)
