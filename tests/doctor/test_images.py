import pytest

from dinomm.datasets import ImageFiles
from dinomm.doctor.images import look_at_images, spread
from tests.integration import tiny


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tiny.write_images(tmp_path_factory.mktemp('images'))
    for number, path in enumerate(sorted(folder.rglob('*.png'))):
        if number % 4 == 0:
            path.write_bytes(path.read_bytes()[:100])
    return ImageFiles(folder)


def test_broken_images_are_named(dataset):
    found = look_at_images(dataset, 1000, seconds=60)
    assert found.looked_at == found.images == tiny.IMAGES
    names = {dataset.image_path(i) for i in range(0, tiny.IMAGES, 4)}
    assert len(found.broken) == len(names)
    assert all(any(name in text for text in found.broken) for name in names)
    assert found.sides == tiny.SIZE and found.decode_seconds > 0


def test_time_is_bounded(dataset):
    assert look_at_images(dataset, 1000, seconds=0).looked_at == 1


def test_all_broken(dataset):
    first = ImageFiles(dataset.root)
    first.paths = [first.paths[0]]
    found = look_at_images(first, 10, seconds=10)
    assert len(found.broken) == 1 and found.sides == 0


@pytest.mark.parametrize(('length', 'number'), [(1000, 10), (10, 10), (3, 200), (1, 1)])
def test_spread(length, number):
    chosen = spread(length, number, seed=3)
    assert chosen == spread(length, number, seed=3)
    assert len(set(chosen)) == len(chosen) == min(length, number)
    pieces = {index * len(chosen) // length for index in chosen}
    assert len(pieces) == len(chosen)  # one of each
