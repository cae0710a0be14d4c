"""What a config imports to be killed, signalled or short of space at a chosen moment."""

import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, OPTIM_WRAPPERS, TRANSFORMS

from dinomm.checkpoints.files import AtomicLocalBackend
from dinomm.engine import DINOAmpOptimWrapper


@HOOKS.register_module(force=True)
class KilledSoonAfter(Hook):
    """SIGKILL some seconds after the beginning of the n-th iteration of this process."""

    def __init__(self, iteration: int, seconds: float):
        self.left, self.seconds = iteration, seconds

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.left -= 1
        if self.left == 0:
            threading.Timer(self.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()


@HOOKS.register_module(force=True)
class Signalled(Hook):
    """Sends its process signals at a moment: 'step', 'validation', or half-way 'write'.

    Args:
        at: The moment.
        number: Which of them, counted from 1.
        signals: Their names, sent one after another.
        rank: Of the process that gets them.
        to_group: To all processes of its group, the workers among them.
    """

    def __init__(self, at: str, number: int, signals=('SIGTERM',), rank=0, to_group=False):
        self.at, self.left, self.rank, self.to_group = at, number, rank, to_group
        self.signals = [getattr(signal, name) for name in signals]

    def before_run(self, runner):
        self.mine = runner.rank == self.rank
        if self.to_group:
            os.setpgid(0, 0)
        if self.at == 'write':
            put = AtomicLocalBackend.put

            def signalled_put(backend, obj, filepath):
                if str(filepath).endswith('.pth'):
                    fsync, os.fsync = os.fsync, self._at_fsync
                    try:
                        return put(backend, obj, filepath)
                    finally:
                        os.fsync = fsync
                return put(backend, obj, filepath)

            AtomicLocalBackend.put = signalled_put

    def _at_fsync(self, _descriptor):
        self._moment('write')

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._moment('step')

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self._moment('validation')

    def _moment(self, name):
        if name != self.at or not self.mine:
            return
        self.left -= 1
        if self.left == 0:
            for number in self.signals:
                if not self.to_group:
                    os.kill(os.getpid(), number)
                    continue
                command = ['kill', f'-{int(number)}', '--', f'-{os.getpgid(0)}']
                subprocess.run(command, start_new_session=True, check=True)
                time.sleep(0.2)


@HOOKS.register_module(force=True)
class SmallFiles(Hook):
    """From an iteration on no file may become larger than so many bytes, as on a full disk."""

    def __init__(self, iteration: int, size: int):
        self.iteration, self.size = iteration, size

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))


@TRANSFORMS.register_module(force=True)
class Faulty:
    """A transform that hangs, or kills its worker, at one file."""

    def __init__(self, path: str, how: str):
        self.path, self.how = path, how

    def __call__(self, results):
        if Path(results['img_path']).name == self.path:
            if self.how == 'hangs':
                time.sleep(1000)
            os.kill(os.getpid(), signal.SIGKILL)
        return results


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledOnCPU(DINOAmpOptimWrapper):
    """The float16 wrapper's scaler, with bfloat16 on a CPU; the first steps overflow."""

    def _build_scaler(self, loss_scale):
        return torch.amp.GradScaler('cpu', init_scale=2.0**127, growth_interval=4)

    def __init__(self, **kwargs):
        super().__init__(dtype='bfloat16', **kwargs)
        self.loss_scaler = self._build_scaler(0)
