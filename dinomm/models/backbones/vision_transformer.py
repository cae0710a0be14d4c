"""mmpretrain's ViT with what DINO's published one has besides."""

import torch
from mmpretrain.models.backbones import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from dinomm.models.init_cfg import loads_weights
from dinomm.registry import MODELS


@MODELS.register_module()
class DINOVisionTransformer(VisionTransformer):
    """ViT with DINO's position rule and initialisation, and its attention maps.

    Parameters have mmpretrain's names, so the weights load into ``mmpretrain.VisionTransformer``
    and back. The output is all tokens (class token first), so that any head can use it.

    For an image of another size than ``img_size`` the position embedding is resized bicubically
    by the factor ((h + offset) / h0, (w + offset) / w0) of the grids: the published code adds
    .1 against rounding, which moves the sampling points a little.

    Args:
        arch: A name of mmpretrain's ('deit-tiny', 'deit-small', 'deit-base': the ViT-T, -S, -B
            of the paper; mmpretrain's 'small' is another network) or a dict.
        position_offset: See above; 0 resizes to the exact size.
        kwargs: Of mmpretrain's class: ``img_size``, ``patch_size``, ``drop_path_rate`` ...
    """

    def __init__(self, arch='deit-small', position_offset: float = 0.1, **kwargs):
        if kwargs.setdefault('out_type', 'raw') != 'raw':
            raise ValueError(
                f'model.backbone.out_type is {kwargs["out_type"]!r}: DINOVisionTransformer gives '
                'all tokens; leave out_type away'
            )
        if isinstance(arch, str) and arch not in self.arch_zoo:
            raise ValueError(
                f'model.backbone.arch is {arch!r}: expected a dict or one of '
                f'{sorted(self.arch_zoo)}'
            )
        super().__init__(arch=arch, **kwargs)
        self.position_offset = position_offset

    def init_weights(self) -> None:
        """Published: truncated normal of std .02 for linear layers, class token and positions."""
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
            nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + h * w, C) for a grid of patches (h, w)."""
        native = tuple(self.patch_resolution)
        if grid == native:
            return self.pos_embed
        extra = self.num_extra_tokens
        table = self.pos_embed[:, extra:].unflatten(1, native).permute(0, 3, 1, 2)
        if self.position_offset:
            scale = [
                (size + self.position_offset) / size0
                for size, size0 in zip(grid, native, strict=True)
            ]
            table = F.interpolate(table, scale_factor=scale, mode=self.interpolate_mode)
        else:
            table = F.interpolate(table, size=grid, mode=self.interpolate_mode)
        return torch.cat([self.pos_embed[:, :extra], table.flatten(2).transpose(1, 2)], dim=1)

    def embed(self, images: Tensor) -> Tensor:
        """Input tokens (N, 1 + h * w, C) of images (N, 3, H, W)."""
        tokens, grid = self.patch_embed(images)
        if self.with_cls_token:
            tokens = torch.cat([self.cls_token.expand(images.shape[0], -1, -1), tokens], dim=1)
        return self.pre_norm(self.drop_after_pos(tokens + self.position_embedding(tuple(grid))))

    def forward(self, images: Tensor, view_only: bool = False) -> tuple[Tensor, ...]:
        """Tokens (N, 1 + h * w, C) of each block in ``out_indices``; the last block's normed.

        With ``view_only`` the class token of the last block alone, (N, 1, C), where there is one:
        the block then computes nothing for the patches but their keys and values. Same numbers,
        most of a block saved.
        """
        tokens = self.embed(images)
        ends_last = self.out_indices[-1] == len(self.layers) - 1
        if view_only and self.with_cls_token and ends_last:
            view = self._last_block_of_view(tokens)
            return (self.ln1(view) if self.final_norm else view,)
        return tuple(self._blocks(tokens, self.out_indices, norm_all=False))

    def last_blocks(self, images: Tensor, num_blocks: int) -> list[Tensor]:
        """Tokens of the last ``num_blocks`` blocks, each through the final norm."""
        indices = range(len(self.layers) - num_blocks, len(self.layers))
        return self._blocks(self.embed(images), indices, norm_all=True)

    def _last_block_of_view(self, tokens: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            tokens = layer(tokens)
        layer = self.layers[-1]
        attention, width = layer.attn, self.embed_dims
        normed = layer.ln1(tokens)
        weight, bias = attention.qkv.weight, attention.qkv.bias
        bias_q, bias_kv = (None, None) if bias is None else (bias[:width], bias[width:])
        query = F.linear(normed[:, :1], weight[:width], bias_q)
        keys_values = F.linear(normed, weight[width:], bias_kv)
        query = query.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        keys, values = keys_values.unflatten(-1, (2, attention.num_heads, -1)).permute(
            2, 0, 3, 1, 4
        )
        drop = attention.attn_drop if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, keys, values, dropout_p=drop)
        mixed = attention.proj(mixed.transpose(1, 2).flatten(2))
        view = tokens[:, :1] + attention.out_drop(attention.gamma1(attention.proj_drop(mixed)))
        return layer.ffn(layer.ln2(view), identity=view)

    def last_attention(self, images: Tensor) -> Tensor:
        """Attention of the last block after the softmax, (N, heads, 1 + h * w, 1 + h * w)."""
        tokens = self.embed(images)
        for layer in self.layers[:-1]:
            tokens = layer(tokens)
        last = self.layers[-1]
        qkv = last.attn.qkv(last.ln1(tokens)).unflatten(-1, (3, last.attn.num_heads, -1))
        queries, keys, _ = qkv.permute(2, 0, 3, 1, 4)
        return (queries @ keys.mT * last.attn.head_dims**-0.5).softmax(-1)

    def _blocks(self, tokens: Tensor, indices, norm_all: bool) -> list[Tensor]:
        outputs = []
        for i, layer in enumerate(self.layers):
            tokens = layer(tokens)
            if i in indices:
                normed = self.final_norm and (norm_all or i == len(self.layers) - 1)
                outputs.append(self.ln1(tokens) if normed else tokens)
        return outputs
