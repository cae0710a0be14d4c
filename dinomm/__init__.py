"""dinomm: self-supervised pretraining of vision backbones in MMEngine style.

Importing it loads neither torch nor mmpretrain: those follow when a config is built.
"""

import warnings

from .version import __version__

# mmcv without compiled operators says so at import; pretraining needs none of them
warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')

__all__ = ['__version__']
