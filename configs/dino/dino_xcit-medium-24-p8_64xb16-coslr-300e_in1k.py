"""DINO, XCiT-M24/8 of timm, 300 epochs on ImageNet-1k, by the boosted recipe of ViT-S/16.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294; the network:
    XCiT: Cross-Covariance Image Transformers, arXiv 2106.09681.
Command, on each of eight nodes (NODE_RANK from 0, MASTER_ADDR the first's address):
    NNODES=8 bash tools/dist_train.sh \
        configs/dino/dino_xcit-medium-24-p8_64xb16-coslr-300e_in1k.py 8
Published result: k-NN 77.9, linear 80.3 (top-1; README of DINO's code).
Settings: not known for the published run, see dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=64
    (batch norm then sees 16 images, not 1024).
"""

_base_ = ['./dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py']

model = dict(
    backbone=dict(model_name='xcit_medium_24_p8_224'), heads=dict(view=dict(in_channels=512))
)
train_dataloader = dict(batch_size=16)
