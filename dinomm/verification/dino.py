"""DINO's network, head and loss against the published ones."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from dinomm.checkpoints import compare_weights
from dinomm.checkpoints.dino import head_name, vit_name
from dinomm.engine.schedules import Clock
from dinomm.models import DINOHead, DINOVisionTransformer, Tokens, encode

from .result import Result, compare

Arrays = Mapping[str, np.ndarray]


def tensors(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    """The arrays whose names start with ``prefix``, without it, as tensors."""
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(arrays[name]))
        for name in arrays
        if name.startswith(prefix)
    }


def fill(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Loads a state that must cover the module's parameters."""
    own = {k: v for k, v in module.state_dict().items() if not k.startswith('centering.')}
    compare_weights(own, state).require()
    module.load_state_dict(state, strict=False)


def build_vit(state: dict[str, Tensor], image_size: int, num_heads: int) -> DINOVisionTransformer:
    """A ViT of the form that published weights (names without prefix) have, and these weights."""
    width, _, patch, _ = state['patch_embed.proj.weight'].shape
    backbone = DINOVisionTransformer(
        arch={
            'embed_dims': width,
            'num_layers': 1 + max(int(k.split('.')[1]) for k in state if k.startswith('blocks.')),
            'num_heads': num_heads,
            'feedforward_channels': len(state['blocks.0.mlp.fc1.bias']),
        },
        img_size=image_size,
        patch_size=patch,
    )
    fill(backbone, {vit_name(name): value for name, value in state.items()})
    return backbone


def build_head(state: dict[str, Tensor], **options) -> DINOHead:
    """A head of the form that published weights have, and these weights."""
    linear = [v for k, v in state.items() if k.startswith('mlp.') and v.ndim == 2]
    prototypes, bottleneck = state['last_layer.weight_v'].shape
    head = DINOHead(
        in_channels=linear[0].shape[1],
        hidden_channels=linear[0].shape[0],
        num_layers=len(linear),
        bottleneck_channels=bottleneck,
        num_prototypes=prototypes,
        batch_norm=any('running_mean' in name for name in state),
        **options,
    )
    fill(head, {head_name(name): value for name, value in state.items()})
    return head


def view_tokens(features: Tensor) -> Tokens:
    """Tokens that have view features alone."""
    return Tokens(features, features[:, None], (1, 1))


def check_vit(arrays: Arrays) -> Iterator[Result]:
    """Class and patch tokens, the block before the last, attention; at every stored size."""
    num_heads = arrays['attention_native'].shape[1]
    backbone = build_vit(tensors(arrays, 'w/'), arrays['x_native'].shape[-1], num_heads)
    nn.Module.train(backbone, False)
    for size in sorted(name.removeprefix('x_') for name in arrays if name.startswith('x_')):
        images = torch.from_numpy(np.array(arrays[f'x_{size}']))
        with torch.no_grad():
            tokens = encode(backbone, images)
            view = encode(backbone, images, regions=False).view
            before_last, last = backbone.last_blocks(images, 2)
            attention = backbone.last_attention(images)
        joined = torch.cat([tokens.view[:, None], tokens.region], dim=1)
        for name, actual in {
            'cls': tokens.view,
            'cls (view alone)': view,
            'tokens': joined,
            'tokens (last_blocks)': last,
            'tokens_before_last': before_last,
            'attention': attention,
        }.items():
            expected = arrays[f'{name.split()[0]}_{size}']
            yield compare(f'{name} {size}', actual, expected, 1e-4)


def check_head(arrays: Arrays) -> Iterator[Result]:
    """Logits, gradient of the input, running statistics; with and without batch norm."""
    for variant in sorted({name.split('/')[0] for name in arrays}):
        state = tensors(arrays, f'{variant}/w/')
        # the stored running statistics are those after the one forward pass that is repeated here
        start = {
            k: torch.zeros_like(v)
            if 'running_mean' in k or 'num_batches' in k
            else torch.ones_like(v)
            if 'running_var' in k
            else v
            for k, v in state.items()
        }
        head = build_head(start)
        x = torch.from_numpy(np.array(arrays[f'{variant}/x'])).requires_grad_()
        logits = head.prototypes(head.project([view_tokens(x)]))
        logits.backward(torch.from_numpy(np.array(arrays[f'{variant}/grad_y'])))
        yield compare(f'{variant} y', logits, arrays[f'{variant}/y'], 1e-5, relative=True)
        yield compare(f'{variant} grad_x', x.grad, arrays[f'{variant}/grad_x'], 1e-5, relative=True)
        after = head.state_dict()
        for name in sorted(k for k in state if 'running' in k):
            yield compare(
                f'{variant} {name}', after[head_name(name)], state[name], 1e-5, relative=True
            )


def check_loss(arrays: Arrays) -> Iterator[Result]:
    """Loss, gradient and centre of one step an epoch, the centre carried on.

    The stored logits are the bottleneck rows of a head whose prototypes are the identity, so they
    run through the very path of training.
    """
    temperatures = arrays['teacher_temps']
    num_prototypes = arrays['0/center_before'].shape[1]
    warmup = int(np.argmax(temperatures == temperatures[-1])) + 1
    head = DINOHead(
        in_channels=1,
        num_prototypes=num_prototypes,
        bottleneck_channels=num_prototypes,
        student_temp=float(arrays['student_temp']),
        teacher_temp={
            'start': float(temperatures[0]),
            'end': float(temperatures[-1]),
            'warmup_epochs': warmup,
        },
        centering={'type': 'dinomm.MeanCentering', 'momentum': float(arrays['center_momentum'])},
    )
    identity = torch.eye(num_prototypes)
    head.prototypes.weight_v.data.copy_(identity)
    for epoch, temperature in enumerate(temperatures):
        head.start_step(Clock(epoch, epoch_steps=1))
        teacher = torch.from_numpy(np.array(arrays[f'{epoch}/teacher']))
        student = torch.from_numpy(np.array(arrays[f'{epoch}/student'])).requires_grad_()
        before = head.centering.center.clone()
        loss = head.loss(student, teacher, identity, batch=len(teacher) // 2)
        loss.backward()
        head.finish_step(performed=True)
        yield compare(f'teacher_temp {epoch}', np.array(head.teacher_temp), temperature, 1e-9)
        for name, actual in {
            'center_before': before,
            'loss': loss,
            'grad_student': student.grad,
            'center_after': head.centering.center,
        }.items():
            expected = arrays[f'{epoch}/{name}']
            if np.abs(expected).max() == 0:
                yield compare(f'{name} {epoch}', actual, expected, 0.0)
            else:
                yield compare(f'{name} {epoch}', actual, expected, 1e-5, relative=True)
