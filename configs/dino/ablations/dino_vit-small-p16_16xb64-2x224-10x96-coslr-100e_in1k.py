"""Ablation: ten local crops, 100 epochs, a batch of 1024.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_16xb64-2x224-10x96-coslr-100e_in1k.py 8
Published result: linear 74.6, 24.2 hours, 15.4 GB a GPU (recalled from the paper, not verified).
    The other settings, float32 too, are those of the released 800 epochs.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino_vit-small-p16_16xb64-coslr-800e_in1k.py']

train_cfg = dict(max_epochs=100)
