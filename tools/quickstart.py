#!/usr/bin/env python3
"""Sets everything up and pretrains a small ViT by DINO: digits, or --images FOLDER."""

import os
import subprocess
import sys
from pathlib import Path

from setup_env import ensure_environment

from dinomm.quickstart_options import parse_args

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Runs ``dinomm.quickstart`` with the environment's Python."""
    parse_args()  # a wrong option is answered before the set-up
    python = ensure_environment([])
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [str(python), '-m', 'dinomm.quickstart', *sys.argv[1:]]
    return subprocess.run(command, env=environment, cwd=None).returncode


if __name__ == '__main__':
    sys.exit(main())
