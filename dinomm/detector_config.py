"""What the tools do differently with a config of mmdet, before anything slow is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

WRAPPERS = ('OptimWrapper', 'AmpOptimWrapper')
COCO = 'https://cocodataset.org'


def is_detector(config: Config) -> bool:
    """Whether a config is one of mmdet."""
    return config.get('default_scope') == 'mmdet'


def set_detector_amp(config: Config, dtype: str) -> None:
    """Mixed precision by mmengine's wrapper.

    Args:
        config: Whose ``optim_wrapper`` changes.
        dtype: 'float16', 'bfloat16', or 'auto' for float16: the compiled operators of mmcv know no
            bfloat16.

    Raises:
        ValueError: The config has a wrapper without such a twin, or there is no GPU.
    """
    wrapper = config.optim_wrapper
    if wrapper.get('type', WRAPPERS[0]) not in WRAPPERS:
        raise ValueError(
            f'--amp needs optim_wrapper.type OptimWrapper, the config has {wrapper.type!r}: write '
            'the autocast of that wrapper into the config'
        )
    import torch

    if not torch.cuda.is_available():
        raise ValueError('--amp of a detector needs a CUDA GPU: leave it away on a CPU')
    dtype = 'float16' if dtype == 'auto' else dtype
    scale = 'dynamic' if dtype == 'float16' else 1.0
    wrapper.update(type=WRAPPERS[1], dtype=dtype, loss_scale=scale)


def set_detector_data(config: Config, root: str | None) -> None:
    """Points a config to COCO data, if it or the command line names a folder of one's own.

    Raises:
        ValueError: Files are missing or faulty.
    """
    if root is not None or config.get('coco_data'):
        # importing the package prepares mmcv's operators, which pretraining has no use for
        from dinomm.detection.coco_data import set_coco_data

        set_coco_data(config, root)


def require_annotations(config: Config, loaders: Sequence[str]) -> None:
    """Checks that annotation files and image folders of data loaders exist.

    Raises:
        ValueError: One does not.
    """
    for loader in loaders:
        for dataset in _datasets((config.get(loader) or {}).get('dataset')):
            root = Path(dataset.get('data_root') or '.').expanduser()
            prefix = dataset.get('data_prefix') or {}
            for key, name in (('ann_file', dataset.get('ann_file')), *prefix.items()):
                if isinstance(name, str) and '://' not in name and not (root / name).exists():
                    raise ValueError(
                        f'{loader} needs {root / name} ({key}), which does not exist: unpack or '
                        f"link COCO 2017 ({COCO}) there, or give --data FOLDER, COCO's or one of "
                        'your own with COCO annotations'
                    )


def require_pretrained(config: Config) -> None:
    """Checks that the file that ``pretrained`` names exists, if training is to begin with it.

    Raises:
        ValueError: It does not.
    """
    path = config.get('pretrained')
    if path is None or config.get('resume') or config.get('load_from'):
        return
    if not Path(path).expanduser().is_file():
        raise ValueError(
            f'pretrained is {path}, which does not exist: name a file that pretraining wrote by '
            '--cfg-options pretrained=FILE; pretrained=None starts from random weights'
        )


def _datasets(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """The data sets that read files, inside wrappers such as RepeatDataset."""
    if not isinstance(dataset, Mapping):
        return
    if 'ann_file' in dataset:
        yield dataset
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    for part in inner:
        yield from _datasets(part)
