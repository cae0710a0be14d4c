"""DINO on a folder of your own images with a ViT of 0.5 M parameters: minutes on two CPU cores.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command: make quickstart IMAGES=~/photos (it fits epochs and batch to the number of images), or
    python tools/train.py configs/dino/quickstart_photos.py --data ~/photos
Result: depends on the images; a first look, no features to build on. For these take
dino_vit-small-p16_8xb64-coslr-100e_in1k.py on a GPU.
"""

_base_ = ['./quickstart_digits.py']

model = dict(backbone=dict(img_size=64, patch_size=16))  # 16 tokens a global, 4 a local crop

__colour = dict(
    flip=0.5,
    jitter=dict(prob=0.8, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    gray=0.2,
)
__global = dict(size=64, scale=(0.4, 1.0), **__colour)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        root='data/photos',
        pipeline=[
            dict(type='LoadImage', deferred=True),  # MultiCrop decodes what it needs
            dict(
                type='MultiCrop',
                views=[
                    dict(__global, blur=dict(prob=1.0, radius=(0.1, 1.0))),
                    dict(
                        __global,
                        blur=dict(prob=0.1, radius=(0.1, 1.0)),
                        solarize=dict(prob=0.2, threshold=128),
                    ),
                    dict(size=32, scale=(0.1, 0.4), num=4, **__colour),
                ],
            ),
            dict(type='PackViews'),
        ],
    ),
)

__evaluated = dict(
    root='data/photos',
    pipeline=[
        dict(type='LoadImage'),
        dict(type='CenterView', short_side=72, size=64),
        dict(type='PackViews'),
    ],
)
val_dataloader = dict(dataset=__evaluated)
val_cfg = dict(support_dataloader=dict(dataset=__evaluated))
test_dataloader = val_dataloader
test_cfg = val_cfg

auto_scale_lr = dict(base_batch_size=32)  # the batch above
