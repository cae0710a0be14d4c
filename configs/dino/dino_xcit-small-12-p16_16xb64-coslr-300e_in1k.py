"""DINO, XCiT-S12/16 of timm, 300 epochs on ImageNet-1k, by the boosted recipe of ViT-S/16.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294; the network:
    XCiT: Cross-Covariance Image Transformers, arXiv 2106.09681.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py 8 --amp
Published result: k-NN 76.0, linear 77.8 (top-1; README of DINO's code).
Settings: those of the published run are not known here, neither epochs nor batch; these are
    ViT-S/16's, so the published result may need others.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
    (batch norm then sees 64 images, not 1024).
"""

_base_ = [
    '../_base_/models/dino_xcit-small-12-p16.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_adamw_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    heads=dict(
        view=dict(fixed_length=False, teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30))
    )
)
train_cfg = dict(max_epochs=300)
# 16 x 64 = 1024 images
optim_wrapper = dict(optimizer=dict(lr=5e-4 * 1024 / 256))
auto_scale_lr = dict(base_batch_size=1024)
