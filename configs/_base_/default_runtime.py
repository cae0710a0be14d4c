"""What every run shares: scope, hooks, logging, seeds."""

default_scope = 'dinomm'

default_hooks = dict(
    runtime_info=dict(type='IntervalRuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    # everything that moves once an optimizer step: rates, centres, temperatures, freezing
    param_scheduler=dict(type='OptimizerStepHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # written to a temporary name and renamed; old ones deleted after that
    checkpoint=dict(type='ResumableCheckpointHook', interval=1, max_keep_ckpts=2),
    # counts the images that could not be read, and lists them in the work directory
    bad_images=dict(type='BadImagesHook'),
    # skips steps whose loss or gradient is not finite; stops after so many in a row
    non_finite=dict(type='NonFiniteHook', max_in_a_row=5),
    # looks for collapse and the like at the logger's interval; tools/train.py --stop-on-collapse
    health=dict(type='HealthHook'),
)

# the teacher: 0.996 -> 1 in half a cosine
custom_hooks = [dict(type='TeacherEMAHook', momentum=0.996)]

# add dict(type='TensorboardVisBackend') for TensorBoard
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_processor = dict(window_size=10)
log_level = 'INFO'

env_cfg = dict(
    cudnn_benchmark=True,
    # workers cut crops in one thread each
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=0)

load_from = None
resume = False
