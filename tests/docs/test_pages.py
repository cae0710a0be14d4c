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
    'python tools/results.py esvit_digits': 'the same',
    'python tools/results.py coco_digits': 'the same',
}
"""Commands that the pages' tests leave out, and who runs them."""

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
    'python tools/benchmark.py features',
    'python tools/benchmark.py augment',
    'python tools/benchmark.py loader',
    'python tools/benchmark.py step dino',
    'python tools/benchmark.py step health',
    'python tools/verify.py tests/data/golden',
}
"""Commands that take longer than a few seconds even at a small size."""

IN_PAGES = {
    page: [command for block in blocks(page) for command in commands(block)] for page in PAGES
}


def test_what_is_not_run_is_in_the_docs():
    texts = {command.text for found in IN_PAGES.values() for command in found}
    assert not texts & set(NOT_RUN) & SLOW
    assert {*NOT_RUN, *SLOW} <= texts


@pytest.mark.skipif(shutil.which('make') is None, reason='needs make')
@pytest.mark.parametrize('command', sorted(text for text in NOT_RUN if text.startswith('make')))
def test_make_knows_the_target(command):
    dry = ['make', '--dry-run', '--no-print-directory', *parse(command).words[1:]]
    assert subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def unformatted_configs(monkeypatch):
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', processes.unformatted)


@pytest.mark.parametrize('page', PAGES)
def test_page(page, tmp_path, monkeypatch, unformatted_configs):
    tree = Tree(tmp_path)
    monkeypatch.chdir(tree.folder)
    monkeypatch.setenv('HOME', str(tree.home))
    monkeypatch.syspath_prepend(str(tree.folder))
    names = {'__name__': 'page'}
    for block in blocks(page):
        try:
            run_block(block, tree, names, {*NOT_RUN, *SLOW})
        except Exception as error:
            raise AssertionError(f'{page}, line {block.line}: {error}') from error
    for file in tree.folder.glob('*.py'):
        if '_base_ = ' in file.read_text():
            check_config(launch.read_config(str(file)))


@pytest.mark.slow
@pytest.mark.parametrize('command', sorted(SLOW))
def test_slow_command(command, tmp_path):
    assert Tree(tmp_path).run(parse(command))
