"""Operators and two small detectors on fixed inputs: what mmcv's operators and ours must agree on.

`tests/data/make_detection_numbers.py` stores the numbers that mmcv's own operators give.
"""

from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).parents[1] / 'data/detection.npz'
CLASSES = 3
SIZE = (64, 96)

BACKBONE = {
    'type': 'SwinTransformer',
    'embed_dims': 8,
    'depths': [1, 1, 2, 1],
    'num_heads': [1, 1, 2, 2],
    'drop_path_rate': 0.0,
}
TAKE_ALL = {'sampler': {'num': 10000}}
"""Samples nothing at random: every anchor and proposal is used."""


def operator_numbers(operators):
    """Results of the operators in a module like `mmcv._ext`, by name."""
    return {
        **suppression_numbers(operators),
        **roi_align_numbers(operators),
        **focal_loss_numbers(operators),
    }


def suppression_numbers(operators):
    random = np.random.RandomState(0)
    corner = random.uniform(0, 60, (200, 2))
    boxes = tensor(np.concatenate([corner, corner + random.uniform(1, 40, (200, 2))], axis=1))
    scores = tensor(random.permutation(200) / 200 + 0.001)
    numbers = {}
    for offset in (0, 1):
        for threshold in (0.3, 0.7):
            kept = operators.nms(boxes, scores, iou_threshold=threshold, offset=offset)
            numbers[f'nms/{offset}-{threshold}'] = kept
        for method in range(3):
            dets = torch.zeros(200, 5)
            kept = operators.softnms(
                boxes,
                scores,
                dets,
                iou_threshold=0.3,
                sigma=0.5,
                min_score=0.1,
                method=method,
                offset=offset,
            )
            numbers[f'softnms/{offset}-{method}-kept'] = kept
            numbers[f'softnms/{offset}-{method}-dets'] = dets[: len(kept)]
    return numbers


def roi_align_numbers(operators):
    random = np.random.RandomState(1)
    feature = tensor(random.standard_normal((2, 3, 10, 14)))
    corner = random.uniform(-20, 60, (12, 2))
    size = random.uniform(0.1, 70, (12, 2))
    rois = tensor(np.concatenate([random.randint(0, 2, (12, 1)), corner, corner + size], axis=1))
    numbers = {}
    for aligned in (False, True):
        for ratio in (0, 2):
            output = torch.zeros(12, 3, 5, 4)
            gradient = torch.zeros_like(feature)
            options = {
                'aligned_height': 5,
                'aligned_width': 4,
                'spatial_scale': 0.25,
                'sampling_ratio': ratio,
                'pool_mode': 1,
                'aligned': aligned,
            }
            nothing = torch.zeros(0)
            operators.roi_align_forward(feature, rois, output, nothing, nothing, **options)
            weights = tensor(np.random.RandomState(2).standard_normal(output.shape))
            operators.roi_align_backward(weights, rois, nothing, nothing, gradient, **options)
            numbers[f'roi_align/{aligned}-{ratio}-output'] = output
            numbers[f'roi_align/{aligned}-{ratio}-gradient'] = gradient
    return numbers


def focal_loss_numbers(operators):
    random = np.random.RandomState(3)
    logits = tensor(random.standard_normal((40, CLASSES)) * 4)
    logits[:2] = torch.tensor([[-60.0, 60.0, 0.0], [-200.0, 200.0, 0.0]])
    classes = torch.as_tensor(random.randint(0, CLASSES + 1, 40))
    weight = tensor(random.uniform(0.5, 2, CLASSES))
    numbers = {}
    for name, target, weights in (
        ('plain', classes, torch.zeros(0)),
        ('weighted', classes % CLASSES, weight),
    ):
        for gamma in (0.0, 2.0):
            loss, gradient = torch.zeros_like(logits), torch.zeros_like(logits)
            options = {'gamma': gamma, 'alpha': 0.25}
            operators.sigmoid_focal_loss_forward(logits, target, weights, loss, **options)
            operators.sigmoid_focal_loss_backward(logits, target, weights, gradient, **options)
            numbers[f'focal_loss/{name}-{gamma}-loss'] = loss
            numbers[f'focal_loss/{name}-{gamma}-gradient'] = gradient
    return numbers


def detector_numbers(name):
    """Losses, gradients and predictions of a detector, by whatever operators mmcv has."""
    detector = {'mask_rcnn': mask_rcnn, 'retinanet': retinanet}[name]()
    fill_parameters(detector)
    images, samples = batch()
    detector.train()
    losses = detector.loss(images, samples)
    total, _ = detector.parse_losses(losses)
    total.backward()
    numbers = {f'loss/{key}': sum_of(value) for key, value in losses.items() if 'loss' in key}
    gradients = [p.grad.double() for p in detector.parameters() if p.grad is not None]
    numbers['gradient_norm'] = torch.stack([gradient.norm() for gradient in gradients])
    numbers['gradient_projection'] = torch.stack([projection(gradient) for gradient in gradients])
    detector.eval()
    with torch.no_grad():
        found = detector.predict(images, samples)[0].pred_instances
    numbers.update(boxes=found.bboxes, scores=found.scores, labels=found.labels)
    if 'masks' in found:
        numbers['mask_areas'] = found.masks.sum((1, 2))
    return {f'{name}/{key}': value for key, value in numbers.items()}


