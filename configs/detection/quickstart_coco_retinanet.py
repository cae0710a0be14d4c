"""RetinaNet on composed images, digits on photographs: minutes on one CPU core; boxes, no masks.

The backbone is the Swin of configs/esvit/quickstart_swin.py.
Data: python tools/prepare_data.py coco
Command: python tools/train.py configs/detection/quickstart_coco_retinanet.py \
    --cfg-options pretrained=work_dirs/quickstart_swin/epoch_12.pth
"""

_base_ = [
    'mmdet::_base_/models/retinanet_r50_fpn.py',
    '../_base_/models/detection_quickstart_swin.py',
    '../_base_/datasets/coco_quick.py',
    '../_base_/schedules/detection_quickstart.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/detection.py',
]

pretrained = None

model = dict(
    backbone=_base_.swin,
    neck=dict(in_channels=[48, 96], out_channels=32, start_level=0, num_outs=3),
    bbox_head=dict(
        in_channels=32,
        feat_channels=32,
        stacked_convs=2,
        anchor_generator=dict(octave_base_scale=6, ratios=[1.0], strides=[4, 8, 16]),
    ),
)
val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator

default_hooks = _base_.detection_hooks
default_hooks.logger = dict(type='LoggerHook', interval=10)
default_hooks.checkpoint.interval = 4
