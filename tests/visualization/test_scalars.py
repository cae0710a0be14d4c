import json

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import BaseLoop, Runner

from dinomm.visualization.scalars import read_scalars


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode='loss'):
        return {'loss': self.weight.square().sum()}


class Validation(BaseLoop):
    def run(self):
        self.runner.call_hook('before_val_epoch')
        self.runner.call_hook('after_val_epoch', metrics={'knn/top1_k20': 10.0 * self.runner.iter})


@pytest.mark.parametrize('by_epoch', [True, False])
def test_what_mmengine_writes(tmp_path, by_epoch):
    loader = torch.utils.data.DataLoader([{'inputs': torch.ones(1)}] * 3)
    loop = {'by_epoch': True, 'max_epochs': 2} if by_epoch else {'by_epoch': False, 'max_iters': 6}
    interval = {} if by_epoch else {'val_interval': 3}
    runner = Runner(
        Model(),
        str(tmp_path),
        train_dataloader=loader,
        train_cfg=loop | interval,
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        val_dataloader=loader,
        val_cfg={},
        val_evaluator=[],
        default_hooks={
            'logger': {'type': 'LoggerHook', 'interval': 1, 'log_metric_by_epoch': by_epoch},
            'checkpoint': None,
        },
        log_processor={'by_epoch': by_epoch},
        experiment_name=tmp_path.name,
    )
    runner._val_loop = Validation(runner, loader)
    runner._val_loop.evaluator = None
    runner.train()
    scalars = read_scalars(tmp_path)
    assert list(scalars['loss']) == [1, 2, 3, 4, 5, 6]
    assert scalars['loss'][1] == pytest.approx(1)
    assert scalars['knn/top1_k20'] == {3: 30, 6: 60}
    assert scalars == read_scalars(next(tmp_path.glob('*/vis_data/scalars.json')))


def write(folder, *lines):
    file = folder / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('\n'.join(json.dumps(line) for line in lines) + '\n')
    return file


def test_resumed_run_follows_the_first(tmp_path):
    write(tmp_path / '1', *({'loss': 5.0 - i, 'iter': i, 'step': i} for i in (1, 2, 3)))
    write(tmp_path / '2', *({'loss': 50.0 + i, 'iter': i, 'step': i} for i in (3, 4)))
    assert read_scalars(tmp_path)['loss'] == {1: 4, 2: 3, 3: 53, 4: 54}


def test_validation_before_the_first_step(tmp_path):
    file = write(tmp_path, {'knn/top1_k20': 12.5, 'step': 0}, {'loss': 1.0, 'iter': 1, 'step': 1})
    assert read_scalars(file)['knn/top1_k20'] == {0: 12.5}


def test_last_line_of_a_killed_run_is_passed_over(tmp_path):
    file = write(tmp_path, {'loss': 1.0, 'iter': 1, 'step': 1})
    file.write_text(file.read_text() + '{"loss": 0.')
    assert read_scalars(file)['loss'] == {1: 1.0}


def test_other_files(tmp_path):
    with pytest.raises(ValueError, match=r'scalars\.json'):
        read_scalars(tmp_path)
    with pytest.raises(ValueError, match='absent'):
        read_scalars(tmp_path / 'absent.json')
    text = tmp_path / 'notes.json'
    text.write_text('one\ntwo\n')
    with pytest.raises(ValueError, match='line 1'):
        read_scalars(text)
