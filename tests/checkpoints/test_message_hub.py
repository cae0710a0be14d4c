import collections

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub

from dinomm.checkpoints.message_hub import from_plain, to_plain


@pytest.fixture
def hub(request):
    return MessageHub(request.node.name)


def through_a_file(hub, tmp_path):
    torch.save(to_plain(hub.state_dict()), tmp_path / 'hub.pth')
    return from_plain(torch.load(tmp_path / 'hub.pth', weights_only=True))


def test_round_trip(hub, tmp_path):
    for step in range(5):
        hub.update_scalar('train/loss', 1 / (step + 1), count=step + 1)
        hub.update_scalar('val/top1', np.float32(step))
    hub.update_info('iter', 5)
    hub.update_info('best', {'score': np.float64(0.25), 'epochs': (1, np.int64(2))})
    hub.update_info('cfg', 'a = 1')
    hub.update_info('meta', ConfigDict(classes=['a', 'b']))
    restored = MessageHub('restored')
    restored.load_state_dict(through_a_file(hub, tmp_path))
    for name in ('train/loss', 'val/top1'):
        before, after = hub.get_scalar(name), restored.get_scalar(name)
        for old, new in zip(before.data, after.data, strict=True):
            assert old.tolist() == new.tolist()
        assert after.mean(3) == pytest.approx(before.mean(3))
    assert restored.get_info('iter') == 5
    assert restored.get_info('best') == {'score': 0.25, 'epochs': (1, 2)}
    assert restored.get_info('cfg') == 'a = 1'
    assert restored.get_info('meta') == {'classes': ['a', 'b']}
    restored.update_scalar('train/loss', 0.0)
    assert len(restored.get_scalar('train/loss').data[0]) == 6


@pytest.mark.parametrize('value', [object(), {1: {object()}}, [collections.deque()]], ids=type)
def test_what_is_no_plain_data_is_left_out(hub, tmp_path, value):
    hub.update_info('object', value, resumed=True)
    hub.update_info('iter', 5)
    state = through_a_file(hub, tmp_path)
    assert set(state['runtime_info']) == {'iter'}
    assert set(state['resumed_keys']) == {'iter'}
    MessageHub('left_out').load_state_dict(state)


def test_checkpoints_of_mmengine_itself_pass_through(hub):
    hub.update_scalar('train/loss', 1.0)
    state = from_plain(hub.state_dict())
    assert state['log_scalars']['train/loss'].current() == 1.0


@pytest.mark.parametrize('seed', [0, None])
def test_a_runners_checkpoint_needs_no_pickle(make_runner, tmp_path, seed):
    scheduler = {'type': 'MultiStepLR', 'milestones': [1], 'convert_to_iter_based': True}
    runner = make_runner(param_scheduler=[scheduler], randomness={'seed': seed})
    runner.train()
    runner.save_checkpoint(str(tmp_path), 'run.pth', meta={'epoch': 2, 'iter': 8})
    content = torch.load(tmp_path / 'run.pth', weights_only=True)
    assert content['optimizer']['performed_steps'] == 8
    losses = content['message_hub']['log_scalars']['train/loss']['values']
    assert len(losses) == 8
    assert content['meta']['seed'] == runner.seed
