"""Mask R-CNN with Swin-T, window 7, 12 epochs on COCO."""

_base_ = [
    'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py',
    '../_base_/models/detection_swin-tiny-w7.py',
    '../_base_/detection.py',
]

pretrained = 'work_dirs/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k/epoch_300.pth'

model = dict(backbone=_base_.swin)
default_hooks = _base_.detection_hooks
