"""Runs one of mmdet's own scripts with operators, where mmcv has none compiled.

    python -m dinomm.detection path/of/mmdet/tools/test.py CONFIG CHECKPOINT ...

Some of them import mmdet's models before they read the config, so that its `custom_imports` would
come too late.
"""

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Runs the script that the first argument names, with the arguments behind it."""
    del sys.argv[0]
    if not sys.argv or sys.argv[0] in ('-h', '--help'):
        sys.exit(__doc__.strip())
    script = Path(sys.argv[0])
    if not script.is_file():
        sys.exit(f'error: {script} does not exist: name a script of mmdet, such as tools/test.py')
    sys.path.insert(0, str(script.resolve().parent))
    runpy.run_path(str(script), run_name='__main__')


if __name__ == '__main__':
    main()
