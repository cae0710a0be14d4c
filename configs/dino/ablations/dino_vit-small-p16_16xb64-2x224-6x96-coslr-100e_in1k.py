"""Ablation: six local crops, 100 epochs, a batch of 1024.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_16xb64-2x224-6x96-coslr-100e_in1k.py 8
Published result: not known here; without local crops linear 67.8, with ten 74.6 (recalled from
    the paper, not verified).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['./dino_vit-small-p16_16xb64-2x224-10x96-coslr-100e_in1k.py']

_base_.train_dataloader.dataset.pipeline[1].views[2].num = 6
