"""Fine-tunes a Swin-T, window 7, as a classifier, all weights, with layer decay.

Paper: EsViT, arXiv 2106.09785, section 4.1; the recipe is BEiT's, arXiv 2106.08254.
Command: bash tools/dist_train.sh \
    configs/evaluation/finetune_swin-tiny-w7_8xb128-coslr-100e_in1k.py 8 \
    --cfg-options pretrained=FILE
One GPU: add optim_wrapper.accumulative_counts=8
Published result: none of this recipe. Not run here.
"""

_base_ = [
    '../_base_/models/finetune_classifier.py',
    '../_base_/datasets/finetune_224.py',
    '../_base_/finetune_runtime.py',
    '../_base_/schedules/finetune_adamw_100e.py',
]

# as in pretraining: layer norms of epsilon 1e-6, no shift where the map is one window
__norm = dict(type='LN', eps=1e-6)
__stage = dict(block_cfgs=dict(norm_cfg=__norm), downsample_cfg=dict(norm_cfg=__norm))
__last_stage = dict(block_cfgs=dict(norm_cfg=__norm, shift=False))

model = dict(
    backbone=dict(
        type='SwinTransformer',
        arch='tiny',
        window_size=7,
        pad_small_map=True,
        drop_path_rate=0.2,
        norm_cfg=__norm,
        patch_cfg=dict(norm_cfg=__norm),
        stage_cfgs=[__stage, __stage, __stage, __last_stage],
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(in_channels=768),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        layer_decay_rate=0.8,
        custom_keys={'.relative_position_bias_table': dict(decay_mult=0.0)},
    )
)
