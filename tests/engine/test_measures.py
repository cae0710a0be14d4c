import math

import pytest
import torch
from torch.nn import functional as F

from dinomm.engine.measures import StepMeasures, effective_rank, feature_measures, weight_distance
from dinomm.models.heads import DINOHead, MaskedPatchHead, RegionMatchingHead
from dinomm.models.heads.masked_patch_head import MaskedRows
from dinomm.models.heads.region_head import Regions
from dinomm.models.heads.region_matching import best_matches

K, D, BATCH = 12, 6, 3
OPTIONS = {'num_prototypes': K, 'bottleneck_channels': D, 'hidden_channels': 8, 'num_layers': 1}


def rows(*shape):
    return F.normalize(torch.randn(*shape, D), dim=-1)


def measure(head, student, teacher):
    """What is measured of a head, and the targets of all the teacher's rows."""
    prototypes = torch.randn(K, D)
    loss = head.loss(student, teacher, prototypes, BATCH)
    measures = StepMeasures()
    targets = head.target_rows(student, teacher, BATCH)
    measures.see_head('view', head, loss, targets, prototypes)
    measures.see_features(torch.randn(8, 4), torch.randn(8, 4))
    read = measures.read({})
    return {name.removeprefix('view/'): value for name, value in read.items()}, prototypes, loss


def log_probabilities(head, student):
    return (student @ head.prototypes.weight.T / head.student_temp).log_softmax(-1)


def kl(targets, logs):
    return (targets * (targets.log() - logs)).sum(-1)


@pytest.mark.parametrize('centering', ['MeanCentering', 'SinkhornKnopp'])
def test_view_head(centering):
    head = DINOHead(
        4, **OPTIONS, teacher_temp=0.3, loss_weight=0.5, centering={'type': f'dinomm.{centering}'}
    )
    student, teacher = rows(4 * BATCH), rows(2 * BATCH)
    read, prototypes, loss = measure(head, student, teacher)
    targets = head.targets(teacher @ prototypes.T).unflatten(0, (2, BATCH))
    logs = log_probabilities(head, student).unflatten(0, (4, BATCH))
    pairs = [kl(targets[q], logs[v]) for q in range(2) for v in range(4) if v != q]
    assert read['kl'] == pytest.approx(float(torch.stack(pairs).mean()), rel=1e-4)
    assert read['cross_entropy'] == pytest.approx(2 * float(loss), rel=1e-5)
    entropy = torch.special.entr(targets).sum(-1).mean()
    assert read['target_entropy'] == pytest.approx(float(entropy), rel=1e-5)
    used = torch.special.entr(targets.mean((0, 1))).sum().exp()
    assert read['prototypes_used'] == pytest.approx(float(used), rel=1e-5)


def test_masked_patches_count_masked_views_alone():
    head = MaskedPatchHead(4, **OPTIONS, teacher_temp=0.3)
    weights = torch.tensor([0.1, 0.1, 0.2, 0.05])  # of views, more than half of them unmasked
    student, teacher = rows(4), rows(4)
    read, prototypes, loss = measure(
        head, MaskedRows(student, weights), MaskedRows(teacher, weights)
    )
    targets = head.targets(teacher @ prototypes.T)
    divergence = weights @ kl(targets, log_probabilities(head, student)) / weights.sum()
    assert read['kl'] == pytest.approx(float(divergence), rel=1e-4)
    assert read['cross_entropy'] == pytest.approx(float(loss) / 0.45, rel=1e-5)
    torch.nn.init.zeros_(head.prototypes.weight_g)
    read, *_ = measure(head, MaskedRows(student, weights), MaskedRows(teacher, weights))
    assert read['cross_entropy'] == pytest.approx(math.log(K), rel=1e-5)


def test_no_masked_view_tells_nothing():
    head = MaskedPatchHead(4, **OPTIONS)
    empty = MaskedRows(rows(0), torch.zeros(0))
    read, *_ = measure(head, empty, empty)
    assert not {'kl', 'cross_entropy', 'prototypes_used'} & {*read}
    assert 'cosine' in read


