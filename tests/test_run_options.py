import pytest
from mmengine.config import Config

from dinomm.run_options import set_resume


def config(hook='ResumableCheckpointHook'):
    return Config({'load_from': 'begin.pth', 'default_hooks': {'checkpoint': {'type': hook}}})


@pytest.mark.parametrize('hook', ['ResumableCheckpointHook', 'dinomm.ResumableCheckpointHook'])
def test_the_hook_keeps_the_weights_of_a_first_start(hook):
    cfg = config(hook)
    set_resume(cfg, 'auto')
    assert cfg.resume is True and cfg.load_from is None
    assert cfg.default_hooks.checkpoint.first_load_from == 'begin.pth'


def test_another_hook_is_left_as_it_is():
    cfg = config('CheckpointHook')
    set_resume(cfg, 'auto')
    assert cfg.resume is True and cfg.load_from is None
    assert 'first_load_from' not in cfg.default_hooks.checkpoint


def test_a_file(tmp_path):
    cfg = config()
    with pytest.raises(ValueError, match=r'--resume .*none\.pth: there is no such file'):
        set_resume(cfg, str(tmp_path / 'none.pth'))
    (tmp_path / 'some.pth').touch()
    set_resume(cfg, str(tmp_path / 'some.pth'))
    assert cfg.resume is True and cfg.load_from == str(tmp_path / 'some.pth')
