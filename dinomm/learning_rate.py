"""The learning rate of a batch other than the config's."""

from math import sqrt

from mmengine.config import Config

RULES = {'linear': float, 'sqrt': sqrt}
"""Factor of the rate, by that of the batch."""


def scale_lr(config: Config, num_processes: int) -> None:
    """Multiplies the rate by what ``auto_scale_lr.rule`` makes of batch / base batch.

    'linear' (the default; DINO, EsViT): the ratio. 'sqrt' (DINOv2): its root. The effective batch
    counts accumulated micro-batches and all processes.

    Raises:
        ValueError: The config states no ``auto_scale_lr.base_batch_size``, or an unknown rule.
    """
    settings = config.get('auto_scale_lr') or {}
    base, rule = settings.get('base_batch_size'), settings.get('rule', 'linear')
    if not base:
        raise ValueError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the config: the '
            'batch that its learning rate is meant for'
        )
    if rule not in RULES:
        raise ValueError(f'auto_scale_lr.rule is {rule!r}: expected one of {list(RULES)}')
    wrapper = config.optim_wrapper
    micro_batches = wrapper.get('accumulative_counts', 1)
    batch = config.train_dataloader.batch_size * micro_batches * num_processes
    wrapper.optimizer.lr *= RULES[rule](batch / base)
