"""Probes from the command line: tools/evaluate.py, compare.py, extract_features.py."""

import json

import numpy as np
import pytest
import torch

from dinomm import launch
from dinomm.evaluation.network import build_backbone

from . import processes, tiny


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('probing')
    config = tiny.write_config(folder / 'tiny.py', tiny.write_data(folder / 'data'))
    backbone = build_backbone(launch.read_config(str(config)))
    state = {f'backbone.{name}': tensor for name, tensor in backbone.state_dict().items()}
    torch.save({'state_dict': state}, folder / 'weights.pth')
    return folder


def run(folder, tool, *arguments):
    ended = processes.run_tool(tool, *arguments, cwd=folder)
    assert ended.status == 0, ended.err
    return ended.out


def figures(folder, name):
    return json.loads((folder / f'weights.{name}.json').read_text())['figures']


def test_knn_with_shots_keeps_features_beside_the_checkpoint(folder):
    arguments = ('knn', 'tiny.py', 'weights.pth', '--k', 5, 100, '--shots', 2, '--tries', 2)
    out = run(folder, 'evaluate.py', *arguments)
    found = figures(folder, 'knn')
    assert found['training images'] == 32 and found['test images'] == 9
    assert set(found['T=0.07']) == {'top1_k5', 'top5_k5', 'top1_k100', 'top5_k100'}
    assert len(found['2 of each class']['T=0.07']['top1_k5']) == 2
    assert 'written to weights.knn.json' in out
    record = json.loads((folder / 'weights.knn.json').read_text())
    assert record['settings']['k'] == [5, 100] and record['settings']['seed'] == 0
    files = set((folder / 'features').iterdir())
    run(folder, 'evaluate.py', *arguments)
    assert set((folder / 'features').iterdir()) == files and len(files) == 2


@pytest.mark.parametrize('cached', [(), ('--cached',)])
def test_linear_reports_best_and_last(folder, cached):
    run(
        folder, 'evaluate.py', 'linear', 'tiny.py', 'weights.pth', '--epochs', 3, '--lr', 0.1, 10,
        '--save-head', 'head.pth', *cached,
    )  # fmt: skip
    found = figures(folder, 'linear')
    assert found['training images'] + found['held-out images'] == 32
    assert found['last']['epoch'] == 3 and found['best']['held-out top1'] >= 33
    assert {'top1', 'top5', 'blocks', 'learning rate'} < set(found['best'])
    assert len(found['held-out top1 in the last epoch']) == 2 * 2 * 2
    head = torch.load(folder / 'head.pth', weights_only=True)
    width = 24 * (found['best']['blocks'] + found['best']['patches'])
    assert head['weight'].shape == (3, width) and head['labels'].tolist() == [0, 1, 2]


def test_two_processes_give_what_one_gives(folder):
    """Features exactly; the probes see the same global batches but for their order."""
    arguments = ('knn', 'tiny.py', 'weights.pth', '--k', 5, '--no-cache')
    run(folder, 'evaluate.py', *arguments)
    alone = figures(folder, 'knn')
    for ended in processes.run_on(2, 'evaluate.py', *arguments, cwd=folder):
        assert ended.status == 0, ended.err
    assert figures(folder, 'knn') == alone
    arguments = ('linear', 'tiny.py', 'weights.pth', '--epochs', 2, '--lr', 10, '--no-cache')
    for ended in processes.run_on(2, 'evaluate.py', *arguments, cwd=folder):
        assert ended.status == 0, ended.err
    assert figures(folder, 'linear')['held-out images'] == 3


def test_networks_side_by_side(folder):
    out = run(
        folder, 'compare.py', '--network', 'tiny.py', 'weights.pth', '--folders', 'data',
        'data/few', '--epochs', 1, '--names', 'mine', '--methods', 'knn', 'linear',
    )  # fmt: skip
    rows = [line.split()[0] for line in out.splitlines()]
    assert rows[:4] == ['data', 'knn', 'mine', 'untrained']
    found = json.loads((folder / 'compare.json').read_text())['figures']
    # the checkpoint holds the weights that an untrained network gets
    assert found['mine'] == found['untrained']
    assert set(found['mine']) == {'data', 'few'}


