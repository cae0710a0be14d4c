import os
import signal
import time

import pytest

from . import run
from .kinds import MIB, Kind
from .run import KINDS, content_of, counts, run_kind, table

SHORT = 600
LONG = 10_000


def fuzz(name, inputs, tmp_path, seed=0):
    outcome = run_kind(name, seed, range(inputs), tmp_path / 'failures')
    assert not outcome.failures, '\n'.join(map(str, outcome.failures))
    assert outcome.refused + outcome.read == inputs
    return outcome


@pytest.mark.parametrize('name', KINDS)
def test_malformed_inputs_are_read_or_refused(name, tmp_path):
    outcome = fuzz(name, counts(SHORT)[name], tmp_path)
    assert outcome.refused  # else the inputs are not malformed


@pytest.mark.slow
@pytest.mark.parametrize('name', KINDS)
def test_many_malformed_inputs_are_read_or_refused(name, tmp_path):
    outcome = fuzz(name, counts(LONG)[name], tmp_path, seed=1)
    assert outcome.refused > outcome.read / 20
    print(*table({name: outcome}), sep='\n')


def test_the_long_version_has_as_many_as_promised():
    assert sum(counts(LONG).values()) >= LONG


def test_an_input_is_the_same_every_time():
    for kind in KINDS.values():
        assert content_of(kind, 3, 7) == content_of(kind, 3, 7) != content_of(kind, 3, 8)


def text(rng):
    return rng.choice((b'good', b'bad'))


def leak(path):
    return bytearray(300 * MIB)


def spin(path):
    start = time.process_time()
    while time.process_time() < start + 30:
        pass


def die(path):
    os.kill(os.getpid(), signal.SIGKILL)


def crash(path):
    raise ValueError('not of dinomm')


@pytest.mark.parametrize(
    ('read', 'reason'),
    [
        (leak, 'MiB more than before'),
        (spin, 'it takes more than'),
        (die, 'the process ended with status -9'),
        (crash, 'ValueError: not of dinomm'),
    ],
)
def test_what_must_not_happen_is_seen(read, reason, tmp_path, monkeypatch):
    kind = Kind('broken', 1.0, '.txt', text, read)
    monkeypatch.setitem(KINDS, 'broken', kind)
    monkeypatch.setattr(run, 'SECONDS', 0.3)
    monkeypatch.setattr(run, 'CONTEXT', run.multiprocessing.get_context('fork'))  # knows the kind
    outcome = run_kind('broken', 0, range(2), tmp_path)
    assert [failure.number for failure in outcome.failures] == [0, 1]
    for failure in outcome.failures:
        assert reason in failure.reason
        assert failure.file.read_bytes() == content_of(kind, 0, failure.number)
