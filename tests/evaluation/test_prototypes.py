import pytest
import torch
from torch.nn import functional as F

from dinomm.evaluation import prototypes
from dinomm.evaluation.prototypes import find_exciting, sample_prototypes


@pytest.fixture
def scene():
    rows = F.normalize(torch.randn(9, 4, 5), dim=-1)  # 9 images of 4 regions
    weight = F.normalize(torch.randn(7, 5), dim=-1)
    batches = [(rows[:4], torch.arange(4) + 10), (rows[4:], torch.arange(4, 9) + 10)]
    return rows, weight, batches


@pytest.mark.parametrize('chunk', [prototypes.CHUNK_BYTES, 1])
def test_against_all_logits_at_once(scene, chunk, monkeypatch):
    monkeypatch.setattr(prototypes, 'CHUNK_BYTES', chunk)
    rows, weight, batches = scene
    centre = torch.randn(7) / 2
    score, image, region, chosen = find_exciting(batches, weight, lambda x: x - centre, 3)
    logits = rows @ weight.T  # (9, 4, 7)
    best, where = logits.max(1)
    expected = best.T.sort(descending=True)
    torch.testing.assert_close(score, expected.values[:, :3])
    assert (image == expected.indices[:, :3] + 10).all()
    assert (region == where.T.gather(1, expected.indices[:, :3])).all()
    counts = torch.bincount((logits - centre).argmax(-1).flatten(), minlength=7)
    assert (chosen == counts).all() and chosen.sum() == 36


def test_fewer_images_than_asked_for(scene):
    _, weight, batches = scene
    score, image, _, _ = find_exciting(batches[:1], weight, lambda x: x, 6)
    assert (image[:, 4:] == -1).all() and (image[:, :4] >= 10).all()
    assert (score[:, 4:] == -torch.inf).all()


def test_no_image(scene):
    with pytest.raises(ValueError, match='none of the images'):
        find_exciting([], scene[1], lambda x: x, 3)


def test_a_sample_goes_from_the_most_chosen_to_the_least():
    chosen = torch.tensor([0, 5, 9, 1, 0, 7, 2])
    assert sample_prototypes(chosen, 3) == [2, 1, 3]
    assert sample_prototypes(chosen, 20) == [2, 5, 1, 6, 3]
    assert sample_prototypes(chosen, 1) == [2]
