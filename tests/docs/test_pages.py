"""Every page is run from its top to its end: its commands, its Python, its configs."""

import shutil
import subprocess

import pytest

from dinomm import launch
from dinomm.config_check import check_config
from tests.integration import processes

from .pages import PAGES, ROOT, blocks, commands, parse
from .shell import Tree, run_block

NOT_RUN = {
    'make quickstart': 'five minutes; tests/test_quickstart.py runs it small',
    'make quickstart IMAGES=~/photos': 'minutes; tests/test_quickstart.py runs it small',
    'make setup': '.ci/run makes the environment by it',
    'make test': 'these tests',
    'make test-all': 'these tests',
    'make lint types': '.ci/run',
    'make docs': '.ci/run',
    'python3 -m venv --system-site-packages .venv': 'makes an environment',
    'pip install -r requirements/detection.txt': '.ci/run',
    'python tools/results.py': 'hours; tests/results runs it small',
    'python tools/results.py dinov2_digits': 'the same',
    'python tools/results.py esvit_digits': 'the same',
    'python tools/results.py coco_digits': 'the same',
}
"""Commands that the pages' tests leave out, and who runs them."""

NOT_RUN |= dict.fromkeys(
    (
        'python tools/doctor.py configs/dino/quickstart_photos.py --data ~/photos',
        'python tools/doctor.py configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py '
        '--data ~/photos',
    ),
    'the few photographs are a fault in its eyes; tests/integration/test_doctor.py runs it',
)
SWIN_DETECTOR = 'configs/detection/mask-rcnn_swin-tiny-w7_fpn_1x_coco.py'
OF_EIGHT = f'bash tools/dist_train.sh {SWIN_DETECTOR} 8 --cfg-options pretrained='
NOT_RUN |= dict.fromkeys(
    (
        f'{OF_EIGHT}work_dirs/esvit/epoch_300.pth',
        f'{OF_EIGHT}None',
        f'python tools/train.py {SWIN_DETECTOR} --amp --cfg-options '
        'pretrained=work_dirs/esvit/epoch_300.pth optim_wrapper.accumulative_counts=8',
    ),
    'COCO, GPUs; tests/integration/test_commands.py reads them, test_detection_configs.py trains',
)

SLOW = {
    'python tools/prepare_data.py coco --images 200 --out data/coco_small',
    'python tools/benchmark.py features',
    'python tools/benchmark.py augment',
    'python tools/benchmark.py loader',
    'python tools/benchmark.py step dino',
    'python tools/benchmark.py step health',
    'python tools/verify.py tests/data/golden',
}
"""Commands that take longer than a few seconds even at a small size."""

ONNX = {
    'python tools/export.py configs/esvit/quickstart_swin.py '
    'work_dirs/quickstart_swin/epoch_12.pth swin.onnx': 'swin.onnx',
    'python tools/export.py configs/dino/quickstart_photos.py '
    'work_dirs/photos/epoch_24.pth photos.onnx --size 64 96x128': 'photos_96x128.onnx',
}
"""Slow commands that need others of their page, and a file they write, which Python may read."""

SLOW_PAGES = (
    'configs/dino/README.md',
    'configs/dinov2/README.md',
    'configs/esvit/README.md',
    'docs/continue.md',
    'docs/detection.md',
    'docs/detection_data.md',
    'docs/distributed.md',
    'docs/evaluation.md',
    'docs/transfer.md',
)
"""Pages of many runs."""

IN_PAGES = {
    page: [command for block in blocks(page) for command in commands(block)] for page in PAGES
}


def test_what_is_not_run_is_in_the_docs():
    texts = {command.text for found in IN_PAGES.values() for command in found}
    left_out = {*NOT_RUN, *SLOW, *ONNX}
    assert len(left_out) == len(NOT_RUN) + len(SLOW) + len(ONNX)
    assert left_out <= texts


@pytest.mark.skipif(shutil.which('make') is None, reason='needs make')
@pytest.mark.parametrize('command', sorted(text for text in NOT_RUN if text.startswith('make')))
def test_make_knows_the_target(command):
    dry = ['make', '--dry-run', '--no-print-directory', *parse(command).words[1:]]
    assert subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def unformatted_configs(monkeypatch):
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', processes.unformatted)


@pytest.fixture(scope='session')
def written(tmp_path_factory):
    return tmp_path_factory.mktemp('written')


@pytest.fixture
def run_page(tmp_path, written, monkeypatch, unformatted_configs):
    """Runs a page but for some commands, and but for the Python that names some files."""
    tree = Tree(tmp_path, written)
    monkeypatch.chdir(tree.folder)
    monkeypatch.setenv('HOME', str(tree.home))
    monkeypatch.syspath_prepend(str(tree.folder))

    def run(page, left_out, absent=()):
        names = {'__name__': 'page'}
        for block in blocks(page):
            if block.language == 'python' and any(name in block.text for name in absent):
                continue
            try:
                run_block(block, tree, names, left_out)
            except Exception as error:
                raise AssertionError(f'{page}, line {block.line}: {error}') from error
        for file in tree.folder.glob('*.py'):
            if '_base_ = ' in file.read_text():
                check_config(launch.read_config(str(file)))

    return run


@pytest.mark.parametrize(
    'page',
    [pytest.param(page, marks=[pytest.mark.slow] if page in SLOW_PAGES else []) for page in PAGES],
)
def test_page(page, run_page):
    run_page(page, {*NOT_RUN, *SLOW, *ONNX}, absent=ONNX.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    'page', [page for page, found in IN_PAGES.items() if any(c.text in ONNX for c in found)]
)
def test_page_with_onnx(page, run_page):
    run_page(page, {*NOT_RUN, *SLOW})


@pytest.mark.slow
@pytest.mark.parametrize('command', sorted(SLOW))
def test_slow_command(command, tmp_path, written):
    assert Tree(tmp_path, written).run(parse(command))
