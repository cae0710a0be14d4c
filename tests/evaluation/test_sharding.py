import pytest
import torch
import torch.multiprocessing

from dinomm.evaluation import sharding
from dinomm.evaluation.sharding import drop_padding, gather_rows


def run_share(rank, processes, folder, images):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=processes
    )
    padded = torch.arange(-(-images // processes) * processes) % images
    share = drop_padding(padded[rank::processes], images)
    rows = share[:, None] * torch.ones(3)
    torch.save((gather_rows(share), gather_rows(rows)), f'{folder}/{rank}')
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(('processes', 'images'), [(2, 16), (2, 17), (3, 10), (3, 2), (3, 1)])
def test_rows_come_back_once_and_in_order(monkeypatch, tmp_path, processes, images):
    monkeypatch.setattr(sharding, 'GATHER_CHUNK', 3)
    torch.multiprocessing.start_processes(
        run_share, (processes, tmp_path, images), nprocs=processes, start_method='fork'
    )
    for rank in range(processes):
        labels, rows = torch.load(tmp_path / str(rank))
        assert labels.tolist() == list(range(images))
        assert torch.equal(rows, labels[:, None].expand(-1, 3).float())


def test_one_process_keeps_its_rows():
    rows = torch.randn(5, 2)
    assert torch.equal(gather_rows(drop_padding(rows, 5)), rows)


def test_too_many_rows():
    with pytest.raises(ValueError, match='6 of 5 images'):
        drop_padding(torch.zeros(6), 5)
