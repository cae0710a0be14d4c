"""mmpretrain's ViT with what those of DINO and DINOv2 have besides."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmpretrain.models.backbones import VisionTransformer
from torch import Tensor, nn

from dinomm.models.init_cfg import loads_weights
from dinomm.registry import MODELS

from .masking import flat_masks, mask_patches
from .packed_blocks import Pass, make_packed
from .positions import resize_positions, square_grid
from .rotary import Rotation, rotation
from .vit_options import check_options, layer_settings, require


@MODELS.register_module()
class DINOVisionTransformer(VisionTransformer):
    """ViT of DINO and DINOv2: position rule, registers, masks, packing, attention maps.

    Parameters have mmpretrain's names, so the weights load into ``mmpretrain.VisionTransformer``
    and back (registers, mask token and rotary positions apart, which it lacks). The output is all
    tokens: class token, registers, patches.

    For an image of another size than ``img_size`` the position embedding is resized, see
    :func:`~.positions.resize_positions`. Published: ``position_offset`` .1 for DINO and DINOv2,
    0 with ``position_antialias`` for DINOv2 with registers.

    Args:
        arch: A name of mmpretrain's ('deit-tiny', 'deit-small', 'deit-base': the ViT-T, -S, -B
            of the paper; mmpretrain's 'small' is another network; 'dinov2-small', '-base',
            '-large', '-giant') or a dict.
        position_offset: See above; 0 resizes to the exact size.
        position_antialias: See above.
        positions: 'table', learned, or 'rotary', DINOv3's, which needs no table and no resizing.
        rotary_rescale: In training rotary positions are multiplied by a random factor of a pass,
            log-uniform in [1/r, r]; 0: never.
        num_registers: Learned tokens behind the class token, without position (arXiv:2309.16588).
        mask_token: Whether patches can be masked.
        class_token_std: Of the initialisation; DINOv2: 1e-6.
        drop_path_rate: Of stochastic depth in the last block, in the first 0.
        drop_path_uniform: The rate in every block, as DINOv2 has it.
        skip_dropped: See :class:`~.stochastic_depth.StochasticDepth`.
        pad_to_patch: Pad images to whole patches; otherwise other sizes are refused, as by DINOv2.
        pack: Whether :func:`dinomm.models.tokens.encode_groups` takes all sizes in one pass.
        layer_cfgs: Of the blocks, a dict for all or a list; ``dict(ffn_type='swiglu_fused')``.
        out_type: 'raw' alone.
        kwargs: Of mmpretrain's class: ``img_size``, ``patch_size``, ``layer_scale_init_value`` ...
    """

    arch_zoo = {
        **VisionTransformer.arch_zoo,
        **dict.fromkeys(['dinov2-b', 'dinov2-base'], VisionTransformer.arch_zoo['deit-base']),
        **dict.fromkeys(['dinov2-l', 'dinov2-large'], VisionTransformer.arch_zoo['large']),
    }

    def __init__(
        self,
        arch: str | dict = 'deit-small',
        position_offset: float = 0.1,
        position_antialias: bool = False,
        positions: str = 'table',
        rotary_rescale: float = 0.0,
        num_registers: int = 0,
        mask_token: bool = False,
        class_token_std: float = 0.02,
        drop_path_rate: float = 0.0,
        drop_path_uniform: bool = False,
        skip_dropped: bool = False,
        pad_to_patch: bool = True,
        pack: bool = False,
        layer_cfgs: dict | Sequence[dict] | None = None,
        out_type: str = 'raw',
        **kwargs,
    ):
        check_options(
            arch, self.arch_zoo, out_type, position_offset, positions, rotary_rescale, num_registers
        )
        super().__init__(
            arch=arch,
            out_type=out_type,
            drop_path_rate=drop_path_rate,
            layer_cfgs=layer_settings(layer_cfgs, drop_path_rate if drop_path_uniform else None),
            **kwargs,
        )
        self.position_offset = position_offset
        self.position_antialias = position_antialias
        self.rotary_rescale = float(rotary_rescale)
        self.class_token_std = class_token_std
        self.pad_to_patch = pad_to_patch
        self.pack = pack
        self.num_registers = num_registers
        self.num_extra_tokens = int(self.with_cls_token) + num_registers
        width = self.embed_dims
        self.register_tokens = (
            nn.Parameter(torch.zeros(1, num_registers, width)) if num_registers else None
        )
        self.mask_token = nn.Parameter(torch.zeros(1, width)) if mask_token else None
        if positions == 'rotary':
            require(
                width // self.arch_settings['num_heads'] % 4 == 0,
                f'arch has {width} channels for {self.arch_settings["num_heads"]} heads: rotary '
                'positions need a multiple of 4 for each head',
            )
            self.pos_embed: Any = None
        for layer in self.layers:
            make_packed(layer, skip_dropped)
        self.mask_grid(*self.img_size)
        if self.frozen_stages > 0:
            self._freeze_stages()

    def init_weights(self) -> None:
        """Published: truncated normal of std .02 for linear layers and positions; see Args."""
        # not mmpretrain's, which draws the positions anew over a list of init_cfg that loads them
        super(VisionTransformer, self).init_weights()
        if loads_weights(self.init_cfg):
            return
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.with_cls_token:
            nn.init.trunc_normal_(self.cls_token, std=self.class_token_std)
        if self.pos_embed is not None:
            nn.init.trunc_normal_(self.pos_embed, std=0.02)
        if self.register_tokens is not None:
            nn.init.normal_(self.register_tokens, std=1e-6)

    # ---- positions and masks

    def mask_grid(self, height: int, width: int) -> tuple[int, int]:
        """Patches (h, w) of images of this size: the cells that masks refer to.

        Raises:
            ValueError: They are not whole, and ``pad_to_patch`` is off.
        """
        patch = self.patch_embed.projection.stride
        require(
            self.pad_to_patch or (height % patch[0] == 0 and width % patch[1] == 0),
            f'pad_to_patch is off, and an image is {height}x{width}: sizes of crops and img_size '
            f'must be multiples of the patch, {patch[0]}x{patch[1]}',
        )
        return -(-height // patch[0]), -(-width // patch[1])

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + h * w, C) for a grid of patches (h, w); without class token (1, h * w, C)."""
        return self._resized(self.pos_embed, tuple(self.patch_resolution), grid)

    def resized_positions(self, pos_embed: Tensor) -> Tensor:
        """A table of another ``img_size`` for this one's, by the rule of :meth:`forward`.

        Args:
            pos_embed: (1, 1 + n * n, C) of a square grid; without class token (1, n * n, C).

        Raises:
            ValueError: The grid is none, or the width C another.
        """
        require(
            self.pos_embed is not None,
            "positions is 'rotary': there is no table of positions to resize for",
        )
        require(
            pos_embed.ndim == 3 and pos_embed.shape[-1] == self.embed_dims,
            f'arch has a width of {self.embed_dims}: a pos_embed of shape '
            f'{tuple(pos_embed.shape)} does not fit',
        )
        if pos_embed.shape == self.pos_embed.shape:
            return pos_embed
        native = square_grid(pos_embed, int(self.with_cls_token))
        return self._resized(pos_embed, native, tuple(self.patch_resolution))

    def _resized(self, table: Tensor, native: tuple[int, int], grid: tuple[int, int]) -> Tensor:
        extra, offset = int(self.with_cls_token), self.position_offset
        rule = (offset, self.position_antialias, self.interpolate_mode)
        return resize_positions(table, extra, native, grid, *rule)

    def _prepare_pos_embed(self, state_dict, prefix, *args, **kwargs) -> None:
        # mmpretrain calls this before it loads, and would count registers as positions
        name = prefix + 'pos_embed'
        if name in state_dict and self.pos_embed is not None:
            table = state_dict[name]
            if not self.with_cls_token and table.shape[1] == self.pos_embed.shape[1] + 1:
                table = table[:, 1:]
            state_dict[name] = self.resized_positions(table)

    # ---- a pass

    def embed(self, images: Tensor, masks: Tensor | None = None) -> Tensor:
        """Input tokens (N, extra + h * w, C) of images (N, 3, H, W); see :meth:`forward`."""
        grid = self.mask_grid(*images.shape[-2:])
        if masks is not None:
            masks = flat_masks(masks, self.mask_token, images.shape[0], grid)
        patches = mask_patches(self.patch_embed(images)[0], self.mask_token, masks, self.training)
        if self.pos_embed is not None:
            first, places = self.position_embedding(grid).tensor_split(
                [int(self.with_cls_token)], 1
            )
            patches = patches + places
        parts = [patches]
        if self.register_tokens is not None:
            parts.insert(0, self.register_tokens.expand(images.shape[0], -1, -1))
        if self.with_cls_token:
            token = self.cls_token if self.pos_embed is None else self.cls_token + first
            parts.insert(0, token.expand(images.shape[0], -1, -1))
        return self.pre_norm(self.drop_after_pos(torch.cat(parts, dim=1)))

    def forward(self, images: Any, view_only: Any = False, masks: Any = None) -> Any:
        """Tokens (N, extra + h * w, C) of each block in ``out_indices``; the last block's normed.

        Args:
            images: (N, 3, H, W); a list of them goes to :meth:`forward_packed`.
            view_only: Give the class token of the last block alone, (N, 1, C), where there is
                one: the block then computes nothing for the patches but their keys and values.
                Same numbers, most of a block saved.
            masks: Booleans (N, h, w) or (N, h * w), true where the mask token replaces a patch.

        Raises:
            ValueError: There is no mask token, or the masks are of another form.
        """
        if isinstance(images, Tensor):
            return self.forward_packed([images], [masks], [view_only])[0]
        return self.forward_packed(images, masks, view_only or None)

    def forward_packed(
        self,
        images: Sequence[Tensor],
        masks: Sequence[Tensor | None] | None = None,
        view_only: Sequence[bool] | None = None,
    ) -> list[tuple[Tensor, ...]]:
        """What :meth:`forward` gives for each of several sizes, computed in one pass.

        Args:
            images: (N, 3, H, W) each.
            masks: Of each, or None.
            view_only: Of each; all False by default.
        """
        masks = masks or [None] * len(images)
        ends_last = self.out_indices[-1] == len(self.layers) - 1
        shorten = [
            only and self.with_cls_token and ends_last
            for only in view_only or [False] * len(images)
        ]
        outputs: list[list[Tensor]] = [[] for _ in images]
        for i, groups in enumerate(self._blocks(images, masks, shorten)):
            last = i == len(self.layers) - 1
            for output, tokens, only in zip(outputs, groups, shorten, strict=True):
                if last if only else i in self.out_indices:
                    output.append(self.ln1(tokens) if last and self.final_norm else tokens)
        return [tuple(output) for output in outputs]

    def last_blocks(self, images: Tensor, num_blocks: int) -> list[Tensor]:
        """Tokens of the last ``num_blocks`` blocks, each through the final norm."""
        blocks = deque(self._blocks([images], [None], [False]), maxlen=num_blocks)
        return [self.ln1(tokens) if self.final_norm else tokens for (tokens,) in blocks]

    def last_attention(self, images: Tensor) -> Tensor:
        """Attention of the last block after the softmax, (N, heads, L, L), L = extra + h * w."""
        tokens = self.embed(images)
        passes = self._passes(images, False)
        for layer, step in zip(self.layers[:-1], passes[:-1], strict=True):
            tokens = layer(tokens, passes=step)
        return self.layers[-1].attention(tokens, passes[-1].rotation)

    def _blocks(
        self,
        images: Sequence[Tensor],
        masks: Sequence[Tensor | None],
        shorten: Sequence[bool],
    ) -> Iterator[list[Tensor]]:
        """The tokens of all sizes after each block; ``shorten``: after the last the view alone."""
        groups, passes = [], []
        for group, mask, only in zip(images, masks, shorten, strict=True):
            groups.append(self.embed(group, mask))
            passes.append(self._passes(group, only))
        for layer, *steps in zip(self.layers, *passes, strict=True):
            # one size as a tensor, so that a hook on a block finds its tokens
            groups = (
                [layer(groups[0], passes=steps[0])]
                if len(groups) == 1
                else layer(groups, passes=steps)
            )
            yield groups

    def _passes(self, images: Tensor, shorten: bool) -> list[Pass]:
        """Of each block; all that is random is drawn here, so that packing changes no number."""
        turn = self._rotation(self.mask_grid(*images.shape[-2:]), images.device)
        last = len(self.layers) - 1
        return [
            layer.draw(images.shape[0], images.device, turn, shorten and i == last)
            for i, layer in enumerate(self.layers)
        ]

    def _rotation(self, grid: tuple[int, int], device: torch.device) -> Rotation | None:
        if self.pos_embed is not None:
            return None
        channels = self.embed_dims // self.arch_settings['num_heads']
        rescale = self.rotary_rescale if self.training else 0.0
        return rotation(grid, self.num_extra_tokens, channels, device, rescale)

    # ---- parameters

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """The layer of a parameter and their number: 0 for all that makes the input tokens."""
        if param_name in (f'{prefix}register_tokens', f'{prefix}mask_token'):
            return 0, self.num_layers + 2
        return super().get_layer_depth(param_name, prefix)

    def _freeze_stages(self) -> None:
        super()._freeze_stages()
        for name in ('register_tokens', 'mask_token'):
            token = getattr(self, name, None)  # mmpretrain's constructor freezes before they exist
            if token is not None:
                token.requires_grad = False
