"""The Runner's validation and test loop that evaluates features by k-NN."""

from collections.abc import Iterator

import torch
from mmengine.dist import get_world_size
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor
from torch.utils.data import DataLoader

from dinomm.datasets.workers import guard_workers
from dinomm.distributed import unwrapped
from dinomm.preemption import PreemptedError, StopRequest
from dinomm.progress import Countdown
from dinomm.registry import LOOPS, METRICS

from .isolation import evaluation_mode, random_state_kept
from .knn import KNNAccuracy
from .sharding import drop_padding, gather_rows

SECONDS_BETWEEN_LINES = 30.0


@LOOPS.register_module()
class KNNLoop(BaseLoop):
    """Validation by weighted k-NN, as ``val_cfg`` and as ``test_cfg``.

    The labelled images of a support set vote on those of ``val_dataloader`` (``test_dataloader``),
    by the features of the model's ``extract_view_features(batch)``, which gives (N, C). Both sets
    are shared out over the processes; the support set's features are gathered into the main memory
    of each, and the hits are summed, so every process returns the same metrics. Training goes on
    as if there had been no validation: random states and the model's mode are restored.

    Example::

        val_dataloader = dict(batch_size=64, dataset=..., sampler=...)
        val_cfg = dict(type='KNNLoop', support_dataloader=dict(batch_size=64, dataset=...))
        val_evaluator = dict(type='KNNAccuracy', k=(10, 20))
        default_hooks = dict(
            checkpoint=dict(
                type='ResumableCheckpointHook', save_best='knn/top1_k20', rule='greater'))

    Args:
        runner: The Runner.
        dataloader: Of the queries.
        evaluator: A `KNNAccuracy` or its config.
        support_dataloader: Of the images that vote. Without a ``sampler`` it is read in order,
            shared out over the processes.

    Raises:
        ValueError: The evaluator is another one, images have no label, or a sampler gives every
            process the whole data set.
    """

    def __init__(
        self,
        runner,
        dataloader: DataLoader | dict,
        evaluator: KNNAccuracy | dict,
        support_dataloader: DataLoader | dict,
    ) -> None:
        super().__init__(runner, dataloader)
        self.dataloader: DataLoader
        self.evaluator = METRICS.build(evaluator) if isinstance(evaluator, dict) else evaluator
        if not isinstance(self.evaluator, KNNAccuracy):
            raise ValueError(
                f"val_evaluator = {evaluator!r}: KNNLoop expects one dict(type='KNNAccuracy', ...)"
            )
        if isinstance(support_dataloader, dict):
            sampler = {'type': 'DefaultSampler', 'shuffle': False}
            config = {'sampler': sampler, **support_dataloader}
            self.support_dataloader = runner.build_dataloader(config, seed=runner.seed)
        else:
            self.support_dataloader = support_dataloader
        for loader in (self.dataloader, self.support_dataloader):
            guard_workers(loader)
        self.stop: StopRequest | None = None

    @property
    def mode(self) -> str:
        """'test' if `Runner.test` runs this loop, else 'val': it names the hooks."""
        # The public `runner.test_loop` would build a test loop in the middle of a validation.
        return 'test' if self.runner._test_loop is self else 'val'

    def run(self) -> dict[str, float]:
        """Runs the evaluation and the hooks of its mode; returns percentages.

        Raises:
            PreemptedError: Training, which has set ``stop``, was asked to stop meanwhile.
        """
        mode = self.mode
        self.runner.call_hook(f'before_{mode}')
        self.runner.call_hook(f'before_{mode}_epoch')
        with random_state_kept(), evaluation_mode(self.runner.model):
            # Queries first: the Runner's timer counts from the hook above to the first of them.
            queries, query_labels = _concatenate(self._queries(mode), self.dataloader)
            support_share = _concatenate(self._support(mode), self.support_dataloader)
            if self.stop is not None and self.stop.agreed():
                raise PreemptedError
            support, support_labels = map(gather_rows, support_share)
            if len(queries) == 0:
                queries = queries.new_empty(0, support.shape[1])
            query_labels = self._number_as_support(query_labels)
            metrics = self.evaluator.compute(support, support_labels, queries, query_labels)
        self.runner.call_hook(f'after_{mode}_epoch', metrics=metrics)
        self.runner.call_hook(f'after_{mode}')
        return metrics

    def _number_as_support(self, labels: Tensor) -> Tensor:
        """Query labels in the support set's numbers, -1 for a class that it lacks.

        Folders number the classes that they hold, so a set without one would shift the others.
        """
        loaders = self.dataloader, self.support_dataloader
        queried, known = (
            (getattr(loader.dataset, 'metainfo', None) or {}).get('classes') for loader in loaders
        )
        if not queried or not known or tuple(queried) == tuple(known):
            return labels
        number = {name: index for index, name in enumerate(known)}
        numbers = [number.get(name, -1) for name in queried]
        return torch.tensor(numbers, device=labels.device)[labels]

    def _queries(self, mode: str) -> Iterator[tuple[Tensor, Tensor]]:
        progress = self._countdown('query', self.dataloader)
        for index, batch in enumerate(self.dataloader):
            self.runner.call_hook(f'before_{mode}_iter', batch_idx=index, data_batch=batch)
            features = self._features(batch)
            yield features, _labels(batch, f'{mode}_dataloader.dataset.labels')
            progress.add(len(features) * get_world_size())
            self.runner.call_hook(
                f'after_{mode}_iter', batch_idx=index, data_batch=batch, outputs=None
            )
            if self._stops():
                return

    def _support(self, mode: str) -> Iterator[tuple[Tensor, Tensor]]:
        progress = self._countdown('support', self.support_dataloader)
        for batch in self.support_dataloader:
            features = self._features(batch)
            yield features.cpu(), _labels(batch, f'{mode}_cfg.support_dataloader.dataset.labels')
            progress.add(len(features) * get_world_size())
            if self._stops():
                return

    def _stops(self) -> bool:
        return self.stop is not None and self.stop.noted

    def _countdown(self, name: str, dataloader: DataLoader) -> Countdown:
        return Countdown(
            f'k-NN {name} images',
            _images(dataloader),
            self.runner.logger.info,
            SECONDS_BETWEEN_LINES,
        )

    def _features(self, batch: dict) -> Tensor:
        model = unwrapped(self.runner.model)
        return model.extract_view_features(batch).float()


def _images(dataloader: DataLoader) -> int:
    return len(dataloader.dataset)  # type: ignore[arg-type]


def _labels(batch: dict, key: str) -> Tensor:
    """(B,) labels of a batch; ``key`` is where the config says whether there are any."""
    samples = batch['data_samples']
    if any('gt_label' not in sample for sample in samples):
        raise ValueError(f'k-NN needs labelled images: {key} gives none')
    labels = [sample.gt_label for sample in samples]
    if any(label.numel() != 1 for label in labels):
        raise ValueError(f'k-NN needs one label an image: {key} gives several')
    return torch.cat([label.reshape(1) for label in labels])


def _concatenate(
    batches: Iterator[tuple[Tensor, Tensor]], dataloader: DataLoader
) -> tuple[Tensor, Tensor]:
    """All (n, C) features and (n,) labels of this process, without the sampler's padding."""
    rows = list(batches)
    if not rows:  # fewer images than processes
        return torch.empty(0, 0), torch.empty(0, dtype=torch.long)
    features, labels = (torch.cat(column) for column in zip(*rows, strict=True))
    images = _images(dataloader)
    return drop_padding(features, images), drop_padding(labels, images)
