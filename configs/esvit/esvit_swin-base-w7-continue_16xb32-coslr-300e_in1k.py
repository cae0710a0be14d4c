"""EsViT in two phases, Swin-B, window 7: the region task joins after 200 of 300 epochs.

Goes on from a checkpoint, of the view task alone, by
configs/esvit/esvit_swin-base-w7-view_16xb32-coslr-300e_in1k.py,
which has to keep it: default_hooks.checkpoint.max_keep_ckpts=-1.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_swin-base-w7-continue_16xb32-coslr-300e_in1k.py 8 --amp \
        --cfg-options \
        load_from=work_dirs/esvit_swin-base-w7-view_16xb32-coslr-300e_in1k/epoch_200.pth
Published result: k-NN 78.9, linear 80.4 (top-1; README of the published code).
Settings: from epoch 200 (name of the released weights).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16 load_from=FILE
"""

_base_ = ['./esvit_swin-base-w7_16xb32-coslr-300e_in1k.py']

# what the checkpoint lacks; how it goes on
_base_.custom_hooks[0].allow_missing = ['heads.region.']
_base_.custom_hooks.append(dict(type='ContinueHook', schedules='continue'))
