"""EsViT with both tasks (L_V + L_R), Swin-B, window 7, 300 epochs on ImageNet-1k.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_swin-base-w7_16xb32-coslr-300e_in1k.py 8 --amp
Published result: none known for one phase; two reached k-NN 78.9, linear 80.4.
Settings: of Swin-T's published run (README and thread esvit#10), in float16; drop path 0.2 by the
    published network's file; GPUs and batch by the name of the released weights.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['./esvit_swin-base-w7-view_16xb32-coslr-300e_in1k.py']

# weights of the two terms: half each is the published code, 1 and 1 the paper's L = L_V + L_R
model = dict(
    heads=dict(
        view=dict(loss_weight=0.5),
        region=dict(_base_.model.heads.view, type='RegionMatchingHead', loss_weight=0.5),
    )
)
