import math

import pytest
import torch
from torch.nn.functional import normalize

from dinomm.benchmark.plain_regions import plain_region_loss
from dinomm.models.heads import region_matching
from dinomm.models.heads.region_matching import best_matches, pair_weights, region_matching_loss

STUDENT_TEMP, TEACHER_TEMP = 0.1, 0.04
DIM, WIDTH, PROTOTYPES = 5, 7, 11

# regions of the student's views and of the teacher's
GEOMETRIES = {
    'two resolutions': ([6, 6, 2, 2, 2], [6, 6]),
    'no local crops': ([6, 6], [6, 6]),
    'one local crop': ([4, 4, 1], [4, 4]),
    'three resolutions': ([9, 9, 4, 4, 2], [9, 9]),
    'global views of two sizes': ([9, 6, 4], [9, 6]),
    'teacher views of another size': ([4, 4, 2], [9, 9]),
    'one teacher view': ([4, 4, 2], [4]),
    'three teacher views': ([4, 4, 4, 2], [4, 4, 4]),
    'single regions': ([1, 1, 1], [1, 1]),
}


def targets(logits):
    return (logits / TEACHER_TEMP).softmax(-1)


def inputs(geometry='two resolutions', batch=3):
    sizes = GEOMETRIES[geometry]
    rows = [normalize(torch.randn(batch, sum(part), DIM), dim=-1) for part in sizes]
    features = [torch.randn(batch, sum(part), WIDTH) for part in sizes]
    prototypes = [torch.randn(PROTOTYPES, DIM) for _ in range(2)]
    return sizes, (rows[0], prototypes[0], rows[1], prototypes[1]), features


def ours(sizes, given, features):
    matches = best_matches(*features, sizes[1])
    weights = pair_weights(sizes[0], len(sizes[1]))
    return region_matching_loss(*given, matches, weights, targets, STUDENT_TEMP)


def direct(sizes, given, features):
    student, prototypes, teacher, teacher_prototypes = given
    return plain_region_loss(
        (student @ prototypes.T / STUDENT_TEMP).split(sizes[0], 1),
        targets(teacher @ teacher_prototypes.T).split(sizes[1], 1),
        features[0].split(sizes[0], 1),
        features[1].split(sizes[1], 1),
    )


def loss_and_gradients(function, sizes, given, features, scale=1.0):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in given[:2]]
    loss = function(sizes, (*leaves, *given[2:]), features)
    (scale * loss).backward()
    return loss.detach(), *(leaf.grad for leaf in leaves)


def assert_equal_to(expected, actual):
    for e, a in zip(expected, actual, strict=True):
        assert (e - a).abs().max() <= 1e-5 * e.abs().max()


@pytest.mark.parametrize('rows_at_a_time', [1, 4, 1000])
@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_value_and_gradients(monkeypatch, geometry, rows_at_a_time):
    row = 4 * PROTOTYPES
    monkeypatch.setattr(region_matching, 'CHUNK_BYTES', rows_at_a_time * row)
    monkeypatch.setattr(region_matching, 'BLOCK_BYTES', 3 * row)
    sizes, given, features = inputs(geometry)
    exact = [tensor.double() for tensor in given]
    expected = loss_and_gradients(direct, sizes, exact, features)
    assert_equal_to(expected, loss_and_gradients(ours, sizes, given, features))


def test_matches_are_the_most_similar_regions_of_each_teacher_view():
    student, teacher = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH)
    matches = best_matches(student, teacher, [3, 4])
    for image in range(2):
        for i in range(5):
            similarity = torch.cosine_similarity(student[image, i], teacher[image], dim=-1)
            expected = [int(similarity[:3].argmax()), 3 + int(similarity[3:].argmax())]
            assert matches[image, i].tolist() == expected


def test_matching_under_autocast_is_that_of_float32():
    teacher = torch.randn(1, 1, WIDTH) + 0.01 * torch.randn(1, 40, WIDTH)  # alike in bfloat16
    student = teacher.flip(1)
    with torch.autocast('cpu', torch.bfloat16):
        matches = best_matches(student, teacher, [40])
    assert torch.equal(matches[0, :, 0], torch.arange(39, -1, -1))


