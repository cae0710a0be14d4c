"""Views of 28x28 gray digits: 2 global crops of 28 and 2 local crops of 21 pixels.

No flips (a flipped digit is another character) and no colours. A config that inherits this file
changes single values in place:

    _base_.train_dataloader.batch_size = 64
    _base_.train_dataloader.dataset.pipeline[1].views[1].num = 6      # local crops
"""

_base_ = ['./dino_2x224_8x96.py']

# Names with two underscores are local to this file.
__jitter = dict(prob=0.8, brightness=0.8, contrast=0.8)

train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        root='data/digits/train',
        pipeline=[
            dict(type='LoadImage'),
            dict(
                type='MultiCrop',
                views=[
                    dict(
                        size=28,
                        scale=(0.4, 1.0),
                        num=2,
                        jitter=__jitter,
                        blur=dict(prob=0.8, radius=(0.1, 1.5)),
                    ),
                    dict(
                        size=21,
                        scale=(0.2, 0.5),
                        num=2,
                        jitter=__jitter,
                        blur=dict(prob=0.5, radius=(0.1, 1.0)),
                    ),
                ],
            ),
            dict(type='PackViews'),
        ],
    ),
)

__loading = dict(batch_size=256, num_workers=1)
__pipeline = [
    dict(type='LoadImage'),
    dict(type='CenterView', short_side=28, size=28),
    dict(type='PackViews'),
]
val_dataloader = dict(__loading, dataset=dict(root='data/digits/val', pipeline=__pipeline))
val_cfg = dict(
    support_dataloader=dict(__loading, dataset=dict(root='data/digits/train', pipeline=__pipeline))
)
val_evaluator = dict(k=(10, 20))

test_dataloader = val_dataloader
test_cfg = val_cfg
test_evaluator = val_evaluator
