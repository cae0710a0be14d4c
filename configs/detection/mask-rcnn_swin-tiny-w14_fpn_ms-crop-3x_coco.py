"""Mask R-CNN with Swin-T, window 14 (in the last stage 7), 36 epochs on COCO at several scales.

mmdet's own Swin has one window for all stages and cannot load these weights.

Paper: EsViT, arXiv 2106.09785 (backbone); Swin, arXiv 2103.14030 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-tiny-w14_fpn_ms-crop-3x_coco.py 8 \
        --amp --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: none.
Settings: those of window 7.
"""

_base_ = ['./mask-rcnn_swin-tiny-w7_fpn_ms-crop-3x_coco.py']

pretrained = 'work_dirs/esvit_swin-tiny-w14-continue_16xb32-coslr-300e_in1k/epoch_300.pth'

__last_stage = dict(_base_.swin.stage_cfgs[3], window_size=7)

model = dict(
    backbone=dict(
        window_size=14,
        stage_cfgs=[_base_.stage, _base_.stage, _base_.stage, __last_stage],
    )
)
