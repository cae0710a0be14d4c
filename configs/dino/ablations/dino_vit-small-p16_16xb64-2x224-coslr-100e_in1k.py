"""Ablation: no multi-crop, 100 epochs, a batch of 1024.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_16xb64-2x224-coslr-100e_in1k.py 8 --amp
Published result: k-NN 59.9; linear 67.8, 15.3 hours, 9.3 GB a GPU (recalled from the paper's
    tables of batches and of crops, not verified).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['./dino_vit-small-p16_16xb64-2x224-coslr-300e_in1k.py']

train_cfg = dict(max_epochs=100)
