import pytest
import torch
from torch.nn import functional as F

from dinomm.engine.schedules import Clock
from dinomm.models import KoLeoHead, Tokens
from dinomm.models.heads.koleo_head import koleo_loss, nearest_distances


def tokens(features):
    return Tokens(features, features[:, None], (1, 1))


def test_worked_example():
    features = torch.tensor([[1.0, 2, 3], [1, 2, 2], [-1, 0, 1]], requires_grad=True)
    loss = koleo_loss(nearest_distances(features))
    torch.testing.assert_close(loss, torch.tensor(1.03585925))


def test_spreads_features():
    features = (torch.randn(16, 8) * 0.1 + 1).requires_grad_()
    before = nearest_distances(features).min()
    optimizer = torch.optim.SGD([features], lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        koleo_loss(nearest_distances(features)).backward()
        optimizer.step()
    assert nearest_distances(features).min() > 5 * before


def test_global_views_each_on_its_own():
    head, batch = KoLeoHead(loss_weight=0.3), 4
    globals_, locals_ = torch.randn(2 * batch, 8), torch.randn(3 * batch, 8)
    student = head.project([tokens(globals_), tokens(locals_)])
    loss = head.loss(student, torch.zeros(2 * batch, 8), None, batch)
    expected = sum(koleo_loss(nearest_distances(view)) for view in globals_.split(batch))
    torch.testing.assert_close(loss, 0.3 * expected)


def test_equal_images_are_finite_and_told(recwarn):
    head = KoLeoHead()
    features = torch.randn(5, 8)
    features[2] = features[3] = features[0]  # of two their pushes would cancel out
    features.requires_grad_()
    loss = head.loss(features, torch.zeros(5, 8), None, 5)
    loss.backward()
    assert loss.isfinite() and features.grad.isfinite().all()
    assert features.grad.abs().max() < 1e3
    head.start_step(Clock(1, 10))
    assert not recwarn
    with pytest.warns(UserWarning, match='met 3 images within 100 steps'):
        head.start_step(Clock(100, 10))
    head.start_step(Clock(200, 10))
    assert len(recwarn) == 0


def test_one_image_has_no_neighbour():
    head = KoLeoHead()
    features = torch.randn(2, 8, requires_grad=True)
    with pytest.warns(UserWarning, match=r'batch of one image.*over_ranks=True'):
        loss = head.loss(features, torch.zeros(2, 8), None, 1)
    loss.backward()
    assert loss == 0 and features.grad is not None and not features.grad.any()


def test_neighbours_among_others():
    mine, others = torch.randn(3, 8), torch.randn(4, 8)
    pool = torch.cat([others, mine])
    distances = nearest_distances(mine, pool, first=4)
    rows = F.normalize(pool, dim=-1)
    apart = torch.cdist(rows, rows) + 9 * torch.eye(7)
    torch.testing.assert_close(distances, apart[4:].min(1).values, atol=1e-5, rtol=1e-5)


def test_float32_under_autocast():
    features = torch.randn(5, 8).half()
    with torch.autocast('cpu', torch.bfloat16):
        loss = koleo_loss(nearest_distances(features))
    torch.testing.assert_close(loss, koleo_loss(nearest_distances(features.float())))
