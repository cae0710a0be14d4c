import json
import pickle

import numpy as np
import pytest

from dinomm.evaluation.revisited import find_ground_truth, read_ground_truth

CONTENT = {
    'imlist': ['a', 'b', 'c', 'd', 'e'],
    'qimlist': ['q', 'r'],
    'gnd': [
        {'bbx': [1, 2, 30.5, 40], 'easy': [0], 'hard': [1, 2], 'junk': [3]},
        {'bbx': [0, 0, 5, 5], 'easy': [], 'hard': [4], 'junk': []},
    ],
}


@pytest.mark.parametrize('suffix', ['pkl', 'json'])
def test_what_counts_in_each_setting(tmp_path, suffix):
    path = tmp_path / f'gnd_small.{suffix}'
    content = pickle.dumps(CONTENT, 2) if suffix == 'pkl' else json.dumps(CONTENT).encode()
    path.write_bytes(content)
    assert find_ground_truth(tmp_path) == path
    truth = read_ground_truth(path)
    assert truth.images == [str(tmp_path / 'jpg' / f'{name}.jpg') for name in 'abcde']
    assert truth.queries == [str(tmp_path / 'jpg' / f'{name}.jpg') for name in 'qr']
    assert truth.boxes[0] == (1, 2, 30.5, 40)
    first, second = (
        {s: (sorted(of[i].positives), sorted(of[i].junk)) for s, of in truth.relevance.items()}
        for i in range(2)
    )
    assert first == {
        'easy': ([0], [1, 2, 3]),
        'medium': ([0, 1, 2], [3]),
        'hard': ([1, 2], [0, 3]),
    }
    assert second == {'easy': ([], [4]), 'medium': ([4], []), 'hard': ([4], [])}


def test_arrays_of_numpy(tmp_path):
    gnd = [{k: np.array(v) for k, v in answer.items()} for answer in CONTENT['gnd']]
    (tmp_path / 'gnd_x.pkl').write_bytes(pickle.dumps({**CONTENT, 'gnd': gnd}))
    truth = read_ground_truth(tmp_path / 'gnd_x.pkl')
    assert truth.relevance['medium'][1].positives.tolist() == [4]


def test_no_ground_truth_and_that_of_two_sets(tmp_path):
    assert find_ground_truth(tmp_path) is None
    for name in ('gnd_roxford5k.pkl', 'gnd_rparis6k.json'):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r'several sets .gnd_roxford5k, gnd_rparis6k'):
        find_ground_truth(tmp_path)


def broken(**changes):
    return {**CONTENT, 'gnd': [{**CONTENT['gnd'][0], **changes}, CONTENT['gnd'][1]]}


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ([], 'expected imlist, qimlist and gnd'),
        ({'imlist': []}, "KeyError: 'qimlist'"),
        (broken(easy=[5]), 'image 5 of 5'),
        (broken(junk=[-1]), 'of 5'),
        (broken(bbx=[1, 2]), 'a bbx of four numbers'),
        ({**CONTENT, 'gnd': CONTENT['gnd'][:1]}, 'answers 1 of 2 queries'),
        ({**CONTENT, 'gnd': [], 'qimlist': []}, 'answers 0 of 0 queries'),
    ],
)
def test_another_structure_is_a_sentence(tmp_path, content, sentence):
    path = tmp_path / 'gnd_x.json'
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=sentence):
        read_ground_truth(path)


def test_broken_json(tmp_path):
    (tmp_path / 'gnd_x.json').write_text('{')
    with pytest.raises(ValueError, match=r'gnd_x.json is no JSON'):
        read_ground_truth(tmp_path / 'gnd_x.json')


def test_images_outside_the_folder_are_refused(tmp_path):
    path = tmp_path / 'gnd_small.json'
    path.write_text(json.dumps({**CONTENT, 'qimlist': ['q', '../r']}))
    with pytest.raises(ValueError, match=r"names '\.\./r', which has a"):
        read_ground_truth(path)
