"""DINO's schedule, 100 epochs: AdamW, cosine rate and weight decay, counted in optimizer steps."""

warmup_epochs = 10

train_cfg = dict(type='ResumableEpochLoop', max_epochs=100, val_interval=10)

optim_wrapper = dict(
    type='DINOOptimWrapper',  # --amp exchanges it for DINOAmpOptimWrapper
    constructor='TwoGroupConstructor',  # biases and norms are not decayed
    # published: 5e-4 a 256 images; here for a global batch of 8 x 64 = 512
    optimizer=dict(type='AdamW', lr=5e-4 * 512 / 256, weight_decay=0.04, fused=True),
    clip_grad=dict(max_norm=3.0, per='parameter'),
    freeze_last_layer=1,  # epochs
    accumulative_counts=1,
)
auto_scale_lr = dict(base_batch_size=512)

# a schedule without an end goes to the end of the run: train_cfg.max_epochs
param_scheduler = [
    # linear from 0 to the peak, both included, then half a cosine down to 1e-6
    dict(
        type='LinearLR',
        start_factor=1e-9,
        begin=0,
        end=warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        begin=warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    # 0.04 -> 0.4; groups without weight decay stay without
    dict(
        type='CosineAnnealingWeightDecay',
        eta_min=0.4,
        begin=0,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
