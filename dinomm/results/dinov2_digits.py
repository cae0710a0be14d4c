"""DINOv2's objectives on the digits: as published, and by the small-data recipe, beside DINO.

All see the same images for as many epochs, with networks of one form and the same views.
"""

from pathlib import Path

from dinomm import quickstart
from dinomm.datasets.embedded import write_digits

EPOCHS = 12
RUNS = {
    'DINO': quickstart.DIGITS_CONFIG,
    'DINOv2 as published': quickstart.ROOT / 'configs/dinov2/quickstart_dinov2-published.py',
    'DINOv2, small data': quickstart.ROOT / 'configs/dinov2/quickstart_dinov2.py',
}


def make(seeds: list[int], work_dir: Path) -> dict:
    """Trains and evaluates each of each seed; 'runs' of k-NN before and after training."""
    return {'epochs': EPOCHS, 'runs': [_make_run(seed, work_dir) for seed in seeds]}


def _make_run(seed: int, work_dir: Path) -> dict:
    data = write_digits(quickstart.ROOT / 'data/digits')
    knn = {}
    for name, config_file in RUNS.items():
        options = ['--data', str(data), '--seed', str(seed), '--cfg-options']
        options += [f'train_cfg.max_epochs={EPOCHS}', f'train_cfg.val_interval={EPOCHS}']
        directory = work_dir / f'{config_file.stem}_{EPOCHS}e_seed{seed}'
        run = quickstart.pretrain(config_file, directory, options)
        rows = quickstart.knn_rows(run.config, run.checkpoint)
        knn[name] = {
            'untrained': rows['untrained network'],
            'teacher': rows['pretrained teacher'],
        }
    return {'seed': seed, 'knn': knn}


def lines(figures: dict) -> list[str]:
    """A row a seed and objective: k-NN top-1 in percent."""
    text = [
        f'k-NN top-1 before and after {figures["epochs"]} epochs',
        f'seed  {"objectives":<20} untrained  teacher',
    ]
    for run in figures['runs']:
        for name, knn in run['knn'].items():
            text.append(
                f'{run["seed"]:>4}  {name:<20} {knn["untrained"]:>7.1f} % {knn["teacher"]:>6.1f} %'
            )
    return text
