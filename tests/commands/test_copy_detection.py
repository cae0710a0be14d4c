import shutil

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.folders import texture, write_copydays, write_picture

from .tool import RESNET, SWIN, VIT, figures


@pytest.fixture
def copydays(tmp_path):
    return write_copydays(tmp_path / 'copydays')


OPTIONS = ('--size', 64, '--no-cache')


@pytest.mark.parametrize('config', [VIT, RESNET, SWIN])
def test_copies_of_every_family(copydays, config):
    found = figures('copy-detection', copydays, *OPTIONS, config=config)
    assert found['mAP'] == found['mAP of kinds']['strong'] > 70
    assert list(found['mAP of kinds']) == ['strong', 'crops/10']
    assert (found['copies'], found['originals'], found['distractors']) == (8, 4, 0)


def test_distractors_push_an_original_down(copydays, tmp_path):
    """Each is a copy itself, so it is found first: the original is second at best."""
    alone = figures('copy-detection', copydays, *OPTIONS)
    shutil.copytree(copydays / 'strong', tmp_path / 'others')
    found = figures('copy-detection', copydays, *OPTIONS, '--distractors', tmp_path / 'others')
    assert found['distractors'] == 8
    assert found['mAP of kinds']['strong'] <= 25 < alone['mAP of kinds']['strong']


def test_beyond_the_twentieth_nothing_is_found(copydays, tmp_path):
    for number in range(20):
        shutil.copy(copydays / 'strong' / '200001.jpg', tmp_path / f'{number}.jpg')
    found = figures('copy-detection', copydays, *OPTIONS, '--distractors', tmp_path)
    shutil.rmtree(copydays / 'strong')
    shutil.copytree(copydays / 'original', copydays / 'strong')
    (copydays / 'strong' / '200000.jpg').write_bytes((tmp_path / '0.jpg').read_bytes())
    for name in ('200100', '200200', '200300'):
        (copydays / 'strong' / f'{name}.jpg').unlink()
    buried = figures('copy-detection', copydays, *OPTIONS, '--distractors', tmp_path)
    assert found['mAP'] > 0 and buried['mAP'] == 0


def test_whitening_changes_the_ranking(copydays, tmp_path):
    for number in range(30):
        write_picture(tmp_path / 'others' / f'{number}.jpg', texture(100 + number, (50, 50)))
    for number in range(10, 30):  # hard to tell apart
        picture = texture(number, (60, 80))
        write_picture(copydays / 'original' / f'20{number}00.jpg', picture)
        write_picture(copydays / 'strong' / f'20{number}01.jpg', picture // 2)
    plain = figures('copy-detection', copydays, *OPTIONS)
    white = figures('copy-detection', copydays, *OPTIONS, '--whitening', tmp_path / 'others')
    assert white['images of whitening'] == 30 and plain['images of whitening'] == 0
    assert white['mAP'] != plain['mAP']


def missing_original(folder, tmp_path):
    (folder / 'original' / '200100.jpg').unlink()
    return ()


def gray_and_16_bits(folder, tmp_path):
    gray = np.array(Image.open(folder / 'original' / '200100.jpg').convert('L'))
    Image.fromarray(gray.astype(np.uint16) * 257).save(folder / 'original' / '200100.png')
    (folder / 'original' / '200100.jpg').unlink()


def test_gray_and_16_bit_images_count(copydays, tmp_path):
    gray_and_16_bits(copydays, tmp_path)
    assert figures('copy-detection', copydays, *OPTIONS)['originals'] == 4


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (missing_original, r'20010\d.jpg is a copy of no original'),
        (lambda _, tmp: ('--distractors', tmp / 'none'), 'the folder of --distractors, does not'),
        (lambda _, tmp: ('--whitening', tmp), 'the folder of --whitening, has no image'),
        (lambda *_: ('--images', 3), 'a set of copies is evaluated whole'),
    ],
)
def test_wrong_input_is_a_sentence(copydays, tmp_path, change, sentence):
    options = change(copydays, tmp_path)
    with pytest.raises(ValueError, match=sentence):
        figures('copy-detection', copydays, *OPTIONS, *options)


def test_another_folder_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='original, the folder of the originals, does not exist'):
        figures('copy-detection', tmp_path, *OPTIONS)
