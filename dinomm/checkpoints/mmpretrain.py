"""Names of mmpretrain, mmdet and dinomm, which share them, but for what their networks have not."""

from functools import partial

from .dino import NO_MASKS
from .dinov2 import NAMES
from .formats import Family, Format
from .forms import Form, SwinForm, VitForm
from .names import NameTable
from .networks import mm_forward
from .resnet import RESNET
from .swin import NO_MASK, OF_INDEX, PUBLISHED

DINOMM_VIT = NAMES.of_dinomm()
VIT = NameTable(pair for pair in DINOMM_VIT.pairs if 'token' not in pair[0] or 'cls' in pair[0])
SWIN = (PUBLISHED + [OF_INDEX, ('norm{i}.', 'norm{i}.')]).of_dinomm()
MM_SWIN = Family('swin', SWIN, beside=NO_MASK, norm_eps=1e-5)


def _usage(form: Form, file: str) -> str:
    kinds = {VitForm: 'VisionTransformer', SwinForm: 'SwinTransformer'}
    kind = kinds.get(type(form), 'ResNet')
    return (
        f"backbone=dict(type='mmpretrain.{kind}', init_cfg=dict(type='Pretrained', "
        f"checkpoint={file!r}, prefix='backbone.'))"
    )


def _dinomm_usage(form: Form, file: str) -> str:
    return f'python tools/train.py CONFIG --cfg-options load_from={file}'


DINOMM = Format(
    'dinomm',
    'dinomm',
    (Family('vit', DINOMM_VIT), MM_SWIN._replace(norm_eps=1e-6), RESNET),
    prefix='backbone.',
    container='state_dict',
    forward=partial(mm_forward, scope='dinomm'),
    usage=_dinomm_usage,
)
MMPRETRAIN = Format(
    'mmpretrain',
    'mmpretrain',
    (Family('vit', VIT, left_out=NO_MASKS), MM_SWIN, RESNET),
    prefix='backbone.',
    container='state_dict',
    forward=partial(mm_forward, scope='mmpretrain'),
    usage=_usage,
)
