"""Mask R-CNN with a plain ViT-B/16 and a pyramid of its last map, 100 epochs on COCO.

Paper: Exploring Plain Vision Transformer Backbones for Object Detection, arXiv 2203.16527.
Command, on 32 GPUs:
    GPUS=32 bash tools/slurm_train.sh PARTITION det \
        configs/detection/mask-rcnn_vit-base-p16_simple-fpn_lsj-100e_coco.py work_dirs/det \
        --amp --cfg-options pretrained=work_dirs/dino/epoch_400.pth
Published result: box 51.6, mask 45.9 (MAE: detectron2's ViTDet). None of DINO.
Settings: ViTDet's: AdamW 1e-4 for 64 images, rates of layers by powers of 0.7, crops of 1024 px
    scaled by 0.1 to 2. All blocks attend globally, as in pretraining, where ViTDet has windows in
    eight of twelve; and no relative positions are added. On fewer GPUs:
    optim_wrapper.accumulative_counts.
"""

_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    'mmdet::common/lsj-100e_coco-instance.py',
    '../_base_/detection.py',
]

pretrained = 'work_dirs/dino_vit-base-p16_32xb32-coslr-400e_in1k/epoch_400.pth'

__size = (1024, 1024)
__norm = dict(type='mmpretrain.LN2d', eps=1e-6)

model = dict(
    data_preprocessor=dict(
        batch_augments=[dict(type='BatchFixedSizePad', size=__size, pad_mask=True)]
    ),
    backbone=dict(
        _delete_=True,
        type='dinomm.ViTFeatureMap',
        arch='deit-base',
        patch_size=16,
        img_size=224,  # of the global crops; embeddings are resized to each input
        drop_path_rate=0.1,
    ),
    neck=dict(
        _delete_=True,
        type='dinomm.SimpleFeaturePyramid',
        in_channels=768,
        out_channels=256,
        num_outs=5,
    ),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=__norm),
        mask_head=dict(norm_cfg=__norm),
    ),
)

for __loader in (_base_.val_dataloader, _base_.test_dataloader):
    __loader.dataset.pipeline[1].scale = __size

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='dinomm.TwoGroupConstructor',  # norms and biases are not decayed
    paramwise_cfg=dict(layer_decay=0.7, no_decay=('pos_embed', 'cls_token')),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1),
)
__warmup = dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=250)
param_scheduler = [__warmup, _base_.param_scheduler[1]]
auto_scale_lr = dict(enable=False, base_batch_size=64)
train_cfg = dict(type='dinomm.ResumableEpochLoop')
default_hooks = _base_.detection_hooks
