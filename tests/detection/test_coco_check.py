import copy
import json

import pytest
from PIL import Image

from dinomm.detection.coco_check import MEANINGS, find_faults, report, stopping_faults
from dinomm.detection.coco_file import read_coco
from tests.integration import processes

from . import coco


def spoil(change):
    """The content of a file after a change to it."""
    spoilt = copy.deepcopy(coco.content())
    change(spoilt)
    return spoilt


def set_first(kind, **values):
    return lambda content: content[kind][0].update(values)


FAULTS = {
    'no images': lambda content: content['images'].clear(),
    'no annotations': lambda content: content['annotations'].clear(),
    'incomplete': lambda content: content['annotations'][0].pop('area'),
    'duplicate image id': set_first('images', id=2),
    'duplicate category id': set_first('categories', id=2),
    'duplicate category name': set_first('categories', name='dog'),
    'duplicate annotation id': set_first('annotations', id=2),
    'annotation id 0': set_first('annotations', id=0),
    'unknown image': set_first('annotations', image_id=99),
    'unknown category': set_first('annotations', category_id=99),
    'unused category': lambda content: content['categories'].append({'id': 7, 'name': 'cow'}),
    'empty box': set_first('annotations', bbox=[5, 5, 0, 10]),
    'box outside': set_first('annotations', bbox=[35, 5, 10, 10]),
    'short polygon': set_first('annotations', segmentation=[[5, 5, 15, 5]]),
    'bad mask': set_first('annotations', segmentation={'size': [9, 9], 'counts': [81]}),
    'no mask': set_first('annotations', segmentation=[]),
    'outside folder': set_first('images', file_name='../lost.png'),
    'missing file': set_first('images', file_name='lost.png'),
    'unreadable file': set_first('images', file_name='broken.png'),
    'other size': set_first('images', width=41),
}


@pytest.fixture
def check(tmp_path):
    coco.write(tmp_path / 'sound.json', coco.content(), tmp_path)
    (tmp_path / 'broken.png').write_bytes(b'no picture')

    def faults(content, **options):
        path = coco.write(tmp_path / 'spoilt.json', content)
        return find_faults(read_coco(path), tmp_path, open_files=True, masks=True, **options)

    return faults


def test_a_sound_file_has_no_faults(check):
    assert check(coco.content()) == []


@pytest.mark.parametrize('kind', MEANINGS)
def test_each_fault_is_named_with_its_place(check, kind):
    found = {fault.kind: fault for fault in check(spoil(FAULTS[kind]))}
    assert found[kind].occurrences >= 1
    assert found[kind].examples
    assert MEANINGS[kind] in str(found[kind])


@pytest.mark.parametrize(
    ('change', 'place'),
    [
        (set_first('annotations', bbox=[5, 5, 0, 10]), 'annotation 1 [5, 5, 0, 10]'),
        (set_first('annotations', category_id=99), 'annotation 1 (category 99)'),
        (set_first('images', width=41), '1.png is 40x40, stated 41x40'),
        (lambda content: content['images'][1].pop('width'), 'image 2 (width)'),
        (set_first('annotations', bbox=[5, 5, 'a', 10]), 'annotation 1 (bbox)'),
        (set_first('annotations', bbox=[5, 5, float('nan'), 10]), 'annotation 1 (bbox)'),
        (set_first('annotations', image_id='1'), 'annotation 1 (image_id)'),
        (set_first('annotations', id=None), 'annotation None (id)'),
    ],
)
def test_examples_say_where(check, change, place):
    assert any(place in example for fault in check(spoil(change)) for example in fault.examples)


@pytest.mark.parametrize(
    'segmentation',
    [
        {'size': [coco.SIDE, coco.SIDE], 'counts': [5, 5]},
        {'size': [coco.SIDE, coco.SIDE], 'counts': 'not run lengths'},
        {'size': [coco.SIDE, coco.SIDE]},
        {'size': [coco.SIDE, coco.SIDE], 'counts': ['a']},
        'text',
    ],
)
def test_broken_run_lengths(check, segmentation):
    faults = check(spoil(set_first('annotations', segmentation=segmentation)))
    assert [fault.kind for fault in faults] == ['bad mask']


def test_a_box_may_round_over_the_edge(check):
    assert check(spoil(set_first('annotations', bbox=[30, 30, 11, 10.5]))) == []


def test_masks_are_asked_for_where_they_are_learned(tmp_path):
    content = spoil(lambda content: content['annotations'][0].pop('segmentation'))
    file = read_coco(coco.write(tmp_path / 'boxes.json', content, tmp_path))
    assert find_faults(file, tmp_path) == []
    assert [fault.kind for fault in find_faults(file, tmp_path, masks=True)] == ['no mask']


def test_many_faults_are_counted_and_few_shown(check):
    faults = check(spoil(lambda content: [a.update(category_id=9) for a in content['annotations']]))
    unknown = next(fault for fault in faults if fault.kind == 'unknown category')
    assert unknown.occurrences == 6
    assert len(unknown.examples) == 3
    assert str(unknown).endswith(', ...')


def test_training_stops_at_all_but_notes_and_rare_slips(check):
    unused = check(spoil(FAULTS['unused category']))
    assert stopping_faults(unused, 6) == []
    empty = check(spoil(FAULTS['empty box']))
    assert stopping_faults(empty, 6) == empty
    assert stopping_faults(empty, 1000) == []
    missing = check(spoil(FAULTS['missing file']))
    assert stopping_faults(missing, 1000) == missing


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('{', 'is no JSON'),
        ('[' * 100_000, 'is no JSON'),
        ('[]', 'holds a list'),
        ('{"images": [], "annotations": []}', "'categories' is missing"),
        ('{"images": [3], "annotations": [], "categories": []}', r'images\[0\] is 3'),
    ],
)
def test_other_files_are_refused(tmp_path, text, sentence):
    path = tmp_path / 'other.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_coco(path)


def test_report_finds_the_images_and_prints(tmp_path, capsys):
    path = coco.write(tmp_path / 'annotations/train.json', coco.content(), tmp_path / 'train')
    report(path)
    assert f'3 images in {tmp_path / "train"}, 6 annotations' in capsys.readouterr().out
    Image.new('RGB', (9, 9)).save(tmp_path / 'train/2.png')
    with pytest.raises(ValueError, match='a kind of faults'):
        report(path)
    assert '2.png is 9x9, stated 40x40' in capsys.readouterr().out


def test_command_line(tmp_path):
    path = coco.write(tmp_path / 'train.json', coco.content(), tmp_path / 'images')
    ended = processes.run_tool('check_coco.py', path, cwd=tmp_path)
    assert (ended.status, ended.err) == (0, '')
    content = json.loads(path.read_text())
    content['annotations'][3]['category_id'] = 5
    path.write_text(json.dumps(content))
    ended = processes.run_tool('check_coco.py', path, tmp_path / 'images', cwd=tmp_path)
    assert ended.status == 1
    assert 'annotation 4 (category 5)' in ended.out
    assert ended.err == f'error: {path} has a kind of faults\n'
    ended = processes.run_tool('check_coco.py', path, tmp_path / 'nowhere', cwd=tmp_path)
    assert (ended.status, ended.err.count('\n')) == (1, 1)
