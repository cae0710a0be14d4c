"""DINO, ResNet-50, 100 epochs on ImageNet-1k by SGD: the command of the published README.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command: bash tools/dist_train.sh configs/dino/dino_resnet50_8xb64-coslr-100e_in1k.py 8 --amp
Published result: none known for this command. Optimizer, rate, weight decay, epochs and scales are
    the command's (verified), the rest the code's defaults.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=8
    (batch norm then sees 64 images, not 512).
"""

_base_ = [
    '../_base_/models/dino_resnet50.py',
    '../_base_/datasets/dino_2x224_8x96.py',
    '../_base_/schedules/dino_sgd_100e.py',
    '../_base_/default_runtime.py',
]

for __view in _base_.train_dataloader.dataset.pipeline[1].views[:2]:
    __view.scale = (0.14, 1.0)
_base_.train_dataloader.dataset.pipeline[1].views[2].scale = (0.05, 0.14)
