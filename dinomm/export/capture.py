"""A backbone as a graph that needs no Python, for images of one size and any number of them."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dinomm.evaluation.network import FrozenNetwork
from dinomm.models.tokens import encode

from .graph import fold_constants
from .quiet import quiet

OUTPUTS = {'view': ('view',), 'regions': ('regions',), 'both': ('view', 'regions')}
INPUT = 'images'


class Form(NamedTuple):
    """What an exported backbone takes and gives.

    Attributes:
        size: (H, W) of its images.
        outputs: 'view', 'regions' or both; see :class:`ExportedBackbone`.
        dtype: In which it computes; its outputs are float32.
        uint8: Whether it takes grey levels and normalises them itself.
    """

    size: tuple[int, int]
    outputs: tuple[str, ...] = OUTPUTS['both']
    dtype: torch.dtype = torch.float32
    uint8: bool = False


class ExportedBackbone(nn.Module):
    """(N, 3, H, W) to ``view`` (N, C) and ``regions`` (N, T, C), in float32.

    Args:
        network: Backbone, and the mean and std of its images.
        form: Images are RGB: grey levels in uint8, or normalised float32.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: FrozenNetwork, form: Form):
        super().__init__()
        self.backbone = network.backbone
        self.form = form
        for name in ('mean', 'std'):
            self.register_buffer(name, statistic(network, name), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Features by name."""
        if self.form.uint8:
            images = (images.float() - self.mean) / self.std
        tokens = encode(self.backbone, images.to(self.form.dtype), 'regions' in self.form.outputs)
        features = {'view': tokens.view, 'regions': tokens.region}
        return {name: features[name].float() for name in self.form.outputs}


class Captured(NamedTuple):
    """A backbone's graph.

    Attributes:
        program: Takes ``images``, gives a dict of ``form.outputs``.
        form: Of the program.
        grid: (h, w) of the regions.
        width: C.
    """

    program: ExportedProgram
    form: Form
    grid: tuple[int, int]
    width: int


@torch.no_grad()
def capture(network: FrozenNetwork, form: Form) -> Captured:
    """The graph of a network on the CPU, in evaluation mode.

    Raises:
        ValueError: The backbone cannot take images of this size, or its code fixes the number of
            images while it is traced.
    """
    images = torch.zeros(2, 3, *form.size)
    try:
        tokens = encode(network.backbone, images)  # fills the caches of its layers, too
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f'{name_of(network)} cannot take images of {size_text(form.size)} pixels: '
            f'{_first_line(error)}'
        ) from None
    if form.uint8:
        images = images.to(torch.uint8)
    exported = ExportedBackbone(copy.deepcopy(network), form)
    exported.backbone.to(form.dtype)
    nn.Module.train(exported, False)
    program = _trace(exported, images, network)
    program = _trace(fold_constants(program), images, network)
    return Captured(program, form, tokens.grid, tokens.view.shape[1])


def _trace(module: nn.Module, images: Tensor, network: FrozenNetwork) -> ExportedProgram:
    shapes = {INPUT: {0: Dim('batch', min=1)}}
    try:
        with quiet():
            return torch.export.export(module, (images,), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # the tracer reports by many types
        raise ValueError(
            f'{name_of(network)} cannot be exported with any number of images: '
            f'{type(error).__name__}: {_first_line(error)}'
        ) from error


def statistic(network: FrozenNetwork, name: str) -> Tensor:
    """'mean' or 'std' of the preprocessor, (3, 1, 1), in grey levels."""
    return getattr(network.data_preprocessor, name).float()


def name_of(network: FrozenNetwork) -> str:
    """The backbone's type, or that of the timm model in it."""
    inner = getattr(network.backbone, 'timm_model', network.backbone)
    return f'model.backbone ({type(inner).__name__})'


def size_text(size: tuple[int, int]) -> str:
    """As --size takes it."""
    return f'{size[0]}x{size[1]}'


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), 'no reason given')
