"""Computes what tests/detection compares with, by mmcv's own operators.

The few that are needed are compiled from mmcv's source distribution, which takes a minute and
needs a C++ compiler and ninja:

    pip download --no-deps --no-binary :all: onedl-mmcv==2.3.6 && tar xzf onedl_mmcv-2.3.6.tar.gz
    python tests/data/make_detection_numbers.py onedl_mmcv-2.3.6
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dinomm.detection.operators import StandIns


def compile_operators(source):
    """Puts mmcv's own operators, compiled from its sources, where mmcv looks for them."""
    from torch.utils.cpp_extension import load

    csrc = Path(source).resolve() / 'mmcv/ops/csrc'
    compiled = load(
        'mmcv_operators',
        [str(Path(__file__).with_name('mmcv_operators.cpp'))],
        extra_include_paths=[str(csrc), str(csrc / 'common')],
    )
    extension = StandIns('mmcv._ext')
    vars(extension).update(
        {name: value for name, value in vars(compiled).items() if name[0] != '_'}
    )
    sys.modules['mmcv._ext'] = extension


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help="folder of mmcv's unpacked source distribution")
    compile_operators(parser.parse_args().source)
    from tests.detection import reference

    numbers = {
        **reference.operator_numbers(sys.modules['mmcv._ext']),
        **reference.detector_numbers('mask_rcnn'),
        **reference.detector_numbers('retinanet'),
    }
    np.savez_compressed(reference.FILE, **{key: value.numpy() for key, value in numbers.items()})
    print(f'{reference.FILE}: {len(numbers)} arrays')


if __name__ == '__main__':
    main()
