"""DINOv2's objectives for 10,000 to 200,000 images of your own and one GPU: ViT-S/16.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on one GPU (tools/train.py without the 1 does the same):
    bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-small-p16-small-data_1xb128-coslr-300e.py 1 --amp \
        --data FOLDER
Published result: none.
Settings: ours. What the quick start's ablation kept (docs/small_data.md): DINO's heads and running
    centre, KoLeo at its published weight, masks on a quarter of the views. The sizes are DINO's
    for a batch this small; nobody has trained it at this size yet.
Fewer images: a longer run (train_cfg.max_epochs), so that there are 50,000 steps or more.
Less memory: --cfg-options train_dataloader.batch_size=64 optim_wrapper.accumulative_counts=2
"""

_base_ = [
    '../_base_/models/dino_vit-small-p16.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_adamw_100e.py',
    '../_base_/default_runtime.py',
]

__batch = 128

model = dict(
    backbone=dict(mask_token=True),
    masking=dict(type='PatchMasking', share=0.25, ratio=(0.1, 0.5), min_cells=4),
    heads=dict(
        # prototypes by the thousand, not by the ten thousand: images are few
        view=dict(num_prototypes=8192, batch_norm=True),
    ),
)
_base_.model.heads.patch = dict(
    _base_.model.heads.view,
    type='MaskedPatchHead',
    num_prototypes=8192,
    batch_norm=True,
)
_base_.model.heads.koleo = dict(type='KoLeoHead', loss_weight=0.1)

train_dataloader = dict(batch_size=__batch, dataset=dict(root='data/photos'))
train_cfg = dict(max_epochs=300)
optim_wrapper = dict(optimizer=dict(lr=5e-4 * __batch / 256))
auto_scale_lr = dict(base_batch_size=__batch)
# a small batch: the teacher moves less with each (advised for DINO: .9995 at a batch of 256)
_base_.custom_hooks[0].momentum = 0.9995
sync_bn = 'torch'  # should there be more GPUs: statistics of all
# weight decay stays at 0.04: its rise is for long runs
del _base_.param_scheduler[2]
