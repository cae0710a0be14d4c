"""The pretrained backbone of a detector."""

from mmengine.hooks import Hook

from dinomm.checkpoints.transfer import load_backbone
from dinomm.distributed import unwrapped
from dinomm.registry import HOOKS


@HOOKS.register_module()
class PretrainedBackboneHook(Hook):
    """Gives ``model.backbone`` the teacher's weights of a checkpoint, and logs what arrived.

    It does so before the first step, over any initialisation, on every rank. A run that is
    resumed, or started from a whole detector by ``load_from``, keeps what it loaded. Works in any
    config of mmdet: ``custom_hooks = [dict(type='dinomm.PretrainedBackboneHook',
    checkpoint='work_dirs/.../epoch_100.pth')]``.

    Args:
        checkpoint: The file. Left out, it is what the config names ``pretrained``, whose None
            leaves the random weights.

    Raises:
        ValueError: The file does not fill the backbone, or the config names none.
    """

    priority = 'VERY_HIGH'

    def __init__(self, checkpoint: str | None = None):
        self.checkpoint = checkpoint
        self.loaded_another = False

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """A whole detector was loaded: it has its backbone."""
        self.loaded_another = True

    def before_train(self, runner) -> None:
        """Loads the backbone, unless the run has been resumed."""
        if self.loaded_another:
            runner.logger.info('the backbone is that of the loaded checkpoint')
            return
        path = self._path(runner.cfg)
        if path is None:
            runner.logger.warning('pretrained is None: the backbone starts from random weights')
            return
        model = unwrapped(runner.model)
        table = load_backbone(model.backbone, path).table()
        runner.logger.info(f'backbone from {path}, by tensors:\n{table}')

    def _path(self, config) -> str | None:
        if self.checkpoint is not None:
            return self.checkpoint
        if 'pretrained' not in config:
            raise ValueError(
                'the config names no pretrained weights: set pretrained to a file that '
                'pretraining wrote, or to None for random weights'
            )
        return config['pretrained']
