"""iBOT, ViT-B/16, 400 epochs on ImageNet-1k, with masks of single cells, and more of them.

Paper: iBOT: Image BERT Pre-Training with Online Tokenizer, arXiv 2111.07832.
Command, on each of four nodes (NODE_RANK=0 to 3, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh \
        configs/ibot/ibot_vit-base-p16-random-mask_32xb32-coslr-400e_in1k.py 8 --amp
Published result: k-NN 77.3, linear 79.8 (top-1; README of the published code), in float16.
Settings: arguments of the released run as quoted in other projects; the rate (DINO's ViT-B/16) and
    the batch are recalled, not verified.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32
"""

_base_ = ['./ibot_vit-base-p16_32xb32-coslr-400e_in1k.py']

# .7 +- .05 of the cells of half of the views
model = dict(masking=dict(shape='random', ratio=(0.65, 0.75)))
