"""What every detector shares beside mmdet's configs: the pretrained backbone, log, checkpoints.

A config names its weights once, as pretrained = 'work_dirs/.../epoch_100.pth', and has
    train_cfg = dict(type='dinomm.ResumableEpochLoop')  # SIGTERM: a checkpoint first
    default_hooks = _base_.detection_hooks
"""

# operators where mmcv has none compiled; must stand before anything of mmdet is imported
custom_imports = dict(imports=['dinomm.detection'], allow_failed_imports=False)

# loads what the config calls pretrained into model.backbone; stops if it does not fill it
custom_hooks = [dict(type='dinomm.PretrainedBackboneHook')]

detection_hooks = dict(
    # checkpoints of plain data, which --resume reads without executing anything
    runtime_info=dict(type='dinomm.IntervalRuntimeInfoHook'),
    # written to a temporary name and renamed; old ones deleted after that
    checkpoint=dict(type='dinomm.ResumableCheckpointHook', max_keep_ckpts=2),
)
