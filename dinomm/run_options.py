"""What the options of ``tools/train.py`` change in a config."""

from pathlib import Path

from mmengine.config import Config

from dinomm.classifier_config import is_classifier
from dinomm.detector_config import is_detector, set_detector_amp


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
