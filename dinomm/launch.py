"""From a config file and the command line's options to a Runner.

Nothing here imports torch before the config and the paths it names have been looked at, so that
the commonest mistakes are answered at once.
"""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from dinomm.classifier_config import is_classifier
from dinomm.config_check import check_config, nearest
from dinomm.config_values import check_sections, check_values
from dinomm.data_paths import require_root
from dinomm.detector_config import (
    is_detector,
    require_annotations,
    require_pretrained,
)
from dinomm.environment import check_environment
from dinomm.host_memory import keep_freed_memory
from dinomm.preemption import PreemptedError

PACKAGE = Path(__file__).parent
WORLD_SIZE = {'pytorch': 'WORLD_SIZE', 'slurm': 'SLURM_NTASKS', 'mpi': 'OMPI_COMM_WORLD_SIZE'}
"""Variable that holds the number of processes, by launcher."""

MMENGINE_HOOKS = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)
"""Names of the default hooks that mmengine has too."""

USER_ERRORS = (ValueError, OSError, FloatingPointError, RuntimeError)


def run_tool(main: Callable[[], Any]) -> int:
    """Runs a tool's main function; an error that dinomm raised itself is printed as a sentence.

    Other errors keep their traceback. Returns the exit status: 0, 1 for an error, unless it has an
    ``exit_status`` of its own, as what stops a run on purpose has; 130 after Ctrl-C.
    """
    status = 0
    try:
        check_environment()
        try:
            main()
        except PreemptedError as stopped:
            print(stopped, file=sys.stderr)
            status = stopped.exit_status
        if 'torch' in sys.modules:
            from dinomm.distributed import leave_processes

            leave_processes()
        return status
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 128 + signal.SIGINT
    except USER_ERRORS as error:
        if not is_sentence(error):
            raise
        print(f'error: {error}', file=sys.stderr)
        return getattr(error, 'exit_status', 1)


def is_sentence(error: BaseException) -> bool:
    """Whether an error is told a person by its message alone: dinomm raised it itself."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    ours = PACKAGE in raised_in.parents or hasattr(error, 'exit_status')
    return isinstance(error, USER_ERRORS) and ours


def parse_args(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parses the command line after adding what every tool with a config takes."""
    parser.add_argument('--work-dir', help='where the log and files go (work_dirs/<config>)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help="override config keys: optim_wrapper.optimizer.lr=1e-3 model.heads.view.x='[1,2]'",
    )
    parser.add_argument(
        '--launcher',
        choices=['none', *WORLD_SIZE],
        default='none',
        help='how the processes were started',
    )
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def num_processes(launcher: str) -> int:
    """How many processes a launcher started."""
    return int(os.environ.get(WORLD_SIZE.get(launcher, ''), 1))


def read_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """Reads a config file and applies ``--cfg-options``.

    Raises:
        ValueError: There is no such file (the nearest one is named), it cannot be read, an option
            does not fit it, or a section is no dict.
    """
    file = Path(path)
    if not file.is_file():
        near = nearest(path, map(str, [*Path('configs').rglob('*.py'), *file.parent.glob('*.py')]))
        hint = f'; did you mean {near}?' if near else ''
        raise ValueError(f'config {path} does not exist{hint}')
    try:
        config = Config.fromfile(file)
    except Exception as error:  # a config is code: anything can go wrong in it
        raise ValueError(f'config {path} cannot be read: {type(error).__name__}: {error}') from None
    for key, value in (options or {}).items():
        try:
            config.merge_from_dict({key: value})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f'--cfg-options {key}={value} does not fit the config: {str(error)[:100]}'
            ) from None
    check_sections(config)
    return config


def set_work_dir(config: Config, path: str, work_dir: str | None) -> None:
    """The directory of the run: the option, else the config's, else by the config's name."""
    default = config.get('work_dir') or os.path.join('work_dirs', Path(path).stem)
    config.work_dir = work_dir or default


def set_checkpoint(config: Config, checkpoint: str) -> None:
    """Names the weights to evaluate.

    Raises:
        ValueError: There is no such file.
    """
    if not Path(checkpoint).expanduser().is_file():
        raise ValueError(f'checkpoint {checkpoint} does not exist')
    config.load_from = checkpoint


