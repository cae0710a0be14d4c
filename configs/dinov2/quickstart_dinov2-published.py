"""DINOv2's objectives as published, on 5,000 handwritten digits: what fails on small data.

The twin of quickstart_dinov2.py, for comparison: heads without batch norm and of their own lengths,
Sinkhorn-Knopp, temperatures of .04 to .07, layer scale from 1e-5, half of the views masked.

Paper: DINOv2: Learning Robust Visual Features without Supervision, arXiv 2304.07193.
Command: python tools/prepare_data.py digits
    python tools/train.py configs/dinov2/quickstart_dinov2-published.py
Result: k-NN top-1 42.5, 47.1 and 56.0 over three seeds, untrained 7.7 to 9.5; losses stay at ln K.
Time: 6 to 9 minutes on two busy cores.
"""

_base_ = ['./quickstart_dinov2.py']

__head = dict(
    batch_norm=False,
    fixed_length=False,
    teacher_temp=dict(_delete_=True, start=0.04, end=0.07, warmup_epochs=4, by_step=True),
    centering=dict(_delete_=True, type='SinkhornKnopp'),
)

model = dict(
    backbone=dict(layer_scale_init_value=1e-5, class_token_std=1e-6),
    masking=dict(share=0.5),
    heads=dict(view=__head, patch=__head),
)
