"""DINO, ViT-B/16, 400 epochs on ImageNet-1k: the released weights' run.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on each of four nodes (NODE_RANK=0 to 3, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh configs/dino/dino_vit-base-p16_32xb32-coslr-400e_in1k.py 8
Published result: k-NN 76.1, linear 78.2 (top-1; README of the published code). Time not known here.
Settings: from threads, float32 too; 32 GPUs and the clipping are recalled, not verified.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32
"""

_base_ = ['./dino_vit-small-p16_16xb64-coslr-800e_in1k.py']

model = dict(
    backbone=dict(arch='deit-base'),
    heads=dict(view=dict(in_channels=768, fixed_length=True, teacher_temp=dict(warmup_epochs=50))),
)
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=400)
optim_wrapper = dict(
    optimizer=dict(lr=7.5e-4 * 1024 / 256),
    clip_grad=dict(_delete_=True, max_norm=0.3, per='parameter'),
    freeze_last_layer=3,
)
_base_.param_scheduler[1].eta_min = 2e-6
