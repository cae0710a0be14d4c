import math

import pytest
import torch

from dinomm.models.heads import cross_view
from dinomm.models.heads.cross_view import cross_view_loss

STUDENT_TEMP, TEACHER_TEMP = 0.1, 0.04


def rows(views, batch, dim=5, prototypes=11):
    student = torch.nn.functional.normalize(torch.randn(views, batch, dim), dim=-1)
    teacher = torch.nn.functional.normalize(torch.randn(views, batch, dim), dim=-1)
    weights = [torch.randn(prototypes, dim) for _ in range(2)]
    return student, weights[0], teacher, weights[1]


def targets(logits):
    return (logits / TEACHER_TEMP).softmax(-1)


def direct_loss(student, student_prototypes, teacher, teacher_prototypes):
    log_p = (student @ student_prototypes.T / STUDENT_TEMP).log_softmax(-1)
    probabilities = targets(teacher @ teacher_prototypes.T)
    terms = [
        -(probabilities[q] * log_p[v]).sum(-1).mean()
        for q in range(len(teacher))
        for v in range(len(student))
        if v != q
    ]
    return sum(terms) / len(terms)


def loss_and_gradients(function, student, student_prototypes, *others, scale=1.0):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (student, student_prototypes)]
    loss = function(*leaves, *others)
    (scale * loss).backward()
    return loss.detach(), *(leaf.grad for leaf in leaves)


def ours(*args):
    return cross_view_loss(*args, targets, STUDENT_TEMP)


def assert_equal_to(expected, actual):
    for e, a in zip(expected, actual, strict=True):
        assert (e - a).abs().max() <= 1e-5 * e.abs().max()


@pytest.mark.parametrize('chunk_bytes', [1, 4 * 4 * 11 * 2, 2**26])
@pytest.mark.parametrize(
    ('globals_', 'views', 'batch'),
    [(1, 2, 3), (1, 6, 2), (2, 2, 3), (2, 5, 4), (2, 6, 1), (3, 3, 2), (3, 6, 5)],
)
def test_value_and_gradients(monkeypatch, globals_, views, batch, chunk_bytes):
    monkeypatch.setattr(cross_view, 'CHUNK_BYTES', chunk_bytes)
    student, student_prototypes, teacher, teacher_prototypes = rows(views, batch)
    given = student, student_prototypes, teacher[:globals_], teacher_prototypes
    expected = loss_and_gradients(direct_loss, *(tensor.double() for tensor in given))
    assert_equal_to(expected, loss_and_gradients(ours, *given))


def test_gradient_follows_the_factor_of_the_loss():
    given = rows(4, 3)
    given = (*given[:2], given[2][:2], given[3])
    _, *plain = loss_and_gradients(ours, *given)
    _, *scaled = loss_and_gradients(ours, *given, scale=3.0)
    for one, three in zip(plain, scaled, strict=True):
        torch.testing.assert_close(three, 3 * one)


def test_teacher_gets_no_gradient():
    student, student_prototypes, teacher, teacher_prototypes = (
        tensor.requires_grad_() for tensor in rows(3, 2)
    )
    ours(student, student_prototypes, teacher[:2], teacher_prototypes).backward()
    assert student.grad.any() and student_prototypes.grad.any()
    assert teacher.grad is None and teacher_prototypes.grad is None


def test_frozen_prototypes_get_no_gradient():
    student, prototypes, teacher, teacher_prototypes = rows(3, 2)
    student.requires_grad_()
    ours(student, prototypes, teacher[:2], teacher_prototypes).backward()
    assert student.grad.any() and prototypes.grad is None


def test_autocast_computes_in_float32():
    student, student_prototypes, teacher, teacher_prototypes = rows(4, 3)
    given = student, student_prototypes, teacher[:2], teacher_prototypes
    expected = loss_and_gradients(ours, *given)
    with torch.autocast('cpu', torch.bfloat16):
        actual = loss_and_gradients(ours, *given)
    for e, a in zip(expected, actual, strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(e, a)


def test_bfloat16_rows_get_a_gradient_of_their_type():
    given = [tensor.bfloat16() for tensor in rows(3, 2)]
    given[2] = given[2][:2]
    loss, *gradients = loss_and_gradients(ours, *given)
    expected, *_ = loss_and_gradients(ours, *(tensor.float() for tensor in given))
    assert torch.equal(loss, expected)
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16] * 2


def test_a_uniform_student_loses_ln_k():
    _, prototypes, teacher, teacher_prototypes = rows(5, 4)
    loss = ours(torch.zeros(5, 4, 5), prototypes, teacher[:2], teacher_prototypes)
    assert float(loss) == pytest.approx(math.log(11), rel=1e-6)


def test_one_view_alone_is_an_error():
    given = rows(1, 2)
    with pytest.raises(ValueError, match='at least two'):
        ours(*given)


def test_no_logits_are_kept_for_the_backward_pass():
    student, student_prototypes, teacher, teacher_prototypes = rows(4, 50, prototypes=300)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, id):
        loss = ours(student.requires_grad_(), student_prototypes, teacher[:2], teacher_prototypes)
    saved += [gradient.numel() for gradient in loss.grad_fn.gradients if gradient is not None]
    assert max(saved) <= 300 * 5
