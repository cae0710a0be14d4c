import json

import pytest

from dinomm.evaluation.verdict import Verdict, read_verdicts

BAD = Verdict('bad', 'Collapse, head view', 'It <collapsed>.', is_collapse=True)


def test_verdicts_are_read_as_they_were_written(tmp_path):
    path = tmp_path / 'health.json'
    path.write_text(json.dumps({'verdicts': [BAD._asdict()], 'measures': {}}))
    assert read_verdicts(path) == [BAD]


@pytest.mark.parametrize(
    'content',
    ['', '{"verd', '[]', '{}', '{"verdicts": 3}', '{"verdicts": [{"state": "odd"}]}', '\xff', '7'],
)
def test_another_file_has_none(tmp_path, content):
    path = tmp_path / 'health.json'
    assert read_verdicts(path) == []
    path.write_bytes(content.encode('latin1'))
    assert read_verdicts(path) == []
