import pytest

from dinomm.report.materials import Materials, class_folder, spread
from dinomm.report.work_dir import read_run
from tests.integration import tiny

from .runs import CONFIG, write_session


@pytest.fixture
def run(tmp_path):
    data = tiny.write_data(tmp_path / 'data')
    loaders = {
        f'{part}_dataloader': {
            'batch_size': 4,
            'dataset': {
                **CONFIG['train_dataloader']['dataset'],
                'type': 'ImageFiles',
                'labels': 'folder',
                'root': str(data / part),
            },
        }
        for part in ('train', 'val')
    }
    return read_run(write_session(tmp_path / 'run', '1', [], {**CONFIG, **loaders}))


def test_images_are_spread_over_the_validation(run):
    with Materials(run, number=3) as materials:
        assert [path.rpartition('/val/')[2] for path in materials.paths] == [
            'class_0/000.png',
            'class_1/004.png',
            'class_2/008.png',
        ]
        assert len(materials.gallery) == tiny.IMAGES
        assert all('/train/' in path for path in materials.gallery)
        one, other = materials.gallery[0], materials.gallery[-1]
        assert materials.same_class(materials.paths[0], one) is True
        assert materials.same_class(materials.paths[0], other) is False


def test_unreadable_images_are_left_out(run):
    broken = next((run.folder.parent / 'data/val').rglob('000.png'))
    broken.write_bytes(b'no image')
    with Materials(run, number=3) as materials:
        assert len(materials.paths) == 2


def test_no_classes_without_validation(run):
    del run.config['val_dataloader']
    with Materials(run, number=40) as materials:
        assert len(materials.paths) == tiny.IMAGES
        assert materials.gallery == []
        assert materials.same_class(*materials.paths[:2]) is None
        assert materials.viewed_config.val_dataloader.dataset.pipeline[1].size == 16


@pytest.mark.parametrize(
    ('path', 'root', 'expected'),
    [
        ('a/cat/x/1.png', 'a', 'cat'),
        ('a/1.png', 'a', None),
        ('/tmp/3/1.png', 'a', None),
    ],
)
def test_class_of_a_file(path, root, expected):
    assert class_folder(path, root) == expected


def test_spread():
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(2, 4) == [0, 1]
    assert spread(5, 1) == [0]
