"""DINOv2's objectives, ViT-B/14, 500 epochs of 1250 steps on ImageNet-22k: ViT-L/14's recipe.

The released ViT-B/14 was distilled from ViT-g/14 (k-NN 82.1, linear 84.5): no recipe that trains it
from its beginning was published. This one is ours: ViT-L/14's rates, drop path and steps, with the
released network, whose MLPs are plain. It has not been trained.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on each of six nodes (NODE_RANK=0 to 5, MASTER_ADDR the first's address):
    NNODES=6 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-base-p14_48xb64-coslr-500e_in22k.py 8 --amp
Published result: none known for this command.
Settings: ours, of ViT-L/14.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=48
"""

_base_ = ['./dinov2_vit-large-p14_96xb32-coslr-500e_in22k.py']

model = dict(
    backbone=dict(arch='dinov2-base', layer_cfgs=None),
    heads=dict(view=dict(in_channels=768), patch=dict(in_channels=768)),
)
train_dataloader = dict(batch_size=64)  # 48 x 64 = 3072
