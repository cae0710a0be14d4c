"""EsViT's view task alone (L_V), PVT v2-B2 of timm, 300 epochs on ImageNet-1k.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_pvt-v2-b2-view_16xb64-coslr-300e_in1k.py 8 --amp
Published result: none for this network: the paper's ablation has the first PVT.
Settings: those of the published run are not known here; these are Swin-T's, with the batch of the
    paper's ablation, 1024.
Needs timm: pip install timm
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = [
    '../_base_/models/esvit_pvt-v2-b2.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_adamw_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    heads=dict(
        view=dict(fixed_length=False, teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30))
    )
)
train_cfg = dict(max_epochs=300)
# 16 x 64 = 1024 images
optim_wrapper = dict(optimizer=dict(lr=5e-4 * 1024 / 256))
auto_scale_lr = dict(base_batch_size=1024)
