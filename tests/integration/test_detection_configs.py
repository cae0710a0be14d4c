"""Every shipped detection config: built at full size, trained for two steps on tiny pictures."""

import ast
from pathlib import Path

import pytest
import torch

from dinomm import data_config, launch
from dinomm.checkpoints.transfer import compare_backbone, read_backbone
from dinomm.config_check import check_config

from . import detectors, shipped, tiny

pytest.importorskip('mmdet')

# millions of parameters of detector and backbone; published: 48 M, 69 M and 86 M for Mask R-CNN
# with Swin-T, with Swin-S and Cascade Mask R-CNN with Swin-T, 111 M for ViTDet with ViT-B
PARAMETERS = {
    'cascade-mask-rcnn_swin-tiny-w7_fpn_4conv1fc-giou_ms-crop-3x_coco': (85.63, 27.52),
    'mask-rcnn_resnet50_fpn_1x_coco': (44.40, 23.51),
    'mask-rcnn_swin-base-w7_fpn_ms-crop-3x_coco': (107.14, 86.75),
    'mask-rcnn_swin-small-w7_fpn_ms-crop-3x_coco': (69.11, 48.84),
    'mask-rcnn_swin-tiny-w14_fpn_ms-crop-3x_coco': (47.85, 27.57),
    'mask-rcnn_swin-tiny-w7_fpn_1x_coco': (47.79, 27.52),
    'mask-rcnn_swin-tiny-w7_fpn_ms-crop-3x_coco': (47.79, 27.52),
    'mask-rcnn_vit-base-p16_simple-fpn_lsj-100e_coco': (110.81, 85.80),
    'mask-rcnn_vit-small-p16_simple-fpn_lsj-100e_coco': (44.41, 21.67),
    'retinanet_swin-tiny-w7_fpn_1x_coco': (38.46, 27.52),
}
SWIN_TINY = 'mask-rcnn_swin-tiny-w7_fpn_1x_coco'
VIT_BASE = 'mask-rcnn_vit-base-p16_simple-fpn_lsj-100e_coco'
STEMS = [Path(path).stem for path in detectors.CONFIGS]


def read(stem):
    return shipped.read(f'configs/detection/{stem}.py')


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    return detectors.write_coco(tmp_path_factory.mktemp('coco'))


@pytest.mark.parametrize('stem', STEMS)
def test_full_size_and_the_checkpoint_that_it_names(stem):
    config = read(stem)
    check_config(config)
    with torch.device('meta'), shipped.LinspaceOnCPU():
        detector = detectors.build(config.model)
        pretrained = detectors.pretrained_backbone(detectors.pretraining(config).model.backbone)
    sizes = [sum(p.numel() for p in m.parameters()) / 1e6 for m in (detector, detector.backbone)]
    assert sizes == pytest.approx(PARAMETERS[stem], abs=0.01)
    transfer = compare_backbone(detector.backbone, pretrained.state_dict())
    assert not transfer.faults() and not transfer.coverage.unexpected


@pytest.mark.parametrize('stem', STEMS)
def test_docstring(stem):
    path = f'configs/detection/{stem}.py'
    text = ast.get_docstring(ast.parse((tiny.ROOT / path).read_text()))
    assert all(part in text for part in ('Paper: ', 'Command', 'Published result: ', 'Settings: '))
    assert f'{path} ' in text


@pytest.mark.parametrize(
    ('stem', 'full'),
    [
        *((stem, stem == SWIN_TINY) for stem in STEMS),
        pytest.param(VIT_BASE, True, marks=pytest.mark.slow),
    ],
)
def test_two_steps_and_a_prediction(stem, full, coco, tmp_path):
    config = read(stem)
    pretraining = detectors.pretraining(config).model.backbone
    if not full:
        detectors.shrink_network(config, pretraining)
    detectors.shrink_work(config, coco, tmp_path / 'work')
    backbone = detectors.pretrained_backbone(pretraining)
    config.pretrained = str(detectors.write_checkpoint(tmp_path / 'pretrained.pth', backbone))
    launch.require_data(config)
    runner = launch.build_runner(config)
    runner.train()

    assert runner.iter == 2
    losses = tiny.logged(tmp_path / 'work')
    assert len(losses) == 2 and all(0 < loss < 100 for loss in losses)
    assert tiny.logged(tmp_path / 'work', 'coco/bbox_mAP')
    given, own = read_backbone(config.pretrained), runner.model.backbone.state_dict()
    moved = {n: float((own[n] - t).abs().max()) for n, t in given.items() if t.is_floating_point()}
    statistics = ('running_', 'num_batches')
    learned = {n: d for n, d in moved.items() if not any(part in n for part in statistics)}
    # two steps of warm-up from what was loaded, not from random weights
    assert 0 < max(learned.values()) < 1e-3
    for name, parameter in runner.model.named_parameters():
        assert torch.isfinite(parameter).all(), name


def test_random_weights_on_purpose(coco, tmp_path, capfd):
    config = launch.read_config(
        str(tiny.ROOT / 'configs/detection/retinanet_swin-tiny-w7_fpn_1x_coco.py'),
        {'pretrained': None},
    )
    detectors.shrink_network(config, detectors.pretraining(read(STEMS[-1])).model.backbone)
    data_config.drop_validation(config)
    detectors.shrink_work(config, coco, tmp_path / 'work')
    launch.build_runner(config).train()
    assert 'the backbone starts from random weights' in capfd.readouterr().out


def test_misspelt_keys_of_a_detector():
    config = read(SWIN_TINY)
    config.model.neck.out_chanels = 3
    config.model.backbone.widow_size = 7
    with pytest.raises(ValueError, match="did you mean 'out_channels'") as error:
        check_config(config)
    assert "did you mean 'window_size'" in str(error.value)
