"""Weights for the backbone of a model that is trained on."""

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper

from dinomm.checkpoints.backbone import backbone_weights
from dinomm.checkpoints.files import load_file
from dinomm.registry import HOOKS


@HOOKS.register_module()
class LoadBackboneHook(Hook):
    """Fills the backbone before the training, all of it; a resumed run keeps what it has.

    Unlike ``init_cfg``, which takes what fits, it refuses a file that leaves anything out, and
    reads every form of file that `dinomm.checkpoints.backbone` knows.

    Args:
        checkpoint: The file; None trains from random weights.
        student: Take the student's weights instead of the teacher's.

    Raises:
        ValueError: The file does not fill the backbone.
    """

    priority = 'VERY_HIGH'

    def __init__(self, checkpoint: str | None = None, student: bool = False) -> None:
        self.checkpoint = checkpoint
        self.student = student

    def before_train(self, runner) -> None:
        """Loads the weights."""
        if self.checkpoint is None or runner._resume or runner.iter:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        content = load_file(self.checkpoint)
        state = backbone_weights(model.backbone, content, self.checkpoint, self.student)
        model.backbone.load_state_dict(state)
        print_log(f'backbone: {len(state)} tensors of {self.checkpoint}', 'current')
