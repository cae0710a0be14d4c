"""DINO, ViT-S/16, 100 epochs on ImageNet-1k: the 'vanilla' run of the published code.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command: bash tools/dist_train.sh configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py 8 --amp
Published result: k-NN 69.3, linear 74.0 (top-1), 1.75 days on 8 GPUs in float16.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=8
"""

_base_ = [
    '../_base_/models/dino_vit-small-p16.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_adamw_100e.py',
    '../_base_/default_runtime.py',
]
