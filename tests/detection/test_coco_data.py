import copy
import functools
import subprocess
import sys

import pytest
from mmengine.config import Config

from dinomm.detection.coco_data import palette, set_classes, set_coco_data
from tests.integration.tiny import ROOT

from . import coco

HEADS = {
    'mask-rcnn_r50_fpn': ['roi_head.bbox_head', 'roi_head.mask_head'],
    'retinanet_r50_fpn': ['bbox_head'],
    'cascade-mask-rcnn_r50_fpn': [
        'roi_head.bbox_head.0',
        'roi_head.bbox_head.1',
        'roi_head.bbox_head.2',
        'roi_head.mask_head',
    ],
}


def read(model='mask-rcnn_r50_fpn', dataset='coco_instance'):
    return copy.deepcopy(read_once(model, dataset))


@functools.cache
def read_once(model, dataset):
    bases = [f'mmdet::_base_/{part}.py' for part in (f'models/{model}', f'datasets/{dataset}')]
    config = Config.fromstring(f'_base_ = {bases}', '.py')
    config.merge_from_dict({f'{part}_cfg': {} for part in ('val', 'test')})
    return config


@pytest.fixture
def root(tmp_path):
    for part in ('train', 'val'):
        coco.write(tmp_path / f'{part}.json', coco.content(), tmp_path / part)
    return tmp_path


def value(config, path):
    for key in path.split('.'):
        config = config[int(key)] if key.isdigit() else config[key]
    return config


@pytest.mark.parametrize('model', HEADS)
def test_every_head_gets_the_number_of_classes(root, model):
    config = read(model)
    config.model.backbone.num_classes = 1000  # of another meaning
    assert set_coco_data(config, str(root)) == ('cat', 'dog')
    assert [value(config.model, head).num_classes for head in HEADS[model]] == [2] * len(
        HEADS[model]
    )
    assert config.model.backbone.num_classes == 1000
    text = str(config.model.to_dict())
    assert "'num_classes': 80" not in text


def test_data_sets_and_metrics_name_the_files(root):
    config = read()
    set_coco_data(config, str(root))
    for part, file in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = config[f'{part}_dataloader'].dataset
        assert dataset.data_root == str(root)
        assert (dataset.ann_file, dataset.data_prefix) == (f'{file}.json', {'img': file})
        assert dataset.metainfo.classes == ('cat', 'dog')
        assert len(dataset.metainfo.palette) == 2
    assert config.val_evaluator.ann_file == config.test_evaluator.ann_file == str(root / 'val.json')


def test_mmdet_reads_what_was_set(root):
    from mmdet.registry import DATASETS

    config = read()
    set_coco_data(config, str(root))
    dataset = DATASETS.build({**config.train_dataloader.dataset, '_scope_': 'mmdet'})
    assert dataset.metainfo['classes'] == ('cat', 'dog')
    sample = dataset[0]
    assert sample['data_samples'].gt_instances.labels.tolist() == [0, 1]
    assert sample['data_samples'].gt_instances.masks.masks.any(axis=(1, 2)).all()


def test_files_given_by_the_config(root):
    config = read()
    (root / 'train.json').rename(root / 'all.json')
    (root / 'val').rename(root / 'pictures')
    coco.write(root / 'new.json', coco.content())
    config.coco_data = dict(root=str(root), train='all.json', test='new.json', images='pictures')
    set_coco_data(config)
    assert config.train_dataloader.dataset.ann_file == 'all.json'
    assert config.train_dataloader.dataset.data_prefix == {'img': 'pictures'}
    assert config.test_dataloader.dataset.ann_file == 'new.json'
    assert config.test_evaluator.ann_file == str(root / 'new.json')


def test_setting_twice_changes_nothing_more(root):
    config = read()
    set_coco_data(config, str(root))
    once = copy.deepcopy(config.to_dict())
    set_coco_data(config, str(root))
    assert config.to_dict() == once


