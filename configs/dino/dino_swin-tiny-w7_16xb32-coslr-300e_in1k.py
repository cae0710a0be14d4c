"""DINO's objective on Swin-T, window 7, 300 epochs on ImageNet-1k: EsViT with the view task alone.

DINO was not published with Swin; this is the run that EsViT compares itself with.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/dino_swin-tiny-w7_16xb32-coslr-300e_in1k.py 8 --amp
Published result: k-NN 74.2, linear 77.0 (top-1; README of EsViT's code, view task alone).
Settings: of EsViT's published run with both tasks (its README and thread esvit#10), in float16.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = [
    '../_base_/models/dino_swin-tiny-w7.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_adamw_100e.py',  # for a global batch of 512 = 16 x 32
    '../_base_/default_runtime.py',
]

model = dict(
    heads=dict(
        view=dict(fixed_length=False, teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30))
    )
)
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=300)
