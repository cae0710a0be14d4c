"""DINO's schedule for convolutional networks, 100 epochs: SGD, constant weight decay."""

_base_ = ['./dino_adamw_100e.py']

optim_wrapper = dict(
    # published: 0.03 a 256 images; here for a global batch of 8 x 64 = 512
    optimizer=dict(_delete_=True, type='SGD', lr=0.03 * 512 / 256, momentum=0.9, weight_decay=1e-4),
)
# warm-up and cosine stay, the rise of the weight decay goes
del _base_.param_scheduler[2]
