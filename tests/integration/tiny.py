"""A labelled folder of small pictures, and a config that trains on it in a second."""

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dinomm import launch

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 32
BATCH = 8
CLASSES = 3
SIZE = 40  # pixels
COMPARED = {
    'model.heads.view.teacher_temp': 0.2,  # targets that are neither uniform nor one prototype
    # The bias of the keys has no gradient but rounding errors, which Adam would blow up.
    'optim_wrapper.optimizer.eps': 1e-4,
}
"""Options of runs that are equal up to the order of sums."""
_runs = itertools.count()

CONFIG = """
_base_ = [
    {root!r} + '/configs/_base_/models/dino_vit-small-p16.py',
    {root!r} + '/configs/_base_/datasets/dino_2x224_8x96.py',
    {root!r} + '/configs/_base_/schedules/dino_adamw_100e.py',
    {root!r} + '/configs/_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48
        ),
        img_size=16,
        patch_size=4,
        drop_path_rate=0.0,
    ),
    heads=dict(
        view=dict(
            in_channels=24, hidden_channels=32, bottleneck_channels=16, num_prototypes=32
        )
    ),
)
for __view, __size, __num in zip(
    _base_.train_dataloader.dataset.pipeline[1].views, (16, 16, 8), (1, 1, 2)
):
    __view.update(size=__size, num=__num)
__center = dict(type='CenterView', short_side=16, size=16)
for __loader in (
    _base_.val_dataloader,
    _base_.val_cfg.support_dataloader,
    _base_.test_dataloader,
    _base_.test_cfg.support_dataloader,
):
    __loader.dataset.pipeline[1] = __center
    __loader.update(num_workers=0, persistent_workers=False)
_base_.val_evaluator.k = _base_.test_evaluator.k = (5, 10)
for __loader, __part in (
    (_base_.train_dataloader, 'train'),
    (_base_.val_cfg.support_dataloader, 'train'),
    (_base_.test_cfg.support_dataloader, 'train'),
    (_base_.val_dataloader, 'val'),
    (_base_.test_dataloader, 'val'),
):
    __loader.dataset.root = {data!r} + '/' + __part
train_dataloader = dict(batch_size={batch}, num_workers=0, persistent_workers=False)
train_cfg = dict(max_epochs=3, val_interval=3)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-9, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, begin=1, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='CosineAnnealingWeightDecay', eta_min=0.4, by_epoch=True,
         convert_to_iter_based=True),
]
custom_hooks = [dict(type='TeacherEMAHook', momentum=0.9)]
auto_scale_lr = dict(base_batch_size={batch})
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=-1))
log_processor = dict(window_size=1)
"""


REGIONS = """
model = dict(
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        arch=dict(embed_dims=12, depths=[1, 2], num_heads=[1, 2]),
        out_indices=(1,),
        img_size=16,
        patch_size=2,
        window_size=2,
        pad_small_map=True,
        drop_path_rate={drop_path},
    ),
    heads=dict(
        view=dict(loss_weight=0.5),
        region=dict(
            type='RegionMatchingHead',
            in_channels=24,
            hidden_channels=32,
            bottleneck_channels=16,
            num_prototypes=32,
            loss_weight=0.5,
        ),
    ),
)
"""
"""What makes the tiny config EsViT: a Swin whose maps are 4x4 and 2x2, and a region head."""
REGIONS_COMPARED = {**COMPARED, 'model.heads.region.teacher_temp': 0.2}
MASKED = """
model = dict(
    backbone=dict(mask_token=True),
    masking=dict(type='PatchMasking', min_cells=1, share={share}),
    heads=dict(
        view=dict(centering=dict(_delete_=True, type={centering!r})),
        patch=dict(
            type='MaskedPatchHead',
            in_channels=24,
            hidden_channels=32,
            bottleneck_channels=16,
            num_prototypes=32,
            centering=dict(type={centering!r}),
            {patch}
        ),
        koleo=dict(type='KoLeoHead', over_ranks=True),
    ),
)
"""
"""What makes the tiny config DINOv2: masks, a patch head, KoLeo."""
MASKED_COMPARED = {**COMPARED, 'model.heads.patch.teacher_temp': 0.2}


