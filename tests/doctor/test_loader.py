import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from dinomm.datasets.transforms.raw_view import RawView
from dinomm.datasets.workers import WorkerError
from dinomm.doctor.loader import LoaderSpeed, measure_loader, tensor_bytes


class Slow(Dataset):
    """Images that take 10 ms each."""

    def __init__(self, dies: bool = False):
        self.dies = dies

    def __len__(self):
        return 12

    def __getitem__(self, index):
        if self.dies:
            torch.multiprocessing.current_process().kill = None
            import os

            os.kill(os.getpid(), 9)
        time.sleep(0.01)
        return torch.zeros(3, dtype=torch.uint8)


@pytest.mark.parametrize('workers', [0, 2])
def test_speed(workers):
    loader = DataLoader(Slow(), 4, num_workers=workers, persistent_workers=workers > 0)
    found = measure_loader(loader, 4, seconds=0.6)
    most = 100 * max(1, workers)
    assert most / 4 < found.images_per_s < 1.3 * most
    assert (found.workers, found.batch_bytes) == (workers, 12)


def test_worker_that_dies_is_named():
    with pytest.raises(WorkerError, match='died'):
        measure_loader(DataLoader(Slow(dies=True), 4, num_workers=1), 4, seconds=0.2)


def test_shared_memory():
    assert LoaderSpeed(1.0, 3, 1, 100, 2).shared_bytes == 700
    assert LoaderSpeed(1.0, 0, 1, 100, 2).shared_bytes == 0


def test_bytes_of_all_tensors():
    view = RawView(torch.zeros(2, 3, dtype=torch.uint8), ())
    assert tensor_bytes({'inputs': [torch.zeros(4), view], 'names': ['a']}) == 22
