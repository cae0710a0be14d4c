"""Ablation: no centering; the centre stays 0.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command:
    bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_8xb64-no-centering-coslr-100e_in1k.py 8 --amp
Published result: collapse, without a figure (recalled from the paper, not verified).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=8
"""

_base_ = ['../dino_vit-small-p16_8xb64-coslr-100e_in1k.py']

model = dict(heads=dict(view=dict(centering=dict(momentum=1.0))))
