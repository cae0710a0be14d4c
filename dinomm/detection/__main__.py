"""Runs a script of mmdet where mmcv has no compiled operators.

python -m dinomm.detection SCRIPT [arguments of the script]
"""

import runpy
import sys


def main() -> None:
    """Runs the script as Python would; the operators were prepared by importing the package."""
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        print(__doc__.strip())
        return
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
    main()
