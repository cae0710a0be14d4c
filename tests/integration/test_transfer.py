"""From a pretraining run to detectors: the file as it is, tensor by tensor, map by map."""

import pytest
import torch

from dinomm import launch
from dinomm.checkpoints.transfer import read_backbone
from dinomm.detection.transfer_check import check_transfer
from tests.checkpoints.test_transfer import Command

from . import detectors, processes, shipped, tiny

pytest.importorskip('mmdet')

DETECTORS = tiny.ROOT / 'configs/detection'
MASK_RCNN = DETECTORS / 'mask-rcnn_swin-tiny-w7_fpn_1x_coco.py'
RETINANET = DETECTORS / 'retinanet_swin-tiny-w7_fpn_1x_coco.py'
VIT_DETECTOR = DETECTORS / 'mask-rcnn_vit-small-p16_simple-fpn_lsj-100e_coco.py'
SMALL_VIT = {
    'model.backbone.patch_size': 7,
    'model.backbone.img_size': 28,
    'model.neck.in_channels': 96,
}
QUICK_VIT = dict(embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384)


def pretrained_by(path, folder, data):
    """The checkpoint of an epoch by a shipped config, shrunk."""
    config = shipped.read(path)
    shipped.shrink(config, data / 'few')
    config.train_cfg.max_epochs = 1
    config.param_scheduler = config.param_scheduler[:1]
    config.work_dir, config.experiment_name = str(folder), folder.name
    launch.build_runner(config).train()
    return folder / 'epoch_1.pth'


@pytest.fixture(scope='module')
def vit(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp('dino')
    return pretrained_by('configs/dino/quickstart_digits.py', folder, data)


@pytest.fixture(scope='module')
def swin(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp('esvit')
    return pretrained_by('configs/esvit/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k.py', folder, data)


@pytest.fixture(scope='module')
def quick_swin(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp('quick_esvit')
    return pretrained_by('configs/esvit/quickstart_swin.py', folder, data)


@pytest.mark.parametrize(
    ('checkpoint', 'detector'),
    [('vit', 'vit'), ('quick_swin', 'swin'), ('quick_swin', 'retinanet')],
)
def test_a_quick_run_arrives_in_the_quick_detectors(checkpoint, detector, request):
    path = request.getfixturevalue(checkpoint)
    config = launch.read_config(str(DETECTORS / f'quickstart_coco_{detector}.py'))
    result = check_transfer(config, str(path))
    assert result.passed and result.num_identical == len(read_backbone(path))


def read(path, arch, options=None):
    config = launch.read_config(str(path), options)
    config.model.backbone.arch = arch
    if arch is detectors.SWIN:
        outputs = config.model.backbone.out_indices
        config.model.neck.in_channels = [(12, 24, 48, 96)[i] for i in outputs]
    return config


@pytest.mark.parametrize('detector', [MASK_RCNN, RETINANET])
def test_esvit_arrives_in_mask_rcnn_and_retinanet(swin, detector):
    result = check_transfer(read(detector, detectors.SWIN), str(swin))
    assert result.passed
    assert result.num_identical == result.num_tensors == len(read_backbone(swin)) == 85
    assert 'output norms, which start anew' in result.table and result.text().endswith('passed')


def test_dino_arrives_in_the_vit_detector(vit):
    result = check_transfer(read(VIT_DETECTOR, QUICK_VIT, SMALL_VIT), str(vit))
    assert result.passed and result.num_identical == len(read_backbone(vit))


def test_it_is_the_teacher_that_arrives(swin):
    content = torch.load(swin, weights_only=True)
    student, teacher = content['ema_state_dict'], read_backbone(swin)
    name = 'stages.0.blocks.0.attn.w_msa.qkv.weight'
    assert torch.equal(teacher[name], content['state_dict'][f'backbone.{name}'])
    assert not torch.equal(teacher[name], student[f'module.backbone.{name}'])


@pytest.mark.parametrize(
    'changed',
    [
        dict(norm_cfg=dict(type='LN', eps=1e-2)),
        dict(frozen_stages=1),
        dict(type='mmpretrain.SwinTransformer'),
    ],
)
def test_settings_of_the_detector_go_to_both(swin, changed):
    config = read(MASK_RCNN, detectors.SWIN)
    config.model.backbone.update(changed)
    assert check_transfer(config, str(swin)).passed


def test_mmdets_own_swin(swin):
    config = read(MASK_RCNN, detectors.SWIN)
    config.model.backbone = dict(
        type='SwinTransformer', **detectors.SWIN, norm_cfg=dict(type='LN', eps=1e-6)
    )
    assert check_transfer(config, str(swin)).passed


def test_features_of_another_network_are_noticed(swin, monkeypatch):
    """As if the detector computed something else with the same weights."""
    from dinomm.models.backbones.swin_attention import FastShiftWindowMSA

    forward = FastShiftWindowMSA.forward
    monkeypatch.setattr(FastShiftWindowMSA, 'forward', lambda *a: forward(*a) * 1.001)
    result = check_transfer(read(MASK_RCNN, detectors.SWIN), str(swin))
    assert not result.passed and result.num_identical == result.num_tensors
    assert result.text().endswith('FAILED')


def test_the_tool(swin, tmp_path):
    small = tmp_path / 'small.py'
    small.write_text(
        f"_base_ = ['{MASK_RCNN}']\n"
        f'model = dict(backbone=dict(arch=dict(_delete_=True, **{detectors.SWIN})),\n'
        '    neck=dict(in_channels=[12, 24, 48, 96]))\n'
    )
    passed = processes.run_tool('check_transfer.py', small, swin, cwd=tmp_path)
    assert passed.status == 0 and '85 of 85 tensors' in passed.out and 'passed' in passed.out
    failed = processes.run_tool('check_transfer.py', MASK_RCNN, swin, cwd=tmp_path)
    assert failed.status == 1 and 'does not fill the backbone' in failed.err
    assert failed.err.count('error: ') == 1 and 'Traceback' not in failed.err


def test_a_hostile_file(tmp_path):
    torch.save({'state_dict': Command(tmp_path / 'ran')}, tmp_path / 'hostile.pth')
    with pytest.raises(ValueError, match='executed as code: refused'):
        check_transfer(read(MASK_RCNN, detectors.SWIN), str(tmp_path / 'hostile.pth'))
    assert not (tmp_path / 'ran').exists()


def test_a_config_of_pretraining(swin):
    config = shipped.read('configs/dino/quickstart_digits.py')
    with pytest.raises(ValueError, match='is no config of a detector'):
        check_transfer(config, str(swin))
