"""iBOT, Swin-T, window 14, 300 epochs on ImageNet-1k.

Paper: iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832.
Command, on each of five nodes (NODE_RANK=0 to 4, MASTER_ADDR the first's address):
    NNODES=5 bash tools/dist_train.sh \
        configs/ibot/ibot_swin-tiny-w14_40xb26-coslr-300e_in1k.py 8 --amp
Published result: k-NN 76.2, linear 79.3 (top-1; README of the published code), in float16.
Settings: the command of the README, and the code's defaults.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=40
"""

_base_ = ['./ibot_swin-tiny-w7_16xb64-coslr-300e_in1k.py']

# the maps of a 224 px view are one window in the third stage, and one of 7 in the last
model = dict(backbone=dict(window_size=14))
_base_.model.backbone.stage_cfgs[2].block_cfgs.shift = False
_base_.model.backbone.stage_cfgs[3].window_size = 7
train_dataloader = dict(batch_size=26)
# 40 x 26 = 1040 images
optim_wrapper = dict(optimizer=dict(lr=5e-4 * 1040 / 256))
auto_scale_lr = dict(base_batch_size=1040)
