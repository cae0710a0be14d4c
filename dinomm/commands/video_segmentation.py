"""Video object segmentation by label propagation: J, F and their mean.

--data names a folder of DAVIS-2017: ImageSets/2017/val.txt, JPEGImages/480p, Annotations/480p. The
masks found are written as PNGs with a palette. Each process takes whole videos.
"""

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dinomm.progress import Countdown

from . import evaluate as common
from .folders import data_folder, require_whole


def add_options(parser: Any) -> None:
    """The protocol's constants and where masks go."""
    parser.add_argument('--out', help='folder of the masks found (<checkpoint>.masks)')
    parser.add_argument('--subset', default='val', help='list in ImageSets/2017 (val)')
    parser.add_argument(
        '--short-side', type=int, default=480, help='of the frames looked at, pixels (480)'
    )
    parser.add_argument('--last-frames', type=int, default=7, help='besides the first (7)')
    parser.add_argument('--radius', type=int, default=12, help='of the neighbourhood, regions (12)')
    parser.add_argument('--top', type=int, default=5, help='regions that give labels (5)')
    parser.add_argument('--temperature', type=float, default=0.1, help='of their weights (0.1)')


def evaluate(config: Config, args: argparse.Namespace) -> dict:
    """Percentages over all objects, and of each."""
    from dinomm.evaluation.label_propagation import Propagation
    from dinomm.evaluation.sharding import gather_objects, share_of_process
    from dinomm.evaluation.video_segmentation import evaluate_video, find_videos, summarise

    require_whole(args, 'DAVIS')
    constants = Propagation(args.last_frames, args.radius, args.top, args.temperature).checked()
    videos = find_videos(data_folder(args, 'a folder of DAVIS-2017'), args.subset)
    out = Path(args.out or common.default_path(args.checkpoint, args.config, 'masks')).expanduser()
    network = common.load(config, args)
    countdown = Countdown('frames', sum(len(video.frames) for video in videos), common.show)
    mine = [
        evaluate_video(network, videos[i], out, constants, args.short_side, countdown.add)
        for i in share_of_process(len(videos))
    ]
    objects = {name: of for measured in gather_objects(mine) for name, of in measured.items()}
    common.show(f'masks written to {out}')
    return {
        **summarise(objects),
        'videos': len(videos),
        'objects': {name: objects[name] for name in sorted(objects)},
    }