def test_regions_count_as_often_as_they_are_matched():
    head = RegionMatchingHead(4, **OPTIONS, teacher_temp=0.3)
    large, small = 2 * BATCH, BATCH
    student = Regions(
        [rows(large, 4), rows(small, 2)], [torch.randn(large, 4, 5), torch.randn(small, 2, 5)]
    )
    teacher = Regions([rows(large, 4)], [torch.randn(large, 4, 5)])
    read, prototypes, _ = measure(head, student, teacher)

    def view(groups, v):
        return groups[0][v * BATCH : (v + 1) * BATCH] if v < 2 else groups[1]

    divergences, entropies = [], []
    for q in range(2):
        targets = head.targets(view(teacher.rows, q) @ prototypes.T)
        for v in range(3):
            if v == q:
                continue
            seen = view(teacher.features, q)
            match = best_matches(view(student.features, v), seen, [4])[..., 0]
            matched = torch.stack([targets[b, match[b]] for b in range(BATCH)])
            logs = log_probabilities(head, view(student.rows, v))
            divergences.append(kl(matched, logs).mean())
            entropies.append(torch.special.entr(matched).sum(-1).mean())
    assert read['kl'] == pytest.approx(float(torch.stack(divergences).mean()), rel=1e-4)
    assert read['target_entropy'] == pytest.approx(float(torch.stack(entropies).mean()), rel=1e-4)


def test_uniform_and_one_prototype():
    head = DINOHead(4, **OPTIONS, teacher_temp=0.3)
    same = rows(1).expand(2 * BATCH, -1)
    head.centering.center.copy_(torch.zeros(K))
    measures = StepMeasures()
    for name, prototypes in (('uniform', torch.zeros(K, D)), ('one', 1e3 * torch.randn(K, D))):
        targets = head.target_rows(same, same, BATCH)
        measures.see_head(name, head, torch.tensor(1.0), targets, prototypes)
    measures.see_features(torch.randn(8, 4), torch.randn(8, 4))
    read = measures.read({'more': torch.tensor(7.0), 'lost': torch.tensor(math.nan)})
    assert read['uniform/target_entropy'] == pytest.approx(math.log(K), rel=1e-6)
    assert read['uniform/prototypes_used'] == pytest.approx(K, rel=1e-5)
    assert read['one/target_entropy'] == pytest.approx(0, abs=1e-6)
    assert read['one/prototypes_used'] == pytest.approx(1, rel=1e-5)
    assert read['more'] == 7 and 'lost' not in read


def test_features():
    spread = torch.randn(4000, 16)
    read = feature_measures(spread, -3 * spread)
    assert read['cosine'] == pytest.approx(-1, rel=1e-5)
    assert read['feature_std_student'] == pytest.approx(1, rel=0.02)
    assert read['effective_rank_teacher'] == pytest.approx(16, rel=0.02)
    alike = torch.ones(20, 16)
    read = feature_measures(alike, alike)
    assert read['feature_std_student'] == pytest.approx(0, abs=1e-5)
    assert read['effective_rank_student'] == pytest.approx(1, abs=1e-3)
    assert read['cosine'] == pytest.approx(1, rel=1e-5)
    assert feature_measures(alike * math.nan, alike).keys() == {
        'feature_std_teacher',
        'effective_rank_teacher',
    }


def test_the_student_comes_first():
    measures = StepMeasures()
    measures.see_features(torch.randn(20, 16), torch.ones(20, 16))
    read = measures.read({})
    assert read['feature_std_student'] > 0.5 and read['effective_rank_student'] > 5
    assert read['feature_std_teacher'] < 1e-4 and read['effective_rank_teacher'] < 1.01


@pytest.mark.parametrize('rank', [1, 3, 7])
def test_effective_rank_counts_equal_directions(rank):
    basis = torch.linalg.qr(torch.randn(30, 30))[0]
    assert effective_rank(basis[:, :rank] @ basis[:rank]) == pytest.approx(rank, rel=1e-3)


def test_weight_distance():
    student, teacher = (torch.nn.ModuleList(torch.nn.Linear(2, 3) for _ in range(40)) for _ in 'ab')
    flat = [torch.nn.utils.parameters_to_vector(n.parameters()) for n in (student, teacher)]
    expected = (flat[0] - flat[1]).norm() / flat[1].norm()
    torch.testing.assert_close(weight_distance(student, teacher), expected.detach())
    assert weight_distance(teacher, teacher) == 0


def test_what_is_not_finite_is_left_out():
    """As the norm of a step that was skipped inside an accumulation window: no JSON has a word."""
    measures = StepMeasures()
    measures.see_features(torch.ones(3, 4), torch.ones(3, 4))
    read = measures.read({'grad_norm': torch.tensor(math.inf), 'other': torch.tensor(2.0)})
    assert 'grad_norm' not in read and read['other'] == 2.0 and read['cosine'] == 1.0
