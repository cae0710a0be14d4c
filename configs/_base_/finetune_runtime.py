"""Runtime of a classifier: mmengine's schedules, the best checkpoint by accuracy, no teacher."""

_base_ = ['./default_runtime.py']

default_hooks = dict(
    param_scheduler=dict(_delete_=True, type='ParamSchedulerHook'),
    checkpoint=dict(save_best='accuracy/top1', rule='greater'),
)
# weights of the backbone: --cfg-options custom_hooks.0.checkpoint=FILE; None trains from scratch
custom_hooks = [dict(type='LoadBackboneHook', checkpoint=None)]
