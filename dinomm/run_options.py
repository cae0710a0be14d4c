"""The options of ``tools/train.py``, and what they change in a config."""

import argparse
from pathlib import Path

from mmengine.config import Config

from dinomm import data_config, launch
from dinomm.classifier_config import is_classifier
from dinomm.data_paths import DATA_ROOT_HELP
from dinomm.detector_config import is_detector, set_detector_amp
from dinomm.learning_rate import scale_lr


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What describes a run on the command line, but for what `launch.parse_args` adds."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--data', metavar='FOLDER', help='your own images; for a detector, your own COCO data'
    )
    parser.add_argument('--data-root', metavar='FOLDER', help=DATA_ROOT_HELP)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='go on from the newest checkpoint of the work directory, or from FILE',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='auto',
        choices=['auto', 'bfloat16', 'float16'],
        help='mixed precision (auto: bfloat16, of a detector float16)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='fit the learning rate to the effective batch size (auto_scale_lr of the config)',
    )
    parser.add_argument('--no-validate', action='store_true', help='leave the validation out')
    parser.add_argument(
        '--stop-on-collapse',
        action='store_true',
        help='end with a checkpoint and exit status 3 when the run has collapsed',
    )
    parser.add_argument('--seed', type=int, help='instead of randomness.seed of the config')


def resolve(args: argparse.Namespace, num_processes: int | None = None) -> Config:
    """The config of the run that a command line describes.

    Args:
        args: Of :func:`add_run_options` and `launch.parse_args`.
        num_processes: For which ``--auto-scale-lr`` scales; by default those that were started.

    Raises:
        ValueError: The config cannot be read, or an option does not fit it.
    """
    config = launch.read_config(args.config, args.cfg_options)
    launch.set_work_dir(config, args.config, args.work_dir)
    data_config.set_data(config, args.data, args.data_root)
    if args.no_validate:
        data_config.drop_validation(config)
    if args.amp:
        set_amp(config, args.amp)
    if args.auto_scale_lr:
        scale_lr(config, num_processes or launch.num_processes(args.launcher))
    if args.stop_on_collapse:
        set_stop_on_collapse(config)
    if args.seed is not None:
        config.randomness = {'seed': args.seed}
    if args.resume:
        set_resume(config, args.resume)
    return config


def set_amp(config: Config, dtype: str) -> None:
    """Mixed precision: 'bfloat16', 'float16' or 'auto', bfloat16 but for detectors.

    Raises:
        ValueError: The config's wrapper has no twin for autocast.
    """
    if is_detector(config):
        set_detector_amp(config, dtype)
        return
    dtype = 'bfloat16' if dtype == 'auto' else dtype
    wrapper = config.optim_wrapper
    if is_classifier(config) and wrapper.get('type') == 'OptimWrapper':
        wrapper.update(type='AmpOptimWrapper', dtype=dtype)
        return
    known = ('DINOOptimWrapper', 'DINOAmpOptimWrapper')
    if wrapper.get('type', known[0]) not in known:
        raise ValueError(
            f'--amp needs optim_wrapper.type DINOOptimWrapper, the config has {wrapper.type!r}: '
            'write the autocast of that wrapper into the config'
        )
    wrapper.update(type=known[1], dtype=dtype)
    if dtype == 'float16' and wrapper.optimizer.get('fused'):
        wrapper.optimizer.fused = False


def set_resume(config: Config, checkpoint: str) -> None:
    """Resumes from a file, or from the newest whole one of the work directory ('auto').

    A run of which there is none yet begins with the config's own ``load_from``.

    Raises:
        ValueError: There is no such file.
    """
    if checkpoint != 'auto':
        checkpoint = str(Path(checkpoint).expanduser())
        if not Path(checkpoint).is_file():
            raise ValueError(f'--resume {checkpoint}: there is no such file')
        config.resume, config.load_from = True, checkpoint
        return
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    if str(hook.get('type')).rpartition('.')[2] == 'ResumableCheckpointHook':
        hook['first_load_from'] = config.get('load_from')
    config.resume, config.load_from = True, None


def set_stop_on_collapse(config: Config) -> None:
    """Ends the run when ``HealthHook`` sees a collapse.

    Raises:
        ValueError: The config has no such hook.
    """
    if not config.default_hooks.get('health'):
        raise ValueError(
            "--stop-on-collapse needs default_hooks.health=dict(type='HealthHook'), as the configs "
            'of pretraining have; this one has none'
        )
    config.default_hooks.health.stop_on_collapse = True
