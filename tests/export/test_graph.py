import pytest
import torch
from torch.export import Dim

from dinomm.export import graph


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.arange(6.0).view(1, 2, 3), requires_grad=False)

    def forward(self, images):
        resized = torch.nn.functional.interpolate(self.table, size=6, mode='linear')
        marked = torch.zeros(2, 6)
        marked[0] = 1  # in place, on a constant
        return {'sum': images + resized + marked, 'size': images.new_ones(images.shape[0], 1)}


@pytest.fixture
def program():
    shapes = {'images': {0: Dim('batch', min=1)}}
    images = (torch.zeros(2, 2, 6),)
    return torch.export.export(Network(), images, dynamic_shapes=shapes, strict=False)


def called(module):
    return [str(n.target) for n in module.graph.nodes if n.op.startswith('call')]


def test_constants_are_computed_once(program):
    folded = graph.fold_constants(program)
    assert not any('upsample' in name or 'zeros' in name for name in called(folded))
    assert 'table' not in dict(folded.named_parameters())
    for count in (3, 1, 3):
        images = torch.randn(count, 2, 6)
        for name, expected in Network()(images).items():
            torch.testing.assert_close(folded(images)[name], expected, rtol=0, atol=0)


def test_large_constants_stay_computations(program, monkeypatch):
    monkeypatch.setattr(graph, 'LARGEST_CONSTANT', 11)
    folded = graph.fold_constants(program)
    assert any('upsample' in name for name in called(folded))
    assert 'table' in dict(folded.named_parameters())
    images = torch.randn(3, 2, 6)
    torch.testing.assert_close(folded(images), Network()(images), rtol=0, atol=0)


@pytest.mark.filterwarnings('ignore::FutureWarning')
def test_scripted_module_takes_any_number_of_images(program):
    scripted = torch.jit.script(graph.scriptable(program, ('sum', 'size')))
    for count in (3, 1):
        images = torch.randn(count, 2, 6)
        torch.testing.assert_close(scripted(images), Network()(images), rtol=0, atol=0)
