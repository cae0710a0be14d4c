"""Fine-tunes the small ViT of configs/dino/quickstart_photos.py on a folder of your own.

Paper: the recipe is BEiT's, arXiv 2106.08254.
Command: python tools/train.py configs/evaluation/finetune_quickstart_photos.py --data ~/photos \
    --cfg-options pretrained=work_dirs/photos/epoch_24.pth
Result: yours; pretrained=None is the same training from random weights, to compare with.
"""

_base_ = ['./finetune_vit-small-p16_8xb128-coslr-100e_in1k.py']

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384
        ),
        img_size=64,
        patch_size=16,
    ),
    head=dict(in_channels=96),
)
_base_.train_dataloader.dataset.pipeline[1].scale = 64
_base_.val_dataloader.dataset.pipeline[1].scale = 72
_base_.val_dataloader.dataset.pipeline[2].crop_size = 64
_base_.test_dataloader.dataset.pipeline[1].scale = 72
_base_.test_dataloader.dataset.pipeline[2].crop_size = 64
train_dataloader = dict(batch_size=32, num_workers=1, drop_last=False)
val_dataloader = dict(batch_size=32, num_workers=1)
test_dataloader = dict(batch_size=32, num_workers=1)
optim_wrapper = dict(optimizer=dict(lr=5e-4), paramwise_cfg=dict(layer_decay_rate=0.75))
auto_scale_lr = dict(base_batch_size=32)
train_cfg = dict(max_epochs=30)
