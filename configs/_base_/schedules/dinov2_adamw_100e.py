"""DINOv2's schedule on ImageNet-1k: 100 epochs of 1250 steps of 32 x 64 = 2048 images.

The rate grows with the root of the batch and falls towards the early layers. A config that inherits
this file sets `train_dataloader.sampler.epoch_size`.
"""

_base_ = ['./dino_adamw_100e.py']

__peak = 0.004 * (2048 / 1024) ** 0.5  # published: .004 for 1024 images; here .00566

optim_wrapper = dict(
    optimizer=dict(lr=__peak),
    paramwise_cfg=dict(layer_decay=0.9, patch_embed_lr=0.2),
    clip_grad=dict(max_norm=3.0, per='part'),  # backbone and each head, by the norm of its own
)
auto_scale_lr = dict(base_batch_size=2048, rule='sqrt')
# down to 1e-6; as a ratio, which goes with the rates of the layers
del _base_.param_scheduler[1].eta_min
_base_.param_scheduler[1].eta_min_ratio = 1e-6 / __peak
