"""Swin for networks other than SelfDistillation, with the fast attention."""

from mmpretrain.models.backbones import SwinTransformer

from dinomm.registry import MODELS

from .swin_attention import speed_up


@MODELS.register_module()
class FastSwinTransformer(SwinTransformer):
    """mmpretrain's ``SwinTransformer``, same names and numbers, sooner.

    It went through :func:`~.swin_attention.speed_up`.

    With ``pad_small_map=True`` it is mmdet's Swin too, which cannot have another window in a stage.

    Args:
        frozen_stages: Stages, counted from 0, that are not trained, and the patch embedding with
            them; -1 trains all. They are frozen from the start, which DDP needs.
        kwargs: Of mmpretrain's class: ``arch``, ``window_size``, ``out_indices`` ...
    """

    def __init__(self, frozen_stages: int = -1, **kwargs):
        super().__init__(frozen_stages=frozen_stages, **kwargs)
        speed_up(self)
        self._freeze_stages()
