from functools import cache

import pytest
import torch

from dinomm.export import FORMATS, open_file, read_metadata
from dinomm.export.capture import OUTPUTS
from dinomm.export.check import random_images
from dinomm.export.formats import format_of, require_packages
from dinomm.export.metadata import describe
from dinomm.models.tokens import encode

from .networks import BACKBONES, WIDE, captured, network, write

ENDINGS = [kind.ending for kind in FORMATS.values()]
ALIKE = ('mmpretrain-vit', 'timm-vit')  # their ONNX takes seconds and has the vit's operators


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    """Path of a network in the format of an ending, written once."""

    @cache
    def written(family, ending, form=WIDE):
        return write(family, tmp_path_factory.mktemp('files') / f'network{ending}', form)

    return written


def assert_equal(actual, tokens, tolerance=1e-5):
    expected = {'view': tokens.view, 'regions': tokens.region}
    for name, features in actual.items():
        assert features.dtype == torch.float32
        torch.testing.assert_close(
            features, expected[name], rtol=0, atol=tolerance * float(expected[name].abs().max())
        )


@pytest.mark.parametrize(
    ('family', 'ending'),
    [
        pytest.param(
            family,
            ending,
            marks=[pytest.mark.slow] if ending == '.onnx' and family in ALIKE else [],
        )
        for family in BACKBONES
        for ending in ENDINGS
    ],
)
def test_features_are_pytorchs(family, ending, file):
    """At another size than the network's, not square, for any number of images."""
    run = open_file(file(family, ending))
    images = random_images(network(family), WIDE, 5)[1]
    for count in (1, 2, 5):
        actual = run(images[:count])
        assert list(actual) == ['view', 'regions']
        assert_equal(actual, encode(network(family).backbone, images[:count]))


@pytest.mark.parametrize('ending', ENDINGS)
def test_half_precision_and_normalisation_inside(ending, file):
    form = WIDE._replace(outputs=OUTPUTS['view'], dtype=torch.float16, uint8=True)
    levels, images = random_images(network('vit'), form, 3)
    actual = open_file(file('vit', ending, form))(levels)
    expected = encode(network('vit').backbone, images)
    assert list(actual) == ['view']
    assert_equal(actual, expected, tolerance=5e-3)
    assert (actual['view'] - expected.view).abs().max() > 1e-5  # it is not float32
    assert next(network('vit').backbone.parameters()).dtype == torch.float32


def test_regions_alone(file):
    form = WIDE._replace(outputs=OUTPUTS['regions'])
    images = random_images(network('vit'), form, 3)[1]
    actual = open_file(file('vit', '.pt', form))(images)
    assert list(actual) == ['regions']
    assert_equal(actual, encode(network('vit').backbone, images))


@pytest.mark.parametrize('ending', ENDINGS)
def test_metadata_comes_back(ending, file):
    metadata = read_metadata(file('vit', ending))
    assert metadata == describe(captured('vit', WIDE), network('vit'))
    assert (metadata['size'], metadata['grid'], metadata['patch']) == ([48, 80], [6, 10], [8, 8])
    assert metadata['mean'] == pytest.approx([123.675, 116.28, 103.53])
    assert metadata['std'] == pytest.approx([58.395, 57.12, 57.375])
    assert (metadata['outputs'], metadata['width']) == (['view', 'regions'], 24)


def test_unknown_ending():
    with pytest.raises(ValueError, match=r'network\.pth: expected .* \.onnx, \.pt, \.pt2'):
        format_of('network.pth')


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr('dinomm.export.formats.find_spec', {'onnx': 'here'}.get)
    with pytest.raises(ValueError, match='needs onnxscript, onnxruntime: pip install onnxscript o'):
        require_packages(('onnx', 'onnxscript', 'onnxruntime'))
    require_packages(('onnx',))
