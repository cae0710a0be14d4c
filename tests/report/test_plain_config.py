import math

import pytest
from mmengine.config import Config

from dinomm.report.plain_config import read_plain_config

CONTENT = {
    'model': {'type': 'A', 'sizes': (1, -2.5), 'none': None, 'names': ['a', "it's <b>"]},
    'odd': {'0.weight': 1, 'inside': {'x-y': True}},
    'empty': {},
    'seeds': {1, 2},
    'far': math.inf,
    'near': -math.inf,
}


@pytest.mark.parametrize('formatted', [True, False])
def test_reads_what_mmengine_dumps(tmp_path, formatted):
    file = tmp_path / 'config.py'
    Config(CONTENT, format_python_code=formatted).dump(file)
    assert read_plain_config(file) == CONTENT


@pytest.mark.parametrize(
    'text',
    [
        'import os',
        'a = 1\nb = print(a)',
        'a = dict(b=__import__("os").getcwd())',
        'a = [x for x in (1, 2)]',
        'a = b',
        'a = dict(1, 2)',
        'a = {**dict(b=1)}',
        'if True:\n    a = 1',
        'a = 1 + 1',
        'a = dict(',
        'a = -"b"',
        'a = {[]: 1}',
        'a = dict("b")',
        'a = b"\\0"\0',
    ],
)
def test_code_is_refused_and_not_run(tmp_path, text):
    file = tmp_path / 'config.py'
    file.write_text(text)
    with pytest.raises(ValueError, match=r'config\.py'):
        read_plain_config(file)
