"""The main job in minutes: pretrain a small ViT by DINO, and show what it learned.

``python tools/quickstart.py`` sets up an environment and then runs this module in it.
"""

import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from dinomm import launch
from dinomm.data_paths import train_folder
from dinomm.datasets.embedded import write_digits
from dinomm.quickstart_options import parse_args

ROOT = Path(__file__).resolve().parents[1]
DIGITS_CONFIG = ROOT / 'configs/dino/quickstart_digits.py'
PHOTOS_CONFIG = ROOT / 'configs/dino/quickstart_photos.py'
ROWS = ('raw pixels', 'untrained network', 'pretrained teacher')
PHOTO_STEPS, PHOTO_BATCH = 700, 32
PROGRESS_SECONDS = 10.0


class Run(NamedTuple):
    """A finished run: its directory, its config as it ran, its last checkpoint."""

    directory: Path
    config: Any
    checkpoint: Path


def main() -> None:
    """Parses arguments and runs the quick start."""
    args = parse_args()
    started = time.perf_counter()
    if args.images:
        run = run_photos(Path(args.work_dir), args.seed, Path(args.images).expanduser())
    else:
        run = run_digits(Path(args.work_dir), args.seed)
    if run.config.get('val_cfg') is not None:
        print_table(knn_rows(run.config, run.checkpoint), digits=not args.images)
    pictures = draw(run)
    minutes = (time.perf_counter() - started) / 60
    print(f'\nDone in {minutes:.1f} minutes.')
    files = {'checkpoint': run.checkpoint, **pictures, 'log': run.directory / 'train.log'}
    for name, path in files.items():
        print(f'  {name:<11} {path}')


def run_digits(work_dir: Path, seed: int) -> Run:
    """Pretrains on the embedded digits."""
    data = write_digits(ROOT / 'data/digits')
    return pretrain(DIGITS_CONFIG, work_dir, ['--data', str(data), '--seed', str(seed)])


def run_photos(work_dir: Path, seed: int, folder: Path) -> Run:
    """Pretrains on a person's own folder."""
    if not folder.is_dir():
        raise ValueError(f'--images {folder}: there is no such folder')
    return pretrain(PHOTOS_CONFIG, work_dir, ['--seed', str(seed), *photo_options(folder)])


def uniform_loss(config: Any) -> float:
    """ln K: the loss of an output that says nothing."""
    return math.log(config.model.heads.view.num_prototypes)


