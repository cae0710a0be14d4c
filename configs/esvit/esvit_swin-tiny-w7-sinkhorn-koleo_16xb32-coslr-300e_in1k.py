"""EsViT with DINOv2's remedies against collapse: Sinkhorn-Knopp and KoLeo, Swin-T, window 7.

Both heads' targets use every prototype equally often in the batch, without a centre; KoLeo spreads
the images' features.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785,
    and DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_swin-tiny-w7-sinkhorn-koleo_16xb32-coslr-300e_in1k.py 8 --amp
Published result: none known; with centres and without KoLeo k-NN 75.7, linear 78.0.
Settings: EsViT's published run; Sinkhorn-Knopp and KoLeo as DINOv2 has them. Ours.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['./esvit_swin-tiny-w7_16xb32-coslr-300e_in1k.py']

__sinkhorn = dict(_delete_=True, type='SinkhornKnopp', iterations=3)
model = dict(
    heads=dict(
        view=dict(centering=__sinkhorn),
        region=dict(centering=__sinkhorn),
        koleo=dict(type='KoLeoHead', loss_weight=0.1),
    )
)
