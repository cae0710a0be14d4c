"""DINO, ResNet-50, 800 epochs on ImageNet-1k by LARS: the released weights' run.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294.
Command, on each of ten nodes (NODE_RANK=0 to 9, MASTER_ADDR the first's address):
    NNODES=10 bash tools/dist_train.sh configs/dino/dino_resnet50_80xb51-coslr-800e_in1k.py 8
Published result: k-NN 67.5, linear 75.3 (top-1; README of the published code). Time not known here.
Settings: from threads (dino#133 and others); scales and number of local crops are recalled from the
    paper, not verified; whether in float16 is not known.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=80
    (batch norm then sees 51 images, not 4080).
"""

_base_ = ['./dino_resnet50_8xb64-coslr-100e_in1k.py']

model = dict(
    heads=dict(
        view=dict(
            num_prototypes=60000,
            batch_norm=True,
            teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=50),
        )
    )
)
train_dataloader = dict(batch_size=51)
_base_.train_dataloader.dataset.pipeline[1].views[2].num = 6
train_cfg = dict(max_epochs=800)
optim_wrapper = dict(
    # 0.3 a 256 images: 4.78 at the peak for 80 x 51 = 4080
    optimizer=dict(
        _delete_=True, type='LARS', lr=0.3 * 4080 / 256, momentum=0.9, weight_decay=1e-6
    ),
    clip_grad=None,
)
auto_scale_lr = dict(base_batch_size=4080)
_base_.param_scheduler[1].eta_min = 0.0048