def require_data(config: Config, testing: bool = False) -> None:
    """Checks that the data the config names exist, before anything slow is imported.

    Args:
        config: Read only.
        testing: Whether a detector is tested, which takes no training data; k-NN does.

    Raises:
        ValueError: A root does not exist, or the weights that a detector is to begin with.
    """
    if is_detector(config):
        names = ['test'] if testing else ['train', 'val']
        require_annotations(config, [f'{name}_dataloader' for name in names])
        if not testing:
            require_pretrained(config)
        return
    if is_classifier(config) and not testing:
        require_pretrained(config)
    if not testing and not config.get('resume'):
        require_weights(config)
    for loader in ('train_dataloader', 'val_dataloader'):
        root = ((config.get(loader) or {}).get('dataset') or {}).get('root')
        if root is not None:
            require_root(root, f'{loader}.dataset.root', 'give by --data')


def require_weights(config: Config) -> None:
    """Checks that the files exist that hooks take weights from.

    Raises:
        ValueError: One does not.
    """
    for number, hook in enumerate(config.get('custom_hooks') or ()):
        for key in ('backbone', 'load_from'):
            path = hook.get(key)
            if isinstance(path, str) and not Path(path).expanduser().is_file():
                raise ValueError(
                    f'custom_hooks.{number}.{key} ({hook.get("type")}) is {path}, which does not '
                    'exist: name a file of weights'
                )


def require_test(config: Config) -> None:
    """Checks that there is something to test with.

    Raises:
        ValueError: The config has no test loop, or the data have no labels.
    """
    if config.get('test_cfg') is None:
        raise ValueError(
            'there is nothing to test: k-NN needs a config with test_cfg and images in class '
            'folders (FOLDER/<class>/...), a detector a test_cfg and annotations to test by'
        )


def drop_absent_hooks(config: Config) -> None:
    """Leaves out the default hooks that are None; mmengine can only do so with its own."""
    hooks = config.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None]:
        if name not in MMENGINE_HOOKS:
            del hooks[name]


def build_runner(config: Config, launcher: str = 'none'):
    """Checks the config and builds the Runner, with what CPU processes need.

    Raises:
        ValueError: Keys or types that do not exist, with the nearest that do; numbers that make
            no sense; values that a class of the config cannot be built with.
    """
    check_values(config)
    drop_absent_hooks(config)
    config.launcher = launcher
    from dinomm import registry  # noqa: F401
    from dinomm.distributed import fit_to_machine

    check_config(config)
    fit_to_machine(config)
    keep_freed_memory()
    from mmengine.runner import Runner

    with _refusals_told(config, 'cannot be built'):
        return Runner.from_cfg(config)


def train(runner: Any) -> None:
    """Trains.

    Raises:
        ValueError: Something that the config names fails before the first step is done.
    """
    with _refusals_told(runner.cfg, 'cannot be trained', lambda: not _steps(runner)):
        runner.train()


def test(runner: Any) -> None:
    """Tests.

    Raises:
        ValueError: Something that the config names fails.
    """
    with _refusals_told(runner.cfg, 'cannot be tested'):
        runner.test()


def _steps(runner: Any) -> int:
    """How far the training loop has come; it is a config until the run begins."""
    return getattr(runner._train_loop, 'iter', 0)


@contextmanager
def _refusals_told(
    config: Config, refusal: str, applies: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Tells in a sentence what any of the classes that a config names raises."""
    try:
        yield
    except PreemptedError:  # no failure, even in the validation before the first step
        raise
    except Exception as error:
        if is_sentence(error) or not applies():
            raise
        from mmengine.logging import print_log

        print_log(traceback.format_exc(), 'current', logging.DEBUG)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise ValueError(
            f'the config {config.filename or ""} {refusal}: {type(error).__name__}: {error} '
            f'(raised in {frame.filename}, line {frame.lineno}; --cfg-options log_level=DEBUG '
            'shows the way there)'
        ) from error