def test_without_validation_file_there_is_no_validation(root):
    (root / 'val.json').unlink()
    config = read()
    set_coco_data(config, str(root))
    for part in ('val', 'test'):
        assert [config[f'{part}_{name}'] for name in ('dataloader', 'cfg', 'evaluator')] == [
            None
        ] * 3


def test_wrapped_data_sets(root):
    config = read()
    inner = config.train_dataloader.dataset
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    set_coco_data(config, str(root))
    assert config.train_dataloader.dataset.dataset.ann_file == 'train.json'
    assert config.train_dataloader.dataset.dataset.metainfo.classes == ('cat', 'dog')


def test_a_config_without_coco_data_is_left_alone():
    config = read()
    before = copy.deepcopy(config.to_dict())
    assert set_coco_data(config) == ()
    assert config.to_dict() == before


def test_boxes_alone_do_for_a_detector_without_masks(root):
    content = coco.content()
    for annotation in content['annotations']:
        annotation['segmentation'] = []
    for part in ('train', 'val'):
        coco.write(root / f'{part}.json', content)
    set_coco_data(read('retinanet_r50_fpn', 'coco_detection'), str(root))
    with pytest.raises(ValueError, match='no segmentation, and the network learns masks'):
        set_coco_data(read(), str(root))


def reorder(content):
    content['categories'].reverse()


def drop(content):
    content['categories'].pop(0)
    content['annotations'] = [a for a in content['annotations'] if a['category_id'] == 2]


@pytest.mark.parametrize('change', [reorder, drop])
def test_categories_that_mmdet_would_mix_up(root, change):
    content = coco.content()
    change(content)
    coco.write(root / 'val.json', content)
    with pytest.raises(ValueError, match=r'val.json has the categories .*same order'):
        set_coco_data(read(), str(root))


def test_faults_stop_and_can_be_let_pass(root, capsys):
    content = coco.content()
    content['annotations'][0]['category_id'] = 9
    coco.write(root / 'train.json', content)
    with pytest.raises(ValueError, match=r'annotation 1 \(category 9\)(.|\n)*check_coco'):
        set_coco_data(read(), str(root))
    config = read()
    config.coco_data = dict(root=str(root), check=False)
    set_coco_data(config)
    content = coco.content()
    content['categories'].append({'id': 3, 'name': 'cow'})
    for part in ('train', 'val'):
        coco.write(root / f'{part}.json', content)
    assert set_coco_data(read(), str(root)) == ('cat', 'dog', 'cow')
    assert '3 (cow)' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        (dict(root='nowhere'), 'data folder nowhere .* does not exist'),
        (dict(train='train.json'), 'coco_data.root is not given'),
        (dict(root='.', trian='train.json'), "did you mean 'train'"),
        (dict(root='.', train='lost.json'), 'lost.json does not exist'),
        (dict(root='.', images='lost'), 'an image file is missing: lost/1.png'),
        (dict(root='empty'), 'no annotation file to train on .*annotations/instances_train.json'),
    ],
)
def test_wrong_settings(root, monkeypatch, settings, sentence):
    monkeypatch.chdir(root)
    (root / 'empty').mkdir()
    config = read()
    config.coco_data = settings
    with pytest.raises(ValueError, match=sentence):
        set_coco_data(config)


def test_images_elsewhere_are_missed(root):
    (root / 'train').rename(root / 'moved')
    with pytest.raises(ValueError, match=r"the first is '1.png': looked in .*coco_data.images"):
        set_coco_data(read(), str(root))


def test_other_kinds_of_configs_are_refused(root):
    config = read()
    config.train_dataloader.dataset.type = 'VOCDataset'
    with pytest.raises(ValueError, match=r"train_dataloader.dataset is a 'VOCDataset'"):
        set_coco_data(config, str(root))
    with pytest.raises(ValueError, match='num_classes'):
        set_classes(Config(dict(model=dict(backbone=dict(num_classes=3)))), ['cat'])


def test_palette_has_a_colour_of_its_own_for_each_class():
    assert len(set(palette(90))) == 90


def test_mistakes_show_before_torch_is_imported():
    code = 'import sys, dinomm.detection.coco_data; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0
