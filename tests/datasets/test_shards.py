"""Tar shards stand in for files: the same images give the same samples."""

import os
import pickle
import shutil

import pytest
import torch
from torch.utils.data import DataLoader

from dinomm.datasets import EpochSampler, ImageFiles, SampleKey, collate_views, listing
from dinomm.datasets.listing import find_images
from dinomm.datasets.packing import ShardSize, numbered_by_folder, pack
from dinomm.datasets.storage import OpenFiles
from dinomm.datasets.transforms.loading import BrokenImageError
from dinomm.progress import Progress

from .tars import make_tar

VIEWS = [
    dict(size=16, scale=(0.4, 1.0), num=2, flip=0.5, jitter=dict(prob=0.8, hue=0.1)),
    dict(size=8, scale=(0.05, 0.4), num=2, blur=dict(prob=0.5)),
]
PIPELINE = [dict(type='LoadImage'), dict(type='MultiCrop', views=VIEWS), dict(type='PackViews')]


def packed(folder, out, count=5, **options):
    images = numbered_by_folder(find_images(folder))
    return pack(images, out, 'x', ShardSize(count, 'images'), Progress(print), **options).shards


def epochs(data, workers, epochs=2, **options):
    sampler = EpochSampler(data, seed=3)
    loader = DataLoader(
        data,
        4,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate_views,
        persistent_workers=workers > 0,
        **options,
    )
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        yield from loader


def assert_same(ones, others):
    for one, other in zip(ones, others, strict=True):
        assert all(map(torch.equal, one['inputs'], other['inputs']))
        for a, b in zip(one['data_samples'], other['data_samples'], strict=True):
            assert a.sample_key == b.sample_key and (a.boxes == b.boxes).all()
            assert a.get('gt_label') == b.get('gt_label')
            assert a.img_path.endswith('/'.join(b.img_path.split('/')[-2:]))


@pytest.mark.parametrize('shuffle_seed', [None, 7])
def test_views_equal_those_of_the_files(class_folders, tmp_path_factory, shuffle_seed):
    (class_folders / 'cat/03.png').write_bytes(b'broken')
    out = tmp_path_factory.mktemp('shards')
    packed(class_folders, out, shuffle_seed=shuffle_seed)
    for part in ('train', 'all'):
        files, shards = (
            ImageFiles(root, PIPELINE, labels='folder', part=part) for root in (class_folders, out)
        )
        assert list(files.paths) == list(shards.paths)
        assert files.metainfo == shards.metainfo
        assert torch.equal(files.labels, shards.labels)
        assert_same(epochs(files, 0), epochs(shards, 2))
        broken = [path.removeprefix(str(class_folders)) for path in files.bad_images]
        assert len(broken) == len(shards.bad_images) <= 1
        assert all(map(str.endswith, shards.bad_images, broken))


def test_a_pattern_a_shard_and_a_folder(class_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp('shards')
    packed(class_folders, out)
    assert len(ImageFiles(out)) == len(ImageFiles(out / 'x-{000000..000002}.tar')) == 12
    assert len(ImageFiles(f'{out}/x-00000{{1,2}}.tar')) == 7
    data = ImageFiles(str(out / 'x-000001.tar'))
    assert data.labels.tolist() == [0, 1, 1, 1, 1]
    assert data.image_path(0) == f'{out}/x-000001.tar/cat/11.png'
    with pytest.raises(ValueError, match=r'2 of its 5 shards do not exist, .*x-000003\.tar'):
        ImageFiles(out / 'x-{000000..000004}.tar')
    with pytest.raises(ValueError, match=r'\{4\.\.2\} in .* does not ascend'):
        ImageFiles(out / 'x-{4..2}.tar')


def test_the_same_name_in_two_shards_is_two_images(tmp_path):
    for i in range(2):
        (tmp_path / f'{i}.tar').write_bytes(make_tar([('1.jpg', bytes([i])), ('0.jpg', b'x')]))
    data = ImageFiles(tmp_path)
    samples = [data[i] for i in range(4)]
    assert [s['img_path'].removeprefix(f'{tmp_path}/') for s in samples] == [
        '0.tar/0.jpg',
        '1.tar/0.jpg',
        '0.tar/1.jpg',
        '1.tar/1.jpg',
    ]
    assert [s['img_bytes'] for s in samples] == [b'x', b'x', b'\0', b'\1']


@pytest.mark.parametrize(
    ('files', 'says'),
    [
        (['a.jpg', 'b/c.tar'], r'both 1 images \(a.jpg, ...\) and 1 tar files \(b/c.tar, ...\)'),
        (['a.tar.gz'], r'a.tar.gz is compressed, .* unpack it to a plain .tar'),
        (['a.tar'], 'a.tar is empty'),
    ],
)
def test_folders_that_are_refused(tmp_path, files, says):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=says):
        ImageFiles(tmp_path)


