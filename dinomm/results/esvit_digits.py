"""EsViT's quick runs on the digits: the view task alone (L_V) beside both tasks (L_V + L_R).

The two of a seed begin with the same weights and see the same views for as many steps.
"""

from pathlib import Path
from typing import Any

from dinomm import quickstart
from dinomm.datasets.embedded import write_digits

CONFIGS = {
    'L_V': quickstart.ROOT / 'configs/esvit/quickstart_swin-view.py',
    'L_V + L_R': quickstart.ROOT / 'configs/esvit/quickstart_swin.py',
}
UNTRAINED = 'untrained'


def make(seeds: list[int], work_dir: Path) -> dict:
    """Trains and evaluates both of each seed; 'runs' of k-NN and correspondence by network."""
    return {'runs': [_make_run(seed, work_dir) for seed in seeds]}


def _make_run(seed: int, work_dir: Path) -> dict:
    data = write_digits(quickstart.ROOT / 'data/digits')
    knn: dict[str, float] = {}
    correspondence: dict[str, dict[str, float]] = {}
    for name, config_file in CONFIGS.items():
        directory = work_dir / f'{config_file.stem}_seed{seed}'
        run = quickstart.pretrain(
            config_file, directory, ['--data', str(data), '--seed', str(seed)]
        )
        rows = quickstart.knn_rows(run.config, run.checkpoint)
        knn[UNTRAINED], knn[name] = rows['untrained network'], rows['pretrained teacher']
        if UNTRAINED not in correspondence:
            correspondence[UNTRAINED] = _correspondence(run.config, None)
        correspondence[name] = _correspondence(run.config, run.checkpoint)
    return {'seed': seed, 'knn': knn, 'correspondence': correspondence}


def _correspondence(config: Any, checkpoint: Path | None) -> dict[str, float]:
    from torch import nn

    from dinomm import launch
    from dinomm.evaluation.correspondence import AddMirroredView, measure_correspondence
    from dinomm.evaluation.network import evaluation_loader, load_network

    if checkpoint is None:
        fresh = config.copy()
        fresh.update(load_from=None, resume=False, log_level='ERROR', launcher='none')
        network = launch.build_runner(fresh).model
        network.init_weights()
        nn.Module.train(network, False)
    else:
        network = load_network(config, str(checkpoint))
    return measure_correspondence(network, evaluation_loader(config, None, [AddMirroredView()]))


def lines(figures: dict) -> list[str]:
    """Three rows a seed: k-NN in percent, correspondence in percent and pixels."""
    text = [f'seed  {"network":<12} k-NN top-1  matches  distance']
    for run in figures['runs']:
        for name, accuracy in run['knn'].items():
            matched = run['correspondence'][name]
            text.append(
                f'{run["seed"]:>4}  {name:<12} {accuracy:>8.1f} %  {matched["accuracy"]:>5.1%} '
                f'{matched["distance"]:>6.1f} px'
            )
    return text
