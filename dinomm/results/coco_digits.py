"""The quick detectors on the composed set, from random weights and from those of pretraining.

The runs of a detector and a seed see the same images in the same order for as many steps.
"""

import statistics
from pathlib import Path
from typing import NamedTuple

from dinomm import launch, quickstart
from dinomm.datasets.embedded import write_digits
from dinomm.visualization.scalars import read_scalars


class Detector(NamedTuple):
    """A detector's config, and the config of the run that pretrains its backbone."""

    config: Path
    pretraining: Path
    method: str


CONFIGS = quickstart.ROOT / 'configs'
DETECTORS = {
    'Swin': Detector(
        CONFIGS / 'detection/quickstart_coco_swin.py',
        CONFIGS / 'esvit/quickstart_swin.py',
        'EsViT',
    ),
    'ViT': Detector(CONFIGS / 'detection/quickstart_coco_vit.py', quickstart.DIGITS_CONFIG, 'DINO'),
}
RANDOM = 'random'
METRICS = ('bbox', 'segm')


def make(seeds: list[int], work_dir: Path) -> dict:
    """Trains each detector from both starts; 'runs' of average precisions in percent, and losses.

    A pretraining run that is finished in its directory is not repeated.
    """
    from dinomm.detection.compose import compose_coco

    data = compose_coco(quickstart.ROOT / 'data/coco_quick')
    runs = []
    for seed in seeds:
        for name, detector in DETECTORS.items():
            checkpoint = _pretrain(detector.pretraining, seed, work_dir)
            for start, weights in ((RANDOM, None), (detector.method, checkpoint)):
                directory = work_dir / f'{detector.config.stem}_{start}_seed{seed}'
                options = ['--data', str(data), '--seed', str(seed)]
                options += ['--cfg-options', f'pretrained={weights}']
                run = quickstart.pretrain(detector.config, directory, options)
                figures = _read(run.directory)
                runs.append({'seed': seed, 'detector': name, 'start': start, **figures})
    return {'runs': runs}


def lines(figures: dict) -> list[str]:
    """A row a run, then the means of each detector and start."""
    runs = figures['runs']
    text = [f'{"":>4}  {"detector":<8}  {"start":<6}  {"box AP":>6}  {"mask AP":>7}  {"loss":>14}']
    for run in runs:
        loss = f'{run["first_loss"]:.2f} -> {run["last_loss"]:.2f}'
        text.append(_row(run['seed'], run, loss))
    kinds = list(dict.fromkeys((run['detector'], run['start']) for run in runs))
    for detector, start in kinds:
        same = [run for run in runs if (run['detector'], run['start']) == (detector, start)]
        means = {metric: statistics.mean(run[metric] for run in same) for metric in METRICS}
        text.append(_row('mean', {'detector': detector, 'start': start, **means}, ''))
    return text


def _row(first: object, run: dict, last: str) -> str:
    cells = f'{run["detector"]:<8}  {run["start"]:<6}  {run["bbox"]:>6.1f}  {run["segm"]:>7.1f}'
    return f'{first!s:>4}  {cells}  {last:>14}'.rstrip()


def _pretrain(config: Path, seed: int, work_dir: Path) -> Path:
    """The checkpoint of a pretraining run's last epoch; the run is made if that is not there."""
    directory = work_dir / f'{config.stem}_seed{seed}'
    epochs = launch.read_config(str(config)).train_cfg.max_epochs
    checkpoint = directory / f'epoch_{epochs}.pth'
    if checkpoint.is_file():
        return checkpoint
    data = write_digits(quickstart.ROOT / 'data/digits')
    options = ['--data', str(data), '--seed', str(seed)]
    return quickstart.pretrain(config, directory, options).checkpoint


def _read(directory: Path) -> dict[str, float]:
    scalars = read_scalars(directory)
    loss = list(scalars['loss'].values())
    last = {metric: list(scalars[f'coco/{metric}_mAP'].values())[-1] for metric in METRICS}
    return {
        **{metric: 100 * value for metric, value in last.items()},
        'first_loss': loss[0],
        'last_loss': loss[-1],
    }
