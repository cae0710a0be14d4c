#!/usr/bin/env python3
"""Converts weights: DINO, iBOT, DINOv2, EsViT, timm, Hugging Face, mmpretrain, mmdet, dinomm.

ViT, Swin and ResNet, also torchvision's; a whole checkpoint of DINO, iBOT, EsViT or DINOv2 becomes
one that tools/train.py goes on from: python tools/convert.py FROM TO IN OUT
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.commands.convert import add_options, run


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(launch.run_tool(lambda: run(arguments)))
