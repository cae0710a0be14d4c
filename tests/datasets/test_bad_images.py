import math

import pytest

from dinomm.datasets.bad_images import TooManyBadImagesError, allowed, write_paths


@pytest.mark.parametrize(
    ('given', 'number'), [(0, 0), (100, 100), (3.0, 3), (0.01, 10), (0.5, 500), (1e-6, 0), (1, 1)]
)
def test_a_number_or_a_share(given, number):
    assert allowed(given, 1000) == number
    assert isinstance(allowed(given, 1000), int)


@pytest.mark.parametrize('given', [-1, -0.1, 1.5, True, math.nan, math.inf, '10', None])
def test_neither(given):
    with pytest.raises(ValueError, match=r'ImageFiles\.max_bad_images'):
        allowed(given, 1000)


def test_what_torch_puts_around_an_error_of_a_worker_is_taken_off():
    sentence = '4 of 16 images in x cannot be read'
    around = (
        'Caught TooManyBadImagesError in DataLoader worker process 0.\nOriginal Traceback (most '
        f'recent call last):\n  File "x"\nx.TooManyBadImagesError: {sentence}\n'
    )
    assert str(TooManyBadImagesError(around)) == str(TooManyBadImagesError(sentence)) == sentence


def test_a_file_is_whole_or_as_it_was(tmp_path):
    def fail():
        yield 'a.jpg'
        raise OSError('full')

    file = tmp_path / 'bad_images.txt'
    write_paths(file, ['old.jpg'])
    with pytest.raises(OSError, match='full'):
        write_paths(file, fail())
    assert file.read_text() == 'old.jpg\n' and list(tmp_path.iterdir()) == [file]
