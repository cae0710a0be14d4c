"""Ablation: no momentum; the teacher is the student of the last step.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_16xb64-no-momentum-coslr-300e_in1k.py 8 --amp
Published result: k-NN 0.1, linear 0.1 (recalled from the paper, not verified); 72.8 and 76.1
    with momentum.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

_base_.custom_hooks[0].update(momentum=0.0, end_momentum=0.0)
