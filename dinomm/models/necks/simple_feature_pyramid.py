"""Feature maps of several strides from a single one."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmpretrain.models.utils import LayerNorm2d
from torch import Tensor, nn

from dinomm.registry import MODELS


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Pyramid of a plain ViT's last map: strides 4, 8, 16, 32 of one of stride 16, and 64.

    Li et al. 2022, arXiv:2203.16527, section 3 and appendix A.2: transposed convolutions upwards,
    maximum pooling downwards, then on each level a 1x1 and a 3x3 convolution with layer norms.
    The last level is the one before it at every other place.

    Args:
        in_channels: C of the map; a multiple of 4.
        out_channels: Of every level.
        num_outs: Levels, 5 at most.
        start_level: The finest of them: 0 has a quarter of the map's stride, 1 half, 2 all of it.

    Raises:
        ValueError: A number makes no sense.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        num_outs: int = 5,
        start_level: int = 0,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg=init_cfg)
        if in_channels < 4 or in_channels % 4:
            raise ValueError(
                f'model.neck.in_channels is {in_channels}: expected the width of the backbone, a '
                'multiple of 4'
            )
        if not 0 <= start_level <= 3:
            raise ValueError(f'model.neck.start_level is {start_level}: expected 0 to 3')
        end_level = start_level + num_outs
        if not start_level < end_level <= 5:
            raise ValueError(
                f'model.neck.num_outs is {num_outs}: expected 1 to {5 - start_level}, as '
                f'start_level is {start_level}'
            )
        half, quarter = in_channels // 2, in_channels // 4
        scales = (
            (
                nn.Sequential(
                    nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                    LayerNorm2d(half, eps=1e-6),
                    nn.GELU(),
                    nn.ConvTranspose2d(half, quarter, 2, stride=2),
                ),
                quarter,
            ),
            (nn.ConvTranspose2d(in_channels, half, 2, stride=2), half),
            (nn.Identity(), in_channels),
            (nn.MaxPool2d(2, ceil_mode=True), in_channels),
        )[start_level:end_level]
        self.levels = nn.ModuleList(
            nn.Sequential(
                scale,
                nn.Conv2d(width, out_channels, 1, bias=False),
                LayerNorm2d(out_channels, eps=1e-6),
                nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
                LayerNorm2d(out_channels, eps=1e-6),
            )
            for scale, width in scales
        )
        self.has_last = end_level == 5

    def forward(self, inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels (N, out_channels, H_i, W_i) of a map (N, C, h, w), the finest first."""
        last = inputs if isinstance(inputs, Tensor) else inputs[-1]
        outputs = [level(last) for level in self.levels]
        if self.has_last:
            outputs.append(outputs[-1][..., ::2, ::2])
        return tuple(outputs)
