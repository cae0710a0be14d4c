import pytest
import torch
from mmengine.hooks import Hook

from dinomm.engine import FeatureDriftHook


class Scalars(Hook):
    """What was logged, and the drift as the networks' own features tell it."""

    priority = 'VERY_LOW'

    def __init__(self, images):
        self.images = images
        self.logged, self.expected = {}, []

    def before_train(self, runner):
        self.start = self.features(runner)
        runner.visualizer.add_scalars = self.note

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        cosines = [
            torch.nn.functional.cosine_similarity(now, then).mean()
            for now, then in zip(self.features(runner), self.start, strict=True)
        ]
        self.expected.append([1 - float(cosine) for cosine in cosines])

    def note(self, values, step, file_path=None):
        drift = {name: value for name, value in values.items() if name.startswith('drift/')}
        if drift:
            self.logged[step] = drift

    def features(self, runner):
        batch = {'inputs': [torch.stack([self.images[i]['inputs'] for i in range(3)])]}
        model = runner.model
        return [model.extract_view_features(batch, student) for student in (False, True)]


class OneView:
    """Three images of one view."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, 16, 16), generator=generator, dtype=torch.uint8)
        return {'inputs': image, 'data_samples': None}


@pytest.fixture
def collated(monkeypatch):
    """Batches without the metadata of files."""
    monkeypatch.setattr(
        'dinomm.evaluation.drift.collate_views',
        lambda samples: {'inputs': [torch.stack([sample['inputs'] for sample in samples])]},
    )


@pytest.mark.parametrize(('counts', 'steps'), [(1, [3, 6, 8]), (3, [3])])
def test_measured_by_performed_steps_and_at_the_end(make_runner, collated, counts, steps):
    images = OneView()
    watch = Scalars(images)
    drift = FeatureDriftHook(num_images=9, interval=3, dataset=images)
    runner = make_runner(
        wrapper={'accumulative_counts': counts},
        hooks=[drift, watch],
    )
    runner.train()
    iterations = [min(step * counts, 8) for step in steps]
    assert list(watch.logged) == iterations
    for iteration, values in watch.logged.items():
        teacher, student = watch.expected[iteration - 1]
        assert values['drift/teacher_cosine'] == pytest.approx(teacher, abs=1e-6)
        assert values['drift/student_cosine'] == pytest.approx(student, abs=1e-6)
        assert student > teacher > 0
        assert 0 < values['drift/student_cka'] < 1


def resumed(make_runner, tmp_path, first, second):
    runner = make_runner(hooks=first)
    runner.train()
    runner.save_checkpoint(str(tmp_path), 'run.pth', meta={'epoch': 1, 'iter': 4})
    runner = make_runner(hooks=second, load_from=str(tmp_path / 'run.pth'), resume=True)
    warnings = []
    runner.logger.warning = warnings.append
    runner.train()
    return [text for text in warnings if 'drift' in text]


def test_a_resumed_run_measures_against_the_first_start(make_runner, collated, tmp_path):
    hooks = [FeatureDriftHook(dataset=OneView()) for _ in range(2)]
    assert not resumed(make_runner, tmp_path, hooks[:1], hooks[1:])
    for name, rows in hooks[0]._start.items():
        assert torch.equal(hooks[1]._start[name], rows)


def test_a_run_without_a_start_is_told(make_runner, collated, tmp_path):
    (text,) = resumed(make_runner, tmp_path, [], [FeatureDriftHook(dataset=OneView())])
    assert 'measured from here on' in text


def test_other_images_than_at_the_start(make_runner, collated, tmp_path):
    hooks = [FeatureDriftHook(number, dataset=OneView()) for number in (3, 2)]
    with pytest.raises(ValueError, match=r'has features \(2, 12\) .* began with \(3, 12\)'):
        resumed(make_runner, tmp_path, hooks[:1], hooks[1:])


def test_wrong_use(make_runner):
    for key, value in (('num_images', 1), ('interval', 0), ('interval', 2.0), ('interval', True)):
        with pytest.raises(ValueError, match=rf'FeatureDriftHook.{key} is {value}: expected'):
            FeatureDriftHook(**{key: value})
    with pytest.raises(ValueError, match=r'no MultiCrop .* FeatureDriftHook\.dataset'):
        make_runner(hooks=[FeatureDriftHook()]).train()
