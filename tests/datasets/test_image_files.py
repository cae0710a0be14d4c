import logging
import multiprocessing
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from dinomm.datasets import EpochSampler, ImageFiles, SampleKey, collate_views, image_files
from dinomm.registry import DATASETS

PIPELINE = [
    {'type': 'LoadImage'},
    {'type': 'CenterView', 'size': 8, 'short_side': 8},
    {'type': 'PackViews'},
]


@pytest.fixture
def logged(monkeypatch):
    lines = []
    monkeypatch.setattr(image_files, 'print_log', lambda line, **kwargs: lines.append(line))
    return lines


def test_a_sample_says_where_it_comes_from(class_folders):
    data = ImageFiles(class_folders)
    assert len(data) == 12
    assert data.metainfo == {}
    assert data[SampleKey(1, 2, 3)] == {
        'img_path': str(class_folders / 'cat/07.png'),
        'sample_key': SampleKey(1, 2, 3),
    }
    assert data[np.int64(3)]['sample_key'] == SampleKey(0, 0, 3)
    with pytest.raises(IndexError):
        data[12]


def test_folder_labels(class_folders):
    data = ImageFiles(class_folders, labels='folder')
    assert data.metainfo == {'classes': ('cat', 'dog')}
    assert [data[i]['gt_label'] for i in range(12)] == [0] * 6 + [1] * 6
    assert type(data[0]['gt_label']) is int


def test_given_classes_fix_the_numbers(class_folders):
    data = ImageFiles(class_folders, labels='folder', classes=['dog', 'eel', 'cat'])
    assert data[0]['gt_label'] == 2
    with pytest.raises(ValueError, match=r"class 'dog' .* is not among ImageFiles\.classes"):
        ImageFiles(class_folders, labels='folder', classes=['cat', 'eel'])


def test_numbers_as_folder_names_are_names(tmp_path, write_image):
    for name in ('3', '7'):
        write_image(tmp_path / name / 'a.png')
    data = ImageFiles(tmp_path, labels='folder')
    assert data.metainfo == {'classes': ('3', '7')}
    assert data.labels.tolist() == [0, 1]


def test_one_class_is_too_few(tmp_path, write_image):
    write_image(tmp_path / 'cat' / 'a.png')
    with pytest.raises(ValueError, match=r"at least 2 classes, but .* has only 'cat'"):
        ImageFiles(tmp_path, labels='folder')


@pytest.mark.parametrize(
    ('labels', 'classes', 'numbers', 'names'),
    [
        ((4, 2), None, [4, 2], None),
        ((1, 0), ['x', 'y'], [1, 0], ('x', 'y')),
        (('sea', 'air'), None, [1, 0], ('air', 'sea')),
    ],
)
def test_labels_of_a_list(tmp_path, write_image, labels, classes, numbers, names):
    lines = [f'{write_image(tmp_path / f"{i}.png").name} {labels[i]}' for i in range(2)]
    (tmp_path / 'list.txt').write_text('\n'.join(lines))
    data = ImageFiles(tmp_path / 'list.txt', classes=classes)
    assert data.labels.tolist() == numbers
    assert data.metainfo == ({} if names is None else {'classes': names})


def test_a_list_number_without_a_name(tmp_path, write_image):
    write_image(tmp_path / 'a.png')
    (tmp_path / 'list.txt').write_text('a.png 2')
    with pytest.raises(ValueError, match=r'label 2 .* has no name'):
        ImageFiles(tmp_path / 'list.txt', classes=['x', 'y'])


