#!/usr/bin/env python3
"""Writes a pretrained backbone as ONNX, TorchScript or torch.export, checked against PyTorch.

Exit status 1, and no file, if it differs: python tools/export.py CONFIG CHECKPOINT backbone.onnx
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dinomm import launch
from dinomm.commands.export import add_options, run


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
