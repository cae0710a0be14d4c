import pytest
import torch

from dinomm.evaluation.logreg import fit_logistic_regression

from .test_linear import clusters


def test_the_strength_is_chosen_on_held_out_images_and_all_are_fitted():
    pytest.importorskip('sklearn')
    (rows, labels), (test, test_labels) = clusters(90, 1), clusters(60, 2)
    labels, test_labels = 5 * labels, 5 * test_labels  # any integers
    lines = []
    fitted = fit_logistic_regression(rows, labels, (1e-6, 10.0), tell=lines.append)
    assert fitted.strength == max(fitted.held_out, key=fitted.held_out.get) and len(lines) == 2
    correct = fitted.correct(test, test_labels)
    assert correct.dtype == torch.bool and correct.float().mean() > 0.8
    scaled = fit_logistic_regression(1000 * rows, labels, (10.0,), tell=lines.append)
    plain = fit_logistic_regression(rows, labels, (10.0,), tell=lines.append)
    assert torch.equal(scaled.correct(test, test_labels), plain.correct(test, test_labels))


def test_wrong_use():
    rows, labels = clusters(30, 1)
    with pytest.raises(ValueError, match='at least 2 classes'):
        fit_logistic_regression(rows, torch.zeros(30, dtype=torch.long))
    with pytest.raises(ValueError, match='positive'):
        fit_logistic_regression(rows, labels, (0.0,))
