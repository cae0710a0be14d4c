"""Blocks of a ViT that take images of several sizes in one pass.

The tokens of all sizes are the rows of one long sequence for norms, linear layers and MLP;
attention stays within an image. The numbers are those of one pass a size.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor, nn
from torch.nn import functional as F

from .rotary import Rotation, rotate
from .stochastic_depth import Draw, StochasticDepth, add_branch, keep


class Pass(NamedTuple):
    """How a block treats the tokens of one size.

    Attributes:
        attention: What stochastic depth drew for the attention.
        mlp: Likewise for the MLP.
        rotation: Of queries and keys; None where positions were added to the tokens.
        view_only: Compute the first token alone: of the others no more than keys and values.
    """

    attention: Draw | None = None
    mlp: Draw | None = None
    rotation: Rotation | None = None
    view_only: bool = False


class PackedBlock(TransformerEncoderLayer):
    """mmpretrain's layer for a group of tokens or several; :func:`make_packed` makes one of it."""

    @overload
    def forward(self, tokens: Tensor, passes: Pass | None = None) -> Tensor: ...

    @overload
    def forward(self, tokens: list[Tensor], passes: list[Pass] | None = None) -> list[Tensor]: ...

    def forward(self, tokens: Any, passes: Any = None) -> Any:
        """Tokens (B, L, C) of one size or of several, to the same; (B, 1, C) where ``view_only``.

        Args:
            tokens: A tensor, or a list of them.
            passes: One for each; None draws for stochastic depth alone.
        """
        if isinstance(tokens, Tensor):
            return self.forward([tokens], None if passes is None else [passes])[0]
        if passes is None:
            passes = [self.draw(group.shape[0], group.device) for group in tokens]
        kept = [keep(group, p.attention) for group, p in zip(tokens, passes, strict=True)]
        branches = self._attend(kept, passes)
        tokens = [
            add_branch(group[:, :1] if p.view_only else group, branch, p.attention)
            for group, branch, p in zip(tokens, branches, passes, strict=True)
        ]
        kept = [keep(group, p.mlp) for group, p in zip(tokens, passes, strict=True)]
        branches = _groups(self.ffn(self.ln2(_rows(kept))), kept)
        return [
            add_branch(group, branch, p.mlp)
            for group, branch, p in zip(tokens, branches, passes, strict=True)
        ]

    def draw(
        self,
        batch: int,
        device: torch.device,
        rotation: Rotation | None = None,
        view_only: bool = False,
    ) -> Pass:
        """A pass of ``batch`` images with stochastic depth drawn: attention first, then MLP."""
        attention = self.attn.out_drop.draw(batch, device)
        return Pass(attention, self.ffn.dropout_layer.draw(batch, device), rotation, view_only)

    def attention(self, tokens: Tensor, rotation: Rotation | None) -> Tensor:
        """Attention after the softmax, (B, heads, L, L), of tokens (B, L, C)."""
        ((queries, keys, _),) = self._queries_keys_values([tokens], [Pass(rotation=rotation)])
        return (queries @ keys.mT * self.attn.head_dims**-0.5).softmax(-1)

    def _attend(self, groups: Sequence[Tensor], passes: Sequence[Pass]) -> list[Tensor]:
        attention = self.attn
        drop = attention.attn_drop if self.training else 0.0
        mixed = [
            F.scaled_dot_product_attention(*heads, dropout_p=drop).transpose(1, 2).flatten(2)
            for heads in self._queries_keys_values(groups, passes)
        ]
        rows = attention.gamma1(attention.proj_drop(attention.proj(_rows(mixed))))
        return _groups(rows, mixed)

    def _queries_keys_values(
        self, groups: Sequence[Tensor], passes: Sequence[Pass]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(B, heads, L, D) each, of each group."""
        attention, normed = self.attn, self.ln1(_rows(groups))
        if any(p.view_only for p in passes):
            queries, keys_values = self._queries_apart(normed, groups, passes)
        else:
            qkv = _groups(attention.qkv(normed), groups)
            queries = [group[..., : self.embed_dims] for group in qkv]
            keys_values = [group[..., self.embed_dims :] for group in qkv]
        heads = []
        for query, key_value, p in zip(queries, keys_values, passes, strict=True):
            query = query.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
            key_value = key_value.unflatten(-1, (2, attention.num_heads, -1))
            key, value = key_value.permute(2, 0, 3, 1, 4)
            if p.rotation is not None:
                own = Rotation(*(angles[: query.shape[2]] for angles in p.rotation))
                query, key = rotate(query, own), rotate(key, p.rotation)
            heads.append((query, key, value))
        return heads

    def _queries_apart(
        self, normed: Tensor, groups: Sequence[Tensor], passes: Sequence[Pass]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Queries of the first tokens alone where that is asked for; keys and values of all."""
        weight, bias, width = self.attn.qkv.weight, self.attn.qkv.bias, self.embed_dims
        bias_q, bias_kv = (None, None) if bias is None else (bias[:width], bias[width:])
        asking = [
            group[:, :1] if p.view_only else group
            for group, p in zip(_groups(normed, groups), passes, strict=True)
        ]
        queries = _groups(F.linear(_rows(asking), weight[:width], bias_q), asking)
        return queries, _groups(F.linear(normed, weight[width:], bias_kv), groups)


def make_packed(layer: nn.Module, skip_dropped: bool) -> None:
    """Turns mmpretrain's layer into a :class:`PackedBlock`, in place: same parameters and names.

    The MLP gets the attention's rate of stochastic depth, as mmpretrain gives it to all MLPs but
    SwiGLU.
    """
    block: Any = layer
    block.__class__ = PackedBlock
    rate = block.attn.out_drop.drop_prob
    block.attn.out_drop = StochasticDepth(rate, skip_dropped)
    block.ffn.dropout_layer = StochasticDepth(rate, skip_dropped)
    block.ffn.add_identity = False


def _rows(groups: Sequence[Tensor]) -> Tensor:
    """Tokens (B, L, C) of several sizes as rows (sum B * L, C)."""
    rows = [group.flatten(0, 1) for group in groups]
    return rows[0] if len(rows) == 1 else torch.cat(rows)


def _groups(rows: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Rows (sum B * L, C) as groups (B, L, C) with B and L of ``like``."""
    if len(like) == 1:
        return [rows.unflatten(0, like[0].shape[:2])]
    parts = rows.split([group.shape[0] * group.shape[1] for group in like])
    return [part.unflatten(0, group.shape[:2]) for part, group in zip(parts, like, strict=True)]
