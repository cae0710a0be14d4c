"""Writes images that Python packages carry as files: no download.

python tools/prepare_data.py digits    # 5,000 handwritten digits: data/digits/{train,val}/<digit>/
python tools/prepare_data.py photos    # nine photographs: data/photos/
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> None:
    """Writes the images that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', choices=('digits', 'photos'))
    parser.add_argument('--out', type=Path, help='folder to write (default: data/<images>)')
    arguments = parser.parse_args()
    out = arguments.out or Path('data') / arguments.images

    from dinomm.datasets.embedded import write_digits, write_photos

    write = write_digits if arguments.images == 'digits' else write_photos
    try:
        write(out.expanduser())
    except (ModuleNotFoundError, ValueError, OSError) as error:
        sys.exit(str(error))
    print(out)


if __name__ == '__main__':
    main()
