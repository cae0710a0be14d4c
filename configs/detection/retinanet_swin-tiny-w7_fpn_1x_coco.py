"""RetinaNet with Swin-T, window 7, 12 epochs on COCO.

Paper: EsViT, arXiv 2106.09785 (backbone); Focal Loss, arXiv 1708.02002 (detector).
Command, on eight GPUs:
    bash tools/dist_train.sh configs/detection/retinanet_swin-tiny-w7_fpn_1x_coco.py 8 \
        --cfg-options pretrained=work_dirs/esvit/epoch_300.pth
Published result: none of this detector.
Settings: AdamW, rate and warm-up of the Mask R-CNN, where mmdet's RetinaNet with Swin keeps the SGD
    of its ResNet; gradients clipped, as RetinaNet's are large at the start.
"""

_base_ = [
    'mmdet::swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py',
    '../_base_/models/detection_swin-tiny-w7.py',
    '../_base_/detection.py',
]

pretrained = 'work_dirs/esvit_swin-tiny-w7_16xb32-coslr-300e_in1k/epoch_300.pth'

# the pyramid starts at stride 8
model = dict(backbone=dict(_base_.swin, out_indices=(1, 2, 3)))

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(
        custom_keys=dict(
            relative_position_bias_table=dict(decay_mult=0.0), norm=dict(decay_mult=0.0)
        )
    ),
    clip_grad=dict(max_norm=35.0, norm_type=2),
)
__warmup = dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000)
param_scheduler = [__warmup, _base_.param_scheduler[1]]
train_cfg = dict(type='dinomm.ResumableEpochLoop')
default_hooks = _base_.detection_hooks
