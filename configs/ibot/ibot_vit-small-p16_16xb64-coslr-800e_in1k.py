"""iBOT, ViT-S/16, 800 epochs on ImageNet-1k: the released weights' run.

Paper: iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/ibot/ibot_vit-small-p16_16xb64-coslr-800e_in1k.py 8 --amp
Published result: k-NN 75.2, linear 77.9 (top-1; README of the published code), in float16.
Settings: the command of the README, and the code's defaults.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino/dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

# one projector and one set of prototypes for views and masked patches, each with its own centre
__view = dict(_base_.model.heads.view, num_prototypes=8192)
model = dict(
    # half of the views, .1 to .5 of their cells; blocks of (14 // 3) ** 2 = 16 cells and more
    masking=dict(type='PatchMasking', share=0.5, ratio=(0.1, 0.5), min_cells=16),
    backbone=dict(mask_token=True),
    heads=dict(view=__view, patch=dict(__view, type='MaskedPatchHead', tied_to='view')),
)
train_cfg = dict(max_epochs=800)
for __crop in _base_.train_dataloader.dataset.pipeline[1].views[:2]:
    __crop.scale = (0.25, 1.0)
_base_.train_dataloader.dataset.pipeline[1].views[2].update(num=10, scale=(0.05, 0.25))
