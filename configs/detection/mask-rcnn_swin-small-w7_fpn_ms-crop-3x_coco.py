"""Mask R-CNN with Swin-S, window 7, 36 epochs on COCO at several scales.

Paper: EsViT, arXiv 2106.09785 (backbone); Swin, arXiv 2103.14030 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-small-w7_fpn_ms-crop-3x_coco.py 8 \
        --amp --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: box 48.5, mask 43.3 (supervised: published Swin detectors); by mmdet in float16
    box 48.2, mask 43.2. None of EsViT.
Settings: those of Swin-T, as mmdet's; it took eight V100 of 11.9 GB, in float16.
"""

_base_ = ['./mask-rcnn_swin-tiny-w7_fpn_ms-crop-3x_coco.py']

pretrained = 'work_dirs/esvit_swin-small-w7_16xb32-coslr-300e_in1k/epoch_300.pth'

model = dict(backbone=dict(arch='small'))
