"""Wrong values in the quick config."""

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from PIL import Image
from yapf.yapflib import yapf_api

from dinomm import launch
from dinomm.config_check import check_config
from dinomm.config_values import check_values
from tests.integration.processes import unformatted

from .kinds import MIB, Kind

QUICK = Path(__file__).parents[2] / 'configs/dino/quickstart_digits.py'
VALUES = (
    None, True, False, 0, -1, 1, 10**30, 0.5, -1.5, 1e400, float('nan'), '', 'x', 'Adam', '0',
    '1e-3', [], [0], [None], ['x', 'y'], {}, {'type': 'x'}, {'type': None}, {'type': 3}, {'x': 1},
    [{'type': 'LoadImage'}], {'type': 'LoadImage', 'deferred': 'x'}, {'type': 'os.system'},
)  # fmt: skip
NUMBERS = (None, True, False, 0, -1, 1, 3, 10**30, 0.5, 1.0, -1.5, 1e-30, 1e30, 1e400, float('nan'))
WORDS = ('', 'x', '0', '.', 'epoch', 'knn/top1_k20', 'Adam', None, 0)

LOADERS = ('train_dataloader', 'val_dataloader', 'val_cfg.support_dataloader')
FEW = {'train_dataloader.batch_size': 2} | {
    f'{loader}.{key}': value
    for loader in LOADERS
    for key, value in (('num_workers', 0), ('persistent_workers', False))
}
"""A run of two images that starts no process."""


@cache
def quick() -> tuple[Config, list[str]]:
    """The config and the dotted paths of all its values, sections too."""
    config = launch.read_config(str(QUICK))
    return config, sorted(_paths(config._cfg_dict.to_dict()))


def _paths(value: Any, prefix: str = '') -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        path = f'{prefix}{key}'
        yield path
        if isinstance(item, dict | list | tuple) and '.' not in str(key):
            yield from _paths(item, f'{path}.')


def generate(rng: random.Random) -> bytes:
    """Options: one to three keys and their values, also keys that do not exist."""
    paths = quick()[1]
    options = {}
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(paths)
        if rng.random() < 0.1:
            path += rng.choice(('x', '.x', '.0', '.type'))
        options[path] = rng.choice(VALUES)
    return json.dumps(options).encode()


def generate_alike(rng: random.Random) -> bytes:
    """Options: one or two values, each of nearly the type that it had."""
    config, paths = quick()
    options = {}
    while not options or rng.random() < 0.3:
        path = rng.choice(paths)
        value = _value(config, path)
        if not isinstance(value, dict | list | tuple) and '.type' not in path:
            options[path] = rng.choice(WORDS if isinstance(value, str) else NUMBERS)
    return json.dumps(options).encode()


def _value(config: Config, path: str) -> Any:
    for key in path.split('.'):
        config = config[int(key)] if isinstance(config, list | tuple) else config[key]
    return config


def read(path: Path) -> None:
    """What the tools do before anything is built."""
    check(with_options(path))


def with_options(path: Path) -> Config:
    """The config with the options of a file, and the few images that it names."""
    for part in ('train', 'val'):
        for digit in '01':
            file = Path('data/digits', part, digit, '0.png')
            if not file.exists():
                file.parent.mkdir(parents=True)
                Image.new('L', (28, 28)).save(file)
    return launch.read_config(str(QUICK), FEW | json.loads(path.read_bytes()))


def check(config: Config) -> None:
    """The checks of ``tools/train.py``."""
    launch.require_data(config)
    check_values(config)
    launch.drop_absent_hooks(config)
    check_config(config)


def build(path: Path) -> None:
    """The checks, then the Runner with its model, hooks and loops' settings."""
    _built(path)


def _built(path: Path) -> Any:
    yapf_api.FormatCode = unformatted  # in this process alone; a Runner takes seconds for it
    config = with_options(path)
    launch.require_data(config)
    config.work_dir = 'work'
    return launch.build_runner(config)


class _EndHook(Hook):
    """Ends a run after its first step, however long the config makes it."""

    priority = 'VERY_LOW'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        raise _EndError


class _EndError(BaseException):
    """A run has come far enough; nothing takes it for an error."""


def train(path: Path) -> None:
    """The first training step, and what stands before it."""
    runner = _built(path)
    runner.register_hook(_EndHook())
    with suppress(_EndError):
        launch.train(runner)


KINDS = (
    Kind('config', 0.07, '.json', generate, read, memory=512 * MIB),
    Kind('build', 0.01, '.json', generate, build, memory=1024 * MIB),
    Kind('train', 0.01, '.json', generate_alike, train, memory=1024 * MIB),
)
