"""Ablation: the teacher's temperature 0.06 from the start.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command:
    bash tools/dist_train.sh \
        configs/dino/ablations/dino_vit-small-p16_8xb64-temp-06-coslr-100e_in1k.py 8 --amp
Published result: k-NN 68.7 (from an article on the paper).
    Its epochs are not known here; 100, as the vanilla run, which reached 69.3 at 0.04.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=8
"""

_base_ = ['../dino_vit-small-p16_8xb64-coslr-100e_in1k.py']

model = dict(heads=dict(view=dict(teacher_temp=0.06)))
