"""Fine-tunes a ViT-S/16 as a classifier, all weights, with layer decay.

Paper: the recipe is BEiT's, arXiv 2106.08254; DINO's own fine-tuning is in its appendix,
arXiv 2104.14294.
Command: bash tools/dist_train.sh \
    configs/evaluation/finetune_vit-small-p16_8xb128-coslr-100e_in1k.py 8 \
    --cfg-options pretrained=FILE
One GPU: add optim_wrapper.accumulative_counts=8
Published result: DINO's ViT-S/16, 800 epochs: 81.5 (DINO's own recipe). Not run here.
"""

_base_ = [
    '../_base_/models/finetune_classifier.py',
    '../_base_/datasets/finetune_224.py',
    '../_base_/finetune_runtime.py',
    '../_base_/schedules/finetune_adamw_100e.py',
]

model = dict(
    backbone=dict(
        type='VisionTransformer',
        arch='deit-small',
        patch_size=16,
        drop_path_rate=0.1,
        out_type='cls_token',
    ),
    head=dict(in_channels=384),
)
