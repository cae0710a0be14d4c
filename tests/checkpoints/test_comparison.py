import numpy as np
import pytest
import torch

from dinomm.checkpoints.comparison import compare_networks
from dinomm.checkpoints.formats import Forward, read_names
from dinomm.checkpoints.forms import form_of
from dinomm.checkpoints.matrix import FORMATS
from dinomm.verification.dino import tensors


@pytest.fixture
def dino(golden):
    with np.load(golden / 'dino_vit.npz') as arrays:
        backbone = read_names(FORMATS['dino'], tensors(arrays, 'w/'))
    return backbone, form_of('vit', backbone.state, heads=3)


def test_of_two_libraries(dino):
    found = compare_networks(*dino, ['timm', 'mmpretrain'])
    assert set(found.differences) == {'timm', 'mmpretrain'}
    assert max(found.differences.values()) < 1e-4
    assert 'layers.0.ln1.weight' in found.coverage.matched
    assert 'blocks.0.norm1.weight' in compare_networks(*dino, ['dino', 'timm']).coverage.matched


def test_networks_that_differ_are_an_error(dino, monkeypatch):
    def shifted(form, state, images):
        found = FORMATS['mmpretrain'].forward(form, state, images)
        return Forward(found.features + 1e-3, found.coverage)

    other = FORMATS['mmpretrain']._replace(forward=shifted)
    monkeypatch.setitem(FORMATS, 'other', other)
    with pytest.raises(ValueError, match=r'differ by 1\.0e-03'):
        compare_networks(*dino, ['other'])


def test_a_swapped_tensor_changes_the_features(dino):
    """Every parameter counts: the comparison sees queries taken for keys, one norm for another."""
    backbone, form = dino
    images = torch.rand(1, 3, 32, 32)
    forward = FORMATS['dinomm'].forward
    reference = forward(form, backbone.state, images).features
    for name in backbone.state:
        if 'attn.qkv.bias' in name:
            continue  # the part of the keys has no effect
        changed = {**backbone.state, name: backbone.state[name] * 1.1 + 0.01}
        if name == 'pos_embed':
            changed[name] = backbone.state[name].flip(1)
        difference = (forward(form, changed, images).features - reference).abs().max()
        assert difference > 1e-4, name


def test_a_library_that_is_not_installed(dino, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'transformers', None)
    found = compare_networks(*dino, ['dino', 'huggingface'])
    assert not found.differences
    assert any('not compared with huggingface' in note for note in found.notes)
    assert any('no package has the networks of the published DINO' in n for n in found.notes)
