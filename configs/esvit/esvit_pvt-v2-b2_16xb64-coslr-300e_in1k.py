"""EsViT with both tasks (L_V + L_R), PVT v2-B2 of timm, 300 epochs on ImageNet-1k.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_pvt-v2-b2_16xb64-coslr-300e_in1k.py 8 --amp
Published result: none for this network: the paper's ablation has the first PVT.
Settings: those of the published run are not known here; these are Swin-T's, with the batch of the
    paper's ablation, 1024.
Needs timm: pip install timm
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['./esvit_pvt-v2-b2-view_16xb64-coslr-300e_in1k.py']

# weights of the two terms: half each is the published code, 1 and 1 the paper's L = L_V + L_R
model = dict(
    heads=dict(
        view=dict(loss_weight=0.5),
        region=dict(_base_.model.heads.view, type='RegionMatchingHead', loss_weight=0.5),
    )
)
