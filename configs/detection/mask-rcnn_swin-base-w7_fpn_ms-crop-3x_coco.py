"""Mask R-CNN with Swin-B, window 7, 36 epochs on COCO at several scales.

Paper: EsViT, arXiv 2106.09785 (backbone); Swin, arXiv 2103.14030 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-base-w7_fpn_ms-crop-3x_coco.py 8 \
        --amp --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: none of this detector. With Cascade Mask R-CNN: box 51.9, mask 45.0 (supervised:
    published Swin detectors).
Settings: those of Swin-T; drop path 0.3 is ours.
"""

_base_ = ['./mask-rcnn_swin-tiny-w7_fpn_ms-crop-3x_coco.py']

pretrained = 'work_dirs/esvit_swin-base-w7-continue_16xb32-coslr-300e_in1k/epoch_300.pth'

model = dict(
    backbone=dict(arch='base', drop_path_rate=0.3),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
