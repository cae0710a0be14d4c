import numpy as np
import pytest
import torch
from PIL import Image

from dinomm import launch
from dinomm.evaluation.cache import FeatureCache
from dinomm.evaluation.features import Extraction, Reader, extract
from dinomm.evaluation.labelled import folder_images, labelled_sets, spread
from dinomm.evaluation.network import load_network
from tests.integration import tiny


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return tiny.write_data(tmp_path_factory.mktemp('features'))


@pytest.fixture
def config(tmp_path, data):
    return launch.read_config(str(tiny.write_config(tmp_path / 'tiny.py', data)))


@pytest.fixture
def network(config):
    return load_network(config, 'untrained')


def quiet(**options):
    return Extraction(**{'batch_size': 5, 'tell': lambda line: None, **options})


def test_rows_are_those_of_the_images_in_their_order(config, network):
    images = labelled_sets(config).test
    found = extract(network, images, Reader(), quiet())
    one_by_one = [extract(network, spread_one(images, i), Reader(), quiet()) for i in range(9)]
    torch.testing.assert_close(found.rows, torch.cat([one.rows for one in one_by_one]))
    assert found.labels.tolist() == images.labels.tolist()
    assert found.paths == [images.image_path(i) for i in range(9)]
    assert found.widths == (24,) and len(found.rows.unique(dim=0)) == 9


def spread_one(images, index):
    return torch.utils.data.Subset(images, [index])


def test_the_view_feature_is_the_last_blocks_class_token(config, network):
    images = labelled_sets(config).test
    view = extract(network, images, Reader(), quiet()).rows
    both = extract(network, images, Reader(2), quiet())
    assert both.widths == (24, 24, 24) and both.rows.shape[1] == 72
    torch.testing.assert_close(both.rows[:, 24:48], view, rtol=1e-4, atol=1e-5)
    half = extract(network, images, Reader(2, 'float16'), quiet()).rows
    assert half.dtype == torch.float16
    with pytest.raises(ValueError, match=r'--blocks 3: .* 2 that can be read'):
        extract(network, images, Reader(3), quiet())


def test_few_images_are_spread_over_all(config):
    images = spread(labelled_sets(config).train, 4)
    assert images.indices == [0, 10, 21, 31]
    with pytest.raises(ValueError, match='--images is 0'):
        spread(images, 0)


def test_an_image_that_cannot_be_read_is_left_out(config, network, tmp_path, caplog):
    folder = tiny.write_images(tmp_path / 'photos', images=9)
    images = folder_images(config, str(folder))
    whole = extract(network, images, Reader(), quiet())
    (folder / 'class_1/004.png').write_bytes(b'no image')
    found = extract(network, folder_images(config, str(folder)), Reader(), quiet())
    kept = [i for i, path in enumerate(whole.paths) if not path.endswith('class_1/004.png')]
    assert found.paths == [whole.paths[i] for i in kept]
    torch.testing.assert_close(found.rows, whole.rows[kept])
    assert found.labels.tolist() == whole.labels[kept].tolist()
    for path in folder.rglob('*.png'):
        path.write_bytes(b'no image')
    with pytest.raises((ValueError, RuntimeError), match='can be read'):
        extract(network, folder_images(config, str(folder)), Reader(), quiet())


def test_gray_transparent_and_16_bit_images(config, network, tmp_path):
    gray = np.linspace(0, 255, 40 * 40).reshape(40, 40).astype(np.uint8)
    forms = {
        'rgb': Image.fromarray(np.stack([gray] * 3, -1)),
        'gray': Image.fromarray(gray),
        'rgba': Image.fromarray(np.stack([gray] * 3 + [np.full_like(gray, 255)], -1)),
        'deep': Image.fromarray(gray.astype(np.uint16) * 257),
    }
    for name, picture in forms.items():
        picture.save(tmp_path / f'{name}.png')
    rows = extract(network, folder_images(config, str(tmp_path)), Reader(), quiet()).rows
    assert len(rows) == 4
    for row in rows[1:]:
        torch.testing.assert_close(row, rows[0])


def test_wrong_data(config, tmp_path):
    def sentence(match, **images):
        for name, count in images.items():
            tiny.write_images(tmp_path / name, count)
        with pytest.raises(ValueError, match=match):
            labelled_sets(config, str(tmp_path / next(iter(images), 'none')))

    sentence(r'--data')  # does not exist
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty'):
        labelled_sets(config, str(tmp_path / 'empty'))
    sentence('no two classes', one=1)
    (tmp_path / 'a/train').mkdir(parents=True)
    (tmp_path / 'a/val').mkdir()
    with pytest.raises(ValueError, match='no two classes'):
        labelled_sets(config, str(tmp_path / 'a'))


def test_classes_are_numbered_alike_where_the_test_set_lacks_one(config, tmp_path):
    tiny.write_images(tmp_path / 'train', 9)
    tiny.write_images(tmp_path / 'val', 9)
    for path in (tmp_path / 'val/class_1').iterdir():
        path.unlink()
    (tmp_path / 'val/class_1').rmdir()
    train, test = labelled_sets(config, str(tmp_path))
    assert train.labels.unique().tolist() == [0, 1, 2]
    assert test.labels.unique().tolist() == [0, 2]


def test_a_cache_gives_what_was_computed_and_knows_what_changed(config, network, tmp_path, data):
    lines = []
    how = quiet(cache=FeatureCache(tmp_path / 'cache'), tell=lines.append)
    images = labelled_sets(config).test
    first = extract(network, images, Reader(), how)
    assert not lines
    again = extract(network, images, Reader(), how)
    assert torch.equal(first.rows, again.rows) and again[1:] == (
        first.widths,
        again.labels,
        first.paths,
    )
    assert len(lines) == 1 and 'features of 9 images from' in lines[0]
    cache = how.cache
    keys = {cache.key(network, images, Reader()._asdict())}
    keys.add(cache.key(network, images, Reader(1)._asdict()))
    keys.add(cache.key(network, spread(images, 4), Reader()._asdict()))
    pipeline = images.pipeline
    images.pipeline = [pipeline[0], type(pipeline[1])(size=16, short_side=20), pipeline[2]]
    keys.add(cache.key(network, images, Reader()._asdict()))
    images.pipeline = pipeline
    (file := next((data / 'val/class_0').iterdir())).touch()
    keys.add(FeatureCache(tmp_path).key(network, images, Reader()._asdict()))
    with torch.no_grad():
        network.backbone.cls_token += 1e-3
    keys.add(FeatureCache(tmp_path).key(network, images, Reader()._asdict()))
    network.amp = True
    keys.add(FeatureCache(tmp_path).key(network, images, Reader()._asdict()))
    assert len(keys) == 7, file


def test_bfloat16_changes_little(config, network):
    images = labelled_sets(config).test
    exact = extract(network, images, Reader(), quiet()).rows
    network.amp = True
    rough = extract(network, images, Reader(), quiet()).rows
    assert rough.dtype == torch.float32 and not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, rtol=0.1, atol=0.1)
