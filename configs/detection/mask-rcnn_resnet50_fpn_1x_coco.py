"""Mask R-CNN with ResNet-50, 12 epochs on COCO.

Paper: DINO, arXiv 2104.14294 (backbone); Mask R-CNN, arXiv 1703.06870 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/mask-rcnn_resnet50_fpn_1x_coco.py 8 \
        --cfg-options pretrained=work_dirs/dino/epoch_100.pth
Published result: box 39.1, mask 35.7 (SwAV, self-supervised); box 38.0, mask 34.3 (MoCo v2);
    box 38.2, mask 34.7 (supervised): mmdet's. None of DINO.
Settings: mmdet's for self-supervised weights: batch norm is trained, over all GPUs, and only the
    stem is frozen.
"""

_base_ = [
    'mmdet::selfsup_pretrain/mask-rcnn_r50-mocov2-pre_fpn_1x_coco.py',
    '../_base_/detection.py',
]

pretrained = 'work_dirs/dino_resnet50_8xb64-coslr-100e_in1k/epoch_100.pth'

model = dict(backbone=dict(init_cfg=None))
train_cfg = dict(type='dinomm.ResumableEpochLoop')
default_hooks = _base_.detection_hooks
