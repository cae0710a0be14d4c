"""Labelled images of 224 pixels for a classifier: DeiT's augmentation, BEiT's strength.

Folder of your own by `--data`: it sets roots, labels and the number of classes. Else change

    _base_.train_dataloader.dataset.root = 'photos/train'
    _base_.val_dataloader.dataset.root = 'photos/val'
    model = dict(head=dict(num_classes=10), data_preprocessor=dict(num_classes=10))
"""

# Names with two underscores are local to this file.
__crop = dict(
    type='mmpretrain.RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'
)
__fill = [124, 116, 104]  # the mean, RGB as LoadImage gives it

train_dataloader = dict(
    batch_size=128,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFiles',
        root='data/imagenet/train',
        labels='folder',
        pipeline=[
            dict(type='LoadImage'),
            __crop,
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(
                type='mmpretrain.RandAugment',
                policies='timm_increasing',
                num_policies=2,
                total_level=10,
                magnitude_level=9,
                magnitude_std=0.5,
                hparams=dict(pad_val=__fill, interpolation='bicubic'),
            ),
            dict(
                type='mmpretrain.RandomErasing',
                erase_prob=0.25,
                mode='rand',
                min_area_ratio=0.02,
                max_area_ratio=1 / 3,
                fill_color=__fill,
                fill_std=[58, 57, 57],
            ),
            dict(type='mmpretrain.PackInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFiles',
        root='data/imagenet/val',
        labels='folder',
        pipeline=[
            dict(type='LoadImage'),
            dict(
                type='mmpretrain.ResizeEdge',
                scale=256,
                edge='short',
                backend='pillow',
                interpolation='bicubic',
            ),
            dict(type='mmpretrain.CenterCrop', crop_size=224),
            dict(type='mmpretrain.PackInputs'),
        ],
    ),
)
val_cfg = dict()
val_evaluator = dict(type='Accuracy', topk=(1, 5))

test_dataloader = val_dataloader
test_cfg = dict()
test_evaluator = val_evaluator
