"""Detection with mmdet.

Importing it lets mmdet work where mmcv has no compiled operators (see `operators`). Do so before
anything of mmdet: `import dinomm.detection`, or in a config
``custom_imports = dict(imports=['dinomm.detection'])``. It loads neither torch nor mmdet.
"""

from .operators import provide_operators

provide_operators()
