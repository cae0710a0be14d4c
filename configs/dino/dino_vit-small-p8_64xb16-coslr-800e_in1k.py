"""DINO, ViT-S/8, 800 epochs on ImageNet-1k: the released weights' run.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on each of eight nodes (NODE_RANK=0 to 7, MASTER_ADDR the first's address):
    NNODES=8 bash tools/dist_train.sh configs/dino/dino_vit-small-p8_64xb16-coslr-800e_in1k.py 8
Published result: k-NN 78.3, linear 79.7 (top-1; README of the published code). 64 V100 GPUs with 16
    images each (thread dino#104), float32 (from a thread); float16 is known to diverge at patch 8.
Settings: the others are recalled to be those of ViT-S/16, not verified.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=64
"""

_base_ = ['./dino_vit-small-p16_16xb64-coslr-800e_in1k.py']

model = dict(backbone=dict(patch_size=8))
train_dataloader = dict(batch_size=16)
