"""DINOv2 with registers, ViT-L/14, 500 epochs of 1250 steps on ImageNet-22k.

Four tokens without a place take what the network would otherwise store in patches of the
background: maps of features and attention become clean.

Paper: Vision Transformers Need Registers, arXiv 2309.16588.
Command, on each of twelve nodes (NODE_RANK=0 to 11, MASTER_ADDR the first's address):
    NNODES=12 bash tools/dist_train.sh \
        configs/dinov2/dinov2_vit-large-p14-reg4_96xb32-coslr-500e_in22k.py 8 --amp
Published result: none known for this command; without registers k-NN 82.0, linear 84.5.
Settings: those without registers; the network as the released ones with registers.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=96
"""

_base_ = ['./dinov2_vit-large-p14_96xb32-coslr-500e_in22k.py']

# their rule for the positions of other sizes is another, too
model = dict(backbone=dict(num_registers=4, position_offset=0.0, position_antialias=True))
