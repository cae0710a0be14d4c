"""Segments the videos of DAVIS-2017 from their first frame's masks, and measures it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dinomm.datasets.file_names import is_image

from .images import encode_whole_patches, normalised, patch_stride, read_picture
from .label_propagation import Propagation, label_map, one_hot_labels, propagate_through
from .masks import VOID, jaccard, read_mask, read_names, read_palette, write_mask
from .network import FrozenNetwork
from .video_measures import boundary_accuracy, statistics

SHORT_SIDE = 480
LONG_SIDE_STEP = 64


class Video(NamedTuple):
    """A video and its masks.

    Attributes:
        name: Of its folder.
        frames: Image files in order.
        masks: Mask files of the same frames; only the first where the others are not published.
    """

    name: str
    frames: list[Path]
    masks: list[Path]


def find_videos(root: str | Path, subset: str = 'val', resolution: str = '480p') -> list[Video]:
    """The videos of ``ImageSets/2017/<subset>.txt`` in a folder of DAVIS-2017.

    Raises:
        ValueError: A folder or file is missing.
    """
    root = Path(root).expanduser()
    listing = root / 'ImageSets' / '2017' / f'{subset}.txt'
    layout = (
        f'a folder of DAVIS-2017 with ImageSets/2017/{subset}.txt, JPEGImages/{resolution} and '
        f'Annotations/{resolution}'
    )
    return [_find_video(root, name, resolution) for name in read_names(listing, 'video', layout)]


def _find_video(root: Path, name: str, resolution: str) -> Video:
    folder = root / 'JPEGImages' / resolution / name
    frames = sorted(p for p in folder.glob('*') if is_image(p.name))
    if len(frames) < 2:
        raise ValueError(f'{folder} has {len(frames)} frames: a video has two or more')
    expected = [root / 'Annotations' / resolution / name / f'{p.stem}.png' for p in frames]
    masks = [path for path in expected if path.is_file()]
    if masks == expected or masks == expected[:1]:
        return Video(name, frames, masks)
    missing = next(path for path in expected if path not in masks)
    raise ValueError(
        f'mask {missing} does not exist: expected one for each frame, or for the first alone'
    )


def frame_size(
    height: int, width: int, stride: tuple[int, int] = (1, 1), short_side: int = SHORT_SIDE
) -> tuple[int, int]:
    """(H, W) at which a frame is looked at: of this short side, the other a multiple of 64.

    Both are rounded down further where no whole patches fill them (those of 14 pixels).

    Raises:
        ValueError: Nothing would be left.
    """
    if height > width:
        sides = (short_side * height // width // LONG_SIDE_STEP * LONG_SIDE_STEP, short_side)
    else:
        sides = (short_side, short_side * width // height // LONG_SIDE_STEP * LONG_SIDE_STEP)
    size = sides[0] - sides[0] % stride[0], sides[1] - sides[1] % stride[1]
    if not all(size):
        raise ValueError(
            f'frames of {height}x{width} pixels would be looked at with {size[0]}x{size[1]}: '
            f'raise the short side ({short_side}) to {LONG_SIDE_STEP} or more'
        )
    return size


@torch.no_grad()
def segment_video(
    network: FrozenNetwork,
    video: Video,
    constants: Propagation | None = None,
    short_side: int = SHORT_SIDE,
) -> Iterator[np.ndarray]:
    """Masks (H, W) uint8 of every frame after the first, at the first mask's size.

    Frames are read, looked at and forgotten one by one.

    Args:
        network: In evaluation mode.
        video: Its first frame's mask is read, the others are not.
        constants: Of the protocol.
        short_side: See :func:`frame_size`.

    Raises:
        ValueError: The first mask has no object, is of another size than its frame, a file cannot
            be read, or the frames differ in size.
    """
    first = read_mask(video.masks[0])
    objects = count_objects(first, video.masks[0])
    picture = read_picture(video.frames[0])
    if picture.shape[:2] != first.shape:
        raise ValueError(
            f'mask {video.masks[0]} is of {first.shape[0]}x{first.shape[1]} pixels, but frame '
            f'{video.frames[0]} of {picture.shape[0]}x{picture.shape[1]}: make them equal'
        )
    height, width = first.shape
    size = frame_size(height, width, patch_stride(network.backbone), short_side)
    start, grid = _regions(network, picture, size)

    def regions() -> Iterator[Tensor]:
        yield start
        for path in video.frames[1:]:
            picture = read_picture(path)
            if picture.shape[:2] != first.shape:
                raise ValueError(
                    f'frame {path} is of {picture.shape[0]}x{picture.shape[1]} pixels, but the '
                    f'first of {first.shape[0]}x{first.shape[1]}: give frames of one size'
                )
            yield _regions(network, picture, size)[0]

    known = np.where(first == VOID, 0, first).astype(np.uint8)
    small = np.array(Image.fromarray(known).resize(grid[::-1], Image.Resampling.NEAREST))
    labels = one_hot_labels(torch.from_numpy(small), objects)
    for found in propagate_through(regions(), labels, grid, constants):
        mask = Image.fromarray(label_map(found, grid, size).cpu().numpy().astype(np.uint8))
        yield np.array(mask.resize(first.shape[::-1], Image.Resampling.NEAREST))


def _regions(
    network: FrozenNetwork, picture: np.ndarray, size: tuple[int, int]
) -> tuple[Tensor, tuple[int, int]]:
    """Regions (h * w, C) of a picture and their grid (h, w)."""
    resized = cv2.resize(picture, size[::-1])  # bilinear, not antialiased, as published
    images = normalised(network, torch.from_numpy(resized).permute(2, 0, 1)[None])
    tokens = encode_whole_patches(network, images)
    return tokens.region[0], tokens.grid


def count_objects(mask: np.ndarray, path: str | Path) -> int:
    """The largest number of an object in a first frame's mask.

    Raises:
        ValueError: There is no object.
    """
    numbers = mask[mask != VOID]
    objects = int(numbers.max(initial=0))
    if not objects:
        raise ValueError(
            f'mask {path} of a first frame has no object: expected pixels of 1, 2 ... (255 is '
            'void), which are followed through the video'
        )
    return objects


def measure_frame(found: np.ndarray, true: np.ndarray, objects: int) -> tuple[np.ndarray, ...]:
    """J and F of each object in one frame, (objects,) each.

    Args:
        found: (H, W) numbers.
        true: (H, W) numbers; void counts as background, as published.
        objects: Of the first frame; those that appear later do not count.
    """
    pairs = [(found == number, true == number) for number in range(1, objects + 1)]
    regions = np.array([jaccard(*pair) for pair in pairs])
    boundaries = np.array([boundary_accuracy(*pair) for pair in pairs])
    return regions, boundaries


def evaluate_video(
    network: FrozenNetwork,
    video: Video,
    out: str | Path,
    constants: Propagation | None = None,
    short_side: int = SHORT_SIDE,
    count: Callable[[int], None] = lambda frames: None,
) -> dict[str, dict[str, float]]:
    """Segments a video, writes a PNG with a palette for each frame and measures each object.

    Args:
        network: In evaluation mode.
        video: With masks of all frames, or of the first alone: then nothing is measured.
        out: Folder; the files have the names of DAVIS's masks, and their colours.
        constants: Of the protocol.
        short_side: See :func:`frame_size`.
        count: Is told of each frame that is done.

    Returns:
        ``<video>_<object>`` to mean, recall and decay of J and F in percent. The first and the last
        frame do not count, as published.

    Raises:
        ValueError: As :func:`segment_video`, and for a mask of another size than its frame.
    """
    folder = Path(out) / video.name
    first, palette = read_mask(video.masks[0]), read_palette(video.masks[0])
    objects = count_objects(first, video.masks[0])
    write_mask(folder / f'{video.frames[0].stem}.png', first, palette)
    measured = []
    for number, found in enumerate(segment_video(network, video, constants, short_side), 1):
        write_mask(folder / f'{video.frames[number].stem}.png', found, palette)
        if 0 < number < len(video.masks) - 1:
            true = read_mask(video.masks[number])
            if true.shape != found.shape:
                raise ValueError(
                    f'mask {video.masks[number]} is of {true.shape[0]}x{true.shape[1]} pixels, but '
                    f'the first of {found.shape[0]}x{found.shape[1]}: make them equal'
                )
            measured.append(measure_frame(found, true, objects))
        count(1)
    if not measured:
        return {}
    values = np.array(measured)  # (frames, 2, objects)
    return {
        f'{video.name}_{number + 1}': {
            f'{measure} {key}': 100 * value
            for measure, of_frames in zip('JF', values[:, :, number].T, strict=True)
            for key, value in statistics(of_frames)._asdict().items()
        }
        for number in range(objects)
    }


def summarise(objects: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Means over the objects of all videos, J&F first; empty if none was measured."""
    if not objects:
        return {}
    keys = next(iter(objects.values()))
    means = {key: float(np.mean([of[key] for of in objects.values()])) for key in keys}
    return {'J&F mean': (means['J mean'] + means['F mean']) / 2, **means}
