"""Ablation: patches of 8 pixels, 300 epochs.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p8_16xb64-coslr-300e_in1k.py 8
Published result: not known here for 300 epochs, of which the paper's attention maps are; after
    800 k-NN 78.3, with patches of 16 74.5 (README of the published code). Float32: float16 is
    known to diverge at patch 8.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

model = dict(backbone=dict(patch_size=8))
