"""A trained network and images to evaluate it on, without a Runner."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch.utils.data import DataLoader, Subset

import dinomm.models  # noqa: F401
from dinomm.checkpoints.coverage import compare_weights
from dinomm.checkpoints.files import load_file
from dinomm.config_check import check_config
from dinomm.config_values import check_values
from dinomm.datasets import collate_views
from dinomm.registry import DATASETS, MODELS

PREFIX = 'backbone.'


def load_network(config: Config, checkpoint: str) -> Any:
    """The config's model in evaluation mode, its backbone that of a checkpoint's teacher.

    Raises:
        ValueError: The config has errors, or the checkpoint is of another backbone.
    """
    check_values(config)
    check_config(config)
    model = MODELS.build(config.model)
    content = load_file(checkpoint)
    state = content.get('state_dict', content)
    given = {n.removeprefix(PREFIX): t for n, t in state.items() if n.startswith(PREFIX)}
    if not given:
        raise ValueError(
            f'checkpoint {checkpoint} has no tensor whose name starts with {PREFIX!r}: give one '
            'that dinomm wrote, or convert it'
        )
    compare_weights(model.backbone.state_dict(), given).require()
    model.backbone.load_state_dict(given)
    model.to('cuda' if torch.cuda.is_available() else 'cpu')
    torch.nn.Module.train(model, False)  # mmpretrain's backbones return None from eval()
    return model


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
    return DataLoader(
        dataset,
        batch_size=loader.batch_size,
        num_workers=loader.get('num_workers', 0),
        collate_fn=collate_views,
    )


def view_size(config: Config) -> int:
    """Side of the view that ``val_dataloader`` cuts; 224 where it cuts none."""
    pipeline = (config.get('val_dataloader') or {}).get('dataset', {}).get('pipeline', [])
    sizes = [step.get('size', 224) for step in pipeline if step['type'].endswith('CenterView')]
    return sizes[0] if sizes else 224
