"""DINO, ViT-S/16, 800 epochs on ImageNet-1k: the released weights' run.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh configs/dino/dino_vit-small-p16_16xb64-coslr-800e_in1k.py 8
Published result: k-NN 74.5, linear 77.0 (top-1; README of the published code). Time not known here.
Settings: epochs, batch, last rate, clipping, precision and scales are recalled from the release,
    not verified; float32, as recalled.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['./dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

train_cfg = dict(max_epochs=800)
optim_wrapper = dict(clip_grad=None)
_base_.param_scheduler[1].eta_min = 1e-5
for __view in _base_.train_dataloader.dataset.pipeline[1].views[:2]:
    __view.scale = (0.25, 1.0)
_base_.train_dataloader.dataset.pipeline[1].views[2].update(num=10, scale=(0.05, 0.25))
