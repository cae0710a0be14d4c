"""The composed set of `python tools/prepare_data.py coco`, or one's own by --data, at 128 pixels.

No flips: a flipped digit is another character.
"""

_base_ = ['mmdet::_base_/datasets/coco_instance.py']

coco_data = dict(root='data/coco_quick')

__scale = (128, 128)
__train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='Resize', scale=__scale, keep_ratio=True),
    dict(type='PackDetInputs'),
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
