import pytest
import torch
from torch.nn import functional as F

from dinomm.models.heads import row_loss as module
from dinomm.models.heads.row_loss import row_loss

K, D, TEMP = 11, 6, 0.1


def sharpen(logits):
    return (logits / 0.05).softmax(-1)


def plain(student, prototypes, teacher, teacher_prototypes, weights):
    targets = sharpen(teacher @ teacher_prototypes.T)
    own = -(targets * F.log_softmax(student @ prototypes.T / TEMP, dim=-1)).sum(-1)
    return (weights * own).sum()


def given(rows, dtype=torch.float32):
    tensors = [torch.randn(rows, D), torch.randn(K, D), torch.randn(rows, D), torch.randn(K, D)]
    student, prototypes, *others = (0.3 * tensor.to(dtype) for tensor in tensors)
    return student.requires_grad_(), prototypes.requires_grad_(), *others, torch.rand(rows)


@pytest.mark.parametrize('rows', [1, 7, 20])
def test_loss_and_gradients_in_chunks(rows, monkeypatch):
    monkeypatch.setattr(module, 'CHUNK_BYTES', 4 * K * 3)
    tensors = given(rows)
    (plain(*tensors) * 2).backward()
    expected = [t.grad.clone() for t in tensors[:2]]
    for tensor in tensors[:2]:
        tensor.grad = None
    loss = row_loss(*tensors, sharpen, TEMP)
    torch.testing.assert_close(loss, plain(*tensors))
    (loss * 2).backward()
    for tensor, gradient in zip(tensors[:2], expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, atol=1e-5, rtol=1e-5)


def test_no_rows():
    tensors = given(0)
    loss = row_loss(*tensors, sharpen, TEMP)
    loss.backward()
    assert loss == 0
    assert tensors[0].grad.shape == (0, D) and not tensors[1].grad.any()


def test_frozen_prototypes_and_autocast():
    tensors = given(5, torch.bfloat16)
    tensors[1].requires_grad_(False)
    with torch.autocast('cpu', torch.bfloat16):
        loss = row_loss(*tensors, sharpen, TEMP)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, plain(*(t.float() for t in tensors)))
    assert tensors[0].grad.dtype == torch.bfloat16 and tensors[1].grad is None
