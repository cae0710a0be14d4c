import json

import numpy as np
import pytest

from dinomm.evaluation.masks import read_mask
from tests.evaluation.folders import FRAMES, write_davis
from tests.integration import processes

from .tool import RESNET, SWIN, VIT, figures, record


@pytest.fixture
def davis(tmp_path):
    return write_davis(tmp_path / 'davis')


@pytest.mark.parametrize('config', [VIT, RESNET, SWIN])
def test_figures_and_masks_of_every_family(davis, tmp_path, config):
    options = ('--out', tmp_path / 'masks', '--radius', 2, '--short-side', 128)
    found = figures('video-segmentation', davis, *options, config=config)
    assert list(found)[:4] == ['J&F mean', 'J mean', 'J recall', 'J decay']
    assert found['videos'] == 2
    assert list(found['objects']) == ['again_1', 'again_2', 'discs_1', 'discs_2']
    means = [of['J mean'] for of in found['objects'].values()]
    assert found['J mean'] == pytest.approx(np.mean(means)) and found['J mean'] > 10
    assert found['J&F mean'] == pytest.approx((found['J mean'] + found['F mean']) / 2)
    for video in ('again', 'discs'):
        files = sorted((tmp_path / 'masks' / video).iterdir())
        assert len(files) == FRAMES and read_mask(files[-1]).shape == (96, 128)


def test_constants_are_recorded_and_masks_lie_beside_the_figures(davis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = record('video-segmentation', davis, '--short-side', 128)['settings']
    constants = {key: settings[key] for key in ('last_frames', 'radius', 'top', 'temperature')}
    assert constants == {'last_frames': 7, 'radius': 12, 'top': 5, 'temperature': 0.1}
    masks = tmp_path / 'work_dirs' / 'quickstart_photos' / 'untrained.masks'
    assert {path.name for path in masks.iterdir()} == {'again', 'discs'}


def test_first_masks_alone_give_masks_and_no_figures(davis, tmp_path):
    for path in davis.glob('Annotations/480p/*/*'):
        if path.stem != '00000':
            path.unlink()
    found = figures('video-segmentation', davis, '--out', tmp_path / 'masks', '--short-side', 64)
    assert found == {'videos': 2, 'objects': {}}
    assert len(list((tmp_path / 'masks').glob('*/*.png'))) == 2 * FRAMES


def test_each_of_two_processes_takes_a_video(tmp_path):
    davis = write_davis(tmp_path / 'davis', ('a', 'b', 'c'))
    path = tmp_path / 'two.json'
    options = ('--data', davis, '--json', path, '--out', tmp_path / 'masks')
    options += ('--short-side', 128)
    command = ('evaluate.py', 'video-segmentation', VIT, 'untrained', *options)
    ended = processes.run_on(2, *command, cwd=tmp_path)
    assert [process.status for process in ended] == [0, 0], ended[1].err
    found = json.loads(path.read_text())['figures']
    assert list(found['objects']) == [f'{video}_{number}' for video in 'abc' for number in (1, 2)]
    assert found['objects']['a_1'] == found['objects']['b_1'] == found['objects']['c_1']


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (('--subset', 'test-dev'), r'test-dev.txt does not exist: expected a folder of DAVIS'),
        (('--short-side', 40), r'would be looked at with 32x0: raise the short side .40. to 64'),
        (('--top', 0), 'top of the label propagation is 0'),
        (('--temperature', 0), 'temperature of the label propagation is 0'),
        (('--images', 3), 'DAVIS is evaluated whole'),
        (('--data', 'none'), '--data none is no folder: expected a folder of DAVIS-2017'),
    ],
)
def test_wrong_options_are_sentences(davis, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        figures('video-segmentation', davis, *options)
