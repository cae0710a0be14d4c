import argparse
import subprocess
import sys

import numpy as np
import pytest

from dinomm.checkpoints.files import save_file
from dinomm.commands.convert import add_options, run
from dinomm.verification.dino import tensors
from tests.integration.tiny import ROOT


def convert(*words):
    parser = argparse.ArgumentParser()
    add_options(parser)
    run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def dino(golden, tmp_path):
    with np.load(golden / 'dino_vit.npz') as arrays:
        state = tensors(arrays, 'w/')
    save_file(tmp_path / 'dino.pth', {'teacher': state | {'head.bias': state['norm.bias']}})
    return tmp_path / 'dino.pth'


def test_what_it_says(dino, tmp_path, capsys):
    pytest.importorskip('transformers')
    convert('auto', 'huggingface', dino, tmp_path / 'hub', '--heads', 3)
    text = capsys.readouterr().out
    for part in (
        f'{dino}: dino, Vit of width 48, depth 3, heads 3',
        '  matched      54\n  missing       0\n',
        'left out: head.bias (1): a classifier or projection head',
        'note: no package has the networks of the published DINO to compare with',
        'note: layer norms have eps 1e-06 in dino, 1e-12 by default in huggingface',
        "features of huggingface's network against dinomm's: largest difference ",
        f'written: the backbone, huggingface, {tmp_path / "hub"}',
        f"load by: transformers.AutoModel.from_pretrained('{tmp_path / 'hub'}', add_pooling",
    ):
        assert part in text
    assert {file.name for file in (tmp_path / 'hub').iterdir()} == {
        'config.json',
        'model.safetensors',
    }


def test_mistakes_are_sentences(dino, tmp_path):
    """Found before torch is imported: a fraction of a second."""
    words = ('dino', 'torchvision', dino, tmp_path / 'x.pth')
    code = (
        'import sys, argparse; from dinomm.commands.convert import add_options, run\n'
        'p = argparse.ArgumentParser(); add_options(p)\n'
        'try: run(p.parse_args(sys.argv[1:]))\n'
        "except (ValueError, OSError) as e: print(e, 'torch' in sys.modules)"
    )

    def said(*words):
        call = [sys.executable, '-c', code, *map(str, words)]
        return subprocess.run(call, capture_output=True, text=True, cwd=ROOT, check=True).stdout

    assert 'nothing goes from esvit to torchvision' in said('esvit', *words[1:])
    for told, text in (
        (('dino', 'timm', 'absent.pth', 'x.pth'), 'absent.pth does not exist'),
        (('dino', 'timm', dino, dino), 'the file that is read'),
        (('dino', 'tim', dino, 'x.pth'), "no format 'tim'"),
    ):
        answer = said(*told)
        assert text in answer and answer.endswith('False\n')
