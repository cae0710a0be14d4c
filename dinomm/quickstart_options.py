"""The quick start's command line; imports nothing that a bare machine lacks."""

import argparse


def parse_args() -> argparse.Namespace:
    """Parses it; ``--help`` answers before anything is installed."""
    parser = argparse.ArgumentParser(
        description='Pretrains a small ViT by DINO in minutes, and shows what it learned.'
    )
    parser.add_argument('--images', metavar='FOLDER', help='your own images instead of the digits')
    parser.add_argument('--work-dir', default='work_dirs/quickstart')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()
