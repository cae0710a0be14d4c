import pytest
import torch

from dinomm.evaluation.features import Features
from dinomm.evaluation.transfer import (
    METHODS,
    TransferSettings,
    bootstrap_interval,
    measure_transfer,
)

from .test_linear import clusters


def features(images, seed):
    rows, labels = clusters(images, seed, noise=2.5)
    return Features(rows, (2, 4), labels, [str(i) for i in range(images)])


def test_every_method_with_its_interval():
    settings = TransferSettings(k=5, epochs=10, learning_rates=(0.1, 10.0), resamples=200)
    found = measure_transfer(
        features(90, 1), features(80, 2), 2, settings, torch.device('cpu'), lambda line: None
    )
    assert list(found) == list(METHODS)
    for figures in found.values():
        low, high = figures['interval']
        assert 40 < low < figures['top1'] < high <= 100
    assert found['linear']['learning rate'] == 10.0 and found['knn']['k'] == 5


def test_knn_reads_the_last_block_alone():
    train, test = features(90, 1), features(80, 2)
    noisy = [part._replace(rows=part.rows.clone()) for part in (train, test)]
    for part in noisy:
        part.rows[:, :2] = 1000 * torch.randn(len(part.rows), 2)
    settings = TransferSettings(methods=['knn'])
    run = lambda a, b: measure_transfer(a, b, 2, settings, torch.device('cpu'))  # noqa: E731
    assert run(train, test) == run(*noisy)


def test_the_interval_is_that_of_drawing_images_again():
    correct = torch.arange(200) % 4 > 0  # 75 %
    low, high = bootstrap_interval(correct, resamples=4000)
    generator = torch.Generator().manual_seed(5)
    drawn = torch.randint(200, (4000, 200), generator=generator)
    again = 100 * correct[drawn].double().mean(1)
    expected = again.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    assert (low, high) == pytest.approx(expected, abs=0.6)
    assert bootstrap_interval(correct, 100, seed=1) == bootstrap_interval(correct, 100, seed=1)
    with pytest.raises(ValueError, match='bootstrap of 0 images'):
        bootstrap_interval(torch.zeros(0))


def test_a_method_that_does_not_exist():
    with pytest.raises(ValueError, match='expected some of'):
        measure_transfer(
            features(9, 1), features(9, 2), 2, TransferSettings(['svm']), torch.device('cpu')
        )
