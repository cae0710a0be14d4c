import pytest
from mmengine import Config

from dinomm import launch
from dinomm.config_check import check_config
from dinomm.config_values import check_sections, check_values

from .integration import tiny


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        ('model', 3),
        ('model.heads', []),
        ('train_dataloader', 'x'),
        ('val_dataloader.dataset', [1]),
        ('default_hooks', ['x']),
        ('optim_wrapper.optimizer', 'AdamW'),
        ('custom_hooks', 'x'),
        ('custom_hooks', [None]),
        ('param_scheduler', [3]),
    ],
)
def test_sections_are_dicts(tmp_path, path, value):
    file = tiny.write_config(tmp_path / 'tiny.py', tmp_path)
    with pytest.raises(ValueError, match=rf'{path} is .*: expected a (dict|list of dicts)'):
        launch.read_config(str(file), {path: value})


def test_sections_that_are_not_there_are_none():
    check_sections(Config({'val_cfg': None, 'param_scheduler': None, 'model': {'heads': {}}}))


def test_a_scheduler_begins_at_a_number():
    config = Config({'train_cfg': {'max_epochs': 3}, 'param_scheduler': [{'begin': 'x'}]})
    with pytest.raises(ValueError, match=r"param_scheduler\.0\.begin is 'x': expected a number"):
        check_values(config)


@pytest.mark.parametrize('value', [-2, 0.5, 'x', [1]])
def test_a_checkpoint_comes_after_a_whole_number(value):
    config = Config({'default_hooks': {'checkpoint': {'interval': value}}})
    with pytest.raises(ValueError, match=r'checkpoint\.interval is .*: expected a whole number'):
        check_values(config)
    check_values(Config({'default_hooks': {'checkpoint': {'interval': -1}}}))


@pytest.mark.parametrize('value', [3, None, ['x']])
def test_a_type_is_a_name(value):
    config = Config({'custom_hooks': [{'type': value}]})
    with pytest.raises(ValueError, match=r'custom_hooks\.0\.type: .* is no name of a type'):
        check_config(config)


def test_values_that_cannot_be_built_are_a_sentence(tmp_path):
    file = tiny.write_config(tmp_path / 'tiny.py', tmp_path)
    config = launch.read_config(str(file), {'model.backbone.patch_size': 'x'})
    config.work_dir = str(tmp_path / 'work')
    with pytest.raises(ValueError, match=r'tiny\.py cannot be built: .*, line \d+; ') as error:
        launch.build_runner(config)
    assert launch.is_sentence(error.value)
