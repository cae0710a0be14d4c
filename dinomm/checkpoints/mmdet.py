"""mmdet's names: those of mmpretrain, for the backbones of its detectors."""

from functools import partial

from .formats import Format
from .forms import Form, SwinForm
from .mmpretrain import MM_SWIN
from .networks import mm_forward
from .resnet import RESNET


def _usage(form: Form, file: str) -> str:
    if isinstance(form, SwinForm):  # its own loader knows the prefix
        load = f"type='Pretrained', checkpoint={file!r}"
        return (
            "model.backbone=dict(type='mmdet.SwinTransformer', convert_weights=False, "
            f'init_cfg=dict({load}))'
        )
    load = f"type='Pretrained', checkpoint={file!r}, prefix='backbone.'"
    return f"model.backbone=dict(type='mmdet.ResNet', style='pytorch', init_cfg=dict({load}))"


FORMAT = Format(
    'mmdet',
    'mmdet',
    (MM_SWIN, RESNET),
    prefix='backbone.',
    container='state_dict',
    forward=partial(mm_forward, scope='mmdet'),
    usage=_usage,
)
