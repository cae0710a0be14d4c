"""Writes images that Python packages carry as files, or composes a COCO data set: no download.

python tools/prepare_data.py digits    # 5,000 handwritten digits: data/digits/{train,val}/<digit>/
python tools/prepare_data.py photos    # nine photographs: data/photos/
python tools/prepare_data.py coco      # digits pasted on the photographs: data/coco_quick/
python tools/prepare_data.py coco --cutouts ~/cutouts --photos ~/photos --out data/mine
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FOLDERS = {'digits': 'data/digits', 'photos': 'data/photos', 'coco': 'data/coco_quick'}
OF_COCO = ('cutouts', 'photos', 'num_images', 'size', 'seed')


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data', choices=FOLDERS)
    parser.add_argument('--out', type=folder_path, help='folder to write (default: as above)')
    coco = parser.add_argument_group('coco', argument_default=argparse.SUPPRESS)
    coco.add_argument(
        '--cutouts',
        type=folder_path,
        metavar='FOLDER',
        help='your own objects instead of digits: FOLDER/<class>/*.png with transparency',
    )
    coco.add_argument(
        '--photos', type=folder_path, metavar='FOLDER', help='your own photographs as backgrounds'
    )
    coco.add_argument(
        '--images',
        type=int,
        metavar='N',
        dest='num_images',
        help='how many to compose, a fifth of them for validation (500)',
    )
    coco.add_argument('--size', type=int, metavar='PIXELS', help='sides of the images (128)')
    coco.add_argument('--seed', type=int, help='of everything that is drawn (0)')
    args = parser.parse_args()
    if args.data != 'coco' and any(hasattr(args, name) for name in OF_COCO):
        parser.error(
            f'--cutouts, --photos, --images, --size and --seed are of coco, not {args.data}'
        )
    return args


def folder_path(text: str) -> Path:
    """A path, `~` expanded."""
    return Path(text).expanduser()


def main(args: argparse.Namespace) -> None:
    """Writes the images that the command line names."""
    out = args.out or Path(FOLDERS[args.data])
    if args.data == 'coco':
        from dinomm.detection.compose import compose_coco

        compose_coco(out, **{name: getattr(args, name) for name in OF_COCO if hasattr(args, name)})
    else:
        from dinomm.datasets.embedded import write_digits, write_photos

        write = write_digits if args.data == 'digits' else write_photos
        write(out)
    print(out)


if __name__ == '__main__':
    arguments = parse_args()
    try:
        main(arguments)
    except (ModuleNotFoundError, ValueError, OSError) as error:
        sys.exit(str(error))
