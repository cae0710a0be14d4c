"""What ``--resume`` changes in a config."""

from pathlib import Path

from mmengine.config import Config


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
