"""What very many entries cost a data set: run as a process that measures itself."""

import json
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np

KINDS = ('list', 'shards', 'python list')
WORKERS = 2
PER_SHARD = 10_000
MEMBER = 1536  # bytes of a member with its header


def image_names(entries: int) -> list[str]:
    """Paths as ImageNet's, 1,000 a folder."""
    return [f'n{i // 1000:08d}/n{i // 1000:08d}_{i % 1000:06d}.JPEG' for i in range(entries)]


def write_list(folder: Path, entries: int) -> Path:
    """A list file with labels; only its first image exists."""
    names = image_names(entries)
    (folder / names[0]).parent.mkdir()
    (folder / names[0]).touch()
    lines = (f'{name} {i // 1000}\n' for i, name in enumerate(names))
    (folder / 'list.txt').write_text(''.join(lines))
    return folder / 'list.txt'


def write_index_of_shards(folder: Path, entries: int) -> Path:
    """Tar files of the right length without content, and their indexes."""
    from dinomm.datasets.index_files import save_index
    from dinomm.datasets.shard_index import ShardIndex

    names = image_names(entries)
    for start in range(0, entries, PER_SHARD):
        part = names[start : start + PER_SHARD]
        shard = folder / f'x-{start // PER_SHARD:06}.tar'
        with open(shard, 'wb') as file:
            file.truncate(len(part) * MEMBER)
        offsets = np.arange(len(part)) * MEMBER + 512
        labels = [str(i // 1000) for i in range(start, start + len(part))]
        sizes = np.full(len(part), MEMBER - 512)
        save_index(shard, ShardIndex(part, labels, offsets, sizes, ''))
    return folder


class PythonList:
    """The common way: a list of tuples, which every worker comes to copy."""

    def __init__(self, root: str) -> None:
        pairs = (line.split() for line in Path(root).read_text().splitlines())
        folder = Path(root).parent
        self.samples = [(f'{folder}/{path}', int(label)) for path, label in pairs]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key) -> int:
        path, label = self.samples[key.index]
        return len(path) + label


def measure(kind: str, root: str) -> dict[str, float]:
    """Seconds until the data set can be read; MiB of the main process and of a worker.

    A worker's memory is read after its first samples and after an epoch: 'private' is what no
    other process has, PSS adds its share of the rest.
    """
    from torch.utils.data import DataLoader

    from dinomm.datasets import EpochSampler, ImageFiles

    start = time.perf_counter()
    data = PythonList(root) if kind == 'python list' else ImageFiles(root, [_length])
    seconds = time.perf_counter() - start
    loader: DataLoader = DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=100,
        sampler=EpochSampler(data, seed=0),
        num_workers=WORKERS,
        multiprocessing_context='fork',
        persistent_workers=True,
    )
    batches = iter(loader)
    next(batches)
    first = _workers()
    main = memory('self')
    for _ in batches:
        pass
    last = _workers()
    return {
        'start_s': seconds,
        'main': main['Rss'],
        'private_first': first['private'],
        'private_last': last['private'],
        'pss_last': last['Pss'],
    }


def memory(process: int | str) -> dict[str, float]:
    """MiB of a process: Rss, Pss, private."""
    lines = Path(f'/proc/{process}/smaps_rollup').read_text().splitlines()[1:]
    kib = {line.split(':')[0]: int(line.split()[1]) for line in lines}
    kib['private'] = kib['Private_Clean'] + kib['Private_Dirty']
    return {name: kib[name] / 1024 for name in ('Rss', 'Pss', 'private')}


def _workers() -> dict[str, float]:
    """The mean over the workers."""
    each = [memory(worker.pid or 'self') for worker in multiprocessing.active_children()]
    return {name: sum(worker[name] for worker in each) / len(each) for name in each[0]}


def _length(results: dict) -> int:
    return len(results['img_path']) + results['gt_label']


if __name__ == '__main__':
    print(json.dumps(measure(*sys.argv[1:])))
