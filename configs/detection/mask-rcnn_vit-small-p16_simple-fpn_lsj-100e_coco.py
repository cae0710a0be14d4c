"""Mask R-CNN with a plain ViT-S/16 and a pyramid of its last map, 100 epochs on COCO.

Paper: Exploring Plain Vision Transformer Backbones for Object Detection, arXiv 2203.16527.
Command, on 32 GPUs:
    GPUS=32 bash tools/slurm_train.sh PARTITION det \
        configs/detection/mask-rcnn_vit-small-p16_simple-fpn_lsj-100e_coco.py work_dirs/det \
        --amp --cfg-options pretrained=work_dirs/dino/epoch_300.pth
Published result: none of this network.
Settings: those of ViT-B; rates of layers by powers of 0.8 are ours, for the narrower network.
"""

_base_ = ['./mask-rcnn_vit-base-p16_simple-fpn_lsj-100e_coco.py']

pretrained = 'work_dirs/dino_vit-small-p16_16xb64-coslr-300e_in1k/epoch_300.pth'

model = dict(backbone=dict(arch='deit-small'), neck=dict(in_channels=384))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.8))
