import json
import mmap
import os
from pathlib import Path

import pytest

from dinomm.benchmark import loader, loader_scale
from dinomm.benchmark.loader import LoaderSize, compare_loaders
from dinomm.datasets import ImageFiles

PROC = pytest.mark.skipif(not Path('/proc/self/smaps_rollup').exists(), reason='needs Linux')


@PROC
def test_the_report_names_everything(monkeypatch):
    monkeypatch.setattr(loader_scale, 'PER_SHARD', 1000)
    monkeypatch.setattr(loader, 'FEW', 200)
    monkeypatch.setattr(loader, '_measure_in_process', loader_scale.measure)
    monkeypatch.setattr(loader.os, 'sync', lambda: None)  # for all disks of the machine
    lines = []
    figures = compare_loaders(LoaderSize(images=16, entries=2500, rounds=2), lines.append)
    json.dumps(figures)
    assert list(figures['scale']) == ['list', 'shards', 'python list']
    for scale in figures['scale'].values():
        assert scale['start_s'] > 0 and scale['mib']['private_last'] > 0
    speed = figures['speed']
    speed.pop('mib')
    assert len(speed) == 5
    for name, figure in speed.items():
        assert figure['images_per_s'].keys() == {'files', 'shards'}
        assert len(figure['ratios']) == 2 and figure['ratio'] > 0
        assert any(line.startswith(name.partition(',')[0]) for line in lines)
        if name.endswith('in memory'):
            assert max(figure['share_from_disk'].values()) == 0


def test_both_sources_hold_the_same_images(tmp_path, monkeypatch):
    monkeypatch.setattr(loader.os, 'sync', lambda: None)
    sources = loader.write_sources(5, tmp_path)
    files, shards = (ImageFiles(source, loader.transforms('read')) for source in sources.values())
    assert [files[i] for i in range(5)] == [shards[i] for i in range(5)]
    assert files[0].startswith(b'\xff\xd8')


def test_synthetic_entries_are_the_same(tmp_path):
    for name in ('a', 'b'):
        os.mkdir(tmp_path / name)
    listed = ImageFiles(loader_scale.write_list(tmp_path / 'a', 12_000))
    shards = ImageFiles(loader_scale.write_index_of_shards(tmp_path / 'b', 12_000))
    assert len(list((tmp_path / 'b').glob('*.tar'))) == 2
    assert list(listed.paths) == list(shards.paths)
    assert listed.labels.tolist() == shards.labels.tolist()
    assert len(shards[11_999]['img_bytes']) == 1024


@PROC
def test_memory_of_a_process():
    before = loader_scale.memory('self')
    # pages of its own: what Python allocates may lie in memory that was freed before
    with mmap.mmap(-1, 2**26, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        block.write(os.urandom(2**26))
        after = loader_scale.memory('self')
    assert after['private'] - before['private'] == pytest.approx(64, abs=8)
    assert after['Rss'] >= after['private']
