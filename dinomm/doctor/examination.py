"""The whole look at a run, from its config to a list of what to do."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from dinomm import launch
from dinomm.config_check import misspellings
from dinomm.config_values import value_problems

from . import estimates, rules, sections, settings
from .findings import EXIT_STATUS, Finding, advice, fault
from .images import SHEET, ImageSample, draw_crops, look_at_images
from .loader import LoaderSpeed, build_loader, measure_loader
from .machine import Machine, examine_machine, free_bytes
from .plan import Plan, make_plan
from .report import in_order, show_findings, show_section
from .step import StepResult, measure_step

JSON = 'doctor.json'


class Effort(NamedTuple):
    """How long it may take.

    Attributes:
        steps: That are timed.
        step_seconds: After which no further step begins.
        loader_seconds: For which batches are counted.
        images: That are decoded.
        image_seconds: After which no further one is.
    """

    steps: int = 20
    step_seconds: float = 30.0
    loader_seconds: float = 8.0
    images: int = 200
    image_seconds: float = 15.0


QUICK = Effort(3, 10.0, 2.0, 40, 5.0)


def examine(args: argparse.Namespace, config: Config, effort: Effort) -> int:
    """Looks at a run, prints what it found, and writes it to the work directory.

    Args:
        args: As of ``tools/train.py``; ``processes`` of the run, None for those that were started.
        config: Of :func:`~dinomm.run_options.resolve`.
        effort: Bounds the time.

    Returns:
        0, or `EXIT_STATUS` if the run would fail or be wasted.

    Raises:
        ValueError: The config trains nothing, or the work directory cannot be written.
    """
    for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if config.get(key) is None:
            raise ValueError(f'config {args.config} trains nothing: it has no {key}')
    processes = args.processes or launch.num_processes(args.launcher)
    examination = Examination(args, config, effort, processes)
    examination.run()
    return examination.finish()


class Examination:
    """What is known of a run so far.

    Args:
        args: Of the command line.
        config: Resolved.
        effort: Bounds the time.
        processes: Of the run.
    """

    def __init__(
        self, args: argparse.Namespace, config: Config, effort: Effort, processes: int
    ) -> None:
        self.args, self.config = args, config
        self.effort, self.processes = effort, processes
        self.findings: list[Finding] = []
        self.figures: dict[str, Any] = {}
        self.machine: Machine | None = None

    def run(self) -> None:
        """Checks first, then measures, as far as the checks allow."""
        self._tell('checking the config')
        problems = [*value_problems(self.config)]
        from dinomm import registry  # noqa: F401

        problems += misspellings(self.config)
        self.findings += [fault('config', problem) for problem in problems]
        self.machine = examine_machine()
        self._show_machine(self.machine)
        try:
            launch.require_data(self.config)
        except (ValueError, OSError) as error:
            self.findings.append(fault('data', str(error)))
        if any(finding.level == 'fault' for finding in self.findings):
            return
        self._measure(self.machine)

    def _measure(self, machine: Machine) -> None:
        try:
            loader = build_loader(self.config)
        except (ValueError, OSError, RuntimeError) as error:
            self.findings.append(fault('data', str(error)))
            return
        plan = make_plan(self.config, len(loader.dataset), self.processes)
        sample = self._look_at_images(loader.dataset)
        if plan.iterations == 0:
            self._show_data(plan, sample, None)
            self.findings += rules.length_findings(plan)
            return
        speed = self._measure_loader(loader)
        step = self._measure_step(plan, machine)
        self._show_data(plan, sample, step.figures)
        self._show_settings(plan, step.figures or {})
        self.findings += estimates.memory_findings(
            self.config, plan, machine, speed, step.figures, step.too_large
        )
        if speed and step.figures:
            self._show_cost(plan, machine, speed, step.figures, sample)

    # ---- measurements

    def _look_at_images(self, dataset: Any) -> ImageSample | None:
        if not hasattr(dataset, 'image_path') or not hasattr(dataset, 'storage'):
            return None
        self._tell('decoding images')
        sample = look_at_images(dataset, self.effort.images, self.effort.image_seconds)
        self.figures['images'] = sample._asdict()
        if sample.broken:
            expected = round(len(sample.broken) / sample.looked_at * sample.images)
            limit = getattr(dataset, 'max_bad_images', sample.images)
            text = (
                f'{len(sample.broken)} of {sample.looked_at} images cannot be read, so some '
                f'{expected:,} of {sample.images:,} may be broken: {"; ".join(sample.broken[:3])}'
            )
            if expected > limit:
                text += (
                    f'. The run stops above train_dataloader.dataset.max_bad_images={limit}: '
                    'repair or remove them'
                )
            self.findings.append((fault if expected > limit else advice)('images', text))
        try:
            self.figures['crops'] = str(draw_crops(self.config, self.config.work_dir))
        except (ValueError, RuntimeError, OSError) as error:
            if 'MultiCrop' not in str(error):
                self.findings.append(fault('views', str(error)))
        return sample

    def _measure_loader(self, loader: Any) -> LoaderSpeed | None:
        self._tell('measuring the loader')
        try:
            speed = measure_loader(
                loader, self.config.train_dataloader.batch_size, self.effort.loader_seconds
            )
        except (ValueError, OSError, RuntimeError) as error:
            self.findings.append(fault('loader', str(error).splitlines()[0]))
            return None
        self.figures['loader'] = speed._asdict()
        return speed

    def _measure_step(self, plan: Plan, machine: Machine) -> StepResult:
        self._tell('measuring the training step')
        options = {
            'steps': self.effort.steps,
            'seconds': self.effort.step_seconds,
            'processes': self.processes,
            'memory': machine.memory,
        }
        step = measure_step(self.args, plan.batch, options, self._tell)
        self.figures['step'] = step._asdict()
        if step.error is not None and not step.too_large:
            kind = '' if step.error.get('is_sentence') else f'{step.error["type"]}: '
            self.findings.append(fault('first step', f'{kind}{step.error["error"]}'))
        loss = (step.figures or {}).get('first_loss')
        if loss is not None and not abs(loss) < float('inf'):
            self.findings.append(
                fault('first step', f'its loss is {loss}: try without --amp, or a smaller rate')
            )
        return step

    # ---- sections

    def _show_machine(self, machine: Machine) -> None:
        show_section('Machine', sections.machine_rows(machine), print)
        self.figures['machine'] = {
            **machine._asdict(),
            'gpus': [gpu._asdict() for gpu in machine.gpus],
        }
        if len(machine.gpus) > self.processes:
            self.findings.append(
                advice(
                    'GPUs',
                    f'{len(machine.gpus)} GPUs, {self.processes} used: bash tools/dist_train.sh '
                    f'{self.args.config} {len(machine.gpus)} trains on all (and look at them by '
                    f'--processes {len(machine.gpus)})',
                )
            )
        if any(not gpu.bfloat16 for gpu in machine.gpus) and (
            self.config.optim_wrapper.get('dtype') == 'bfloat16'
        ):
            self.findings.append(
                advice('precision', 'this GPU computes no bfloat16: take --amp float16')
            )

    def _show_data(
        self, plan: Plan, sample: ImageSample | None, step: Mapping[str, Any] | None
    ) -> None:
        rows = sections.data_rows(self.config, plan, sample, step)
        if 'crops' in self.figures:
            rows.append(('views', f'drawn in {self.figures["crops"]}'))
        show_section('Data', rows, print)

    def _show_settings(self, plan: Plan, step: Mapping[str, Any]) -> None:
        schedules = settings.compute_schedules(self.config, plan)
        raw = launch.read_config(self.args.config, self.args.cfg_options)
        base_lr = raw.optim_wrapper.optimizer.get('lr')
        sections = {
            'Network': settings.network_rows(self.config, step.get('parameters', {})),
            'Run': settings.schedule_rows(self.config, plan, schedules, base_lr),
            'Files': settings.kept_rows(self.config),
        }
        for title, rows in sections.items():
            show_section(title, rows, print)
        self.figures['settings'] = {
            title: [list(row) for row in rows] for title, rows in sections.items()
        }
        self.figures['plan'] = {
            **plan._asdict(),
            'effective_batch': plan.effective_batch,
            'steps': plan.steps,
        }
        self.findings += rules.settings_findings(
            self.config, plan, schedules, step.get('heads', ()), self.args.auto_scale_lr
        )

    def _show_cost(
        self,
        plan: Plan,
        machine: Machine,
        speed: LoaderSpeed,
        step: Mapping[str, Any],
        sample: ImageSample | None,
    ) -> None:
        cost = estimates.estimate(self.config, plan, machine, speed, step)
        free = free_bytes(self.config.work_dir)
        rows = sections.cost_rows(plan, speed, step, cost, free)
        show_section('Speed, memory, time, disk', rows, print)
        self.figures['cost'] = {**cost._asdict(), 'hours': cost.hours, 'free_bytes': free}
        self.findings += estimates.speed_findings(self.config, plan, machine, speed, cost, sample)
        self.findings += estimates.disk_findings(self.config, cost, free)

    # ---- the end

    def finish(self) -> int:
        """Prints what to do, writes the JSON; returns the exit status."""
        from dinomm.benchmark.report import write_json

        findings = in_order(self.findings)
        show_findings(findings, print)
        status = EXIT_STATUS if any(one.level == 'fault' for one in findings) else 0
        self.figures['findings'] = [one._asdict() for one in findings]
        self.figures['exit_status'] = status
        path = Path(self.config.work_dir, JSON)
        try:
            write_json(path, self.figures)
        except OSError as error:
            raise ValueError(
                f'{path} cannot be written ({error.strerror}): choose a --work-dir that can'
            ) from None
        print(f'\nWritten: {path}' + (f', {SHEET}' if 'crops' in self.figures else ''))
        return status

    def _tell(self, line: str) -> None:
        print(f'{line} ...', file=sys.stderr, flush=True)
