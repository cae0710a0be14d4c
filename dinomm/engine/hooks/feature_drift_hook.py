"""How far continued training has carried the features away from those it began with."""

from typing import Any

from mmengine.hooks import Hook
from torch import Tensor

from dinomm.distributed import unwrapped
from dinomm.evaluation.drift import (
    as_evaluated,
    cosine_distance,
    linear_cka,
    spread_batches,
    view_features,
)
from dinomm.evaluation.isolation import random_state_kept
from dinomm.registry import DATASETS, HOOKS

NETWORKS = ('student', 'teacher')
KEY = 'drift_start'
"""Of the start's features in a checkpoint."""


@HOOKS.register_module()
class FeatureDriftHook(Hook):
    """Measures the drift of student and teacher, each against its own features at the start.

    Logs ``drift/student_cosine``, ``drift/teacher_cosine`` (:func:`~.cosine_distance` of view
    features, 0 at the start) and ``drift/student_cka``, ``drift/teacher_cka``
    (:func:`~.linear_cka`, 1 at the start). The images are few and fixed and stay in memory; every
    process looks at all of them. Training goes on as if nothing had been measured. The start's
    features are kept in the checkpoints, so that a resumed run measures against the same.

    Args:
        num_images: How many, evenly spread over the data set.
        interval: Optimizer steps between measurements; there is one more at the end.
        dataset: Images with one view each, as ``val_dataloader.dataset``; by default those of
            training, in a centre view as large as the first crop.
    """

    priority = 'LOW'  # after the teacher has moved

    def __init__(self, num_images: int = 256, interval: int = 500, dataset: Any = None):
        for key, value, least in (('num_images', num_images, 2), ('interval', interval, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f'FeatureDriftHook.{key} is {value!r}: expected a whole number from {least}'
                )
        self.num_images = num_images
        self.interval = interval
        self.dataset = dataset
        self._batches: list[dict] = []
        self._start: dict[str, Tensor] | None = None
        self._measured_at = 0

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """On resume, takes the start's features."""
        if not runner._resume:
            return
        self._start = checkpoint.get(KEY)
        if self._start is None:
            runner.logger.warning(
                'the checkpoint holds no features of a start (it is of a run without '
                'FeatureDriftHook): the drift is measured from here on'
            )

    def before_train(self, runner) -> None:
        """Reads the images; at the start of a run, their features.

        Raises:
            ValueError: The resumed run had other images.
        """
        loader, dataset = runner.train_dataloader, self.dataset
        if dataset is None:
            dataset = as_evaluated(loader.dataset)
        elif isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
        with random_state_kept():
            self._batches = spread_batches(dataset, self.num_images, loader.batch_size)
        features = self._features(runner)
        if self._start is None:
            self._start = features
        self._measured_at = runner.optim_wrapper.steps
        for name, rows in features.items():
            if self._start[name].shape != rows.shape:
                raise ValueError(
                    f'FeatureDriftHook has features {tuple(rows.shape)} of its images, the resumed '
                    f'run began with {tuple(self._start[name].shape)}: keep num_images and the data'
                )

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Measures if a step was performed and it is one of the interval."""
        wrapper = runner.optim_wrapper
        if wrapper.stepped and wrapper.steps % self.interval == 0:
            self._measure(runner, runner.iter + 1)

    def after_train(self, runner) -> None:
        """Measures at the end."""
        if self._measured_at != runner.optim_wrapper.steps:
            self._measure(runner, runner.iter)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keeps the start's features."""
        checkpoint[KEY] = self._start

    def _measure(self, runner, iteration: int) -> None:
        assert self._start is not None
        drift = {}
        for name, rows in self._features(runner).items():
            start = self._start[name].to(rows.device)
            drift[f'drift/{name}_cosine'] = float(cosine_distance(rows, start))
            drift[f'drift/{name}_cka'] = float(linear_cka(rows, start))
        self._measured_at = runner.optim_wrapper.steps
        runner.visualizer.add_scalars(drift, step=iteration)
        values = ', '.join(f'{name} {value:.4f}' for name, value in drift.items())
        runner.logger.info(f'optimizer step {self._measured_at}: {values}')

    def _features(self, runner) -> dict[str, Tensor]:
        model = unwrapped(runner.model)
        with random_state_kept():
            return {
                name: view_features(model, self._batches, name == 'student').cpu()
                for name in NETWORKS
            }
