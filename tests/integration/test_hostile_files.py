"""Every tool that reads a foreign file refuses a hostile one and runs nothing of it."""

import itertools
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from dinomm.commands.evaluate import EVALUATIONS
from dinomm.commands.visualize import PICTURES
from dinomm.evaluation.cache import FeatureCache
from tests import hostile

from . import tiny
from .processes import run_tool

CONFIG = tiny.ROOT / 'configs/dino/quickstart_photos.py'
DETECTOR = tiny.ROOT / 'configs/detection/quickstart_coco_vit.py'

NO_FOREIGN_FILE = {
    'benchmark.py': 'makes what it measures',
    'check_coco.py': 'JSON and images alone',
    'check_images.py': 'images alone: a test of its own below',
    'doctor.py': 'names all it finds: a test of its own below',
    'pack_shards.py': 'images alone, which it does not decode',
    'pip_runner.py': 'a runner of pip',
    'prepare_data.py': 'images of installed packages',
    'quickstart.py': 'trains on images and uses what it has written itself',
    'report.py': 'leaves out what it cannot read: a test of its own below',
    'results.py': 'trains on images and uses what it has written itself',
    'setup_env.py': 'installs packages',
    'setup_opencv.py': 'installs packages',
    'verify.py': 'a table, no sentence: a test of its own below',
}
NO_CHECKPOINT = {'crops', 'schedules'}
"""Pictures of a config alone."""

TOOLS = {
    'train.py': 'train.py {tiny} --resume {file}',
    'train.py auto': 'train.py {tiny} --resume --work-dir {run}',
    'train.py load_from': 'train.py {tiny} --cfg-options load_from={file}',
    'train.py detector': 'train.py {detector} --data {coco} --cfg-options pretrained={file}',
    'test.py': 'test.py {tiny} {file}',
    'compare.py': 'compare.py --network {config} {file} --folders {classes} --no-untrained',
    'convert.py': 'convert.py auto timm {file} out.pth',
    'export.py': 'export.py {config} {file} out.onnx',
    'extract_features.py': 'extract_features.py {config} {file} {images} --out out.npz',
    'check_transfer.py': 'check_transfer.py {detector} {file}',
    'demo_detection.py': 'demo_detection.py {detector} {file} {image}',
    'evaluate.py knn': 'evaluate.py knn {config} {file} --data {images}',
    'evaluate.py linear': 'evaluate.py linear {config} {file} --data {images}',
    'evaluate.py logreg': 'evaluate.py logreg {config} {file} --data {images}',
    'evaluate.py transfer': 'evaluate.py transfer {config} {file} --folders {classes}',
    'evaluate.py retrieval': 'evaluate.py retrieval {config} {file} --data {retrieval}',
    'evaluate.py copy-detection': 'evaluate.py copy-detection {config} {file} --data {copies}',
    'evaluate.py video-segmentation': 'evaluate.py video-segmentation {config} {file} '
    '--data {videos}',
    'evaluate.py segmentation-by-attention': 'evaluate.py segmentation-by-attention {config} '
    '{file} --data {voc}',
    'evaluate.py correspondence': 'evaluate.py correspondence {config} {file} --data {images}',
    'evaluate.py attention': 'evaluate.py attention {config} {file} --data {images}',
    'visualize.py attention': 'visualize.py attention {config} {file} {image}',
    'visualize.py attention-video': 'visualize.py attention-video {config} {file} {frames} '
    '--out x.mp4',
    'visualize.py pca': 'visualize.py pca {config} {file} {image}',
    'visualize.py correspondence': 'visualize.py correspondence {config} {file} {image}',
    'visualize.py neighbours': 'visualize.py neighbours {config} {file} {image} --among {images}',
    'visualize.py prototypes': 'visualize.py prototypes {config} {file} {images}',
    'visualize.py embedding': 'visualize.py embedding {config} {file} {images}',
}
"""A command line of each tool, with the file in each of the places that it can stand in."""

QUICK = ('train.py', 'train.py load_from', 'test.py', 'convert.py', 'extract_features.py')
SLOW = [case for case in TOOLS if case not in (*QUICK, 'evaluate.py knn')]


def test_every_tool_is_here():
    """A new tool, evaluation or picture needs a case above, or a reason to need none."""
    tools = {path.name for path in (tiny.ROOT / 'tools').glob('*.py')}
    assert tools == {case.split()[0] for case in TOOLS} | set(NO_FOREIGN_FILE)
    assert {c.split()[1] for c in TOOLS if c.startswith('evaluate.py')} == set(EVALUATIONS)
    pictures = {c.split()[1] for c in TOOLS if c.startswith('visualize.py')}
    assert pictures == set(PICTURES) - NO_CHECKPOINT