def test_a_shard_without_images(tmp_path):
    (tmp_path / 'a.tar').write_bytes(make_tar([('a.txt', b'x')]))
    with pytest.raises(ValueError, match='no images found in the 1 shards'):
        ImageFiles(tmp_path)


def test_labels_that_are_not_complete_are_left_out(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(listing, 'print_log', lambda line, *_: lines.append(line))
    members = [('a.jpg', b''), ('a.cls', b'1'), ('b.jpg', b'')]
    (tmp_path / 'a.tar').write_bytes(make_tar(members))
    assert ImageFiles(tmp_path).labels is None
    assert '1 of 2 images' in lines[0] and 'b.jpg for example' in lines[0]


def test_class_names_in_cls(tmp_path):
    members = [('a.jpg', b''), ('a.cls', b'sea'), ('b.jpg', b''), ('b.cls', b'air')]
    (tmp_path / 'a.tar').write_bytes(make_tar(members))
    data = ImageFiles(tmp_path)
    assert data.metainfo == {'classes': ('air', 'sea')}
    assert [data[i]['gt_label'] for i in range(2)] == [1, 0]


def test_a_shard_cut_after_indexing(class_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp('shards')
    packed(class_folders, out, count=12)
    data = ImageFiles(out, PIPELINE)
    with open(out / 'x-000000.tar', 'rb+') as file:
        file.truncate(5000)
    with pytest.raises(BrokenImageError, match='the shard ends inside it'):
        data.storage.content(11, data.paths[11])
    sample = data[SampleKey(0, 0, 11)]['data_samples']
    assert sample.img_path == f'{out}/x-000000.tar/cat/01.png'
    assert data.bad_images == [f'{out}/x-000000.tar/dog/10.png']


def test_a_lost_shard_is_no_broken_image(class_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp('shards')
    packed(class_folders, out)
    data = ImageFiles(out, PIPELINE)
    shutil.rmtree(out)
    with pytest.raises(FileNotFoundError, match=r'x-000000\.tar'):
        data[0]
    assert data.bad_images == []


def test_open_files_are_few(tmp_path):
    for i in range(5):
        (tmp_path / str(i)).write_text(str(i))
    files = OpenFiles(most=2)
    read = [os.pread(files.get(str(tmp_path / i)).fileno(), 9, 0) for i in '0102030412']
    assert read == [i.encode() for i in '0102030412']
    assert len(os.listdir('/proc/self/fd')) - _open_without(files) == 2
    assert len(pickle.loads(pickle.dumps(files))._files) == 0


def _open_without(files):
    for file in files._files.values():
        file.close()
    return len(os.listdir('/proc/self/fd'))


def test_spawned_workers_get_shared_memory(class_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp('shards')
    packed(class_folders, out)
    data = ImageFiles(out, PIPELINE, labels='folder')
    expected = list(epochs(data, 0, epochs=1))
    assert_same(expected, epochs(data, 1, epochs=1, multiprocessing_context='spawn'))
    for tensor in (data.paths._bytes, data.paths._starts, data.labels, data.storage._places):
        assert tensor.is_shared()
