import argparse
import json

import pytest

from dinomm.commands.folders import data_folder
from tests.evaluation.folders import write_voc
from tests.integration import processes

from .tool import SWIN, VIT, figures


@pytest.fixture
def voc(tmp_path):
    return write_voc(tmp_path / 'voc')


@pytest.mark.parametrize('masks', ['class', 'object', 'foreground'])
def test_figures(voc, masks):
    found = figures('segmentation-by-attention', voc, '--masks', masks, '--size', 64)
    assert found['images'] == 3 and found['images without object'] == 0
    assert found['best head'] >= found['one head'] >= found['random head'] > 0
    assert found['one head'] == found['heads'][found['its number']]


def test_all_the_attention_is_the_whole_image(voc):
    """Every head's mask is everything, and the object's share of what is not void is known."""
    found = figures('segmentation-by-attention', voc, '--mass', 1, '--size', 64)
    share = 100 * (25 * 30 + 15 * 20) / (49 * 70)
    for key in ('best head', 'random head', 'one head', 'mean attention'):
        assert found[key] == pytest.approx(share, rel=0.05)


def test_some_images(voc):
    assert figures('segmentation-by-attention', voc, '--images', 2, '--size', 64)['images'] == 2


def test_two_processes_share_the_images(voc, tmp_path):
    alone = figures('segmentation-by-attention', voc, '--size', 64)
    path = tmp_path / 'two.json'
    options = ('--data', voc, '--json', path, '--size', 64)
    command = ('evaluate.py', 'segmentation-by-attention', VIT, 'untrained', *options)
    ended = processes.run_on(2, *command, cwd=tmp_path)
    assert [process.status for process in ended] == [0, 0], ended[1].err
    found = json.loads(path.read_text())['figures']
    assert found.pop('heads') == pytest.approx(alone.pop('heads'))
    assert found == pytest.approx(alone)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (('--mass', 0), 'mass is 0.0: expected a share'),
        (('--size', -1), '--size is -1'),
        (('--size', 9), r'an image of 9x9 pixels is smaller than a patch'),
        (('--subset', 'train'), r'train.txt does not exist: expected a folder as VOCdevkit'),
        (('--data', 'none'), '--data none is no folder: expected a folder as VOCdevkit'),
    ],
)
def test_wrong_options_are_sentences(voc, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        figures('segmentation-by-attention', voc, *options)


def test_a_network_without_class_token(voc):
    with pytest.raises(ValueError, match='SwinTransformer has no class token'):
        figures('segmentation-by-attention', voc, '--size', 224, config=SWIN)


def test_no_data():
    with pytest.raises(ValueError, match='--data is missing: name a folder as VOCdevkit'):
        data_folder(argparse.Namespace(data=None), 'a folder as VOCdevkit/VOC2012')
