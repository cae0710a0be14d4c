"""DINOv2's stage at high resolution, ViT-L/14 at 518 px, 8 epochs of 1250 steps on ImageNet-22k.

Goes on from a run at 224 px, by
configs/dinov2/dinov2_vit-large-p14_96xb32-coslr-500e_in22k.py
or any config with the same network and heads: student, teacher and heads as they are, positions
resized, schedules from their beginning.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on each of twelve nodes (NODE_RANK=0 to 11, MASTER_ADDR the first's address):
    NNODES=12 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-large-p14-518px_96xb8-coslr-8e_in22k.py 8 --amp \
        --cfg-options \
        load_from=work_dirs/dinov2_vit-large-p14_96xb32-coslr-500e_in22k/epoch_500.pth
Published result: none known for this command.
Settings: 10,000 steps, all schedules squeezed into them and a lower rate are recalled from the
    paper; no code of this stage was published. Ours: a tenth of the rate, a quarter of the batch,
    local crops of the same share of the global one.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=96 load_from=FILE
"""

_base_ = ['./dinov2_vit-large-p14_96xb32-coslr-500e_in22k.py']

__batch = 96 * 8  # 768
__peak = 2e-5 * (__batch / 1024) ** 0.5  # 1.73e-5
__squeezed = 8 / 500

# 518 = 37 patches of 14, 224 = 16 patches: a local crop of 98 x 518 / 224, in whole patches
model = dict(
    backbone=dict(img_size=518),
    heads=dict(
        view=dict(teacher_temp=dict(warmup_epochs=30 * __squeezed)),
        patch=dict(teacher_temp=dict(warmup_epochs=30 * __squeezed)),
    ),
)
for __view, __size in zip(
    _base_.train_dataloader.dataset.pipeline[1].views, (518, 518, 224), strict=True
):
    __view.size = __size
train_dataloader = dict(batch_size=8, sampler=dict(epoch_size=1250 * __batch))
train_cfg = dict(max_epochs=8, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=__peak), freeze_last_layer=0)
auto_scale_lr = dict(base_batch_size=__batch)
_base_.param_scheduler[0].end = 80 * __squeezed  # 1.28 epochs, 1600 steps
_base_.param_scheduler[1].update(begin=80 * __squeezed, eta_min_ratio=1e-6 / __peak)
default_hooks = dict(checkpoint=dict(interval=1))
_base_.custom_hooks.append(dict(type='ContinueHook', schedules='restart'))
