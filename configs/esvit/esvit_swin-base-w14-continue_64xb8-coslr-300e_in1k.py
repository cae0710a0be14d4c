"""EsViT in two phases, Swin-B, window 14: the region task joins after 200 of 300 epochs.

Goes on from a checkpoint, of the view task alone, by
configs/esvit/esvit_swin-base-w14-view_64xb8-coslr-300e_in1k.py,
which has to keep it: default_hooks.checkpoint.max_keep_ckpts=-1.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on each of four nodes of 16 GPUs (NODE_RANK=0 to 3, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh \
        configs/esvit/esvit_swin-base-w14-continue_64xb8-coslr-300e_in1k.py 16 --amp \
        --cfg-options \
        load_from=work_dirs/esvit_swin-base-w14-view_64xb8-coslr-300e_in1k/epoch_200.pth
Published result: k-NN 79.3, linear 81.3 (top-1; README of the published code).
Settings: from epoch 200, prototypes of fixed length (name of the released weights).
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=64 load_from=FILE
"""

_base_ = ['./esvit_swin-base-w14_64xb8-coslr-300e_in1k.py']

# of the view task: the lengths they have, of the region task: 1
model = dict(heads=dict(view=dict(fixed_length=True), region=dict(fixed_length=True)))

# what the checkpoint lacks; how it goes on
_base_.custom_hooks[0].allow_missing = ['heads.region.']
_base_.custom_hooks.append(dict(type='ContinueHook', schedules='continue'))
