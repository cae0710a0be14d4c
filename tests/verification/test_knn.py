from pathlib import Path

import numpy as np
import pytest

from dinomm.verification.knn import check_knn

GOLDEN = Path(__file__).parents[1] / 'data/golden/knn.npz'


@pytest.fixture
def arrays():
    with np.load(GOLDEN, allow_pickle=False) as file:
        return dict(file)


def test_published_accuracies_exactly(arrays):
    results = list(check_knn(arrays))
    assert len(results) == len(arrays['k'])
    assert all(result.error == 0 and result.tolerance == 0 for result in results)


def test_one_wrong_vote_is_seen(arrays):
    arrays['test_labels'][0] = (arrays['test_labels'][0] + 1) % 7
    assert not all(result.passed for result in check_knn(arrays))
