import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from dinomm.evaluation.labelled import folder_images, labelled_sets
from dinomm.evaluation.retrieval import labelled_pictures

PIPELINE = [dict(type='LoadImage'), dict(type='PackViews')]
CONFIG = Config({'val_dataloader': {'dataset': {'pipeline': PIPELINE}}})


@pytest.fixture
def absolute(tmp_path):
    """A list of paths that begin at the root of the file system."""
    lines = []
    for number in range(40):
        path = tmp_path / f'images/{number}.png'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
        lines.append(f'{path} {number % 2}\n')
    (tmp_path / 'lists').mkdir()
    (tmp_path / 'lists/all.txt').write_text(''.join(lines))
    return str(tmp_path / 'lists/all.txt')


def images(listing, data_root):
    return len(folder_images(CONFIG, listing, data_root))


def sets(listing, data_root):
    return sum(map(len, labelled_sets(CONFIG, listing, data_root)))


def pictures(listing, data_root):
    return len(labelled_pictures(CONFIG, listing, lambda image: image, None, data_root)[0])


@pytest.mark.parametrize('read', [images, sets, pictures], ids=lambda read: read.__name__)
def test_lists_of_absolute_paths(read, absolute):
    with pytest.raises(ValueError, match='is absolute, and a list names images below'):
        read(absolute, None)
    assert read(absolute, '/') == 40