def photo_options(folder: Path) -> list[str]:
    """Options of ``tools/train.py`` that fit a run of some minutes to a folder's size."""
    from dinomm.datasets.listing import find_images

    num_images = len(find_images(train_folder(str(folder))).paths)
    batch = min(PHOTO_BATCH, num_images)
    epochs = max(1, math.ceil(PHOTO_STEPS / (num_images // batch)))
    print(f'{num_images} images in {folder}: {epochs} epochs of {num_images // batch} steps')
    return [
        '--data',
        str(folder),
        '--cfg-options',
        f'train_dataloader.batch_size={batch}',
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={max(1, epochs // 5)}',
        f'param_scheduler.0.end={epochs / 12}',  # warm-up
        f'param_scheduler.1.begin={epochs / 12}',
        f'default_hooks.checkpoint.interval={max(1, epochs // 5)}',
    ]


def pretrain(config_file: Path, work_dir: Path, options: list[str]) -> Run:
    """Runs ``tools/train.py`` and prints its progress, a line now and then.

    Raises:
        RuntimeError: Training failed.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    command = ['tools/train.py', str(config_file.relative_to(ROOT)), '--work-dir', str(work_dir)]
    command += options
    print(f'\n$ python {" ".join(command)}', flush=True)
    command[0] = str(ROOT / command[0])
    command[1] = str(config_file)
    log = work_dir / 'train.log'
    with open(log, 'w') as file:
        process = subprocess.Popen(
            [sys.executable, '-u', *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env={'OMP_NUM_THREADS': str(num_threads()), **os.environ},
        )
        assert process.stdout is not None
        shown = -PROGRESS_SECONDS
        for line in process.stdout:
            file.write(line)
            progress = progress_of(line)
            due = time.perf_counter() - shown >= PROGRESS_SECONDS
            if progress and (due or not progress.startswith('epoch')):
                print(f'  {progress}', flush=True)
                shown = time.perf_counter()
    if process.wait():
        tail = log.read_text().splitlines()[-1]
        raise RuntimeError(f'training stopped: {tail} (the whole log is {log})')
    from mmengine.config import Config

    checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())
    # mmengine writes the config as it ran into the work directory
    return Run(work_dir, Config.fromfile(work_dir / config_file.name), checkpoint)


def num_threads() -> int:
    """Threads for so small a network: more than four do not help, and the loader needs a core."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))


def progress_of(line: str) -> str | None:
    """What a person wants of a line of mmengine's log: progress, loss, speed; or None."""
    train = re.search(r'Epoch\(train\)\s+(\[\d+\]\[ *\d+/\d+\])', line)
    if train:
        fields = dict(re.findall(r'(eta|loss|images_per_s|peak_gib|memory): ([\d:.]+)', line))
        parts = [f'epoch {train[1]}', f'loss {float(fields["loss"]):.3f}']
        parts += [f'{float(fields["images_per_s"]):.0f} images/s', f'left {fields["eta"]}']
        return '  '.join(parts)
    warned = re.search(r'WARNING - (health, .*)', line)
    if warned:
        return warned[1]
    val = re.search(r'Epoch\(val\).*?knn/top1_k20: ([\d.]+)', line)
    return f'k-NN (k = 20) {float(val[1]):.1f} %' if val else None


def knn_rows(config: Any, checkpoint: Path, k: int = 20) -> dict[str, float]:
    """Top-1 of the k-NN, in percent, by the published protocol, for each of ``ROWS``."""
    from dinomm.evaluation.knn import knn_accuracy

    config = config.copy()
    config.update(load_from=None, resume=False, log_level='ERROR', launcher='none')
    for loader in (config.test_dataloader, config.test_cfg.support_dataloader):
        loader.persistent_workers = False  # those of a Runner that is gone end after seconds only
    metric = f'knn/top1_k{k}'
    runner = launch.build_runner(config)
    runner.model.init_weights()
    untrained = runner.test()[metric]
    pixels = [
        _pixels(loader) for loader in (runner.test_loop.support_dataloader, runner.test_dataloader)
    ]
    raw = knn_accuracy(*pixels[0], *pixels[1], ks=(k,))[f'top1_k{k}']
    config.load_from = str(checkpoint)
    trained = launch.build_runner(config).test()[metric]
    return dict(zip(ROWS, (raw, untrained, trained), strict=True))


def _pixels(loader) -> tuple[Any, Any]:
    import torch

    images, labels = [], []
    for batch in loader:
        images.append(batch['inputs'][0].flatten(1).float())
        labels.append(torch.cat([sample.gt_label for sample in batch['data_samples']]))
    return torch.cat(images), torch.cat(labels)


def print_table(rows: dict[str, float], digits: bool) -> None:
    """Prints the table and what may be read from it."""
    print('\nk-NN top-1 (k = 20, cosine, temperature 0.07), features frozen:')
    for name, accuracy in rows.items():
        print(f'  {name:<20} {accuracy:5.1f} %')
    raw, untrained, trained = rows.values()
    print(f'Without labels the network gained {trained - untrained:+.1f} points.')
    if digits and raw > trained:
        print(
            'Raw pixels win here: the digits are centred and of one size, so comparing pixels is '
            'hard to beat. The gain over the untrained network is what this table shows.'
        )


def draw(run: Run) -> dict[str, Path]:
    """Draws a sheet of crops and the curves of the run; name to path."""
    from dinomm.visualization.crops import crop_sheet
    from dinomm.visualization.curves import training_curves
    from dinomm.visualization.training_views import views_of_training_images

    pictures = {name: run.directory / f'{name}.png' for name in ('crops', 'curves')}
    crop_sheet(*views_of_training_images(run.config), pictures['crops'])
    training_curves(run.directory, pictures['curves'], uniform_loss(run.config))
    return pictures


if __name__ == '__main__':
    sys.exit(launch.run_tool(main))
