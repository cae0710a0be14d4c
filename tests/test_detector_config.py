"""What the tools do with a detector's config, before anything slow is imported."""

import pytest
import torch
from mmengine.config import Config

from dinomm import launch, run_options


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'train.json').touch()
    (tmp_path / 'weights.pth').touch()
    dataset = dict(
        type='CocoDataset',
        data_root=str(tmp_path),
        ann_file='train.json',
        data_prefix=dict(img='images/'),
    )
    return Config(
        dict(
            default_scope='mmdet',
            pretrained=str(tmp_path / 'weights.pth'),
            train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=dataset)),
            val_dataloader=dict(dataset=dataset),
            test_dataloader=dict(dataset=dataset),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(lr=1.0)),
        )
    )


def test_all_is_there(config):
    launch.require_data(config)


@pytest.mark.parametrize('key', ['ann_file', 'data_root'])
def test_missing_training_data_matter_to_training_alone(config, key):
    config.train_dataloader.dataset.dataset[key] = 'nowhere'
    with pytest.raises(ValueError, match=r'train_dataloader needs .*nowhere.* does not exist'):
        launch.require_data(config)
    launch.require_data(config, testing=True)


def test_missing_images(config):
    config.val_dataloader.dataset.data_prefix.img = 'pictures'
    with pytest.raises(ValueError, match=r'val_dataloader needs .*pictures \(img\)'):
        launch.require_data(config)


def test_missing_weights_matter_to_a_new_run_alone(config):
    config.pretrained = 'work_dirs/nothing.pth'
    with pytest.raises(ValueError, match=r'pretrained is work_dirs/nothing\.pth, which does not'):
        launch.require_data(config)
    launch.require_data(config, testing=True)
    for key in ('resume', 'load_from'):
        launch.require_data(Config({**config.to_dict(), key: 'x'}))
    config.pretrained = None
    launch.require_data(config)


def test_amp(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--amp of a detector needs a CUDA GPU'):
        run_options.set_amp(config, 'auto')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    for given, dtype, scale in (('auto', 'float16', 'dynamic'), ('bfloat16', 'bfloat16', 1.0)):
        run_options.set_amp(config, given)
        wrapper = config.optim_wrapper
        assert (wrapper.type, wrapper.dtype, wrapper.loss_scale) == (
            'AmpOptimWrapper',
            dtype,
            scale,
        )
    config.optim_wrapper.type = 'dinomm.DINOOptimWrapper'
    with pytest.raises(ValueError, match=r'needs optim_wrapper\.type OptimWrapper'):
        run_options.set_amp(config, 'auto')
