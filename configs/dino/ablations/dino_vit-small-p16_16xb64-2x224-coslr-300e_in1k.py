"""Ablation: no multi-crop; two global crops alone.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_16xb64-2x224-coslr-300e_in1k.py 8 --amp
Published result: k-NN 67.9, linear 72.5 (recalled from the paper, not verified); 72.8 and 76.1
    with multi-crop. The settings are an author's (thread dino#122).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

optim_wrapper = dict(clip_grad=None)
_base_.param_scheduler[1].eta_min = 1e-5
__views = _base_.train_dataloader.dataset.pipeline[1].views
del __views[2]
for __view in __views:
    __view.scale = (0.14, 1.0)
