"""AdamW with a learning rate that decays from layer to layer: BEiT's and MAE's fine-tuning.

Bao et al., arXiv 2106.08254, appendix I; He et al., arXiv 2111.06377, table 9.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LearningRateDecayOptimWrapperConstructor',
    # for 1024 images
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05, betas=(0.9, 0.999)),
    paramwise_cfg=dict(layer_decay_rate=0.65, norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, end=5, by_epoch=True, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', eta_min=1e-6, begin=5, by_epoch=True, convert_to_iter_based=True
    ),
]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=100, val_interval=1)
auto_scale_lr = dict(base_batch_size=1024)
