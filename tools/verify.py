#!/usr/bin/env python3
"""Runs golden vectors of the published implementations through dinomm and prints a table."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    """Exit status 1 if a quantity is off, a file is unknown, or nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('paths', nargs='+', help='directories or .npz files')
    paths = parser.parse_args().paths

    from dinomm.verification import verify

    try:
        return 0 if verify(paths) else 1
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
