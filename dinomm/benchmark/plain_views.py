"""DINO's views by torchvision on Pillow images, as its published code composes them.

Caron et al. 2021, appendix; the order and the numbers are those of the published ``main_dino.py``.
"""

import random
from collections.abc import Sequence

import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor
from torchvision import transforms

GLOBAL_SCALE, LOCAL_SCALE = (0.4, 1.0), (0.05, 0.4)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Blur:
    """Pillow's Gaussian blur with a radius from 0.1 to 2.0."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, image: Image.Image) -> Image.Image:
        """Blurs, or not."""
        if random.random() >= self.probability:
            return image
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


class Solarize:
    """Inverts values from 128."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, image: Image.Image) -> Image.Image:
        """Solarizes, or not."""
        return ImageOps.solarize(image) if random.random() < self.probability else image


def plain_view(size: int, scale: tuple[float, float], blur: float, solarize: float = 0.0) -> list:
    """The transforms of one view, Pillow image to Pillow image."""
    jitter = transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    return [
        transforms.RandomResizedCrop(
            size, scale=scale, interpolation=transforms.InterpolationMode.BICUBIC
        ),
        transforms.RandomHorizontalFlip(p=0.5),
        transforms.RandomApply([jitter], p=0.8),
        transforms.RandomGrayscale(p=0.2),
        Blur(blur),
        *([Solarize(solarize)] if solarize else []),
    ]


def plain_views(global_size: int = 224, local_size: int = 96) -> tuple[list, list, list]:
    """First global, second global and local view."""
    return (
        plain_view(global_size, GLOBAL_SCALE, blur=1.0),
        plain_view(global_size, GLOBAL_SCALE, blur=0.1, solarize=0.2),
        plain_view(local_size, LOCAL_SCALE, blur=0.5),
    )


class PlainViews(torch.utils.data.Dataset):
    """Files to lists of normalised float32 views: 2 global and 8 local ones.

    Args:
        paths: Image files.
        num_local: Local views of each.
    """

    def __init__(self, paths: Sequence[str], num_local: int = 8) -> None:
        self.paths = paths
        finish = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        first, second, local = (transforms.Compose(view + finish) for view in plain_views())
        self.views = [first, second] + [local] * num_local

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> list[Tensor]:
        with open(self.paths[index], 'rb') as file:
            image = Image.open(file).convert('RGB')
        return [view(image) for view in self.views]
