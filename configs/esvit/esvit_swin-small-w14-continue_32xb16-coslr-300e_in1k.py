"""EsViT in two phases, Swin-S, window 14: the region task joins after 180 of 300 epochs.

Goes on from a checkpoint, of the view task alone, by
configs/esvit/esvit_swin-small-w14-view_32xb16-coslr-300e_in1k.py,
which has to keep it: default_hooks.checkpoint.max_keep_ckpts=-1.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes of 16 GPUs (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_swin-small-w14-continue_32xb16-coslr-300e_in1k.py 16 --amp \
        --cfg-options \
        load_from=work_dirs/esvit_swin-small-w14-view_32xb16-coslr-300e_in1k/epoch_180.pth
Published result: k-NN 79.1, linear 80.8 (top-1; README of the published code).
Settings: released weights went on from epoch 180, the README's command from 200.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32 load_from=FILE
"""

_base_ = ['./esvit_swin-small-w14_32xb16-coslr-300e_in1k.py']

# what the checkpoint lacks; how it goes on
_base_.custom_hooks[0].allow_missing = ['heads.region.']
_base_.custom_hooks.append(dict(type='ContinueHook', schedules='continue'))
