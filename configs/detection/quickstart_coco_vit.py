"""Mask R-CNN with a plain ViT on composed images, digits on photographs: minutes on one CPU core.

The backbone is the ViT of configs/dino/quickstart_digits.py; its map of stride 7 is the middle of
a simple feature pyramid.
Data: python tools/prepare_data.py coco
Command: python tools/train.py configs/detection/quickstart_coco_vit.py \
    --cfg-options pretrained=work_dirs/quickstart/epoch_24.pth
"""

_base_ = ['./quickstart_coco_swin.py']

__strides = [3.5, 7, 14]
__roi_extractor = dict(featmap_strides=__strides)

model = dict(
    data_preprocessor=dict(pad_size_divisor=28),
    backbone=dict(
        _delete_=True,
        type='dinomm.ViTFeatureMap',
        arch=dict(embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384),
        img_size=28,
        patch_size=7,
        drop_path_rate=0.0,
    ),
    neck=dict(
        _delete_=True,
        type='dinomm.SimpleFeaturePyramid',
        in_channels=96,
        out_channels=_base_.channels,
        num_outs=3,
        start_level=1,
    ),
    rpn_head=dict(anchor_generator=dict(scales=[4.5], strides=__strides)),  # 16, 32, 63 pixels
    roi_head=dict(bbox_roi_extractor=__roi_extractor, mask_roi_extractor=__roi_extractor),
)
