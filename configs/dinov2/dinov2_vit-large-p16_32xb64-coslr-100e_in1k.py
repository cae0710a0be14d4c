"""DINOv2, ViT-L/16, 100 short epochs on ImageNet-1k: the 'fast setup' of the published code.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on each of four nodes (NODE_RANK=0 to 3, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-large-p16_32xb64-coslr-100e_in1k.py 8 --amp
Published result: k-NN 81.6, linear 82.9 (top-1), about a day on 32 A100 of 80 GB in float16 (README
    of the published code).
Settings: the published vitl16_short.yaml; blur as in the paper
    (_base_/datasets/dinov2_2x224_8x96.py).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32
"""

_base_ = [
    '../_base_/models/dinov2_vit-large-p16.py',
    '../_base_/datasets/dinov2_2x224_8x96.py',
    '../_base_/schedules/dinov2_adamw_100e.py',
    '../_base_/default_runtime.py',
]

# 'epochs' of 1250 steps of 32 x 64 = 2048 images, two passes over ImageNet-1k each
train_dataloader = dict(batch_size=64, sampler=dict(epoch_size=1250 * 2048))
default_hooks = dict(checkpoint=dict(interval=3, max_keep_ckpts=3))
_base_.custom_hooks[0].momentum = 0.992  # -> 1
