"""A film of what the last block looks at, beside the film that is looked at.

VIDEO is a file that OpenCV decodes, or a folder of frames.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.config import Config

from dinomm.commands import evaluate
from dinomm.commands import visualize as common
from dinomm.progress import Countdown

ENDING = '.mp4'


def add_options(parser: Any) -> None:
    """Network, film, which frames."""
    common.add_network(parser)
    parser.add_argument('video', help='video file, or folder of frames')
    common.add_size(parser)
    common.add_query(parser)
    parser.add_argument('--heads', action='store_true', help='each head too, not the mean alone')
    parser.add_argument('--frames', type=int, help='so many at most, from the first on')
    parser.add_argument('--every', type=int, default=1, help='look at every n-th frame (1)')
    parser.add_argument('--fps', type=float, help="frames a second (the film's, 25 of a folder)")


def draw(config: Config, args: argparse.Namespace) -> None:
    """Frame by frame."""
    common.require_positive(args, 'size', 'frames', 'every')
    if args.fps is not None and not 0 < args.fps <= 1000:
        raise ValueError(f'--fps is {args.fps:g}: expected a number above 0 and up to 1000')
    from dinomm.evaluation.whole_pictures import attention_of, fit_to_patches, usual_size
    from dinomm.visualization.attention_video import attention_frame
    from dinomm.visualization.video import read_film, write_film

    film = read_film(args.video)
    network = evaluate.load(config, args)
    size = args.size or usual_size(config, network.backbone)
    length = min(-(-film.length // args.every), args.frames or film.length)
    countdown = Countdown('frames', length, evaluate.show)

    def frames() -> Iterator[Any]:
        for frame in islice(islice(film.frames, 0, None, args.every), args.frames):
            picture = fit_to_patches(frame, network.backbone, size)
            maps = attention_of(network, picture, args.query)
            yield attention_frame(picture, maps, args.heads, args.query)
            countdown.add(1)

    write_film(frames(), args.out, args.fps or film.fps / args.every)
