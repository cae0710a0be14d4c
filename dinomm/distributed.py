"""What the machine decides: devices, several processes, pinned memory."""

import logging
import os
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper


def fit_to_machine(config: Config) -> None:
    """Makes a config run on this machine's devices.

    With CUDA mmengine does all. Without it memory is not pinned, since there is nothing to copy
    it to. Several processes are joined by gloo: the process group is made here, since
    mmengine's own way selects a CUDA device; DDP gets no device, and batch norm stays per process,
    since torch's synchronised one refuses CPU tensors.

    Raises:
        ValueError: A launcher other than torchrun's on a machine without CUDA.
    """
    if torch.cuda.is_available():
        return
    _do_not_pin(config)
    if config.launcher == 'none':
        return
    _join_by_gloo(config.launcher)
    config.model_wrapper_cfg = {
        'type': 'MMDistributedDataParallel',
        'device_ids': None,
        'broadcast_buffers': False,
        'find_unused_parameters': config.get('find_unused_parameters', False),
    }
    if config.pop('sync_bn', None):
        print_log(
            'sync_bn needs GPUs: batch norm uses the statistics of each process',
            'current',
            logging.WARNING,
        )


def join_processes(launcher: str) -> None:
    """Joins the processes that ``launcher`` started, by what the machine's devices need.

    Raises:
        ValueError: A launcher other than torchrun's on a machine without CUDA.
    """
    if launcher == 'none' or torch.distributed.is_initialized():
        return
    if torch.cuda.is_available():
        init_dist(launcher)
    else:
        _join_by_gloo(launcher)


def _join_by_gloo(launcher: str) -> None:
    if launcher != 'pytorch':
        raise ValueError(
            f'--launcher {launcher} needs CUDA GPUs, none is visible: on CPUs start with '
            'torchrun and --launcher pytorch'
        )
    if 'RANK' not in os.environ:
        raise ValueError(
            '--launcher pytorch is for torchrun: bash tools/dist_train.sh CONFIG NUM_PROCESSES'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')


def unwrapped(model: Any) -> Any:
    """The model inside DDP, or the model itself where nothing wraps it."""
    return model.module if is_model_wrapper(model) else model


def leave_processes() -> None:
    """Ends the process group in order, when all have done their work.

    A process that exits while another still talks to it can abort in gloo's threads.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _do_not_pin(config: Config) -> None:
    loaders = [config.get(f'{stage}_dataloader') for stage in ('train', 'val', 'test')]
    loops = [config.get(f'{stage}_cfg') or {} for stage in ('val', 'test')]
    for loader in loaders + [loop.get('support_dataloader') for loop in loops]:
        if loader and 'pin_memory' in loader:
            loader.pin_memory = False
