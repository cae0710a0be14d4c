import cv2
import numpy as np
import pytest
from PIL import Image

from dinomm.visualization.video import DEFAULT_FPS, read_film, write_film


def frames(count=6, shape=(48, 64)):
    """Brighter from frame to frame; red above, blue below."""
    for i in range(count):
        frame = np.zeros((*shape, 3), np.uint8)
        frame[: shape[0] // 2, :, 0] = frame[shape[0] // 2 :, :, 2] = 60 + 30 * i
        yield frame


def test_what_is_written_is_read(tmp_path):
    assert write_film(frames(), tmp_path / 'new' / 'film.mp4', 12) == 6
    film = read_film(tmp_path / 'new' / 'film.mp4')
    assert (film.fps, film.length) == (12, 6)
    for found, expected in zip(film.frames, frames(), strict=True):
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 6
    assert [file.name for file in (tmp_path / 'new').iterdir()] == ['film.mp4']


def test_odd_sides_lose_a_line(tmp_path):
    write_film(frames(shape=(49, 65)), tmp_path / 'film.mp4', 5)
    assert next(read_film(tmp_path / 'film.mp4').frames).shape == (48, 64, 3)


def test_an_avi(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 5, (64, 48))
    for frame in frames():
        writer.write(frame[..., ::-1].copy())
    writer.release()
    assert len(list(read_film(tmp_path / 'a.avi').frames)) == 6


def test_a_folder_of_frames_in_the_order_of_names(tmp_path):
    for name, frame in zip(('b', 'a'), frames(2), strict=True):
        Image.fromarray(frame).save(tmp_path / f'{name}.png')
    film = read_film(tmp_path)
    assert (film.fps, film.length) == (DEFAULT_FPS, 2)
    assert [frame[0, 0, 0] for frame in film.frames] == [90, 60]


@pytest.mark.parametrize('content', [b'', b'no film', None])
def test_what_is_no_film(tmp_path, content):
    path = tmp_path / 'film.mp4'
    if content is None:  # cut short: the index at its end is missing
        write_film(frames(), path, 5)
        content = path.read_bytes()[:600]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'film.mp4 cannot be decoded: expected a film'):
        read_film(path)


def test_missing_files(tmp_path):
    with pytest.raises(ValueError, match=r'film\.mp4 does not exist'):
        read_film(tmp_path / 'film.mp4')
    with pytest.raises(ValueError, match='has no image'):
        read_film(tmp_path)


def test_a_failure_leaves_the_old_film(tmp_path):
    path = tmp_path / 'film.mp4'
    path.write_bytes(b'old')

    def broken():
        yield from frames(2)
        yield np.zeros((20, 20, 3), np.uint8)

    with pytest.raises(ValueError, match='frame 3 is of 20x20 pixels, the first of 64x48'):
        write_film(broken(), path, 5)
    with pytest.raises(ValueError, match='no frame'):
        write_film([], path, 5)
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]
