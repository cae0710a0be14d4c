"""DINO's views (Caron et al. 2021): 2 global crops of 224 and 8 local crops of 96 pixels.

k-NN validates with the images of `val_cfg.support_dataloader` as labelled neighbours. A config that
inherits this file changes single values in place:

    _base_.train_dataloader.dataset.root = 'photos'
    _base_.train_dataloader.dataset.pipeline[1].views[2].num = 6      # local crops
    _base_.train_dataloader.dataset.pipeline[1].views[0].scale = (0.25, 1.0)
"""

# Names with two underscores are local to this file.
__global = dict(size=224, scale=(0.4, 1.0))
__local = dict(size=96, scale=(0.05, 0.4), num=8)
__colour = dict(
    flip=0.5,
    jitter=dict(prob=0.8, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    gray=0.2,
)

train_dataloader = dict(
    batch_size=64,
    num_workers=10,
    timeout=300,  # seconds without a batch: a worker hangs
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='EpochSampler'),
    collate_fn=dict(type='collate_views'),
    dataset=dict(
        type='ImageFiles',
        root='data/imagenet/train',
        pipeline=[
            dict(type='LoadImage', deferred=True),  # MultiCrop decodes what it needs
            dict(
                type='MultiCrop',
                views=[
                    dict(__global, **__colour, blur=dict(prob=1.0, radius=(0.1, 2.0))),
                    dict(
                        __global,
                        **__colour,
                        blur=dict(prob=0.1, radius=(0.1, 2.0)),
                        solarize=dict(prob=0.2, threshold=128),
                    ),
                    dict(__local, **__colour, blur=dict(prob=0.5, radius=(0.1, 2.0))),
                ],
            ),
            dict(type='PackViews'),
        ],
    ),
)

__evaluated = dict(
    type='ImageFiles',
    labels='folder',
    pipeline=[
        dict(type='LoadImage'),
        dict(type='CenterView', short_side=256, size=224),
        dict(type='PackViews'),
    ],
)
__evaluation = dict(
    batch_size=64,
    num_workers=10,
    timeout=300,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='collate_views'),
)
__support = dict(__evaluation, dataset=dict(__evaluated, root='data/imagenet/train'))
val_dataloader = dict(__evaluation, dataset=dict(__evaluated, root='data/imagenet/val'))

val_cfg = dict(type='KNNLoop', support_dataloader=__support)
val_evaluator = dict(type='KNNAccuracy', k=(10, 20, 100, 200), temperature=0.07)

test_dataloader = val_dataloader
test_cfg = val_cfg
test_evaluator = val_evaluator
