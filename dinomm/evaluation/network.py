"""A trained network and images to evaluate it on, without a Runner."""

import logging
from collections.abc import Sequence
from multiprocessing import get_all_start_methods
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch import nn
from torch.utils.data import DataLoader, Subset

from dinomm.checkpoints.backbone import backbone_weights
from dinomm.checkpoints.files import load_file
from dinomm.config_check import check_config
from dinomm.config_values import check_values
from dinomm.datasets import collate_views
from dinomm.models.backbones import speed_up
from dinomm.models.preprocessor import ViewGroup
from dinomm.models.tokens import Tokens, encode
from dinomm.registry import DATASETS, MODELS

from .isolation import random_state_kept

UNTRAINED = 'untrained'
SEED = 0
"""Of untrained weights."""


class FrozenNetwork(nn.Module):
    """A backbone with the preprocessor of its images, to be evaluated.

    Args:
        backbone: Of a family that `dinomm.models.tokens` knows.
        data_preprocessor: Turns a batch of the data loader into groups of views.
        amp: Whether the backbone computes in bfloat16.
    """

    def __init__(self, backbone: nn.Module, data_preprocessor: nn.Module, amp: bool = False):
        super().__init__()
        self.backbone = backbone
        self.data_preprocessor = data_preprocessor
        self.amp = amp

    def extract_feat(self, inputs: list[ViewGroup], regions: bool = True) -> list[Tokens]:
        """Float32 tokens of each group of views; see `dinomm.models.tokens.encode`."""
        tokens = []
        for group in inputs:
            with self.autocast(group.images.device):
                found = encode(self.backbone, group.images, regions)
            tokens.append(Tokens(found.view.float(), found.region.float(), found.grid))
        return tokens

    def autocast(self, device: torch.device) -> torch.autocast:
        """bfloat16 if it was asked for."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.amp)


def load_network(
    config: Config,
    checkpoint: str,
    student: bool = False,
    amp: bool = False,
    device: str | None = None,
) -> FrozenNetwork:
    """The config's backbone in evaluation mode, with the weights of a checkpoint.

    Args:
        config: Names ``model.backbone`` and the data preprocessor.
        checkpoint: A file of any form that `dinomm.checkpoints.backbone` knows, or 'untrained'.
        student: Whether the student is meant, of a checkpoint that holds a teacher too.
        amp: Whether the backbone computes in bfloat16.
        device: CUDA's current one if there is one, else the CPU.

    Raises:
        ValueError: The config has errors, or the checkpoint is of another backbone.
    """
    check_values(config)
    check_config(config)
    if 'backbone' not in config.get('model', {}):
        raise ValueError('the config has no model.backbone: there is nothing to evaluate')
    network = FrozenNetwork(build_backbone(config), build_preprocessor(config), amp)
    if checkpoint != UNTRAINED:
        given = backbone_weights(network.backbone, load_file(checkpoint), checkpoint, student)
        network.backbone.load_state_dict(given)
    network.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    network.requires_grad_(False)
    torch.nn.Module.train(network, False)  # mmpretrain's backbones return None from eval()
    return network


def build_backbone(config: Config) -> nn.Module:
    """``model.backbone`` with random weights, the same in every process; nothing is fetched."""
    backbone_config = {k: v for k, v in config.model.backbone.items() if k != 'init_cfg'}
    if 'pretrained' in backbone_config:
        backbone_config['pretrained'] = False
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)  # mmengine tells of every parameter
    try:
        with random_state_kept():
            torch.manual_seed(SEED)
            backbone = speed_up(MODELS.build(backbone_config))
            backbone.init_weights()
    finally:
        logger.setLevel(level)
    return backbone


def build_preprocessor(config: Config) -> nn.Module:
    """Normalises by the mean and std that the config states, by ImageNet's if none."""
    stated = config.model.get('data_preprocessor') or config.get('data_preprocessor') or {}
    kept = {key: stated[key] for key in ('mean', 'std') if key in stated}
    return MODELS.build({'type': 'dinomm.MultiCropPreprocessor', **kept})


def evaluation_loader(
    config: Config,
    data: str | None = None,
    added_transforms: Sequence[Any] = (),
    max_images: int | None = None,
) -> DataLoader:
    """The images of ``val_dataloader``, in order and without labels.

    Args:
        config: Whose ``val_dataloader`` names images, pipeline and batch size.
        data: Folder or list of images in their place.
        added_transforms: Stand in the pipeline before the last transform, which packs.
        max_images: So many at most, evenly spread over all.

    Raises:
        ValueError: There is no ``val_dataloader``.
    """
    loader = config.get('val_dataloader')
    if loader is None:
        raise ValueError('the config has no val_dataloader: it names images and their pipeline')
    dataset_config = dict(loader.dataset)
    if data is not None:
        dataset_config.update(root=data, data_root=None)
        for key in ('part', 'val_fraction'):
            dataset_config.pop(key, None)
    for key in ('labels', 'classes'):
        dataset_config.pop(key, None)
    *before, pack = dataset_config['pipeline']
    dataset_config['pipeline'] = [*before, *added_transforms, pack]
    dataset = DATASETS.build(dataset_config)
    if max_images is not None and max_images < len(dataset):
        chosen = torch.linspace(0, len(dataset) - 1, max_images).round().int().tolist()
        dataset = Subset(dataset, chosen)
    workers = loader.get('num_workers', 0)
    return DataLoader(
        dataset,
        batch_size=loader.batch_size,
        num_workers=workers,
        multiprocessing_context=worker_context(workers),
        collate_fn=collate_views,
    )


def worker_context(workers: int) -> str | None:
    """How a data loader starts its workers: forked where that is possible, as the Runner's are."""
    return 'fork' if workers and 'fork' in get_all_start_methods() else None


def view_size(config: Config) -> int:
    """Side of the view that ``val_dataloader`` cuts; 224 where it cuts none."""
    pipeline = (config.get('val_dataloader') or {}).get('dataset', {}).get('pipeline', [])
    sizes = [step.get('size', 224) for step in pipeline if step['type'].endswith('CenterView')]
    return sizes[0] if sizes else 224
