"""The last layer: one weight-normalised prototype a class."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Prototypes(nn.Module):
    """K prototypes ``g_k v_k / |v_k|`` (weight normalisation, arXiv 1602.07868), no bias.

    The parameters keep the names ``weight_v`` (K, D) and ``weight_g`` (K, 1) of published
    checkpoints. With ``fixed_length`` g stays 1, so each logit is a cosine.

    Args:
        in_channels: D, the width of the bottleneck.
        num_prototypes: K, the number of prototypes.
        fixed_length: Whether g is frozen at 1 (DINO's ``norm_last_layer``).
    """

    def __init__(self, in_channels: int, num_prototypes: int, fixed_length: bool = True):
        super().__init__()
        self.weight_v = nn.Parameter(torch.empty(num_prototypes, in_channels))
        self.weight_g = nn.Parameter(torch.ones(num_prototypes, 1), requires_grad=not fixed_length)
        self.init_weights()

    def init_weights(self) -> None:
        """Directions as torch initialises a linear layer, lengths 1."""
        nn.init.kaiming_uniform_(self.weight_v, a=math.sqrt(5))
        nn.init.ones_(self.weight_g)

    @property
    def weight(self) -> Tensor:
        """(K, D), computed anew at each access."""
        return torch._weight_norm(self.weight_v, self.weight_g, 0)

    def forward(self, bottleneck: Tensor) -> Tensor:
        """Logits (..., K) of bottleneck rows (..., D)."""
        return F.linear(bottleneck, self.weight)
