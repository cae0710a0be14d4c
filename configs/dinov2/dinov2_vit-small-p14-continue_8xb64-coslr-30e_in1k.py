"""Pretraining that goes on from the released ViT-S/14, whose heads were not published.

Heads begin anew and warm up for 2500 steps before a backbone that waits. FeatureDriftHook logs how
far the features move from where they were.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, with your images by --data and the released backbone in any form that is read:
    bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-small-p14-continue_8xb64-coslr-30e_in1k.py 8 --amp \
        --data FOLDER --cfg-options custom_hooks.1.backbone=dinov2_vits14_pretrain.pth
Published result: none; the released weights reach k-NN 79.0, linear 81.1 on ImageNet-1k.
Settings: ours. Heads and views of DINOv2, rates for a network that has learned already.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=8 \
    custom_hooks.1.backbone=FILE
"""

_base_ = ['./dinov2_vit-small-p14_24xb128-coslr-500e_in22k.py']

__batch = 8 * 64  # 512
__peak = 1e-4 * (__batch / 1024) ** 0.5  # 7.07e-5

# the released table of positions is of 518 px, and resized as it was when they were trained
model = dict(
    backbone=dict(img_size=518, drop_path_rate=0.1),
    heads=dict(
        view=dict(
            num_prototypes=65536,
            bottleneck_channels=256,
            teacher_temp=dict(warmup_epochs=10),
        ),
        patch=dict(num_prototypes=65536, teacher_temp=dict(warmup_epochs=10)),
    ),
)
train_dataloader = dict(
    batch_size=64,
    sampler=dict(epoch_size=None),  # an epoch is a pass over the images
    dataset=dict(root='data/imagenet/train'),
)
train_cfg = dict(max_epochs=30, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=__peak), paramwise_cfg=dict(layer_decay=0.9))
auto_scale_lr = dict(base_batch_size=__batch)
_base_.param_scheduler[0].end = 3
_base_.param_scheduler[1].update(begin=3, eta_min_ratio=1e-6 / __peak)
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.996),
    dict(type='ContinueHook', backbone='dinov2_vits14_pretrain.pth', freeze_backbone=2500),
    dict(type='FeatureDriftHook', interval=2500),
]
