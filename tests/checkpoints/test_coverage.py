import pytest
import torch

from dinomm.checkpoints import compare_weights


def tensors(**shapes):
    return {name.replace('__', '.'): torch.zeros(shape) for name, shape in shapes.items()}


ASKED = tensors(backbone__a=(2,), backbone__b=(3,), heads__a=(1,))


def test_full_coverage_is_accepted():
    coverage = compare_weights(ASKED, dict(ASKED))
    assert coverage.matched == list(ASKED)
    coverage.require()
    assert coverage.summary() == '3 matched, 0 missing, 0 unexpected, 0 mismatched'


def test_each_fault_is_named():
    coverage = compare_weights(ASKED, tensors(backbone__a=(2,), backbone__b=(4,), neck__c=(1,)))
    assert coverage == (
        ['backbone.a'],
        ['heads.a'],
        ['neck.c'],
        ['backbone.b ((3,), (4,))'],
    )
    with pytest.raises(ValueError, match='of another network') as error:
        coverage.require()
    for words in (
        '1 matched, 1 missing, 1 unexpected, 1 mismatched',
        '1 missing in the file: heads.a',
        '1 unexpected in the file: neck.c',
        '(asked for, in the file): backbone.b ((3,), (4,))',
        'allow_missing or allow_unexpected of TeacherEMAHook',
    ):
        assert words in str(error.value)


def test_prefixes_are_allowed_each_on_its_own():
    coverage = compare_weights(ASKED, tensors(backbone__a=(2,), backbone__b=(3,), neck__c=(1,)))
    coverage.require(['heads.'], ['neck.'])
    with pytest.raises(ValueError, match=r'unexpected in the file: neck\.c'):
        coverage.require(['heads.', 'neck.'])
    with pytest.raises(ValueError, match=r'missing in the file: heads\.a'):
        coverage.require([], ['neck.', 'heads.'])


def test_another_shape_is_never_allowed():
    coverage = compare_weights(tensors(heads__a=(1,)), tensors(heads__a=(2,)))
    with pytest.raises(ValueError, match='of another shape'):
        coverage.require(['heads.'], ['heads.'])


def test_long_lists_are_cut():
    asked = {f'backbone.{i}': torch.zeros(1) for i in range(9)}
    with pytest.raises(ValueError, match=r'9 missing in the file: backbone\.0, .* \.\.\.'):
        compare_weights(asked, {}).require()
    with pytest.raises(ValueError, match=r'^(?!.*backbone\.7).*$'):
        compare_weights(asked, {}).require()
