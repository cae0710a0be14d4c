import multiprocessing
import os
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from dinomm.datasets.workers import (
    RECENT,
    WorkerError,
    WorkerLog,
    guard_workers,
    worker_failures_named,
)


class Numbers(Dataset):
    """Samples are their numbers; number ``dies`` ends the worker."""

    def __init__(self, dies=-1):
        self.dies = dies
        self.worker_log = None

    def __len__(self):
        return 12

    def image_path(self, index):
        return f'file{index}'

    def __getitem__(self, index):
        if self.worker_log is not None:
            self.worker_log.begin(index)
        if index == self.dies:
            os._exit(7)
        if self.worker_log is not None:
            self.worker_log.end()
        return index


def test_notes_the_last_samples_of_each_worker():
    loader = DataLoader(Numbers(), batch_size=3, num_workers=2)
    guard_workers(loader)
    assert torch.cat(list(loader)).tolist() == list(range(12))
    log = loader.dataset.worker_log
    assert [log.recent(worker) for worker in (0, 1)] == [[8, 7, 6], [11, 10, 9]]
    assert len(log.recent(0)) == RECENT and len(set(log.pids())) == 2
    assert log.busy() == []


def test_before_the_first_sample_nothing_is_known():
    log = WorkerLog(2)
    assert log.recent(1) == [] and log.pids() == [0, 0] and log.busy() == []
    log.begin(3)  # in no worker
    assert log.recent(0) == []


def test_keeps_the_own_function_of_the_loader():
    started = torch.zeros(2).share_memory_()

    def own(worker):
        started[worker] = 1

    loader = DataLoader(Numbers(), batch_size=3, num_workers=2, worker_init_fn=own)
    guard_workers(loader)
    list(loader)
    assert started.tolist() == [1, 1]


def test_a_worker_that_ends_by_itself_is_named():
    loader = DataLoader(Numbers(dies=4), batch_size=3, num_workers=2)
    guard_workers(loader)
    says = r'worker 1 of a\.b .*died.*the newest first: file4, file3\.'
    with pytest.raises(WorkerError, match=says), worker_failures_named({'a.b': loader}):
        list(loader)


def test_a_loader_that_nobody_guards():
    loader = DataLoader(Numbers(dies=4), batch_size=3, num_workers=1)
    with pytest.raises(WorkerError, match='a worker that loads data'):  # noqa: SIM117
        with worker_failures_named({'a.b': loader}):
            list(loader)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match='mine') as error, worker_failures_named({}):
        raise RuntimeError('mine')
    assert not isinstance(error.value, WorkerError)


def test_a_connection_that_breaks_before_the_process_has_ended():
    """What torch raises if a worker dies while it hands over a batch."""
    loader = DataLoader(Numbers(), batch_size=3, num_workers=1)
    guard_workers(loader)
    context = multiprocessing.get_context('fork')
    child = context.Process(target=time.sleep, args=(0.3,))
    child.start()
    log = loader.dataset.worker_log
    log.start(0, child.pid)
    log._since[0] = 1.0
    with pytest.raises(WorkerError, match=r'worker 0 of a\.b .*died: it vanished'):  # noqa: SIM117
        with worker_failures_named({'a.b': loader}):
            raise ConnectionResetError
    log._since[0] = 0
    with pytest.raises(ConnectionResetError), worker_failures_named({'a.b': loader}):
        raise ConnectionResetError
