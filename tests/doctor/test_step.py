import subprocess
import sys

from dinomm.doctor import step
from dinomm.doctor.step import measure_step

SHORT = {'error': 'CUDA out of memory', 'out_of_memory': True, 'is_sentence': False}
OPTIONS = {'steps': 1, 'seconds': 1.0, 'processes': 1, 'memory': None}


def run(monkeypatch, fits, error=None):
    tried, told = [], []

    def probe(args, options):
        tried.append(options['batch_size'])
        if (options['batch_size'] or 12) > fits:
            return SHORT
        return error or {'batch_size': options['batch_size'] or 12}

    monkeypatch.setattr(step, '_run_probe', probe)
    return measure_step(None, 12, OPTIONS, told.append), tried, told


def test_fits(monkeypatch):
    found, tried, _ = run(monkeypatch, 12)
    assert found.figures == {'batch_size': 12} and found.too_large == () and tried == [None]


def test_halves_until_it_fits(monkeypatch):
    found, tried, told = run(monkeypatch, 3)
    assert found.figures == {'batch_size': 3} and found.too_large == (12, 6)
    assert tried == [None, 6, 3] and 'trying 6' in told[0]


def test_nothing_fits(monkeypatch):
    found, _, _ = run(monkeypatch, 0)
    assert found.figures is None and found.too_large == (12, 6, 3, 1)


def test_other_errors(monkeypatch):
    found, _, _ = run(monkeypatch, 12, {'error': 'no', 'is_sentence': True})
    assert found.error['error'] == 'no' and found.too_large == ()


TOO_MUCH = """
import torch
from dinomm.doctor.step_probe import failure, limit_memory, peak_memory
before = peak_memory()
limit_memory(2**28)
torch.ones(2**24)
try:
    torch.ones(2**28)
except Exception as error:
    assert failure(error)['out_of_memory'], error
else:
    raise SystemExit('no limit')
assert 2**25 < peak_memory() - before < 2**28
"""


def test_memory_is_limited_before_the_machine_is_out_of_it():
    ended = subprocess.run(
        [sys.executable, '-c', TOO_MUCH], capture_output=True, text=True, cwd=step.ROOT
    )
    assert ended.returncode == 0, ended.stderr


def test_process_that_is_killed(monkeypatch):
    def killed(*args, **kwargs):
        return subprocess.CompletedProcess(args, -9, b'', b'last words')

    monkeypatch.setattr(subprocess, 'run', killed)
    found = measure_step(None, 1, OPTIONS, print)
    assert found.too_large == (1,) and 'signal 9' in found.error['error']
