"""Runs the tools in processes of their own, without importing torch anew for each.

A server that has imported the packages is forked for every process.
"""

import multiprocessing
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from yapf.yapflib import yapf_api

from .tiny import ROOT

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['matplotlib.pyplot', 'dinomm.models'])
TIMEOUT = 300


@HOOKS.register_module(force=True)
class KilledAt(Hook):
    """Kills its process as a power cut would, after an iteration and its checkpoint."""

    priority = 'LOWEST'

    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def unformatted(code: str, **_) -> tuple[str, bool]:
    """Stands in for yapf."""
    return code, True


class Ended(NamedTuple):
    """A process that has ended."""

    status: int
    out: str
    err: str


def run_tool(tool: str, *arguments, cwd: Path, **variables: str) -> Ended:
    """Runs tools/TOOL with arguments in ``cwd``."""
    return _finish(_start(tool, arguments, cwd, cwd, variables))


def run_on(num_processes: int, tool: str, *arguments, cwd: Path) -> list[Ended]:
    """As torchrun would: ``num_processes`` of them, with ranks and a meeting point."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(num_processes):
        logs = cwd / f'rank{rank}'
        logs.mkdir(parents=True, exist_ok=True)
        variables = {
            'RANK': str(rank),
            'LOCAL_RANK': str(rank),
            'WORLD_SIZE': str(num_processes),
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': str(port),
        }
        arguments_of_rank = (*arguments, '--launcher', 'pytorch')
        started.append(_start(tool, arguments_of_rank, cwd, logs, variables))
    return [_finish(process) for process in started]


def _start(tool: str, arguments, cwd: Path, logs: Path, variables: dict[str, str]):
    arguments = [str(argument) for argument in arguments]
    process = CONTEXT.Process(target=_main, args=(tool, arguments, cwd, logs, variables))
    process.start()
    return process, logs


def _finish(started) -> Ended:
    process, logs = started
    process.join(TIMEOUT)
    if process.is_alive():
        process.kill()
        raise TimeoutError((logs / 'stderr').read_text())
    return Ended(process.exitcode, (logs / 'stdout').read_text(), (logs / 'stderr').read_text())


def _main(tool: str, arguments: list[str], cwd: Path, logs: Path, variables: dict[str, str]):
    for number, name in ((1, 'stdout'), (2, 'stderr')):
        file = os.open(logs / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.chdir(cwd)
    os.environ.update(variables)
    torch.set_num_threads(1)  # as in the pytest process: bits depend on how sums are split
    yapf_api.FormatCode = unformatted
    script = str(ROOT / 'tools' / tool)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name='__main__')
