"""Own cut-outs, composed to COCO data, and the quick detectors on them, by the tools."""

import json

import pytest
import torch
from mmengine.config import Config
from PIL import Image

from dinomm.detection.compose import compose_coco
from dinomm.results.coco_digits import DETECTORS
from tests.detection.coco import write_own

from . import processes, tiny

SMALLER = [
    'train_cfg.max_epochs=2',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
    'default_hooks.logger.interval=1',
]


@pytest.fixture
def data(tmp_path):
    own = write_own(tmp_path)
    compose_coco(
        own / 'coco', num_images=5, size=64, cutouts=own / 'cutouts', photos=own / 'photos'
    )
    return own


@pytest.mark.parametrize(
    ('name', 'tables'),
    [
        ('swin', 2),
        pytest.param('retinanet', 1, marks=pytest.mark.slow),
        pytest.param('vit', 2, marks=pytest.mark.slow),
    ],
)
def test_quick_detector(name, tables, data):
    config = tiny.ROOT / f'configs/detection/quickstart_coco_{name}.py'
    given = ['--data', 'coco', '--cfg-options', *SMALLER]
    if name == 'retinanet':
        given.append('model.test_cfg.score_thr=0')  # so early it is sure of nothing
    ended = processes.run_tool('train.py', config, *given, '--work-dir', 'run', cwd=data)
    assert ended.status == 0, ended.err
    assert 'coco/bbox_mAP: ' in ended.out + ended.err
    checkpoint = torch.load(data / 'run/epoch_2.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 2
    assert tuple(checkpoint['meta']['dataset_meta']['classes']) == ('cat', 'dog')
    classifier = 'bbox_head.retina_cls' if name == 'retinanet' else 'roi_head.bbox_head.fc_cls'
    outputs = 3 * 2 if name == 'retinanet' else 3  # three anchors a place; a background
    assert checkpoint['state_dict'][f'{classifier}.bias'].shape == (outputs,)
    scalars = next((data / 'run').glob('*/vis_data/scalars.json')).read_text().splitlines()
    losses = [json.loads(line)['loss'] for line in scalars if '"loss"' in line]
    assert len(losses) == 2

    ended = processes.run_tool('test.py', config, 'run/epoch_2.pth', *given, cwd=data)
    assert ended.status == 0, ended.err
    assert ended.out.count('Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all') == tables

    images = ['coco/val/000001.jpg', 'photos/trip']
    given = ['--out', 'drawn', '--score-thr', '0']
    ended = processes.run_tool(
        'demo_detection.py', config, 'run/epoch_2.pth', *images, *given, cwd=data
    )
    assert ended.status == 0, ended.err
    assert Image.open(data / 'drawn/000001.png').size == (512, 512)  # 64 pixels, enlarged
    line = next(line for line in ended.out.splitlines() if line.startswith(images[0]))
    assert line.endswith(' -> drawn/000001.png')
    if name != 'retinanet':  # which is sure of nothing yet
        assert 'cat' in line or 'dog' in line


def test_the_backbones_are_those_of_pretraining():
    for detector in DETECTORS.values():
        asked = Config.fromfile(detector.config).model.backbone
        given = Config.fromfile(detector.pretraining).model.backbone
        for key in ('arch', 'img_size', 'patch_size', 'window_size', 'patch_cfg', 'norm_cfg'):
            assert asked.get(key) == given.get(key), key


def break_category(content):
    content['annotations'][0]['category_id'] = 77


def break_ids(content):
    content['images'][1]['id'] = content['images'][0]['id']


def lose_file(content):
    content['images'][1]['file_name'] = 'lost.jpg'


def break_polygon(content):
    content['annotations'][0]['segmentation'] = [[1, 1, 2, 2]]


def empty_box(content):
    content['annotations'][0]['bbox'] = [1, 1, 0, 5]


def forget_annotations(content):
    content['annotations'] = []


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (break_category, 'annotation 1 (category 77)'),
        (break_ids, 'an image id is given twice'),
        (lose_file, 'an image file is missing: coco/train/lost.jpg'),
        (break_polygon, 'fewer than three points'),
        (empty_box, 'a box is empty'),
        (forget_annotations, 'there is nothing to learn'),
    ],
)
def test_faulty_annotations_are_one_error_before_training(change, sentence, data):
    path = data / 'coco/train.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    config = tiny.ROOT / 'configs/detection/quickstart_coco_swin.py'
    ended = processes.run_tool('train.py', config, '--data', 'coco', cwd=data)
    assert ended.status == 1
    assert ended.err.startswith('error: coco/train.json has faults:')
    assert sentence in ended.err
    assert 'Traceback' not in ended.err


def test_demo_names_mistakes(data):
    config = tiny.ROOT / 'configs/detection/quickstart_coco_swin.py'
    torch.save({'state_dict': {'backbone.x': torch.ones(1)}}, data / 'pretraining.pth')
    meta = {'dataset_meta': {'classes': ['cat']}}
    torch.save({'state_dict': {'backbone.x': torch.ones(1)}, 'meta': meta}, data / 'other.pth')
    image = 'coco/val/000001.jpg'
    for arguments, sentence in (
        (['lost.pth', image], 'lost.pth does not exist'),
        (['pretraining.pth', image], 'names no classes'),
        (['other.pth', image], 'is of another detector than the config'),
        (['other.pth', 'lost.jpg'], 'image lost.jpg does not exist'),
        (['other.pth', 'coco/val.json'], 'image coco/val.json cannot be read'),
        (['other.pth', 'coco'], 'coco has no images'),
        (['other.pth', 'coco/val', 'coco/train'], '2 images are named 000001'),
        (['other.pth', image, '--score-thr', '7'], '--score-thr is 7.0'),
    ):
        ended = processes.run_tool('demo_detection.py', config, *arguments, cwd=data)
        assert (ended.status, ended.err.count('Traceback')) == (1, 0), ended.err
        assert sentence in ended.err


SIGNALLED = """
_base_ = [{base!r}]
custom_imports = dict(imports=['dinomm.detection', 'tests.integration.kills'])
custom_hooks = [
    dict(type='dinomm.PretrainedBackboneHook'),
    dict(type='mmengine.Signalled', at='step', number={number}, signals=('SIGUSR1',)),
]
"""


def test_a_detector_stops_when_asked_and_goes_on_inside_the_epoch(data):
    base = str(tiny.ROOT / 'configs/detection/quickstart_coco_retinanet.py')
    more = ['--cfg-options', *SMALLER, 'train_dataloader.batch_size=1', 'pretrained=None']
    config = data / 'signalled.py'

    def train(number, *resume):
        config.write_text(SIGNALLED.format(base=base, number=number))
        given = ['--data', 'coco', '--work-dir', 'run', *resume, *more]
        return processes.run_tool('train.py', config, *given, cwd=data)

    ended = train(3)
    assert ended.status == 75, ended.err
    assert 'SIGUSR1: stopped at iteration 3 of 8' in ended.err
    checkpoint = torch.load(data / 'run/iter_3.pth', weights_only=True)
    assert (checkpoint['meta']['epoch'], checkpoint['meta']['iter']) == (0, 3)
    ended = train(0, '--resume')
    assert ended.status == 0, ended.err
    files = (data / 'run').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert sorted(line['step'] for line in lines if 'loss' in line) == list(range(1, 9))
    assert torch.load(data / 'run/epoch_2.pth', weights_only=True)['meta']['iter'] == 8