def test_length_of_a_feature_does_not_decide():
    student = torch.tensor([[[1.0, 0.1]]])
    teacher = torch.tensor([[[1.0, 0.0], [50.0, 50.0]]])
    assert best_matches(student, teacher, [2]).item() == 0


def test_weights_of_an_image_sum_to_one_and_leave_out_the_own_view():
    weights = pair_weights([4, 4, 2], 2)
    assert weights.shape == (10, 2)
    assert float(weights.sum()) == pytest.approx(1)
    assert not weights[:4, 0].any() and not weights[4:8, 1].any()
    torch.testing.assert_close(weights[:8].sum(1), torch.full((8,), 1 / 16))
    assert weights[8:].flatten().tolist() == pytest.approx([1 / 8] * 4)


def test_a_view_without_another_is_an_error():
    with pytest.raises(ValueError, match='at least two'):
        pair_weights([4], 1)


def test_gradient_follows_the_factor_of_the_loss():
    given = inputs()
    _, *plain = loss_and_gradients(ours, *given)
    _, *scaled = loss_and_gradients(ours, *given, scale=3.0)
    for one, three in zip(plain, scaled, strict=True):
        torch.testing.assert_close(three, 3 * one)


def test_gradient_can_be_taken_once():
    sizes, given, features = inputs()
    given[0].requires_grad_()
    loss = ours(sizes, given, features)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match='taken before'):
        loss.backward()


def test_teacher_gets_no_gradient():
    sizes, given, features = inputs()
    for tensor in (*given, *features):
        tensor.requires_grad_()
    ours(sizes, given, features).backward()
    assert given[0].grad.any() and given[1].grad.any()
    assert all(tensor.grad is None for tensor in (*given[2:], *features))


def test_frozen_prototypes_get_no_gradient():
    sizes, given, features = inputs()
    expected = loss_and_gradients(ours, sizes, given, features)[1]
    given[0].requires_grad_()
    ours(sizes, given, features).backward()
    assert torch.equal(given[0].grad, expected) and given[1].grad is None


def test_autocast_computes_in_float32():
    given = inputs()
    expected = loss_and_gradients(ours, *given)
    with torch.autocast('cpu', torch.bfloat16):
        actual = loss_and_gradients(ours, *given)
    for e, a in zip(expected, actual, strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(e, a)


def test_bfloat16_rows_get_a_gradient_of_their_type():
    sizes, given, features = inputs()
    given = [tensor.bfloat16() for tensor in given]
    loss, *gradients = loss_and_gradients(ours, sizes, given, features)
    expected, *_ = loss_and_gradients(ours, sizes, [t.float() for t in given], features)
    assert torch.equal(loss, expected)
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16] * 2


def test_a_uniform_student_loses_ln_k():
    sizes, given, features = inputs()
    loss = ours(sizes, (torch.zeros_like(given[0]), *given[1:]), features)
    assert float(loss) == pytest.approx(math.log(PROTOTYPES), rel=1e-6)


def test_large_logits_do_not_overflow():
    sizes, given, features = inputs()
    given = (given[0], 1000 * given[1], *given[2:])
    expected = loss_and_gradients(direct, sizes, [t.double() for t in given], features)
    assert_equal_to(expected, loss_and_gradients(ours, sizes, given, features))


def test_no_logits_are_kept_for_the_backward_pass():
    sizes, given, features = inputs(batch=20)
    given[0].requires_grad_()
    loss = ours(sizes, given, features)
    kept = [t for t in loss.grad_fn.gradients if t is not None]
    assert sum(tensor.numel() for tensor in kept) == given[0].numel()
    assert not loss.grad_fn.saved_tensors


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_a_gpu_it_is_the_same():
    sizes, given, features = inputs()
    expected = loss_and_gradients(ours, sizes, given, features)
    moved = [[tensor.cuda() for tensor in tensors] for tensors in (given, features)]
    matches = best_matches(*moved[1], sizes[1])
    weights = pair_weights(sizes[0], len(sizes[1]), matches.device)

    def on_gpu(_sizes, given, _features):
        return region_matching_loss(*given, matches, weights, targets, STUDENT_TEMP)

    actual = loss_and_gradients(on_gpu, sizes, moved[0], moved[1])
    for e, a in zip(expected, actual, strict=True):
        assert (e - a.cpu()).abs().max() <= 1e-4 * e.abs().max()
