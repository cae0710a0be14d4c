"""A Mask R-CNN of 32 channels for images of 128 pixels; a config adds backbone, neck, strides."""

_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py']

channels = 32
__roi_extractor = dict(roi_layer=dict(sampling_ratio=2), out_channels=channels)

model = dict(
    neck=dict(out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(
        bbox_roi_extractor=__roi_extractor,
        bbox_head=dict(in_channels=channels, fc_out_channels=256),
        mask_roi_extractor=__roi_extractor,
        mask_head=dict(num_convs=2, in_channels=channels, conv_out_channels=channels),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=300, max_per_img=100),
        rcnn=dict(sampler=dict(num=32, pos_fraction=0.5)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=100), rcnn=dict(max_per_img=20)),
)