@pytest.fixture(scope='module')
def places(tmp_path_factory, data):
    """Hostile files, and the little that each tool looks for before it opens them."""
    folder = tmp_path_factory.mktemp('hostile')
    for name, content in hostile.CHECKPOINTS.items():
        (folder / name).write_bytes(content(folder / 'executed'))
    (folder / 'run').mkdir()
    (folder / 'run/epoch_1.pth').symlink_to(folder / 'zipped.pth')
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    mask = Image.fromarray(np.eye(64, dtype=np.uint8))
    mask.putpalette(list(range(256)) * 3)
    for name in (
        'jpg/a.jpg',
        'jpg/q.jpg',
        'copies/original/200000.jpg',
        'copies/strong/200000.jpg',
    ):
        write(picture, folder / name)
    for name in ('a', 'b'):
        write(picture, folder / f'videos/JPEGImages/480p/v/{name}.jpg')
        write(mask, folder / f'videos/Annotations/480p/v/{name}.png')
    write(picture, folder / 'voc/JPEGImages/a.jpg')
    for kind in ('SegmentationClass', 'SegmentationObject'):
        write(mask, folder / f'voc/{kind}/a.png')
    for name, text in (('videos/ImageSets/2017', 'v'), ('voc/ImageSets/Segmentation', 'a')):
        (folder / name).mkdir(parents=True)
        (folder / name / 'val.txt').write_text(text)
    truth = {'bbx': [0, 0, 9, 9], 'easy': [0], 'hard': [], 'junk': []}
    content = {'imlist': ['a'], 'qimlist': ['q'], 'gnd': [truth]}
    (folder / 'gnd_small.json').write_text(json.dumps(content))
    images = data / 'train'
    return {
        'tiny': tiny.write_config(folder / 'tiny.py', data),
        'config': CONFIG,
        'detector': DETECTOR,
        'coco': detectors_data(folder / 'coco'),
        'run': folder / 'run',
        'images': images,
        'classes': data,
        'image': next(images.rglob('*.png')),
        'frames': folder / 'videos/JPEGImages/480p/v',
        'retrieval': folder,
        'copies': folder / 'copies',
        'videos': folder / 'videos',
        'voc': folder / 'voc',
        'folder': folder,
    }


def write(picture, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def detectors_data(folder):
    from . import detectors

    return detectors.write_coco(folder)


CASES = [
    pytest.param(case, file, marks=[pytest.mark.slow] * (case in SLOW))
    for case, file in zip(TOOLS, itertools.cycle(hostile.CHECKPOINTS), strict=False)
]


@pytest.mark.parametrize(('case', 'file'), CASES)
def test_a_hostile_checkpoint_is_refused(places, tmp_path, case, file):
    folder = places['folder']
    line = TOOLS[case].format(file=folder / file, **places)
    tool, *arguments = line.split()
    end = run_tool(tool, *arguments, cwd=tmp_path)
    assert end.status == 1, end.err
    assert not (folder / 'executed').exists()
    assert 'Traceback' not in end.err
    sentence = end.err[end.err.index('error: ') :]
    assert str(places['run'] if case == 'train.py auto' else folder / file) in sentence


@pytest.mark.parametrize('option', ['load_from', 'resume'])
def test_the_doctor_finds_a_hostile_checkpoint(option, places, tmp_path):
    folder = places['folder']
    file = folder / 'zipped.pth'
    given = ['--resume', file] if option == 'resume' else ['--cfg-options', f'load_from={file}']
    arguments = ['--quick', '--steps', 1, '--work-dir', tmp_path / 'work', *given]
    end = run_tool('doctor.py', places['tiny'], *arguments, cwd=tmp_path)
    assert not (folder / 'executed').exists()
    assert end.status == 5 and 'Traceback' not in end.out + end.err
    assert 'holds more than tensors and plain data' in ' '.join(end.out.split())


def test_a_hostile_image_is_no_image(tmp_path):
    for name, content in hostile.CHECKPOINTS.items():
        (tmp_path / 'images' / f'{name}.jpg').parent.mkdir(exist_ok=True)
        (tmp_path / 'images' / f'{name}.jpg').write_bytes(content(tmp_path / 'executed'))
    end = run_tool('check_images.py', 'images', cwd=tmp_path)
    assert not (tmp_path / 'executed').exists()
    assert end.status == 5 and f'{len(hostile.CHECKPOINTS)} cannot' in end.out


def test_a_hostile_ground_truth_is_refused(places, tmp_path):
    folder, marker = places['folder'], tmp_path / 'executed'
    write(Image.new('RGB', (8, 8)), tmp_path / 'jpg/a.jpg')
    (tmp_path / 'gnd_small.pkl').write_bytes(pickle.dumps({'gnd': hostile.Code(marker)}))
    arguments = ['retrieval', CONFIG, 'untrained', '--data', tmp_path]
    end = run_tool('evaluate.py', *arguments, cwd=folder)
    assert (end.status, marker.exists()) == (1, False)
    assert 'Traceback' not in end.err and 'gnd_small.pkl is no pickle of plain data' in end.err


def test_hostile_golden_files_fail(places, tmp_path):
    marker = tmp_path / 'executed'
    (tmp_path / 'knn.npz').write_bytes(hostile.objects(marker))
    end = run_tool('verify.py', tmp_path / 'knn.npz', cwd=places['folder'])
    assert (end.status, marker.exists()) == (1, False)
    assert 'FAIL' in end.out and 'Traceback' not in end.err


def test_a_report_leaves_hostile_weights_out(places, tmp_path):
    marker = tmp_path / 'executed'
    work = tmp_path / 'work/1/vis_data'
    work.mkdir(parents=True)
    (work / 'scalars.json').write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    (work / 'config.py').write_text(f"import os\nos.mkdir('{marker}')\n")
    (tmp_path / 'work/epoch_1.pth').write_bytes(hostile.zipped(marker))
    end = run_tool('report.py', tmp_path / 'work', cwd=tmp_path)
    assert not marker.exists()
    assert 'Traceback' not in end.err


@pytest.mark.parametrize('name', hostile.CHECKPOINTS)
def test_hostile_features_are_refused(tmp_path, name):
    (tmp_path / 'key.pth').write_bytes(hostile.CHECKPOINTS[name](tmp_path / 'executed'))
    with pytest.raises(ValueError, match=r'checkpoint .*key\.pth'):
        FeatureCache(tmp_path).load('key')
    assert not (tmp_path / 'executed').exists()
