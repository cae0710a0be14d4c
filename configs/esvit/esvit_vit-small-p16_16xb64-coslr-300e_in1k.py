"""EsViT with both tasks (L_V + L_R), ViT-S/16, 300 epochs on ImageNet-1k.

Class token and patch tokens: the paper's single-stage comparison. The view task alone is DINO's
boosted run.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/esvit/esvit_vit-small-p16_16xb64-coslr-300e_in1k.py 8 --amp
Published result: none known for this command.
Settings: DINO's boosted run of ViT-S/16, which EsViT's recipe equals at batch 1024.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
"""

_base_ = ['../dino/dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

# weights of the two terms: half each is the published code, 1 and 1 the paper's L = L_V + L_R
model = dict(
    heads=dict(
        view=dict(loss_weight=0.5),
        region=dict(_base_.model.heads.view, type='RegionMatchingHead', loss_weight=0.5),
    )
)
