"""DINOv2's views (Oquab et al. 2023): DINO's, with larger crops.

Blur as the paper and DINO have it: 1 for the first global view, .1 for the second, .5 for local
ones. The published code hands 1 - p to its blur, so the released weights saw 0, .9 and .5; for that
    _base_.train_dataloader.dataset.pipeline[1].views[0].blur = None
    _base_.train_dataloader.dataset.pipeline[1].views[1].blur.prob = 0.9
"""

_base_ = ['./dino_2x224_8x96.py']

for __view in _base_.train_dataloader.dataset.pipeline[1].views[:2]:
    __view.scale = (0.32, 1.0)
_base_.train_dataloader.dataset.pipeline[1].views[2].scale = (0.05, 0.32)
