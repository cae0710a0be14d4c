import subprocess
import sys

import pytest

from tests.integration.tiny import ROOT

from .runs import write_session


def run(*arguments):
    command = [sys.executable, str(ROOT / 'tools/report.py'), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_writes_a_report(tmp_path):
    ended = run(write_session(tmp_path / 'run', '1', []), '--out', tmp_path / 'a' / 'run.html')
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / 'a/run.html').read_text().startswith('<!doctype html>')
    assert f'written to {tmp_path}/a/run.html' in ended.stdout
    assert 'not made, the report says why: Curves, ' in ended.stdout


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['/nowhere'], 'error: /nowhere is no folder'),
        (['/'], 'work directory that tools/train.py wrote'),
        (['/', '--images', '0'], 'error: --images is 0'),
        (['/', '--data', '/nowhere'], 'error: --data /nowhere does not exist'),
    ],
)
def test_wrong_arguments(arguments, words):
    ended = run(*arguments)
    assert ended.returncode == 1
    assert words in ended.stderr
    assert 'Traceback' not in ended.stderr
