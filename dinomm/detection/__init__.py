"""Detection with mmdet.

Importing it lets mmdet work where mmcv has no compiled operators (see `operators`). Do so before
anything of mmdet: `import dinomm.detection`, or in a config
``custom_imports = dict(imports=['dinomm.detection'])``. It loads neither torch nor mmdet.
"""

from dinomm.language_models import leave_out_language_models

from .operators import provide_operators

leave_out_language_models()
provide_operators()