def mask_rcnn():
    """Mask R-CNN on a small Swin and a narrow feature pyramid."""
    head = {'num_classes': CLASSES}
    return build(
        'mask_rcnn/mask-rcnn_r50_fpn_1x_coco',
        {
            'rpn_head': {'in_channels': 16, 'feat_channels': 16},
            'roi_head': {
                'bbox_roi_extractor': {'out_channels': 16},
                'bbox_head': {**head, 'in_channels': 16, 'fc_out_channels': 32},
                'mask_roi_extractor': {'out_channels': 16},
                'mask_head': {
                    **head,
                    'in_channels': 16,
                    'conv_out_channels': 16,
                    'num_convs': 1,
                },
            },
            'train_cfg': {
                'rpn': TAKE_ALL,
                'rpn_proposal': {'nms_pre': 200, 'max_per_img': 50},
                'rcnn': TAKE_ALL,
            },
            'test_cfg': {
                'rpn': {'nms_pre': 200, 'max_per_img': 50},
                'rcnn': {'score_thr': 0.06, 'max_per_img': 20},
            },
        },
    )


def retinanet():
    """RetinaNet, its classes' loss computed as on CUDA: by mmcv's operator."""
    from mmdet.models.losses.focal_loss import FocalLoss, sigmoid_focal_loss

    class OperatorFocalLoss(FocalLoss):
        def forward(self, pred, target, weight=None, avg_factor=None):
            loss = sigmoid_focal_loss(
                pred, target, weight, self.gamma, self.alpha, avg_factor=avg_factor
            )
            return self.loss_weight * loss

    detector = build(
        'retinanet/retinanet_r50_fpn_1x_coco',
        {
            'bbox_head': {
                'num_classes': CLASSES,
                'in_channels': 16,
                'feat_channels': 16,
                'stacked_convs': 1,
            },
            'test_cfg': {'nms_pre': 200, 'max_per_img': 20},
        },
    )
    detector.bbox_head.loss_cls = OperatorFocalLoss()
    return detector


def build(config, changes):
    """Builds the detector of one of mmdet's configs with these changes to its model."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.hub import get_config

    register_all_modules()
    config = get_config(f'mmdet::{config}.py')
    neck = {'in_channels': [8, 16, 32, 64], 'out_channels': 16}
    config.merge_from_dict({'model': {'neck': neck, **changes}})
    config.model.backbone = BACKBONE
    return MODELS.build(config.model)


def fill_parameters(model):
    """Gives every parameter values that do not depend on torch's generator."""
    random = np.random.RandomState(4)
    for _, parameter in sorted(model.named_parameters()):
        values = random.standard_normal(parameter.shape)
        if parameter.ndim > 1:
            values *= parameter[0].numel() ** -0.5
        else:
            values *= 0.1
        if parameter.ndim == 1 and parameter.abs().sum():
            values += 1
        with torch.no_grad():
            parameter.copy_(tensor(values))


def batch():
    """Two images, each with a few objects: (2, 3, H, W) and mmdet's samples."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    random = np.random.RandomState(5)
    height, width = SIZE
    y, x = np.mgrid[:height, :width]
    samples = []
    for number in (2, 3):
        boxes, masks = [], []
        for _ in range(number):
            centre = random.uniform((20, 20), (width - 20, height - 20))
            half = random.uniform(8, 20, 2)
            boxes.append([*(centre - half), *(centre + half)])
            inside = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2 <= 1
            masks.append(inside.astype(np.uint8))
        objects = InstanceData(
            bboxes=tensor(boxes),
            labels=torch.as_tensor(random.randint(0, CLASSES, number)),
            masks=BitmapMasks(masks, height, width),
        )
        sample = DetDataSample(
            metainfo={
                'img_shape': SIZE,
                'ori_shape': SIZE,
                'pad_shape': SIZE,
                'batch_input_shape': SIZE,
                'scale_factor': (1.0, 1.0),
            },
            gt_instances=objects,
        )
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
        samples.append(sample)
    return tensor(random.standard_normal((2, 3, *SIZE))), samples


def projection(gradient):
    """The component of a gradient along a fixed direction."""
    direction = torch.as_tensor(np.random.RandomState(6).standard_normal(gradient.shape))
    return (gradient * direction).sum() / direction.norm()


def sum_of(loss):
    """The sum of a loss that is a tensor or one tensor a level."""
    return sum(loss).detach() if isinstance(loss, (list, tuple)) else loss.detach()


def tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)
