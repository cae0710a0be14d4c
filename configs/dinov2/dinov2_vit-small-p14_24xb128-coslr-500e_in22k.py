"""DINOv2's objectives, ViT-S/14, 500 epochs of 1250 steps on ImageNet-22k: ViT-L/14's recipe.

The released ViT-S/14 was distilled from ViT-g/14 (k-NN 79.0, linear 81.1): no recipe that trains it
from its beginning was published. This one is ours: ViT-L/14's rates, drop path and steps, with the
released network, whose MLPs are plain. It has not been trained.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on each of three nodes (NODE_RANK=0 to 2, MASTER_ADDR the first's address):
    NNODES=3 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-small-p14_24xb128-coslr-500e_in22k.py 8 --amp
Published result: none known for this command.
Settings: ours, of ViT-L/14.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=24
"""

_base_ = ['./dinov2_vit-base-p14_48xb64-coslr-500e_in22k.py']

model = dict(
    backbone=dict(arch='dinov2-small'),
    heads=dict(view=dict(in_channels=384), patch=dict(in_channels=384)),
)
train_dataloader = dict(batch_size=128)  # 24 x 128 = 3072
