from pathlib import Path

import pytest
from mmengine.hooks import Hook

from dinomm.checkpoints import load_file
from dinomm.checkpoints.files import AtomicLocalBackend
from dinomm.engine import ResumableCheckpointHook


class Scores(Hook):
    """Validates: each epoch has scores."""

    priority = 'LOWEST'

    def __init__(self, scores):
        self.scores = scores

    def after_train_epoch(self, runner):
        (hook,) = [hook for hook in runner.hooks if isinstance(hook, ResumableCheckpointHook)]
        metrics = self.scores[runner.epoch]
        runner.train_loop._epoch += 1  # as at a validation
        hook.after_val_epoch(runner, metrics)
        runner.train_loop._epoch -= 1


def accuracies(*values):
    return [{'acc': value} for value in values]


@pytest.fixture
def train(make_runner, monkeypatch):
    """Trains; gives the runner and, for each file as it was renamed, the others then there."""

    def run(scores=(), fail_at=None, epochs=4, **options):
        seen = []
        put = AtomicLocalBackend.put

        def seen_put(self, obj, filepath):
            path = Path(filepath)
            if path.name == fail_at:
                raise OSError(28, 'No space left on device')
            put(self, obj, filepath)
            if path.suffix == '.pth':
                seen.append((path.name, names(path.parent)))

        monkeypatch.setattr(AtomicLocalBackend, 'put', seen_put)
        hook = {'type': 'ResumableCheckpointHook', 'interval': 1, **options}
        hooks = {
            'runtime_info': {'type': 'IntervalRuntimeInfoHook'},
            'param_scheduler': {'type': 'OptimizerStepHook'},
            'checkpoint': hook,
        }
        runner = make_runner(
            hooks=[Scores(scores)] if scores else [],
            default_hooks=hooks,
            train_cfg={'type': 'ResumableEpochLoop', 'max_epochs': epochs},
        )
        run.folder = Path(runner.work_dir)
        runner.train()
        return runner, seen

    return run


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def test_old_files_are_deleted_when_the_new_one_is_there(train):
    _runner, seen = train(max_keep_ckpts=1)
    assert seen == [
        ('epoch_1.pth', ['epoch_1.pth']),
        ('epoch_2.pth', ['epoch_1.pth', 'epoch_2.pth']),
        ('epoch_3.pth', ['epoch_2.pth', 'epoch_3.pth']),
        ('epoch_4.pth', ['epoch_3.pth', 'epoch_4.pth']),
    ]
    assert names(train.folder) == ['epoch_4.pth']
    last = (train.folder / 'last_checkpoint').read_text()
    assert last == str(train.folder / 'epoch_4.pth')
    kept = load_file(last)['message_hub']['runtime_info']['kept_checkpoints']
    assert kept == ['epoch_3.pth', 'epoch_4.pth']  # if killed now, the next run deletes the first


def test_a_failure_leaves_the_former_files(train):
    with pytest.raises(OSError, match='No space'):
        train(max_keep_ckpts=1, fail_at='epoch_3.pth')
    assert names(train.folder) == ['epoch_2.pth']
    assert (train.folder / 'last_checkpoint').read_text() == str(train.folder / 'epoch_2.pth')


def test_all_are_kept_on_demand(train):
    train(max_keep_ckpts=-1)
    assert len(names(train.folder)) == 4


def test_the_former_best_goes_when_the_new_one_is_there(train):
    _runner, seen = train(
        scores=accuracies(0.1, 0.5, 0.3, 0.7), max_keep_ckpts=1, save_best='acc', rule='greater'
    )
    at = dict(seen)
    assert 'best_acc_epoch_1.pth' in at['best_acc_epoch_2.pth']
    assert 'best_acc_epoch_2.pth' in at['best_acc_epoch_4.pth']
    assert names(train.folder) == ['best_acc_epoch_4.pth', 'epoch_4.pth']
    info = load_file(train.folder / 'epoch_4.pth')['message_hub']['runtime_info']
    assert info['best_score'] == 0.7 and info['last_validated_epoch'] == 4


def test_a_worse_score_deletes_nothing(train):
    train(scores=accuracies(0.5, 0.1), epochs=2, save_best='acc', rule='greater')
    assert names(train.folder) == ['best_acc_epoch_1.pth', 'epoch_1.pth', 'epoch_2.pth']


def test_a_failure_leaves_the_former_best(train):
    with pytest.raises(OSError, match='No space'):
        train(
            scores=accuracies(0.1, 0.5),
            epochs=2,
            save_best='acc',
            rule='greater',
            fail_at='best_acc_epoch_2.pth',
        )
    assert 'best_acc_epoch_1.pth' in names(train.folder)


def test_of_several_scores_each_has_a_best(train):
    scores = [{'acc': 0.1, 'error': 3.0}, {'acc': 0.5, 'error': 9.0}]
    train(scores=scores, epochs=2, save_best=['acc', 'error'], rule=['greater', 'less'])
    best = [name for name in names(train.folder) if name.startswith('best')]
    assert best == ['best_acc_epoch_2.pth', 'best_error_epoch_1.pth']


def test_the_best_of_a_metric_that_nobody_measures(train):
    with pytest.raises(ValueError, match=r"save_best is 'top1', but the validation gives acc: "):
        train(scores=accuracies(0.5), epochs=1, save_best='top1', rule='greater')


def test_what_a_killed_process_left_is_cleared(train, tmp_path):
    folder = tmp_path / '0'
    folder.mkdir()
    left = [folder / '.epoch_3.pth.17.partial', folder / '.last_checkpoint.17.partial']
    other = folder / '.notes.17.partial'
    for path in (*left, other):
        path.touch()
    train(epochs=1)
    assert train.folder == folder
    assert other.exists() and not any(path.exists() for path in left)
