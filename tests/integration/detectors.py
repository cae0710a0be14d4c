"""The shipped detection configs, shrunk to train in seconds, and checkpoints to begin with."""

from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

from dinomm.registry import MODELS
from tests.detection import tiny_coco

from . import shipped, tiny

CONFIGS = sorted(
    str(path.relative_to(tiny.ROOT))
    for path in (tiny.ROOT / 'configs/detection').glob('*.py')
    if not path.stem.startswith('quickstart')
)
SIZE = (96, 64)

VIT = dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=96)
SWIN = dict(embed_dims=12, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 4])
# type of a detector's backbone -> what makes it small, widths of its four stages
SMALL = {
    'dinomm.FastSwinTransformer': (dict(arch=SWIN), [12, 24, 48, 96]),
    'dinomm.ViTFeatureMap': (dict(arch=VIT), [48] * 4),
    'ResNet': (dict(depth=18, stem_channels=8, base_channels=8), [8, 16, 32, 64]),
}


def build(model: dict):
    """A model of mmdet."""
    from mmdet.registry import MODELS as MMDET_MODELS

    with DefaultScope.overwrite_default_scope('mmdet'):
        return MMDET_MODELS.build(model)


def write_coco(folder: Path) -> Path:
    """Four tiny pictures for training and for validation, with the categories of COCO."""
    import dinomm.detection  # noqa: F401
    from mmdet.datasets import CocoDataset

    return tiny_coco.write_coco(folder, size=SIZE, classes=CocoDataset.METAINFO['classes'])


def pretraining(config: Config) -> Config:
    """The shipped config whose checkpoint a detector names."""
    stem = Path(config.pretrained).parent.name
    (path,) = (path for path in shipped.CONFIGS if Path(path).stem == stem)
    return shipped.read(path)


def pretrained_backbone(config: dict):
    """A backbone as pretraining builds it."""
    with DefaultScope.overwrite_default_scope('dinomm'):
        return MODELS.build(config)


def shrink_network(config: Config, backbone: ConfigDict) -> None:
    """Few channels and blocks, in a detector and the backbone that pretraining made for it."""
    model = config.model
    small, widths = SMALL[model.backbone.type]
    model.backbone.update(small)
    backbone.update(small)
    outputs = model.backbone.get('out_indices', (0, 1, 2, 3))
    several = isinstance(model.neck.in_channels, list)
    model.neck.in_channels = [widths[i] for i in outputs] if several else widths[0]


def shrink_work(config: Config, data: Path, work_dir: Path) -> None:
    """Two steps on four tiny pictures, and the prediction of one; what else it says stays."""
    # names of their own: mmengine shares logs between runs of one name
    config.work_dir = str(work_dir)
    config.experiment_name = config.visualizer.name = f'detector-{work_dir.parent.name}'
    if 'times' in config.train_dataloader.dataset:
        config.train_dataloader.dataset = config.train_dataloader.dataset.dataset
    if 'batch_augments' in config.model.data_preprocessor:
        config.model.data_preprocessor.batch_augments[0].size = SIZE[::-1]
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        if loader is None:
            continue
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(data)
        _shrink_steps(loader.dataset.pipeline)
        if part != 'train':
            loader.dataset.indices = 1
            config[f'{part}_evaluator'].ann_file = str(data / 'annotations/instances_val2017.json')
    train, test = config.model.train_cfg, config.model.test_cfg
    if 'rcnn' in train:
        for stage in train.rcnn if isinstance(train.rcnn, list) else [train.rcnn]:
            stage.sampler.num = 8
        train.rpn_proposal.max_per_img = 16
        test.rpn.max_per_img = 16
    test.get('rcnn', test).update(score_thr=0.0, max_per_img=3)  # untrained heads are unsure
    config.train_cfg.update(max_epochs=1, val_interval=1)
    for scheduler in config.param_scheduler:
        if scheduler.get('by_epoch', True) and 'end' in scheduler:
            scheduler.update(end=1, milestones=[1])
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint = None


def _shrink_steps(pipeline) -> None:
    for step in pipeline:
        if 'transforms' in step:
            for branch in step.transforms:
                _shrink_steps(branch)
        elif step.type == 'RandomChoiceResize':
            step.scales = [SIZE]
        elif step.type == 'RandomCrop':
            step.crop_size = SIZE[::-1]
        elif 'scale' in step:
            step.scale = SIZE


def write_checkpoint(path: Path, backbone) -> Path:
    """As pretraining writes it: weights of their own, a head beside the backbone."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    state = {f'backbone.{name}': tensor for name, tensor in backbone.state_dict().items()}
    torch.save({'state_dict': {**state, 'heads.view.x': torch.zeros(1)}, 'meta': {}}, path)
    return path
