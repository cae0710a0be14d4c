"""Mask R-CNN on composed images of 128 pixels, digits on photographs: minutes on one CPU core.

The backbone is the Swin of configs/esvit/quickstart_digits.py, with the maps of both stages.
Data: python tools/prepare_data.py coco
Command: python tools/train.py configs/detection/quickstart_coco.py
"""

_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/detection.py',
]

pretrained = None  # 'work_dirs/quickstart_digits/epoch_24.pth'
coco_data = dict(root='data/coco_quick')

__norm = dict(type='LN', eps=1e-6)
__stage = dict(block_cfgs=dict(norm_cfg=__norm), downsample_cfg=dict(norm_cfg=__norm))
__backbone = dict(
    _delete_=True,
    type='dinomm.FastSwinTransformer',
    arch=dict(embed_dims=48, depths=[2, 2], num_heads=[2, 4]),
    img_size=28,
    patch_size=4,
    window_size=7,
    pad_small_map=True,
    drop_path_rate=0.0,
    out_indices=(0, 1),  # strides 4 and 8
    norm_cfg=__norm,
    patch_cfg=dict(norm_cfg=__norm),
    stage_cfgs=[__stage, dict(block_cfgs=dict(norm_cfg=__norm))],
    init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
)
__channels = 32
__roi_extractor = dict(
    roi_layer=dict(sampling_ratio=2),
    out_channels=__channels,
    featmap_strides=[4, 8],
    finest_scale=28,  # objects up to 56 pixels are read from the map of stride 4
)

model = dict(
    backbone=__backbone,
    neck=dict(in_channels=[48, 96], out_channels=__channels, num_outs=3),
    rpn_head=dict(
        in_channels=__channels,
        feat_channels=__channels,
        anchor_generator=dict(scales=[6], strides=[4, 8, 16]),  # 24, 48 and 96 pixels
    ),
    roi_head=dict(
        bbox_roi_extractor=__roi_extractor,
        bbox_head=dict(in_channels=__channels, fc_out_channels=256),
        mask_roi_extractor=__roi_extractor,
        mask_head=dict(num_convs=2, in_channels=__channels, conv_out_channels=__channels),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=300, max_per_img=100),
        rcnn=dict(sampler=dict(num=32, pos_fraction=0.5)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100), rcnn=dict(max_per_img=20)),
)

__scale = (128, 128)
__train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=__scale, keep_ratio=True),
    dict(type='PackDetInputs'),  # no flips: a flipped digit is another character
]
__test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=__scale, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=__train_pipeline))
val_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=__test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=4)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, by_epoch=True, convert_to_iter_based=True),
]
default_hooks = _base_.detection_hooks
default_hooks.logger = dict(type='LoggerHook', interval=10)
default_hooks.checkpoint.interval = 4
auto_scale_lr = dict(base_batch_size=8)
