"""torchvision's names of ResNets, which are everybody's."""

import torch
from torch import nn

from .formats import Format, Forward, State
from .forms import ResNetForm
from .networks import filled
from .resnet import RESNET


@torch.no_grad()
def forward(form: ResNetForm, state: State, images: torch.Tensor) -> Forward:
    """Features of torchvision's network with the weights."""
    import torchvision

    network = torchvision.models.get_model(f'resnet{form.depth}', weights=None)
    network.fc = nn.Identity()
    coverage = filled(network, state)
    maps = []
    network.layer4.register_forward_hook(lambda *passed: maps.append(passed[-1]))
    network(images)
    return Forward(maps[0].flatten(2).transpose(1, 2), coverage)


def usage(form: ResNetForm, file: str) -> str:
    """A line that loads the file."""
    return (
        f'network = torchvision.models.resnet{form.depth}(); network.fc = torch.nn.Identity(); '
        f'network.load_state_dict(WEIGHTS)'
    )


FORMAT = Format('torchvision', 'torchvision', (RESNET,), forward=forward, usage=usage)
