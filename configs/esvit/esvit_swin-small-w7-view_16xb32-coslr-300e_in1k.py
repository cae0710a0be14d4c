"""EsViT's view task alone (L_V), Swin-S, window 7, 300 epochs on ImageNet-1k.

The first of two phases, too.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_swin-small-w7-view_16xb32-coslr-300e_in1k.py 8 --amp
Published result: k-NN 76.9, linear 79.2 (top-1; README of the published code).
Settings: of Swin-T's published run (README and thread esvit#10), in float16; drop path 0.2 by the
    published network's file; GPUs and batch by the name of the released weights.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = [
    '../_base_/models/esvit_swin-small-w7.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_adamw_100e.py',  # for a global batch of 512 = 16 x 32
    '../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=300)
