"""The command line of ``tools/visualize.py``: what all pictures share.

A picture is a module of :mod:`dinomm.commands.pictures`: the first line of its docstring is its
help, ``add_options(parser)`` adds what it takes besides the config and the file to write, and
``draw(config, args)`` draws it.
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from dinomm.data_paths import DATA_ROOT_HELP

from . import evaluate, labelled_features

PICTURES = (
    'attention',
    'attention-video',
    'pca',
    'correspondence',
    'crops',
    'neighbours',
    'prototypes',
    'schedules',
    'embedding',
)
"""Modules of :mod:`dinomm.commands.pictures`, with hyphens for underscores."""


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each picture."""
    names = parser.add_subparsers(dest='name', metavar='NAME', required=True)
    for name in PICTURES:
        module = import_module(f'{__package__}.pictures.{name.replace("-", "_")}')
        text = (module.__doc__ or '').splitlines()[0].rstrip('.')
        picture = names.add_parser(name, help=text, description=module.__doc__)
        picture.add_argument('config', help='config file')
        ending = getattr(module, 'ENDING', '.png')
        picture.add_argument('--out', default=f'{name}{ending}', help='file to write (%(default)s)')
        picture.add_argument(
            '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE'
        )
        module.add_options(picture)
        picture.set_defaults(picture=module, ending=ending)


def run(args: argparse.Namespace) -> None:
    """Draws."""
    if Path(args.out).suffix.lower() != args.ending:
        raise ValueError(f'--out {args.out}: expected a file that ends in {args.ending}')
    config = evaluate.read_config(args)
    if 'limit' in args:
        require_positive(args, 'limit')
    if 'checkpoint' in args:
        evaluate.require_checkpoint(args.checkpoint)
    args.picture.draw(config, args)
    print(f'written to {args.out}')


def add_network(parser: Any) -> None:
    """Checkpoint and how it is run."""
    parser.add_argument(
        'checkpoint',
        help=f'file of weights; its teacher is looked at. {evaluate.UNTRAINED!r}: random weights',
    )
    parser.add_argument('--student', action='store_true', help='look at the student instead')
    parser.add_argument('--amp', action='store_true', help='bfloat16 instead of float32')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 (cuda if there is one)')


def add_images(parser: Any) -> None:
    """Files to look at."""
    parser.add_argument(
        'images', nargs='+', metavar='IMAGE', help='image files, or folders of them'
    )


def add_size(parser: Any) -> None:
    """How large the network sees a picture."""
    parser.add_argument(
        '--size', type=int, help='longest side in pixels (twice the evaluated view)'
    )


def add_query(parser: Any) -> None:
    """Where attention is looked at from."""
    parser.add_argument(
        '--query',
        type=float,
        nargs=2,
        metavar=('X', 'Y'),
        help='look from this point, as shares of width and height: 0 0 is the upper left',
    )


def image_paths(words: list[str]) -> list[str]:
    """The images that a command line names, those of a folder sorted.

    Raises:
        ValueError: There is no such file, or no image in a folder.
    """
    paths: list[str] = []
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            from dinomm.evaluation.images import list_images

            paths += list_images(path, 'images')
        elif path.is_file():
            paths.append(str(path))
        else:
            raise ValueError(f'image {word} does not exist')
    return paths


def require_positive(args: argparse.Namespace, *names: str) -> None:
    """Raises ValueError if one of the options is given and no number from 1."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f'--{name.replace("_", "-")} is {value}: expected at least 1')


def whole_pictures(config: Config, args: argparse.Namespace) -> tuple[Any, list[Any], list[str]]:
    """The network, the pictures that the command line names as it sees them, and their names."""
    require_positive(args, 'size')
    paths = image_paths(args.images)
    from dinomm.evaluation.whole_pictures import look_at, usual_size

    network = evaluate.load(config, args)
    size = args.size or usual_size(config, network.backbone)
    pictures = [look_at(path, network.backbone, size) for path in paths]
    return network, pictures, [caption(path) for path in paths]


def caption(path: str) -> str:
    """The last folder and the file's name."""
    return '/'.join(Path(path).parts[-2:])


def add_extraction(parser: Any, cache: bool = True) -> None:
    """How the features of a folder are computed, and whether they may be kept."""
    parser.add_argument(
        '--limit', type=int, metavar='N', help='images of the folder, evenly spread over all'
    )
    parser.add_argument('--data-root', metavar='FOLDER', help=DATA_ROOT_HELP)
    parser.add_argument('--batch-size', type=int, help="images at once (the config's)")
    parser.add_argument('--workers', type=int, help="processes that decode (the config's)")
    if cache:
        labelled_features.add_cache_options(parser)
    else:
        parser.set_defaults(cache=None, no_cache=True)


def extraction(config: Config, args: argparse.Namespace) -> Any:
    """How features are computed, as config and command line say."""
    return labelled_features.extraction(config, args)


class StoredPictures:
    """Pictures of a data set by their paths, also out of shards.

    Args:
        images: An ``ImageFiles``; its pipeline is not run.
    """

    def __init__(self, images: Any) -> None:
        self.images = images
        self.places = {images.image_path(i): i for i in range(len(images))}

    def picture(self, path: str) -> Any:
        """(H, W, 3) uint8."""
        from dinomm.datasets.transforms import LoadImage

        place = self.places[path]
        results = {'img_path': path}
        content = self.images.storage.content(place, self.images.paths[place])
        if content is not None:
            results['img_bytes'] = content
        return LoadImage().transform(results)['img']
