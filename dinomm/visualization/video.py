"""Reads films and folders of frames, and writes films."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

DEFAULT_FPS = 25.0


class Film(NamedTuple):
    """Frames to look at.

    Attributes:
        frames: Each (H, W, 3) uint8 RGB, decoded when asked for.
        fps: Frames a second.
        length: Number of frames, as far as the file says; 0 where it does not.
    """

    frames: Iterator[np.ndarray]
    fps: float
    length: int


def read_film(path: str | Path) -> Film:
    """A video file, or a folder of frames in the order of their names.

    Raises:
        ValueError: There is nothing, the file is no video that OpenCV can decode, or the folder
            has no image; a frame that breaks off in the middle just ends the film.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        from dinomm.evaluation.images import list_images, read_picture

        files = list_images(path, 'frames')
        return Film(map(read_picture, files), DEFAULT_FPS, len(files))
    if not path.is_file():
        raise ValueError(f'video {path} does not exist')
    import cv2

    capture = cv2.VideoCapture(str(path))
    decoded, first = capture.read() if capture.isOpened() else (False, None)
    if not decoded:
        capture.release()
        raise ValueError(
            f'video {path} cannot be decoded: expected a film that OpenCV reads (mp4, avi, mkv), '
            'or a folder of frames as images'
        )
    fps = capture.get(cv2.CAP_PROP_FPS)
    length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return Film(_decode(capture, first), fps if 0 < fps < 1000 else DEFAULT_FPS, max(0, length))


def _decode(capture, frame) -> Iterator[np.ndarray]:
    decoded = True
    while decoded:
        yield np.ascontiguousarray(frame[..., ::-1])
        decoded, frame = capture.read()
    capture.release()


def write_film(frames: Iterable[np.ndarray], out_path: str | Path, fps: float) -> int:
    """Writes an mp4 (MPEG-4); whole, or not at all. Returns the number of frames.

    Args:
        frames: (H, W, 3) uint8 RGB of one size; an odd side loses its last line.
        out_path: File that ends in .mp4.
        fps: Frames a second.

    Raises:
        ValueError: There is no frame, they differ in size, or OpenCV has no encoder.
    """
    import cv2

    out_path = Path(out_path)
    out_path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV takes the format from the ending
    partial = out_path.with_name(f'.{out_path.stem}.{os.getpid()}.mp4')
    writer, size, count = None, (0, 0), 0
    try:
        for frame in frames:
            height, width = (side - side % 2 for side in frame.shape[:2])
            if writer is None:
                size = width, height
                code = cv2.VideoWriter.fourcc(*'mp4v')
                writer = cv2.VideoWriter(str(partial), code, fps, size)
                if not writer.isOpened():
                    raise ValueError(f'{out_path}: this OpenCV has no encoder for mp4')
            if (width, height) != size:
                raise ValueError(
                    f'frame {count + 1} is of {width}x{height} pixels, the first of '
                    f'{size[0]}x{size[1]}: give frames of one size'
                )
            writer.write(np.ascontiguousarray(frame[:height, :width, ::-1]))
            count += 1
        if writer is None:
            raise ValueError(f'{out_path}: there is no frame to write')
        writer.release()
        os.replace(partial, out_path)
    finally:
        if writer is not None:
            writer.release()
        partial.unlink(missing_ok=True)
    return count