def test_features_as_a_file(folder):
    out = run(folder, 'extract_features.py', 'tiny.py', 'weights.pth', 'data/few', '--out', 'f.npz')
    stored = np.load(folder / 'f.npz')
    assert '16 features of 24 written to f.npz' in out
    assert stored['features'].shape == (16, 24) and stored['path'][0].endswith('class_0/000.png')
    assert stored['class'][0] == 'class_0' and stored['label'].tolist() == sorted(stored['label'])
    pytest.importorskip('pyarrow')
    import pyarrow.parquet

    run(folder, 'extract_features.py', 'tiny.py', 'weights.pth', 'data/few', '--out', 'f.parquet')
    table = pyarrow.parquet.read_table(folder / 'f.parquet').to_pydict()
    np.testing.assert_allclose(table['feature'], stored['features'], rtol=1e-6)
    assert table['path'] == stored['path'].tolist()


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (('knn', 'tiny.py', 'none.pth'), 'none.pth does not exist'),
        (('knn', 'tiny.py', 'weights.pth', '--data', 'data/few/class_0'), 'no two classes'),
        (('knn', 'tiny.py', 'weights.pth', '--k', 0), 'k = [0]'),
        (('knn', 'tiny.py', 'weights.pth', '--temperature', 0), 'temperature = 0.0'),
        (('linear', 'tiny.py', 'weights.pth', '--blocks', 5), '--blocks 5'),
        (('linear', 'tiny.py', 'weights.pth', '--lr', -1), '--lr is [-1.0]'),
        (('logreg', 'tiny.py', 'weights.pth', '--C', 0), 'expected positive numbers'),
        (('knn', 'tiny.py', 'weights.pth', '--student'), 'holds no student'),
        (('knn', 'tiny.py', 'weights.pth', '--batch-size', 0), '--batch-size is 0'),
    ],
)
def test_wrong_use_is_a_sentence(folder, arguments, sentence):
    ended = processes.run_tool('evaluate.py', *arguments, cwd=folder)
    assert ended.status == 1 and 'Traceback' not in ended.err
    assert sentence in ended.err


def test_fine_tuning_from_a_checkpoint_and_not_from_another(folder):
    config = tiny.ROOT / 'configs/evaluation/finetune_quickstart_photos.py'
    source = launch.read_config(str(tiny.ROOT / 'configs/dino/quickstart_photos.py'))
    state = {f'backbone.{n}': t for n, t in build_backbone(source).state_dict().items()}
    torch.save({'state_dict': state}, folder / 'photos.pth')
    small = [
        'train_cfg.max_epochs=2', 'param_scheduler.0.end=1', 'param_scheduler.1.begin=1',
        'train_dataloader.batch_size=8', 'optim_wrapper.optimizer.lr=0',
    ]  # fmt: skip
    for part in ('train', 'val'):
        small += [
            f'{part}_dataloader.num_workers=0',
            f'{part}_dataloader.persistent_workers=False',
        ]
    arguments = (config, '--data', 'data', '--work-dir', 'tuned', '--cfg-options', *small)
    run(folder, 'train.py', *arguments, 'pretrained=photos.pth')
    best = next((folder / 'tuned').glob('best_accuracy_top1_*.pth'))
    tuned = torch.load(best, weights_only=True)['state_dict']
    assert all(torch.equal(tuned[name], tensor) for name, tensor in state.items())
    assert tuned['head.fc.weight'].shape == (3, 96)
    for wrong, sentence in (
        ('weights.pth', 'checkpoint weights.pth does not fill the backbone'),
        ('lost.pth', 'pretrained is lost.pth, which does not exist'),
    ):
        ended = processes.run_tool('train.py', *arguments, f'pretrained={wrong}', cwd=folder)
        assert ended.status == 1 and sentence in ended.err
