"""dinomm: self-supervised pretraining of vision backbones in MMEngine style.

Importing it loads neither torch nor mmpretrain: those follow when a config is built.
"""

from .version import __version__

__all__ = ['__version__']
