"""Several processes, also without a GPU."""

import logging
import os

import torch
from mmengine.config import Config
from mmengine.logging import print_log


def prepare_processes(config: Config) -> None:
    """Makes a config with a launcher run on this machine's devices.

    With CUDA mmengine does all. Without it the process group is made here, on gloo, since
    mmengine's own way selects a CUDA device; DDP gets no device, and batch norm stays per process,
    since torch's synchronised one refuses CPU tensors.

    Raises:
        ValueError: A launcher other than torchrun's on a machine without CUDA.
    """
    if config.launcher == 'none' or torch.cuda.is_available():
        return
    if config.launcher != 'pytorch':
        raise ValueError(
            f'--launcher {config.launcher} needs CUDA GPUs, none is visible: on CPUs start with '
            'torchrun and --launcher pytorch'
        )
    if 'RANK' not in os.environ:
        raise ValueError(
            '--launcher pytorch is for torchrun: bash tools/dist_train.sh CONFIG NUM_PROCESSES'
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
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
