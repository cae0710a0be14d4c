"""What --data makes of images of one's own."""

import shutil

import pytest

from dinomm import data_config, launch
from dinomm.datasets.listing import find_images
from dinomm.datasets.packing import ShardSize, pack
from dinomm.progress import Progress

from .datasets.tars import make_tar
from .integration import tiny


@pytest.fixture
def config(tmp_path):
    return launch.read_config(str(tiny.write_config(tmp_path / 'tiny.py', tmp_path / 'unused')))


@pytest.fixture
def folder(tmp_path):
    for name in ('cat/a.jpg', 'dog/b.jpg'):
        (tmp_path / 'images' / name).parent.mkdir(parents=True)
        (tmp_path / 'images' / name).touch()
    return tmp_path / 'images'


def packed(folder, out):
    pack(find_images(folder), out, 'x', ShardSize(1, 'images'), Progress(print))
    return out


def data_of(config):
    """(root, part, labels) of training, support and queries."""
    datasets = [
        config.train_dataloader.dataset,
        config.val_cfg.support_dataloader.dataset,
        config.val_dataloader.dataset,
    ]
    assert config.test_dataloader == config.val_dataloader
    assert config.test_cfg == config.val_cfg
    return [(d.root, d.get('part'), d.get('labels')) for d in datasets]


def halves(root, labels):
    return [(str(root), None, None), (str(root), 'train', labels), (str(root), 'val', labels)]


def test_class_folders(config, folder):
    data_config.set_data(config, str(folder))
    assert data_of(config) == halves(folder, 'folder')


@pytest.mark.parametrize('name', ['', 'x-000001.tar', 'x-{000000..000001}.tar'])
def test_shards_of_class_folders(config, folder, tmp_path, name):
    root = packed(folder, tmp_path / 'out') / name
    data_config.set_data(config, str(root))
    if name == 'x-000001.tar':  # one class
        assert config.val_cfg is None
    else:
        assert data_of(config) == halves(root, 'folder')


def test_train_and_val(config, folder, tmp_path):
    for part in ('train', 'val'):
        packed(folder, tmp_path / 'out' / part)
    data_config.set_data(config, str(tmp_path / 'out'))
    train, val = (str(tmp_path / 'out' / part) for part in ('train', 'val'))
    assert data_of(config) == [
        (train, None, None),
        (train, 'all', 'folder'),
        (val, 'all', 'folder'),
    ]


@pytest.mark.parametrize('copy', [packed, shutil.copytree])
def test_train_and_val_without_labels(config, folder, tmp_path, copy):
    (tmp_path / 'out').mkdir()
    for part in ('train', 'val'):
        copy(folder / 'cat', tmp_path / 'out' / part)
    data_config.set_data(config, str(tmp_path / 'out'))
    assert config.train_dataloader.dataset.root == str(tmp_path / 'out/train')
    assert config.val_cfg is None and config.test_cfg is None


def test_labels_beside_the_images(config, tmp_path):
    members = [('a.jpg', b''), ('a.cls', b'0'), ('b.jpg', b''), ('b.cls', b'1')]
    (tmp_path / 'a.tar').write_bytes(make_tar(members))
    data_config.set_data(config, str(tmp_path / 'a.tar'))
    assert data_of(config) == halves(tmp_path / 'a.tar', None)


@pytest.mark.parametrize(
    ('lines', 'labelled'), [('cat/a.jpg 0\ndog/b.jpg 1', True), ('cat/a.jpg', False)]
)
def test_a_list(config, folder, lines, labelled):
    (folder / 'list.txt').write_text(lines)
    data_config.set_data(config, str(folder / 'list.txt'))
    if labelled:
        assert data_of(config) == halves(folder / 'list.txt', None)
    else:
        assert config.val_cfg is None


def test_a_list_of_paths_below_another_folder(config, folder, tmp_path):
    (tmp_path / 'list.txt').write_text(f'{folder}/cat/a.jpg 0\n{folder}/dog/b.jpg 1')
    with pytest.raises(ValueError, match='is absolute, and a list names images below'):
        data_config.set_data(config, str(tmp_path / 'list.txt'))
    data_config.set_data(config, str(tmp_path / 'list.txt'), '/')
    assert config.val_cfg is not None
    for loader in (config.train_dataloader, config.val_dataloader):
        assert loader.dataset.data_root == '/'
    data_config.set_data(config, str(folder))
    assert config.train_dataloader.dataset.data_root is None


@pytest.mark.parametrize(
    ('data', 'data_root', 'says'),
    [
        ('photos', '/', '--data-root / is where the paths of a list begin, but --data is photos'),
        (None, '/', '--data is not given: leave it out, or give a list'),
        ('list.txt', '/no/where', '--data-root /no/where is no folder'),
    ],
)
def test_a_data_root_of_no_use(config, data, data_root, says):
    with pytest.raises(ValueError, match=says):
        data_config.set_data(config, data, data_root)


def test_a_url(config, folder, tmp_path):
    pytest.importorskip('fsspec')
    data_config.set_data(config, f'file://{folder}')
    assert data_of(config) == halves(f'file://{folder}', 'folder')
    launch.require_data(config)


def test_nothing_there(config, folder, tmp_path):
    with pytest.raises(ValueError, match='--data is nowhere, which does not exist'):
        data_config.set_data(config, 'nowhere')
    data_config.set_data(config, str(folder))
    launch.require_data(config)
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match=r'train_dataloader\.dataset\.root is .* give by --data'):
        launch.require_data(config)
