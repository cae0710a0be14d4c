"""Runtime of a classifier: mmengine's schedules, the best checkpoint by accuracy, no teacher."""

_base_ = ['./default_runtime.py']

default_hooks = dict(
    param_scheduler=dict(_delete_=True, type='ParamSchedulerHook'),
    health=None,
    non_finite=None,
    checkpoint=dict(save_best='accuracy/top1', rule='greater'),
)
pretrained = None  # weights of the backbone: --cfg-options pretrained=FILE
custom_hooks = [dict(type='PretrainedBackboneHook')]
