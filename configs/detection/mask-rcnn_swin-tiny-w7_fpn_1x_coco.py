"""Mask R-CNN with Swin-T, window 7, 12 epochs on COCO.

Paper: EsViT, arXiv 2106.09785 (backbone); Swin, arXiv 2103.14030 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-tiny-w7_fpn_1x_coco.py 8 \
        --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: box 43.6, mask 39.6 (MoBY, self-supervised); box 43.7, mask 39.8 (supervised): the
    published Swin detectors, which train at several scales. Supervised by mmdet, at one scale as
    here: box 42.7, mask 39.3. EsViT gives none for 12 epochs.
Settings: mmdet's, 16 images a step; mmdet took eight V100 of 7.6 GB.
"""

_base_ = [
    'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py',
    '../_base_/models/detection_swin-tiny-w7.py',
    '../_base_/detection.py',
]

pretrained = 'work_dirs/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k/epoch_300.pth'

model = dict(backbone=_base_.swin)
train_cfg = dict(type='dinomm.ResumableEpochLoop')
default_hooks = _base_.detection_hooks
