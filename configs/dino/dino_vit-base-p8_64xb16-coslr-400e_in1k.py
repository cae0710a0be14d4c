"""DINO, ViT-B/8, 400 epochs on ImageNet-1k: ViT-B/16's recipe with patches of 8 pixels.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on each of eight nodes (NODE_RANK=0 to 7, MASTER_ADDR the first's address):
    NNODES=8 bash tools/dist_train.sh configs/dino/dino_vit-base-p8_64xb16-coslr-400e_in1k.py 8
Published result: k-NN 77.4, linear 80.1 (top-1; README of the published code).
Settings: not known for the released ViT-B/8, neither epochs, batch, rates nor GPUs; here they are
    ViT-B/16's at the same global batch, so the published result may need others.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=64
"""

_base_ = ['./dino_vit-base-p16_32xb32-coslr-400e_in1k.py']

model = dict(backbone=dict(patch_size=8))
train_dataloader = dict(batch_size=16)
