"""Names of ResNets, which are the same in every format of the matrix: torchvision's."""

from .formats import Family
from .names import NameTable

NAMES = [
    'conv1.',
    'bn1.',
    'layer{s}.{i}.conv{n}.',
    'layer{s}.{i}.bn{n}.',
    'layer{s}.{i}.downsample.{n}.',
]
RESNET = Family('resnet', NameTable((name, name) for name in NAMES), norm_eps=None)
