import json
import os
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from dinomm import launch
from dinomm.evaluation.network import load_network
from tests.evaluation.folders import tinted, write_picture, write_revisited
from tests.integration import processes

from .tool import RESNET, SWIN, VIT, figures, record

NO_CACHE = ('--no-cache',)


@pytest.fixture
def revisited(tmp_path):
    return write_revisited(tmp_path / 'places')


@pytest.fixture
def places(tmp_path):
    """Three classes of three similar images, one of which is alone in a fourth."""
    for number in range(9):
        picture = tinted(number // 3, (60, 80))[10 * (number % 3) :]
        write_picture(tmp_path / 'labelled' / f'class_{number // 3}' / f'{number}.jpg', picture)
    write_picture(tmp_path / 'labelled' / 'class_3' / '9.jpg', tinted(3, (60, 80)))
    return tmp_path / 'labelled'


def test_figures_of_a_revisited_set_by_hand(revisited):
    """mAP and mP@1 of the hard setting, from the network's features picture by picture."""
    found = figures('retrieval', revisited, *NO_CACHE, '--size', 64)
    assert list(found) == ['easy', 'medium', 'hard', 'images', 'queries']
    assert (found['images'], found['queries']) == (6, 2)
    network = load_network(launch.read_config(VIT), 'untrained', device='cpu')

    def feature(name):
        image = Image.open(revisited / 'jpg' / f'{name}.jpg')
        image.thumbnail((64, 64), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(image)[:48]).permute(2, 0, 1)[None]
        preprocessor = network.data_preprocessor
        return network.backbone((pixels - preprocessor.mean) / preprocessor.std)[-1][0, 0]

    database = torch.stack([feature(f'place_{number}') for number in range(6)])
    precisions, firsts = [], []
    for query, (positive, junk) in enumerate([(1, {0, 5}), (3, {2})]):
        cosine = F.cosine_similarity(feature(f'query_{query}')[None], database)
        ranking = [i for i in cosine.argsort(descending=True).tolist() if i not in junk]
        place = ranking.index(positive)
        precisions.append((float(place == 0) + 1 / (place + 1)) / 2)
        firsts.append(place == 0)
    assert found['hard']['mAP'] == pytest.approx(100 * np.mean(precisions))
    assert found['hard']['mP@1'] == pytest.approx(100 * np.mean(firsts))


def test_scales_and_boxes_have_features_of_their_own_and_stand_in_the_record(revisited, tmp_path):
    cache = ('--cache', tmp_path / 'features')
    assert not record('retrieval', revisited, *cache)['settings']['multi_scale']
    assert len(list((tmp_path / 'features').iterdir())) == 2  # images, queries
    assert record('retrieval', revisited, *cache, '--crop-queries')['settings']['crop_queries']
    assert len(list((tmp_path / 'features').iterdir())) == 3  # queries cut to their boxes
    assert record('retrieval', revisited, *cache, '--multi-scale')['settings']['multi_scale']
    assert len(list((tmp_path / 'features').iterdir())) == 5


@pytest.mark.parametrize('config', [VIT, RESNET, SWIN])
def test_images_with_labels_of_every_family(places, config):
    options = ('--size', 80, '--multi-scale', *NO_CACHE)
    found = figures('retrieval', places, *options, config=config)
    assert list(found) == ['mAP', 'mP@1', 'mP@5', 'mP@10', 'images', 'queries']
    assert (found['images'], found['queries']) == (10, 9)
    assert found['mAP'] > 40  # of random rankings 29


def test_features_are_kept_beside_the_checkpoint(places, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = figures('retrieval', places)
    (kept,) = (tmp_path / 'work_dirs' / 'quickstart_photos' / 'features').iterdir()
    assert figures('retrieval', places) == first
    assert f'features of 10 images from {kept.relative_to(tmp_path)}' in capsys.readouterr().err


def test_two_processes_give_the_figures_of_one(places, tmp_path):
    alone = figures('retrieval', places, *NO_CACHE)
    path = tmp_path / 'two.json'
    options = ('--data', places, '--json', path, '--workers', 0, *NO_CACHE)
    ended = processes.run_on(
        2, 'evaluate.py', 'retrieval', VIT, 'untrained', *options, cwd=tmp_path
    )
    assert [process.status for process in ended] == [0, 0], ended[1].err
    assert json.loads(path.read_text())['figures'] == pytest.approx(alone)
    assert 'mAP' in ended[0].out and 'mAP' not in ended[1].out


class Hostile:
    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.system, (f'touch {self.witness}',)


def hostile(folder):
    (folder / 'gnd_places.json').unlink()
    content = pickle.dumps({'imlist': Hostile(folder / 'witness')})
    (folder / 'gnd_places.pkl').write_bytes(content)
    return ()


def broken_image(folder):
    (folder / 'jpg' / 'place_3.jpg').write_bytes(b'')
    return ()


def no_image(folder):
    (folder / 'jpg' / 'query_1.jpg').unlink()
    return ()


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (hostile, r'gnd_places.pkl is no pickle of plain data .*nothing in it was run'),
        (broken_image, r'cannot read .*place_3.jpg'),
        (no_image, r'cannot read .*query_1.jpg'),
        (lambda _: ('--size', 0), '--size is 0'),
        (lambda _: ('--size', 10), r'an image of \dx10 pixels is smaller than a patch of 16x16'),
        (lambda _: ('--images', 3), 'a revisited set is evaluated whole, leave --images away'),
    ],
)
def test_wrong_input_is_a_sentence(revisited, change, sentence):
    options = change(revisited)
    with pytest.raises(ValueError, match=sentence):
        figures('retrieval', revisited, *NO_CACHE, *options)
    assert not (revisited / 'witness').exists()


def test_boxes_of_images_that_have_none(places):
    with pytest.raises(ValueError, match='only the revisited sets have boxes'):
        figures('retrieval', places, *NO_CACHE, '--crop-queries')
