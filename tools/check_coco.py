#!/usr/bin/env python3
"""Says what is wrong with a COCO annotation file: python tools/check_coco.py JSON [IMAGES].

Looks for missing, unreadable and differently sized image files, empty boxes and boxes outside their
image, unknown and unused categories, annotations of unknown images, doubled ids, broken polygons
and masks. Exit status 1 if anything was found.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('json', type=Path, help='annotation file')
    parser.add_argument(
        'images', type=Path, nargs='?', help='folder of the images (looked for near the file)'
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Checks, prints."""
    from dinomm.detection.coco_check import report

    report(args.json.expanduser(), args.images and args.images.expanduser())


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: main(arguments)))
