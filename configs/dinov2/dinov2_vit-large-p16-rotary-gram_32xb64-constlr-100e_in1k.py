"""DINOv2's objectives as DINOv3 changed them, ViT-L/16, 100 epochs of 1250 steps on ImageNet-1k.

Rotary positions, registers, Sinkhorn-Knopp, a head of their own for the masked patches, rates that
stay constant after the warm-up, and from epoch 60 a Gram anchor: the similarities between the
patches of an image are held to those of an earlier teacher.

Paper: DINOv3, arXiv 2508.10104.
Command, on each of four nodes (NODE_RANK=0 to 3, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-large-p16-rotary-gram_32xb64-constlr-100e_in1k.py 8 --amp
Published result: none; this is ours, after the paper's idea, and has not been trained.
Settings: of the 7B network: rate, weight decay, momentum, layer decay, registers, rescaling of
    positions, refreshing of the anchor, its weight. Ours: when it begins. The prototypes keep a
    direction and a length, which DINOv3's have not.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32
"""

_base_ = ['./dinov2_vit-large-p16_32xb64-coslr-100e_in1k.py']

__peak = 2e-4 * (2048 / 1024) ** 0.5  # published: 4 x 5e-5 for 1024 images; here 2.83e-4
__sinkhorn = dict(_delete_=True, type='SinkhornKnopp', iterations=3)

model = dict(
    masking=dict(exact=True),
    backbone=dict(positions='rotary', rotary_rescale=2.0, num_registers=4),
    heads=dict(
        view=dict(centering=__sinkhorn),
        patch=dict(tied_to=None, centering=__sinkhorn),
        gram=dict(type='GramHead', loss_weight=2.0),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=__peak), paramwise_cfg=dict(layer_decay=0.98))
# linear to the peak in 10 epochs; rate, weight decay (.04) and momentum then stay
del _base_.param_scheduler[1:]
_base_.custom_hooks[0].update(momentum=0.994, end_momentum=0.994)
# 8 epochs are 10,000 steps
_base_.custom_hooks.append(dict(type='GramAnchorHook', begin=60, refresh=8, max_refreshes=3))
