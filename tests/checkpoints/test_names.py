import pytest

from dinomm.checkpoints.names import NameTable

TABLE = NameTable(
    [
        ('layers.{i}.ln1.', 'blocks.{i}.norm1.', 'old.{i}.norm.'),
        ('layers.{i}.gamma.weight', 'blocks.{i}.ls'),
        ('token', 'cls'),
    ]
)


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [
        ('layers.11.ln1.bias', 'blocks.11.norm1.bias'),
        ('layers.0.gamma.weight', 'blocks.0.ls'),
        ('token', 'cls'),
    ],
)
def test_both_ways(ours, theirs):
    assert TABLE.ours(theirs) == ours
    assert TABLE.theirs(ours) == theirs
    assert TABLE.of_dinomm().ours(ours) == ours


def test_further_names_are_read_and_not_written():
    assert TABLE.ours('old.3.norm.weight') == 'layers.3.ln1.weight'
    assert TABLE.theirs('layers.3.ln1.weight') == 'blocks.3.norm1.weight'


@pytest.mark.parametrize(
    'name', ['cls2', 'my_cls', 'blocks.x.norm1.bias', 'blocks.1.norm1.', 'blocks.1.norm1.a.b']
)
def test_other_names_are_none(name):
    assert TABLE.ours(name) is None


def test_more_pairs():
    assert (TABLE + [('mask', 'masked_embed')]).ours('masked_embed') == 'mask'
    assert TABLE.ours('masked_embed') is None
