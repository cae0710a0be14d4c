"""The images of a folder that excite each of a sample of prototypes.

The checkpoint holds the head, as those of training runs do. Of the prototypes that are the largest
target of some image, a sample is shown, from the most chosen to the least. For a head of regions
the excited region is framed.
"""

import argparse
from typing import Any

from mmengine.config import Config

from dinomm.commands import evaluate
from dinomm.commands import visualize as common
from dinomm.data_paths import require_root


def add_options(parser: Any) -> None:
    """Network, folder, how many."""
    common.add_network(parser)
    parser.add_argument('folder', help='folder of images, list file or tar shards')
    parser.add_argument('--head', help="name in model.heads (the config's first)")
    parser.add_argument('--prototypes', type=int, default=8, help='rows (%(default)s)')
    parser.add_argument('--top', type=int, default=8, help='images of a prototype (%(default)s)')
    common.add_extraction(parser, cache=False)


def draw(config: Config, args: argparse.Namespace) -> None:
    """A row for each prototype."""
    common.require_positive(args, 'prototypes', 'top')
    if args.checkpoint == evaluate.UNTRAINED:
        raise ValueError('prototypes of an untrained head say nothing: give a checkpoint')
    require_root(args.folder, 'the folder')
    from dinomm.evaluation import prototypes
    from dinomm.evaluation.labelled import folder_images, spread
    from dinomm.visualization.prototypes import prototype_sheet

    images = folder_images(config, args.folder, args.data_root)
    network = evaluate.load(config, args)
    name = args.head or next(iter(config.model.get('heads') or {}), 'view')
    head = prototypes.load_head(config, args.checkpoint, name, args.student)
    how = common.extraction(config, args)
    found = prototypes.measure_excitation(network, head, spread(images, args.limit), how, args.top)
    sample = prototypes.sample_prototypes(found.chosen, args.prototypes)
    what = 'images' if head.uses_regions == 'none' else 'regions'
    titles = [
        f'Prototype {k}: first choice of {count:,} {what if count > 1 else what[:-1]}'
        for k, count in zip(sample, found.chosen[sample].tolist(), strict=True)
    ]
    used, total = int((found.chosen > 0).sum()), int(found.chosen.sum())
    heading = (
        f'Images that excite prototypes of head {name!r} most; {used:,} of {len(found.chosen):,} '
        f'are the first choice of some of {total:,} {what}'
    )
    excited = [_excited(images, found, prototype) for prototype in sample]
    prototype_sheet(titles, excited, heading, args.out)


def _excited(images: Any, found: Any, prototype: int) -> list[Any]:
    from dinomm.visualization.prototypes import Excited

    rows, columns = found.grid
    shown = []
    for number, region, score in zip(
        found.image[prototype].tolist(),
        found.region[prototype].tolist(),
        found.score[prototype].tolist(),
        strict=True,
    ):
        if number < 0:
            continue
        picture = images[number]['inputs'][0].permute(1, 2, 0).numpy()
        row, column = divmod(region, columns)
        box = (row / rows, column / columns, 1 / rows, 1 / columns) if rows * columns > 1 else None
        name = common.caption(images.image_path(number))
        shown.append(Excited(picture, name, score, box))
    return shown
