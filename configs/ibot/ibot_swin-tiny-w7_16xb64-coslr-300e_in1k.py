"""iBOT, Swin-T, window 7, 300 epochs on ImageNet-1k.

Masked are cells of the last map, 32 x 32 pixels each; nothing in the first 50 epochs.

Paper: iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/ibot/ibot_swin-tiny-w7_16xb64-coslr-300e_in1k.py 8 --amp
Published result: k-NN 75.3, linear 78.6 (top-1; README of the published code), in float16.
Settings: the README's command for window 14, and the number of GPUs for window 7; ours: 64 images
    a GPU, as ViT-S/16 has.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino/dino_swin-tiny-w7_16xb32-coslr-300e_in1k.py']

# one projector and one set of prototypes for views and masked cells, each with its own centre
__view = dict(_base_.model.heads.view, num_prototypes=8192)
__start = 50  # epochs, until then the temperature of the masked cells waits too
model = dict(
    # half of the views, .1 to .5 of their cells; blocks of (7 // 3) ** 2 = 4 cells and more
    masking=dict(
        type='PatchMasking', share=0.5, ratio=(0.1, 0.5), min_cells=4, start_epoch=__start
    ),
    backbone=dict(type='FastSwinTransformer', mask_token=True),
    heads=dict(
        view=__view,
        patch=dict(
            __view,
            type='MaskedPatchHead',
            tied_to='view',
            teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30, start_epoch=__start),
        ),
    ),
)
train_dataloader = dict(batch_size=64)
# 16 x 64 = 1024 images
optim_wrapper = dict(optimizer=dict(lr=5e-4 * 1024 / 256))
auto_scale_lr = dict(base_batch_size=1024)
for __crop in _base_.train_dataloader.dataset.pipeline[1].views[:2]:
    __crop.scale = (0.25, 1.0)
_base_.train_dataloader.dataset.pipeline[1].views[2].update(num=10, scale=(0.05, 0.25))
