"""Swin with the fast attention from the start, and with masks."""

from typing import Any

import torch
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmpretrain.models.backbones import SwinTransformer
from torch import Tensor, nn

from dinomm.registry import MODELS

from .masking import flat_masks, mask_patches
from .swin_attention import speed_up


@MODELS.register_module()
class FastSwinTransformer(SwinTransformer):
    """mmpretrain's ``SwinTransformer``, same names and numbers, sooner; it can mask its input.

    It went through :func:`~.swin_attention.speed_up`.

    With ``pad_small_map=True`` it is mmdet's Swin too, which cannot have another window in a stage.

    Args:
        frozen_stages: Stages, counted from 0, that are not trained, and the patch embedding with
            them; -1 trains all. They are frozen from the start, which DDP needs.
        mask_token: Whether cells of the last map can be masked, as iBOT does with Swin.
        kwargs: Of mmpretrain's class: ``arch``, ``window_size``, ``out_indices`` ...
    """

    def __init__(self, frozen_stages: int = -1, mask_token: bool = False, **kwargs):
        super().__init__(frozen_stages=frozen_stages, **kwargs)
        self.mask_token = nn.Parameter(torch.zeros(1, self.embed_dims)) if mask_token else None
        self.patch_embed.__class__ = MaskedPatchEmbed
        speed_up(self)
        self._freeze_stages()

    def forward(self, images: Tensor, masks: Tensor | None = None) -> tuple[Tensor, ...]:
        """Maps (N, C, h, w) of the stages in ``out_indices``.

        Args:
            images: (N, 3, H, W).
            masks: Booleans (N, h, w) or (N, h * w) over the cells of :meth:`mask_grid`; the mask
                token replaces the embeddings of all patches of a cell, before positions.

        Raises:
            ValueError: There is no mask token, or the masks are of another form.
        """
        if masks is not None:
            cells = self.mask_grid(*images.shape[-2:])
            masks = flat_masks(masks, self.mask_token, images.shape[0], cells)
            masks = self._of_patches(masks.unflatten(1, cells), *images.shape[-2:])
        return super().forward((images, self.mask_token, masks))

    def mask_grid(self, height: int, width: int) -> tuple[int, int]:
        """Cells (h, w) of the last map: 32 px each, those at the end perhaps less."""
        cell = 2 ** self._num_merges()
        rows, columns = self._patch_grid(height, width)
        return -(-rows // cell), -(-columns // cell)

    def _of_patches(self, masks: Tensor, height: int, width: int) -> Tensor:
        """Masks (N, h, w) of cells as masks of patches, (N, rows * columns)."""
        cell = 2 ** self._num_merges()
        rows, columns = self._patch_grid(height, width)
        patches = masks.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
        return patches[:, :rows, :columns].flatten(1)

    def _patch_grid(self, height: int, width: int) -> tuple[int, int]:
        patch = self.patch_embed.projection.stride
        return -(-height // patch[0]), -(-width // patch[1])

    def _num_merges(self) -> int:
        """Patch mergings before the last map; each halves the sides, rounded up."""
        last = self.out_indices[-1]
        return min(last + int(self.out_after_downsample), len(self.stages) - 1)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """The layer of a parameter and their number: 0 for what makes the input tokens."""
        if param_name == f'{prefix}mask_token':
            return 0, sum(self.depths) + 2
        return super().get_layer_depth(param_name, prefix)

    def _freeze_stages(self) -> None:
        super()._freeze_stages()
        token = getattr(self, 'mask_token', None)
        if token is not None and self.frozen_stages >= 0:
            token.requires_grad = False


class MaskedPatchEmbed(PatchEmbed):
    """mmcv's ``PatchEmbed`` of images, mask token and masks of patches."""

    def forward(
        self, inputs: tuple[Tensor, nn.Parameter | None, Tensor | None]
    ) -> tuple[Any, tuple[int, int]]:
        """(N, h * w, C) and (h, w); masks are (N, h * w)."""
        images, token, masks = inputs
        patches, grid = super().forward(images)
        return mask_patches(patches, token, masks, self.training), grid
