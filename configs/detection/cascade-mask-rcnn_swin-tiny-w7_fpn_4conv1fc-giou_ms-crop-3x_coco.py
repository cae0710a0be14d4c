"""Cascade Mask R-CNN with Swin-T, window 7, 36 epochs on COCO at several scales.

Paper: EsViT, arXiv 2106.09785 (backbone); Swin, arXiv 2103.14030 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh \
        configs/detection/cascade-mask-rcnn_swin-tiny-w7_fpn_4conv1fc-giou_ms-crop-3x_coco.py 8 \
        --amp --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: box 50.2, mask 43.5 (MoBY, self-supervised); box 50.4, mask 43.7 (supervised): the
    published Swin detectors. None of EsViT.
Settings: heads and pipeline of mmdet's ConvNeXt, which has them of Swin; rates of the Mask R-CNN.
"""

_base_ = [
    'mmdet::convnext/cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py',
    '../_base_/models/detection_swin-tiny-w7.py',
]

pretrained = 'work_dirs/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k/epoch_300.pth'

model = dict(backbone=_base_.swin)

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(
        custom_keys=dict(
            relative_position_bias_table=dict(decay_mult=0.0), norm=dict(decay_mult=0.0)
        )
    ),
)

# as in ../_base_/detection.py, which cannot stand beside a base with custom_imports of its own
custom_imports = dict(imports=['dinomm.detection'], allow_failed_imports=False)
custom_hooks = [dict(type='dinomm.PretrainedBackboneHook')]
train_cfg = dict(type='dinomm.ResumableEpochLoop')
default_hooks = dict(
    runtime_info=dict(type='dinomm.IntervalRuntimeInfoHook'),
    checkpoint=dict(max_keep_ckpts=2),
)
