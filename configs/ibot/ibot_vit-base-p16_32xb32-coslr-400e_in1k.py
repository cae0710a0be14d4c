"""iBOT, ViT-B/16, 400 epochs on ImageNet-1k, with masks of blocks.

Paper: iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832.
Command, on each of four nodes (NODE_RANK=0 to 3, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh \
        configs/ibot/ibot_vit-base-p16_32xb32-coslr-400e_in1k.py 8 --amp
Published result: k-NN 77.1, linear 79.5 (top-1; README of the published code), in float16.
Settings: those with random masks (ibot_vit-base-p16-random-mask_32xb32-coslr-400e_in1k.py) with the
    masks of ViT-S/16. The rate is that of DINO's ViT-B/16; it and the batch are recalled, not
    verified.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32
"""

_base_ = ['../dino/dino_vit-base-p16_32xb32-coslr-400e_in1k.py']

# one projector and one set of prototypes for views and masked patches, each with its own centre
__view = dict(_base_.model.heads.view, num_prototypes=8192)
model = dict(
    # half of the views, .1 to .5 of their cells; blocks of (14 // 3) ** 2 = 16 cells and more
    masking=dict(type='PatchMasking', share=0.5, ratio=(0.1, 0.5), min_cells=16),
    backbone=dict(mask_token=True),
    heads=dict(view=__view, patch=dict(__view, type='MaskedPatchHead', tied_to='view')),
)
for __crop in _base_.train_dataloader.dataset.pipeline[1].views[:2]:
    __crop.scale = (0.32, 1.0)
_base_.train_dataloader.dataset.pipeline[1].views[2].update(num=10, scale=(0.05, 0.32))
