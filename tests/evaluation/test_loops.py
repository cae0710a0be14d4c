import logging
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.multiprocessing
from mmengine.hooks import Hook
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from dinomm.evaluation import KNNAccuracy, KNNLoop, knn_accuracy, loops


class Points(Dataset):
    """Two-dimensional 'images' of three classes, as the batches of dinomm hold them."""

    def __init__(self, length, labels=True, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(3, (length,), generator=generator) if labels else None
        self.images = torch.randn(length, 4, generator=generator)
        if labels:
            self.images[torch.arange(length), self.labels] += 1.5

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        sample = DataSample()
        if self.labels is not None:
            sample.set_gt_label(int(self.labels[index]))
        return {'inputs': [self.images[index]], 'data_samples': sample}


def collate(samples):
    views = zip(*(sample['inputs'] for sample in samples), strict=True)
    return {
        'inputs': [torch.stack(view) for view in views],
        'data_samples': [sample['data_samples'] for sample in samples],
    }


class Network(BaseModel):
    """Learns nothing; draws random numbers and leaves the mode changed, as it should not."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.frozen = torch.nn.Dropout()
        self.evaluated_in = []

    def extract_view_features(self, data):
        self.evaluated_in.append(self.training)
        torch.rand(3), np.random.rand(), random.random()
        return data['inputs'][0]

    def forward(self, inputs, data_samples=None, mode='loss'):
        return {'loss': self.layer(inputs[0]).square().mean()}


def loader(dataset, **kwargs):
    return {
        'dataset': dataset,
        'batch_size': 8,
        'collate_fn': collate,
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
    } | kwargs


class Recorder(Hook):
    def __init__(self):
        self.calls = []
        self.metrics = None
        for name in ('val', 'test'):
            for stage in ('before_{}', 'before_{}_epoch', 'after_{}'):
                self._record(stage.format(name))
            for stage in ('before_{}_iter', 'after_{}_iter', 'after_{}_epoch'):
                self._record(stage.format(name))

    def _record(self, name):
        def record(runner, **kwargs):
            self.calls.append(name)
            self.metrics = kwargs.get('metrics', self.metrics)

        setattr(self, name, record)


def build_runner(work_dir, **kwargs):
    settings = {
        'model': Network(),
        'work_dir': str(work_dir),
        'train_dataloader': loader(Points(16), sampler={'type': 'DefaultSampler', 'shuffle': True}),
        'train_cfg': {'by_epoch': True, 'max_epochs': 2},
        'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.1}},
        'val_dataloader': loader(Points(20, seed=1)),
        'val_cfg': {'type': 'KNNLoop', 'support_dataloader': loader(Points(30, seed=2))},
        'val_evaluator': {'type': 'KNNAccuracy', 'k': (3, 5)},
        'default_scope': 'dinomm',
        'experiment_name': work_dir.name,
        'randomness': {'seed': 0},
    } | kwargs
    return Runner(**settings)


def expected_metrics():
    support, queries = Points(30, seed=2), Points(20, seed=1)
    found = knn_accuracy(support.images, support.labels, queries.images, queries.labels, (3, 5))
    return {f'knn/{name}': value for name, value in found.items()}


def test_training_validates_and_keeps_the_best_checkpoint(tmp_path):
    hook = Recorder()
    runner = build_runner(
        tmp_path,
        custom_hooks=[hook],
        default_hooks={
            'checkpoint': {
                'type': 'CheckpointHook',
                'save_best': 'knn/top1_k5',
                'rule': 'greater',
            }
        },
    )
    runner.train()
    assert hook.metrics == expected_metrics()
    assert 40 < hook.metrics['knn/top1_k5'] < 100
    assert len(list(tmp_path.glob('best_knn_top1_k5*.pth'))) == 1
    once = ['before_val', 'before_val_epoch', *['before_val_iter', 'after_val_iter'] * 3]
    assert hook.calls == [*once, 'after_val_epoch', 'after_val'] * 2
    assert not any(runner.model.evaluated_in)


def test_test_loop_calls_the_test_hooks(tmp_path):
    hook = Recorder()
    runner = build_runner(
        tmp_path,
        custom_hooks=[hook],
        test_dataloader=loader(Points(20, seed=1)),
        test_cfg={'type': 'KNNLoop', 'support_dataloader': loader(Points(30, seed=2))},
        test_evaluator={'type': 'KNNAccuracy', 'k': (3, 5)},
    )
    assert runner.test() == expected_metrics()
    assert set(hook.calls) == {
        'before_test',
        'before_test_epoch',
        'before_test_iter',
        'after_test_iter',
        'after_test_epoch',
        'after_test',
    }


def test_validation_leaves_no_trace_in_the_training(tmp_path):
    runner = build_runner(tmp_path)
    runner.model.frozen.eval()
    loop = runner.build_val_loop(runner._val_loop)
    runner._val_loop = loop
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    loop.run()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    assert random.getstate() == states[2]
    assert runner.model.training and runner.model.layer.training
    assert not runner.model.frozen.training


def fake_runner(log=None):
    """What the loop needs of a Runner, quick to build."""
    return SimpleNamespace(
        model=Network(),
        seed=0,
        logger=log or logging.getLogger('knn'),
        call_hook=lambda name, **kwargs: None,
        build_dataloader=Runner.build_dataloader,
        _randomness_cfg={},
        _test_loop=None,
    )


def build_loop(queries=20, support=30, log=None, **kwargs):
    settings = {
        'dataloader': loader(Points(queries, seed=1)),
        'evaluator': KNNAccuracy(k=(3, 5)),
        'support_dataloader': loader(Points(support, seed=2)),
    } | kwargs
    return KNNLoop(fake_runner(log), **settings)


def test_support_loader_without_a_sampler_is_read_in_order():
    support = loader(Points(30, seed=2))
    del support['sampler']
    assert build_loop(support_dataloader=support).run() == expected_metrics()


@pytest.mark.parametrize(
    ('part', 'key'),
    [
        ('dataloader', r'val_dataloader\.dataset\.labels'),
        ('support_dataloader', r'val_cfg\.support_dataloader\.dataset\.labels'),
    ],
)
def test_unlabelled_images(part, key):
    loop = build_loop(**{part: loader(Points(9, labels=False))})
    with pytest.raises(ValueError, match=key):
        loop.run()
    assert loop.runner.model.training


def test_other_evaluators_are_refused():
    with pytest.raises(ValueError, match='val_evaluator'):
        build_loop(evaluator=[{'type': 'KNNAccuracy'}])


def test_long_extraction_logs_a_line_and_a_short_one_none(monkeypatch):
    lines = []
    log = SimpleNamespace(info=lines.append)
    build_loop(log=log).run()
    assert lines == []
    monkeypatch.setattr(loops, 'SECONDS_BETWEEN_LINES', 0.0)
    build_loop(log=log).run()
    assert lines[0].startswith('8 of 20 k-NN query images, ')
    assert lines[-1].startswith('30 of 30 k-NN support images, ')


def run_share(rank, processes, folder, queries, support, sampler):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=processes
    )
    loop = build_loop(
        dataloader=loader(Points(queries, seed=1), sampler=sampler),
        support_dataloader=loader(Points(support, seed=2), sampler=sampler),
    )
    loop.runner.model = MMDistributedDataParallel(loop.runner.model)
    try:
        outcome = loop.run()
    except ValueError as error:
        outcome = str(error)
    torch.save(outcome, f'{folder}/{rank}')
    torch.distributed.destroy_process_group()


def run_in_processes(processes, folder, *args):
    torch.multiprocessing.start_processes(
        run_share, (processes, folder, *args), nprocs=processes, start_method='fork'
    )
    return [torch.load(folder / str(rank)) for rank in range(processes)]


@pytest.mark.parametrize('round_up', [True, False])
@pytest.mark.parametrize(
    ('processes', 'queries', 'support'), [(2, 20, 30), (2, 21, 31), (3, 1, 4), (3, 17, 2)]
)
def test_shared_out_equals_one_process(tmp_path, processes, queries, support, round_up):
    expected = build_loop(queries, support).run()
    sampler = {'type': 'DefaultSampler', 'shuffle': False, 'round_up': round_up}
    for metrics in run_in_processes(processes, tmp_path, queries, support, sampler):
        assert metrics == expected


def test_sampler_that_does_not_share_out_is_refused(tmp_path):
    sampler = torch.utils.data.SequentialSampler(range(20))
    for outcome in run_in_processes(2, tmp_path, 20, 20, sampler):
        assert 'DefaultSampler' in outcome


def test_classes_are_compared_by_name():
    """A folder numbers the classes that it holds: without the first, all numbers differ."""
    expected = build_loop().run()
    loop = build_loop()
    queries = loop.dataloader.dataset
    loop.support_dataloader.dataset.metainfo = {'classes': ('a', 'b', 'c')}
    queries.metainfo = {'classes': ('b', 'c', 'a')}
    queries.labels = (queries.labels + 2) % 3
    assert loop.run() == expected
    queries.metainfo = {'classes': ('x', 'y', 'z')}  # none that the support set knows
    assert loop.run()['knn/top1_k5'] == 0
