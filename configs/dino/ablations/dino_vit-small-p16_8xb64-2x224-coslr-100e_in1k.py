"""Ablation: a batch of 512, no multi-crop, 100 epochs.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command:
    bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_8xb64-2x224-coslr-100e_in1k.py 8 --amp
Published result: k-NN 59.6 (recalled from the paper, not verified); 59.9 with 1024.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=8
"""

_base_ = ['./dino_vit-small-p16_16xb64-2x224-coslr-100e_in1k.py']

train_dataloader = dict(batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=5e-4 * 512 / 256))
auto_scale_lr = dict(base_batch_size=512)
