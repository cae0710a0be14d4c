"""DINOv2's stage at high resolution, ViT-S/14 at 518 px, 8 epochs of 1250 steps on ImageNet-22k.

Goes on from a run at 224 px, by
configs/dinov2/dinov2_vit-small-p14_24xb128-coslr-500e_in22k.py
or any config with the same network and heads: student, teacher and heads as they are, positions
resized, schedules from their beginning.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on each of three nodes (NODE_RANK=0 to 2, MASTER_ADDR the first's address):
    NNODES=3 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-small-p14-518px_24xb32-coslr-8e_in22k.py 8 --amp \
        --cfg-options \
        load_from=work_dirs/dinov2_vit-small-p14_24xb128-coslr-500e_in22k/epoch_500.pth
Published result: none known for this command.
Settings: 10,000 steps, all schedules squeezed into them and a lower rate are recalled from the
    paper; no code of this stage was published. Ours: a tenth of the rate, a quarter of the batch,
    local crops of the same share of the global one.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=24 load_from=FILE
"""

_base_ = ['./dinov2_vit-large-p14-518px_96xb8-coslr-8e_in22k.py']

model = dict(
    backbone=dict(arch='dinov2-small', layer_cfgs=None),
    heads=dict(view=dict(in_channels=384), patch=dict(in_channels=384)),
)
train_dataloader = dict(batch_size=32)  # 24 x 32 = 768
