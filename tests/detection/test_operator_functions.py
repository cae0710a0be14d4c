"""The operators' mathematics, through mmcv's own functions where these add nothing of theirs."""

import numpy as np
import pytest
import torch

import dinomm.detection  # noqa: F401

pytest.importorskip('mmdet')

from mmcv.ops import RoIAlign, batched_nms, nms, roi_align, sigmoid_focal_loss, soft_nms
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)

from dinomm.detection import operator_functions
from dinomm.detection.operators import has_compiled_operators

from . import reference

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
without_compiled = pytest.mark.skipif(
    has_compiled_operators(), reason='mmcv has compiled operators here'
)


def random_boxes(number, extent=50):
    corner = torch.rand(number, 2) * extent
    return torch.cat([corner, corner + torch.rand(number, 2) * extent / 2 + 1], dim=1)


def overlap(a, b, offset):
    """Intersection over union of two boxes, by counting on paper."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    shared = max(width, 0) * max(height, 0)
    area_a, area_b = ((c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b))
    return shared / (area_a + area_b - shared)


def plain_nms(boxes, scores, threshold, offset):
    kept = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(overlap(boxes[index], boxes[other], offset) <= threshold for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.2, 0.5, 0.8])
def test_nms(offset, threshold):
    boxes, scores = random_boxes(60).double(), torch.rand(60).double()
    dets, kept = nms(boxes.float(), scores.float(), threshold, offset=offset)
    assert kept.tolist() == plain_nms(boxes.tolist(), scores.tolist(), threshold, offset)
    assert dets.shape == (len(kept), 5)


def test_offset_changes_what_is_kept():
    boxes = torch.tensor([[0.0, 0, 1, 1], [1.0, 0, 2, 1]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.3, offset=0)[1].tolist() == [0, 1]
    assert nms(boxes, scores, 0.3, offset=1)[1].tolist() == [0]


@without_compiled
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('device', DEVICES)
def test_nms_of_half_precision(dtype, device):
    boxes = (random_boxes(40).round() + 0.0).to(device, dtype)
    scores = torch.linspace(0.1, 0.9, 40).to(device, dtype)
    kept = nms(boxes, scores, 0.5)[1]
    assert kept.tolist() == nms(boxes.float(), scores.float(), 0.5)[1].tolist()
    mixed = nms(boxes, scores.float(), 0.5)[1]
    assert mixed.tolist() == kept.tolist()


def test_nms_of_nothing():
    dets, kept = nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5)
    assert kept.tolist() == []
    assert soft_nms(torch.zeros(0, 4), torch.zeros(0))[1].tolist() == []


@pytest.mark.parametrize('split', [10000, 10])
@pytest.mark.parametrize('kind', ['nms', 'soft_nms'])
def test_batched_nms_keeps_classes_apart(split, kind):
    boxes, scores = random_boxes(60), torch.rand(60)
    classes = torch.randint(0, 3, (60,))
    config = {'type': kind, 'iou_threshold': 0.4, 'split_thr': split}
    dets, kept = batched_nms(boxes, scores, classes, config)
    alone = {}
    for number in range(3):
        rows = (classes == number).nonzero().squeeze(1)
        function = nms if kind == 'nms' else soft_nms
        found, indices = function(boxes[rows], scores[rows], 0.4)
        alone.update(zip(rows[indices].tolist(), found[:, 4].tolist(), strict=True))
    assert set(kept.tolist()) == set(alone)
    torch.testing.assert_close(dets[:, 4], torch.tensor([alone[i] for i in kept.tolist()]))
    torch.testing.assert_close(dets[:, :4], boxes[kept])
    assert (dets[:-1, 4] >= dets[1:, 4]).all()


def plain_soft_nms(boxes, scores, method, offset, threshold=0.3, sigma=0.5, least=0.05):
    left, kept = dict(enumerate(scores)), []
    while left:
        best = max(left, key=left.get)
        kept.append((best, left.pop(best)))
        for index in list(left):
            shared = overlap(boxes[best], boxes[index], offset)
            if method == 'gaussian':
                left[index] *= np.exp(-(shared**2) / sigma)
            elif shared >= threshold:
                left[index] *= 1 - shared if method == 'linear' else 0
            if left[index] < least:
                del left[index]
    return kept


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_nms(method, offset):
    boxes, scores = random_boxes(40), torch.rand(40)
    dets, kept = soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)
    expected = plain_soft_nms(boxes.tolist(), scores.tolist(), method, offset)
    assert kept.tolist() == [index for index, _ in expected]
    new_scores = torch.tensor([score for _, score in expected], dtype=torch.float32)
    torch.testing.assert_close(dets[:, 4], new_scores)
    torch.testing.assert_close(dets[:, :4], boxes[kept])


def bilinear(feature, y, x):
    """A sample of (H, W); outside by more than a pixel it is 0, else the nearest inside."""
    height, width = feature.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = feature[top, left] * (1 - dx) + feature[top, right] * dx
    lower = feature[bottom, left] * (1 - dx) + feature[bottom, right] * dx
    return upper * (1 - dy) + lower * dy


def plain_roi_align(feature, roi, size, scale, ratio, aligned):
    shift = 0.5 if aligned else 0
    left, top, right, bottom = (value * scale - shift for value in roi)
    width, height = right - left, bottom - top
    if not aligned:
        width, height = max(width, 1), max(height, 1)
    rows = ratio or int(np.ceil(height / size))
    columns = ratio or int(np.ceil(width / size))
    output = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            samples = [
                bilinear(
                    feature,
                    top + (i + (a + 0.5) / rows) * height / size,
                    left + (j + (b + 0.5) / columns) * width / size,
                )
                for a in range(rows)
                for b in range(columns)
            ]
            output[i, j] = np.mean(samples)
    return output


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 3])
def test_roi_align(aligned, ratio):
    feature = torch.randn(2, 1, 9, 12)
    rois = torch.tensor([[0.0, -8, 3, 30, 31], [1, 5, 5, 6, 6.5], [1, 20, 10, 60, 50]])
    output = roi_align(feature, rois, (4, 4), 0.25, ratio, 'avg', aligned)
    for row, result in zip(rois.tolist(), output, strict=True):
        image = feature[int(row[0]), 0].double().numpy()
        expected = plain_roi_align(image, row[1:], 4, 0.25, ratio, aligned)
        np.testing.assert_allclose(result[0], expected, atol=1e-5)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_gradient_of_roi_align(aligned, ratio):
    feature = torch.randn(1, 2, 6, 5, dtype=torch.double, requires_grad=True)
    rois = torch.tensor([[0, 2.0, 2, 15, 20], [0, 9, 1, 12, 30]], dtype=torch.double)
    assert torch.autograd.gradcheck(
        lambda x: roi_align(x, rois, (3, 2), 0.25, ratio, 'avg', aligned), (feature,)
    )


def test_gradient_of_roi_align_is_the_same_in_no_grad_mode():
    gradient, empty = torch.zeros(1, 1, 4, 4), torch.zeros(0)
    options = {
        'aligned_height': 1,
        'aligned_width': 1,
        'spatial_scale': 1.0,
        'sampling_ratio': 1,
        'pool_mode': 1,
        'aligned': True,
    }
    rois = torch.tensor([[0.0, 1, 1, 2, 2]])
    with torch.no_grad():
        operator_functions.roi_align_backward(
            torch.full((1, 1, 1, 1), 3.0), rois, empty, empty, gradient, **options
        )
    assert gradient.nonzero().tolist() == [[0, 0, 1, 1]]
    assert gradient.sum() == 3


@without_compiled
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('device', DEVICES)
def test_roi_align_of_half_precision(dtype, device):
    feature = torch.randn(1, 2, 8, 8).to(device, dtype).requires_grad_()
    rois = torch.tensor([[0, 2.0, 2, 20, 25]], device=device, dtype=dtype)
    align = RoIAlign(3, 0.25, 0)
    with torch.autocast(device, dtype):
        output = align(feature, rois)
    output.sum().backward()
    exact = feature.detach().float().requires_grad_()
    expected = align(exact, rois.float())
    expected.sum().backward()
    assert output.dtype == feature.grad.dtype == dtype
    torch.testing.assert_close(output, expected.to(dtype))
    torch.testing.assert_close(feature.grad, exact.grad.to(dtype))


def test_roi_align_without_boxes():
    feature = torch.randn(1, 2, 8, 8, requires_grad=True)
    output = roi_align(feature, torch.zeros(0, 5), (3, 3))
    assert output.shape == (0, 2, 3, 3)
    output.sum().backward()
    assert not feature.grad.any()


@without_compiled
def test_maximum_pooling_says_what_to_do():
    with pytest.raises(NotImplementedError, match="set pool_mode='avg'"):
        roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), (2, 2), 1.0, 0, 'max')


def test_mask_targets_are_crops_of_the_masks():
    from mmdet.structures.mask import BitmapMasks

    mask = np.zeros((1, 20, 30), dtype=np.uint8)
    mask[0, 4:12, 6:18] = 1
    boxes = torch.tensor([[6.0, 4, 18, 12], [0, 4, 12, 12], [20, 13, 28, 19]])
    targets = BitmapMasks(mask, 20, 30).crop_and_resize(
        boxes, (8, 8), torch.zeros(3, dtype=torch.long), 'cpu'
    )
    assert targets.masks[0].all()
    assert targets.masks[1][:, 4:].all()
    assert not targets.masks[1][:, :4].any()
    assert not targets.masks[2].any()


def plain_focal_loss(logits, target, gamma, alpha):
    p = torch.sigmoid(logits)
    positive = torch.nn.functional.one_hot(target, logits.shape[1] + 1)[:, :-1].bool()
    p_target = torch.where(positive, p, 1 - p)
    weight = torch.where(positive, alpha, 1 - alpha)
    return -weight * (1 - p_target) ** gamma * p_target.log()


@without_compiled
@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
def test_focal_loss(gamma):
    logits, target = torch.randn(30, 4) * 3, torch.randint(0, 5, (30,))
    loss = sigmoid_focal_loss(logits, target, gamma, 0.3, None, 'none')
    torch.testing.assert_close(loss, plain_focal_loss(logits, target, gamma, 0.3))
    mean = sigmoid_focal_loss(logits, target, gamma, 0.3, None, 'mean')
    torch.testing.assert_close(mean, loss.sum() / 30)


@without_compiled
@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
def test_gradient_of_focal_loss(gamma):
    logits = (torch.randn(12, 3, dtype=torch.double) * 3).requires_grad_()
    target = torch.randint(0, 4, (12,))
    for weight, classes in ((None, target), (torch.rand(3, dtype=torch.double), target % 3)):
        assert torch.autograd.gradcheck(
            lambda x, w=weight, t=classes: sigmoid_focal_loss(x, t, gamma, 0.3, w, 'sum'),
            (logits,),
        )


@without_compiled
def test_focal_loss_of_certain_logits_is_finite():
    logits = torch.tensor([[500.0, -500.0], [-500.0, 500.0]], requires_grad=True)
    loss = sigmoid_focal_loss(logits, torch.tensor([0, 0]), 2.0, 0.25, None, 'none')
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
    assert loss[0].tolist() == [0, 0]
    assert (loss[1] > 20).all()


@without_compiled
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('device', DEVICES)
def test_focal_loss_of_half_precision(dtype, device):
    logits = torch.randn(20, 3).to(device, dtype).requires_grad_()
    target = torch.randint(0, 4, (20,), device=device)
    loss = sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    loss.sum().backward()
    exact = logits.detach().float().requires_grad_()
    expected = sigmoid_focal_loss(exact, target, 2.0, 0.25, None, 'none')
    expected.sum().backward()
    assert loss.dtype == logits.grad.dtype == dtype
    torch.testing.assert_close(loss, expected.to(dtype))
    torch.testing.assert_close(logits.grad, exact.grad.to(dtype))


def deformable_inputs(dtype=torch.double):
    shapes = torch.tensor([[4, 5], [2, 3]])
    starts = torch.tensor([0, 20])
    value = torch.randn(2, 26, 2, 3, dtype=dtype)
    locations = torch.rand(2, 4, 2, 2, 3, 2, dtype=dtype)
    weights = torch.rand(2, 4, 2, 2, 3, dtype=dtype)
    return value, shapes, starts, locations, weights


@without_compiled
def test_deformable_attention_and_its_gradients():
    value, shapes, starts, locations, weights = deformable_inputs()
    output = MultiScaleDeformableAttnFunction.apply(value, shapes, starts, locations, weights, 64)
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    torch.testing.assert_close(output, expected)
    assert output.shape == (2, 4, 6)
    inputs = [tensor.requires_grad_() for tensor in (value, locations, weights)]
    assert torch.autograd.gradcheck(
        lambda v, a, w: MultiScaleDeformableAttnFunction.apply(v, shapes, starts, a, w, 64), inputs
    )


@pytest.mark.skipif(not has_compiled_operators(), reason='mmcv has no compiled operators here')
@pytest.mark.parametrize('group', ['suppression', 'roi_align'])
def test_compiled_operators_give_the_same(group):
    import mmcv._ext

    numbers = getattr(reference, f'{group}_numbers')
    compiled = numbers(mmcv._ext)
    for key, value in numbers(operator_functions).items():
        torch.testing.assert_close(value, compiled[key], rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not has_compiled_operators(), reason='mmcv has no compiled operators here')
def test_compiled_focal_loss_gives_the_same():
    logits = (torch.randn(50, 3, device='cuda') * 3).requires_grad_()
    target = torch.randint(0, 4, (50,), device='cuda')
    compiled = sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    loss, gradient = torch.zeros_like(compiled), torch.zeros_like(compiled)
    nothing, options = torch.zeros(0), {'gamma': 2.0, 'alpha': 0.25}
    operator_functions.sigmoid_focal_loss_forward(logits, target, nothing, loss, **options)
    operator_functions.sigmoid_focal_loss_backward(logits, target, nothing, gradient, **options)
    torch.testing.assert_close(loss, compiled, rtol=1e-5, atol=1e-5)
    compiled.sum().backward()
    torch.testing.assert_close(gradient, logits.grad, rtol=1e-5, atol=1e-5)
