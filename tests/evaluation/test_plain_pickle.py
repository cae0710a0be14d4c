import builtins
import os
import pickle

import numpy as np
import pytest

from dinomm.evaluation.plain_pickle import load_plain_pickle

CONTENT = {
    'imlist': ['a', 'b'],
    'gnd': [{'bbx': (1.5, 2.0), 'easy': np.array([3, 1]), 'hard': np.array([], dtype=int)}],
    'more': [None, True, np.float64(2.5), np.int32(4), np.arange(6.0).reshape(2, 3).T],
}


def same(actual, expected):
    if isinstance(expected, np.ndarray):
        return actual.dtype == expected.dtype and np.array_equal(actual, expected)
    if isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(
            same(actual[k], expected[k]) for k in actual
        )
    if isinstance(expected, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return actual == expected


@pytest.mark.parametrize('protocol', range(6))
def test_plain_content_of_every_protocol(tmp_path, protocol):
    path = tmp_path / 'gnd.pkl'
    path.write_bytes(pickle.dumps(CONTENT, protocol))
    assert same(load_plain_pickle(path), CONTENT)


def test_a_pickle_of_python_2_and_numpy_1(tmp_path):
    """Byte strings for text and for an array's content, numpy's old module names."""
    text = (
        b"(dp0\nS'easy'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n"
        b"(I0\ntS'b'\ntRp4\n(I1\n(I2\ntcnumpy\ndtype\np5\n(S'i2'\nI0\nI1\ntRp6\n(I3\nS'<'\nNNN"
        b"I-1\nI-1\nI0\ntbI00\nS'\\x03\\x00\\xff\\x00'\ntbs."
    )
    path = tmp_path / 'gnd.pkl'
    path.write_bytes(text)
    loaded = load_plain_pickle(path)
    assert loaded['easy'].dtype == np.int16 and loaded['easy'].tolist() == [3, 255]


class Hostile:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_a_hostile_pickle_runs_nothing(tmp_path, protocol):
    witness, path = tmp_path / 'witness', tmp_path / 'gnd.pkl'
    for attack in (
        Hostile(os.system, f'touch {witness}'),
        Hostile(builtins.exec, f'open({str(witness)!r}, "w")'),
        Hostile(getattr, 'text', 'upper'),
        Hostile(np.save, str(witness), 1),
    ):
        path.write_bytes(pickle.dumps({'gnd': [attack]}, protocol))
        with pytest.raises(ValueError, match=r'no pickle of plain data .*nothing in it was run'):
            load_plain_pickle(path)
    assert not witness.exists() and not list(tmp_path.glob('witness*'))


def test_a_name_smuggled_in_behind_a_stand_in(tmp_path):
    """STACK_GLOBAL with a dotted path, through the class that stands for numpy's array."""
    path = tmp_path / 'gnd.pkl'
    path.write_bytes(b'\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.')
    with pytest.raises(ValueError, match=r'numpy\.ndarray\.__init__'):
        load_plain_pickle(path)


@pytest.mark.parametrize(
    'content',
    [
        pytest.param(b'', id='empty'),
        pytest.param(b'not a pickle', id='text'),
        pytest.param(pickle.dumps(CONTENT)[:-9], id='cut'),
        pytest.param(pickle.dumps(np.array([{}], dtype=object)), id='array of objects'),
        pytest.param(pickle.dumps({1, 2}), id='set'),
        pytest.param(pickle.dumps(np.dtype('i4')), id='type'),
    ],
)
def test_anything_else_is_a_sentence(tmp_path, content):
    path = tmp_path / 'gnd.pkl'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'gnd.pkl is no pickle of plain data'):
        load_plain_pickle(path)


def test_a_list_that_holds_itself(tmp_path):
    endless = []
    endless.append(endless)
    (tmp_path / 'gnd.pkl').write_bytes(pickle.dumps(endless))
    with pytest.raises(ValueError, match='RecursionError'):
        load_plain_pickle(tmp_path / 'gnd.pkl')
