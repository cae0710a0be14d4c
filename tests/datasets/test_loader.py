"""The whole way from files to batches, as the Runner builds it."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.runner import Runner

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'


def loader_config(root, **changes):
    views = [
        dict(size=16, scale=(0.4, 1.0), num=2, flip=0.5, jitter=dict(prob=0.8, hue=0.1)),
        dict(size=8, scale=(0.05, 0.4), num=3, blur=dict(prob=0.5)),
    ]
    return dict(
        batch_size=4,
        num_workers=0,
        drop_last=True,
        sampler=dict(type='dinomm.EpochSampler'),
        collate_fn=dict(type='collate_views'),
        dataset=dict(
            type='dinomm.ImageFiles',
            root=str(root),
            pipeline=[
                dict(type='LoadImage'),
                dict(type='MultiCrop', views=views),
                dict(type='PackViews'),
            ],
        ),
        **changes,
    )


def batches(loader, epochs=2):
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        yield from loader


def test_views_do_not_depend_on_the_workers(class_folders):
    runs = []
    for workers in (0, 1, 2):
        config = loader_config(class_folders)
        config.update(num_workers=workers, persistent_workers=workers > 0)
        runs.append(list(batches(Runner.build_dataloader(config, seed=3))))
    assert [len(run) for run in runs] == [6, 6, 6]
    for alone, *others in zip(*runs, strict=True):
        assert [tuple(view.shape) for view in alone['inputs']] == [
            (4, 3, size, size) for size in (16, 16, 8, 8, 8)
        ]
        for other in others:
            assert all(map(torch.equal, alone['inputs'], other['inputs']))
            for a, b in zip(alone['data_samples'], other['data_samples'], strict=True):
                assert a.sample_key == b.sample_key and (a.boxes == b.boxes).all()
    # the second epoch shows the images anew
    first, second = (
        {
            s.sample_key: v
            for b in runs[0][part]
            for s, v in zip(b['data_samples'], b['inputs'][0], strict=True)
        }
        for part in (slice(3), slice(3, 6))
    )
    for (seed, _, index), view in first.items():
        assert not torch.equal(view, second[seed, 1, index])


@pytest.mark.parametrize('workers', [0, 2])
def test_an_epoch_can_be_entered_anywhere(class_folders, workers):
    config = loader_config(class_folders)
    config.update(num_workers=workers)
    whole = list(batches(Runner.build_dataloader(config, seed=3), epochs=1))
    loader = Runner.build_dataloader(config, seed=3)
    loader.sampler.start_at(2 * 4)
    (rest,) = batches(loader, epochs=1)
    assert all(map(torch.equal, rest['inputs'], whole[2]['inputs']))
    assert len(list(loader)) == 3


@pytest.mark.parametrize(
    ('name', 'sizes', 'evaluated'),
    [
        ('dino_2x224_8x96.py', [224] * 2 + [96] * 8, 224),
        ('dino_digits.py', [28] * 2 + [21] * 2, 28),
    ],
)
def test_base_configs_load(class_folders, name, sizes, evaluated):
    config = Config.fromfile(CONFIGS / name)
    assert config.test_cfg == config.val_cfg
    for loader, expected in (
        (config.train_dataloader, sizes),
        (config.val_cfg.support_dataloader, [evaluated]),
        (config.val_dataloader, [evaluated]),
    ):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False, timeout=0)
        loader.pin_memory = False
        loader.dataset.update(root=str(class_folders), type='dinomm.ImageFiles')
        if loader is config.train_dataloader:
            loader.sampler.type = 'dinomm.EpochSampler'
        (batch,) = islice(Runner.build_dataloader(loader, seed=0), 1)
        assert [view.shape[-1] for view in batch['inputs']] == expected
        assert ('gt_label' in batch['data_samples'][0]) is (loader is not config.train_dataloader)


def test_one_value_of_a_base_is_overridden_in_place(tmp_path):
    base = CONFIGS / 'dino_2x224_8x96.py'
    child = tmp_path / 'child.py'
    child.write_text(
        f"_base_ = ['{base.as_posix()}']\n"
        '_base_.train_dataloader.dataset.pipeline[1].views[2].num = 6\n'
        '_base_.train_dataloader.dataset.pipeline[1].views[0].scale = (0.25, 1.0)\n'
    )
    changed, original = (Config.fromfile(file).train_dataloader for file in (child, base))
    views, before = (c.dataset.pipeline[1].views for c in (changed, original))
    assert (views[2].num, before[2].num) == (6, 8)
    assert (views[0].scale, before[0].scale) == ((0.25, 1.0), (0.4, 1.0))
    assert views[1] == before[1]