def test_parts_complement_each_other(class_folders):
    parts = {
        part: ImageFiles(class_folders, labels='folder', part=part, val_fraction=0.4)
        for part in ('train', 'val', 'all')
    }
    paths = {part: set(data.paths) for part, data in parts.items()}
    assert paths['train'] and paths['val'] and not paths['train'] & paths['val']
    assert paths['train'] | paths['val'] == paths['all']
    for data in parts.values():
        assert data.metainfo['classes'] == ('cat', 'dog')
        assert data.labels.tolist() == [int(path.startswith('dog')) for path in data.paths]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'part': 'test'}, "part must be 'all', 'train' or 'val'"),
        ({'part': 'val', 'val_fraction': 1.0}, 'val_fraction must lie between 0 and 1'),
        ({'part': 'val', 'val_fraction': 1e-9}, "none of the 12 images .* falls into part='val'"),
        ({'labels': 'list'}, "labels must be None or 'folder'"),
    ],
)
def test_bad_arguments(class_folders, arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageFiles(class_folders, **arguments)


def test_metainfo_can_be_stored_safely(class_folders, tmp_path):
    torch.save(ImageFiles(class_folders, labels='folder').metainfo, tmp_path / 'meta.pth')
    assert torch.load(tmp_path / 'meta.pth', weights_only=True) == {'classes': ('cat', 'dog')}


def test_a_broken_image_is_replaced_by_the_next_good_one(class_folders, logged):
    for name in ('cat/03.png', 'cat/05.png'):
        (class_folders / name).write_bytes(b'not an image')
    data = ImageFiles(class_folders, PIPELINE)
    sample = data[SampleKey(1, 2, 1)]['data_samples']
    assert sample.img_path == str(class_folders / 'cat/07.png')
    assert sample.sample_key == (1, 2, 1)
    assert data[1]['data_samples'].img_path == sample.img_path
    assert [line.split(';')[0].split(':')[0] for line in logged] == [
        f'cannot read {class_folders}/cat/{name}.png' for name in ('03', '05')
    ]
    assert data.bad_images == [str(class_folders / f'cat/{name}.png') for name in ('03', '05')]


def test_the_last_image_is_replaced_by_the_first(class_folders, logged):
    (class_folders / 'dog/10.png').unlink()
    (class_folders / 'dog/10.png').write_bytes(b'')
    data = ImageFiles(class_folders, PIPELINE)
    assert data[11]['data_samples'].img_path == str(class_folders / 'cat/01.png')
    assert len(logged) == 1


def test_too_many_broken_images_stop_the_run(class_folders, logged):
    for path in class_folders.glob('cat/*.png'):
        path.write_bytes(b'')
    data = ImageFiles(class_folders, PIPELINE, max_bad_images=2)
    with pytest.raises(RuntimeError, match=r'3 of 12 images .*01\.png.*05\.png.*max_bad_images'):
        data[0]
    data = ImageFiles(class_folders / 'cat', PIPELINE, max_bad_images=9)
    with pytest.raises(RuntimeError, match='none of the 6 images'):
        data[0]


def test_an_error_in_the_pipeline_is_no_broken_image(class_folders):
    def faulty(results):
        raise ValueError('a bug')

    with pytest.raises(ValueError, match='a bug'):
        ImageFiles(class_folders, [faulty])[0]


def test_workers_share_what_they_found(class_folders, caplog):
    (class_folders / 'cat/03.png').write_bytes(b'')
    data = ImageFiles(class_folders, PIPELINE)
    loader = DataLoader(
        data, 4, sampler=EpochSampler(data, seed=0), num_workers=2, collate_fn=collate_views
    )
    with caplog.at_level(logging.WARNING):
        paths = [sample.img_path for batch in loader for sample in batch['data_samples']]
    assert len(paths) == 12
    assert str(class_folders / 'cat/03.png') not in paths
    assert data.bad_images == [str(class_folders / 'cat/03.png')]


def test_it_is_found_in_the_registry(class_folders):
    assert isinstance(DATASETS.build({'type': 'ImageFiles', 'root': class_folders}), ImageFiles)


def test_another_worker_finds_broken_images_while_they_are_counted(tmp_path):
    """torch's nonzero would write beyond its result, and the worker die."""
    names = [f'{i}.png' for i in range(5000)]
    (tmp_path / names[0]).touch()
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    images = ImageFiles(tmp_path / 'list.txt')

    def count():
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            images.bad_indices()

    worker = multiprocessing.get_context('fork').Process(target=count)
    worker.start()
    while worker.is_alive():
        images._bad.zero_()
        for i in range(0, len(images), 7):
            images._bad[i] = True
    assert worker.exitcode == 0
