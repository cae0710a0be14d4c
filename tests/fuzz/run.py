"""Reads generated inputs in a process of their own, and judges what comes of it."""

import hashlib
import multiprocessing
import os
import random
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from dinomm.launch import is_sentence

from . import archives, configs, images, texts, weights
from .kinds import MIB, Kind

KINDS = {
    kind.name: kind
    for kind in (images.KIND, *archives.KINDS, *weights.KINDS, *texts.KINDS, *configs.KINDS)
}
SECONDS = 2.0  # of processor time, of one input
PATIENCE = 30  # seconds of a clock: the machine may be busy
ADDRESS_SPACE = 6 * 2**30  # protects the machine; the bound of an input is its kind's
CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['dinomm.models', 'tests.fuzz.run'])  # imported once


class Failure(NamedTuple):
    """An input that did more than be read or be refused by a sentence."""

    kind: str
    seed: int
    number: int
    reason: str
    file: Path

    def __str__(self) -> str:
        return f'{self.kind} {self.number} of seed {self.seed}: {self.reason}\n  {self.file}'


class Outcome(NamedTuple):
    """Of one kind: how many inputs were refused and read, the slowest and the largest."""

    refused: int
    read: int
    seconds: float
    memory: int
    failures: list[Failure]


class TooSlowError(BaseException):
    """An input takes more than :data:`SECONDS`."""


def counts(inputs: int) -> dict[str, int]:
    """How many inputs of each kind, in all at least as many as asked for."""
    total = sum(kind.share for kind in KINDS.values())
    return {name: -int(-inputs * kind.share / total // 1) for name, kind in KINDS.items()}


def content_of(kind: Kind, seed: int, number: int) -> bytes:
    """The same bytes for the same kind, seed and number."""
    return kind.generate(random.Random(f'{kind.name} {seed} {number}'))


def run_kind(name: str, seed: int, numbers: Iterable[int], keep: Path) -> Outcome:
    """Reads inputs of one kind; a child that dies or hangs is replaced and its input named.

    Args:
        name: Of the kind.
        seed: Of all inputs.
        numbers: Of the inputs.
        keep: Folder for those that fail.
    """
    left = list(numbers)
    refused = read = memory = 0
    slowest = 0.0
    failures: list[Failure] = []
    while left:
        ours, theirs = CONTEXT.Pipe()
        child = CONTEXT.Process(target=_child, args=(name, seed, left, theirs))
        child.start()
        theirs.close()
        if not ours.poll(4 * PATIENCE) or ours.recv() != 'ready':
            raise RuntimeError(f'the process for {name} does not start')
        while left:
            reason = None
            try:
                if ours.poll(PATIENCE):
                    state, seconds, grown, reason = ours.recv()
                else:
                    state, seconds, grown, reason = 'failed', PATIENCE, 0, 'it hangs'
                    child.kill()
            except EOFError:
                child.join()
                state, seconds, grown = 'failed', 0.0, 0
                reason = f'the process ended with status {child.exitcode}'
            number = left.pop(0)
            slowest, memory = max(slowest, seconds), max(memory, grown)
            read += state == 'read'
            refused += state == 'refused'
            if state == 'failed':
                failures.append(_failure(name, seed, number, reason or '', keep))
                if not child.is_alive() or 'hangs' in (reason or ''):
                    break
        ours.close()
        child.join(PATIENCE)
        child.kill()
    return Outcome(refused, read, slowest, memory, failures)


def _failure(name: str, seed: int, number: int, reason: str, keep: Path) -> Failure:
    content = content_of(KINDS[name], seed, number)
    digest = hashlib.sha256(content).hexdigest()[:12]
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / f'{name}-{digest}{KINDS[name].suffix}'
    file.write_bytes(content)
    return Failure(name, seed, number, reason, file)


def _child(name: str, seed: int, numbers: list[int], results: Connection) -> None:
    kind = KINDS[name]
    warnings.simplefilter('ignore')
    kind.generate(random.Random(0))
    for stream in (1, 2):  # decoders in C talk there, and Runners
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    signal.signal(signal.SIGPROF, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (_now('VmSize') + ADDRESS_SPACE,) * 2)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        results.send('ready')
        for number in numbers:
            path = Path(folder, f'{number}{kind.suffix}')
            path.write_bytes(content_of(kind, seed, number))
            results.send(judged(kind, path))
            path.unlink(missing_ok=True)
        os.chdir('/')


def judged(kind: Kind, path: Path) -> tuple[str, float, int, str | None]:
    """What became of an input: 'read', 'refused' or 'failed'; seconds, bytes and the reason."""
    before = _now('VmRSS')
    Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    start = time.process_time()
    reason = None
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        kind.read(path)
        state = 'read'
    except TooSlowError:
        state, reason = 'failed', f'it takes more than {SECONDS} s: {_where()}'
    except BaseException as error:
        state = 'refused' if is_sentence(error) else 'failed'
        reason = None if state == 'refused' else _described(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds, grown = time.process_time() - start, _now('VmHWM') - before
    if state != 'failed' and grown > kind.memory:
        state, reason = 'failed', f'{grown / MIB:.0f} MiB more than before'
    return state, seconds, grown, reason


def _too_slow(*_) -> None:
    raise TooSlowError


def _described(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f'{type(error).__name__}: {error!s:.300} ({frame.filename}:{frame.lineno})'


def _where() -> str:
    return traceback.format_exc().strip().splitlines()[-3].strip()


def _now(name: str) -> int:
    """Bytes, of the process."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(name + ':'):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def table(outcomes: dict[str, Outcome]) -> list[str]:
    """Lines for a person."""
    lines = [f'{"kind":<12}{"inputs":>8}{"refused":>9}{"read":>8}{"failed":>8}{"s":>7}{"MiB":>7}']
    sums: Counter[str] = Counter()
    for name, outcome in outcomes.items():
        failed = len(outcome.failures)
        total = outcome.refused + outcome.read + failed
        sums.update(total=total, failed=failed)
        lines.append(
            f'{name:<12}{total:>8}{outcome.refused:>9}{outcome.read:>8}{failed:>8}'
            f'{outcome.seconds:>7.2f}{outcome.memory / MIB:>7.0f}'
        )
    lines.append(f'{sums["total"]} inputs, {sums["failed"]} failed; s and MiB: of the worst input')
    return lines