def write_images(folder: Path, images: int = IMAGES, noise: float = 30) -> Path:
    """PNGs in class folders; a class is a colour and a direction of stripes, with noise."""
    rng = np.random.default_rng(len(folder.name))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for i in range(images):
        label = i % CLASSES
        angle = np.pi * label / CLASSES
        wave = np.sin((rows * np.cos(angle) + columns * np.sin(angle)) / 2 + rng.uniform(0, 6))
        picture = 127 + 60 * wave[..., None] + rng.normal(0, noise, (SIZE, SIZE, 3))
        picture[..., label % 3] += 40
        path = folder / f'class_{label}' / f'{i:03d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
    return folder


def write_data(folder: Path) -> Path:
    """``folder/train`` and ``folder/val``; ``folder/few`` for what trains on hardly anything."""
    write_images(folder / 'train')
    write_images(folder / 'val', images=9)
    write_images(folder / 'few', images=16)
    return folder


def write_config(path: Path, data: Path, extra: str = '') -> Path:
    """The tiny config, and one that inherits it with the keys of ``extra``; returns the latter."""
    base = path.with_name('base.py')
    base.write_text(CONFIG.format(root=str(ROOT), data=str(data), batch=BATCH))
    path.write_text(f"_base_ = ['{base}']\n{extra}")
    return path


def build(config: Path, work_dir: Path, options: dict | None = None, launcher: str = 'none'):
    """A Runner, built as the tools build it."""
    cfg = launch.read_config(str(config), options)
    launch.set_work_dir(cfg, str(config), str(work_dir))
    cfg.experiment_name = f'{config.stem}_{next(_runs)}'  # two of a second would share their logs
    return launch.build_runner(cfg, launcher)


def train(config: Path, work_dir: Path, options: dict | None = None):
    """Trains in this process; returns the Runner."""
    runner = build(config, work_dir, options)
    runner.train()
    return runner


def as_arguments(options: dict) -> list[str]:
    """For --cfg-options."""
    return [f'{key}={value}' for key, value in options.items()]


def logged(work_dir: Path, key: str = 'loss') -> list[float]:
    """The logged values of all runs of a work directory, the oldest first."""
    lines = [
        json.loads(line)
        for file in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for line in file.read_text().splitlines()
    ]
    return [line[key] for line in lines if key in line]


def last_checkpoint(work_dir: Path) -> dict:
    """The content of the newest checkpoint, read as data."""
    path = (work_dir / 'last_checkpoint').read_text().strip()
    return torch.load(path, weights_only=True)


def student_and_teacher(checkpoint: dict) -> dict[str, torch.Tensor]:
    """All tensors of both networks, the centre among them."""
    return {
        **checkpoint['ema_state_dict'],
        **{f't.{k}': v for k, v in checkpoint['state_dict'].items()},
    }


def relative_error(actual, expected) -> float:
    """Largest difference, relative to the largest entry."""
    actual, expected = torch.as_tensor(actual).double(), torch.as_tensor(expected).double()
    assert actual.shape == expected.shape
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def assert_close(actual: dict, expected: dict, tolerance: float = 1e-5) -> None:
    """Every tensor alike, relative to its largest entry."""
    assert actual.keys() == expected.keys()
    errors = {name: relative_error(actual[name], expected[name]) for name in expected}
    assert max(errors.values()) < tolerance, max(errors.items(), key=lambda item: item[1])


def assert_identical(actual, expected, path: str = '') -> None:
    """Bit for bit, through dicts and lists."""
    if isinstance(expected, torch.Tensor):
        assert actual.shape == expected.shape and actual.dtype == expected.dtype, path
        bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (actual, expected)]
        assert torch.equal(*bits), path
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys(), path
        for key in expected:
            assert_identical(actual[key], expected[key], f'{path}.{key}')
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected), path
        for i, pair in enumerate(zip(actual, expected, strict=True)):
            assert_identical(*pair, f'{path}.{i}')
    else:
        assert actual == expected, path
