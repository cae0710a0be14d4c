"""Mask R-CNN with Swin-T, window 7, 36 epochs on COCO at several scales, half of them cropped.

Paper: EsViT, arXiv 2106.09785, table of COCO; Swin, arXiv 2103.14030 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-tiny-w7_fpn_ms-crop-3x_coco.py 8 \
        --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: EsViT about as the supervised one, which has box 46.0, mask 41.6 (published Swin
    detectors; mmdet the same); MoBY, self-supervised: box 46.0, mask 41.7.
Settings: mmdet's, 16 images a step; mmdet took eight V100 of 10.2 GB.
"""

_base_ = [
    'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco.py',
    '../_base_/models/detection_swin-tiny-w7.py',
    '../_base_/detection.py',
]

pretrained = 'work_dirs/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k/epoch_300.pth'

model = dict(backbone=_base_.swin)
train_cfg = dict(type='dinomm.ResumableEpochLoop')
default_hooks = _base_.detection_hooks
