"""How long a run is, in images, iterations and optimizer steps."""

from math import ceil
from typing import Any, NamedTuple

from mmengine.config import Config


class Plan(NamedTuple):
    """The arithmetic of a run.

    Attributes:
        images: In the data set.
        epoch_images: That an epoch takes, over all processes.
        epochs: Of the run.
        batch: Images of a micro-batch on one process.
        accumulation: Micro-batches of an optimizer step.
        processes: Of the run.
        iterations: Micro-batches of an epoch, on each process.
        dropped: Images that an epoch leaves out at its end.
    """

    images: int
    epoch_images: int
    epochs: int
    batch: int
    accumulation: int
    processes: int
    iterations: int
    dropped: int

    @property
    def effective_batch(self) -> int:
        """Images of an optimizer step."""
        return self.batch * self.accumulation * self.processes

    @property
    def steps(self) -> int:
        """Optimizer steps of the run."""
        return ceil(self.epochs * self.iterations / self.accumulation)

    @property
    def epoch_steps(self) -> float:
        """Optimizer steps of an epoch; under accumulation it need not be whole."""
        return self.iterations / self.accumulation


def make_plan(config: Config, images: int, processes: int) -> Plan:
    """Plans a run.

    Args:
        config: Checked.
        images: Of the data set.
        processes: Of the run.
    """
    loader = config.train_dataloader
    epoch_images = (loader.get('sampler') or {}).get('epoch_size') or images
    batch = loader.batch_size
    share = epoch_images // processes
    drops = bool(loader.get('drop_last'))
    iterations = share // batch if drops else ceil(share / batch)
    return Plan(
        images,
        epoch_images,
        epochs_of(config, iterations),
        batch,
        config.optim_wrapper.get('accumulative_counts', 1),
        processes,
        iterations,
        epoch_images - iterations * batch * processes if drops else 0,
    )


def epochs_of(config: Config, iterations: int) -> int:
    """Epochs of a run; of one that counts iterations, the epochs that these begin."""
    train = config.train_cfg
    if 'max_epochs' in train:
        return train.max_epochs
    return ceil(train.max_iters / max(1, iterations))


def validations(config: Config, plan: Plan) -> int:
    """How often the run validates."""
    if config.get('val_cfg') is None:
        return 0
    interval, begin = config.train_cfg.get('val_interval', 1), config.train_cfg.get('val_begin', 1)
    if 'max_epochs' not in config.train_cfg:
        return config.train_cfg.max_iters // interval
    epochs = range(max(1, begin), plan.epochs + 1)
    return sum(epoch % interval == 0 or epoch == plan.epochs for epoch in epochs)


def hook_named(config: Config, name: str) -> Any:
    """The config of a hook by the bare name of its type, None if there is none."""
    hooks = [*(config.get('custom_hooks') or ()), *(config.get('default_hooks') or {}).values()]
    for hook in hooks:
        if hook and str(hook.get('type')).rpartition('.')[2] == name:
            return hook
    return None
