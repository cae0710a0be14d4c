"""Work directories as training leaves them, without training."""

import json
from pathlib import Path

from mmengine.config import Config

LOG = """\
2026/01/02 03:04:05 - mmengine - INFO -
------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.11.7 (main) [GCC 12.2.0]
    GPU 0: Fast <b>GPU</b>
    PyTorch: 2.4.0
    PyTorch compiling details: PyTorch built with:
  - GCC 13.3

    MMEngine: 0.10.7

Runtime environment:
    seed: 3
    Distributed launcher: pytorch
    GPU number: 2
------------------------------------------------------------

"""
CONFIG = {
    'model': {
        'type': 'SelfDistillation',
        'backbone': {'type': 'DINOVisionTransformer', 'img_size': 16, 'patch_size': 4},
        'heads': {
            'view': {'type': 'DINOHead', 'in_channels': 24, 'num_prototypes': 32},
            'region': {
                'type': 'RegionMatchingHead',
                'in_channels': 24,
                'num_prototypes': 64,
                'loss_weight': 0.5,
            },
        },
    },
    'train_cfg': {'max_epochs': 4},
    'train_dataloader': {
        'batch_size': 8,
        'dataset': {
            'root': '/nowhere/images',
            'pipeline': [
                {'type': 'LoadImage'},
                {'type': 'MultiCrop', 'views': [{'num': 2, 'size': 16}, {'num': 4, 'size': 8}]},
                {'type': 'PackViews'},
            ],
        },
    },
    'optim_wrapper': {
        'type': 'DINOAmpOptimWrapper',
        'dtype': 'bfloat16',
        'accumulative_counts': 2,
        'optimizer': {'type': 'AdamW', 'lr': 0.001},
    },
    'default_hooks': {'logger': {'interval': 5}},
}


def step(iteration: int, **values) -> dict:
    """A line of a training step."""
    times = {'time': 0.5, 'data_time': 0.1, 'images_per_s': 64.0, 'memory': 2048}
    return {'loss': 2.0, 'lr': 0.1, **times, **values, 'iter': iteration, 'step': iteration}


def progress_line(iteration: int) -> str:
    """Of the log, a second an iteration."""
    epoch, within = divmod(iteration - 1, 10)
    minutes, seconds = divmod(iteration, 60)
    time = f'2026/01/02 03:{5 + minutes:02}:{seconds:02}'
    return f'{time} - mmengine - INFO - Epoch(train)  [{epoch + 1}][{within + 1:2}/10]  loss\n'


def write_session(
    work_dir: Path, name: str, lines: list[dict], config: dict | None = None, log: str = ''
) -> Path:
    """``<name>/vis_data`` with the config and, of lines, the scalars; ``<name>.log`` of 10-step
    epochs."""
    folder = work_dir / name / 'vis_data'
    folder.mkdir(parents=True)
    Config(config or CONFIG, format_python_code=False).dump(folder / 'config.py')
    if lines:
        text = '\n'.join(json.dumps(line) for line in lines)
        (folder / 'scalars.json').write_text(text + '\n')
    progress = ''.join(progress_line(line['iter']) for line in lines if 'iter' in line)
    (work_dir / name / f'{name}.log').write_text(log or LOG + progress)
    return work_dir
