"""Mask R-CNN on composed images, digits on photographs: minutes on one CPU core.

The backbone is the Swin of configs/esvit/quickstart_swin.py.
Data: python tools/prepare_data.py coco
Command: python tools/train.py configs/detection/quickstart_coco_swin.py \
    --cfg-options pretrained=work_dirs/quickstart_swin/epoch_12.pth
"""

_base_ = [
    '../_base_/models/detection_quickstart.py',
    '../_base_/models/detection_quickstart_swin.py',
    '../_base_/datasets/coco_quick.py',
    '../_base_/schedules/detection_quickstart.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/detection.py',
]

pretrained = None

__strides = [4, 8]
__roi_extractor = dict(
    featmap_strides=__strides,
    finest_scale=28,  # objects up to 56 pixels are read from the map of stride 4
)

model = dict(
    backbone=_base_.swin,
    neck=dict(in_channels=[48, 96], num_outs=3),
    rpn_head=dict(
        anchor_generator=dict(scales=[6], strides=[*__strides, 16])  # 24, 48, 96 pixels
    ),
    roi_head=dict(bbox_roi_extractor=__roi_extractor, mask_roi_extractor=__roi_extractor),
)

default_hooks = _base_.detection_hooks
default_hooks.logger = dict(type='LoggerHook', interval=10)
default_hooks.checkpoint.interval = 4
