"""A plain ViT as a backbone of detectors."""

from torch import Tensor

from dinomm.registry import MODELS

from .vision_transformer import DINOVisionTransformer


@MODELS.register_module()
class ViTFeatureMap(DINOVisionTransformer):
    """The patch tokens of the last block as a map, the class token left out.

    Li et al. 2022, arXiv:2203.16527: a plain ViT and a feature pyramid made of its last map. All
    blocks attend globally, as in pretraining. Position embeddings are resized to each input, by
    the rule of pretraining; keep ``img_size`` that of its global crops.

    Args:
        kwargs: Of :class:`~.vision_transformer.DINOVisionTransformer`: ``arch``, ``patch_size``,
            ``drop_path_rate``, ``frozen_stages`` (blocks, with the embedding) ...
    """

    def forward(self, images: Tensor) -> tuple[Tensor]:  # type: ignore[override]
        """Map (N, C, ceil(H / patch), ceil(W / patch)) of images (N, 3, H, W), in a tuple."""
        patch = self.patch_embed.projection.stride
        grid = tuple(-(-side // p) for side, p in zip(images.shape[-2:], patch, strict=True))
        tokens = super().forward(images)[-1][:, self.num_extra_tokens :]
        return (tokens.transpose(1, 2).unflatten(2, grid).contiguous(),)
