"""Whole checkpoints of training: teacher, student, heads and centres, to dinomm's and back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .dino import HEAD
from .formats import Reasons, State, write_names
from .matrix import FORMATS, read_weights

STUDENT = 'module.'
CENTER = 'heads.{}.centering.center'
NOT_KEPT = {
    'optimizer': 'the state of the optimizer, which starts anew',
    'fp16_scaler': 'the state of the scaler, which starts anew',
    'args': 'the options of the run',
}


class Layout(NamedTuple):
    """How a published checkpoint of training holds its networks.

    Attributes:
        heads: Names of heads there, and in dinomm.
        backbone: Before the backbone's names.
        centers: (module, tensor, head): centres of the losses.
    """

    heads: dict[str, str]
    backbone: str
    centers: tuple[tuple[str, str, str], ...]


LAYOUTS = {
    'dino': Layout({'head': 'view'}, 'backbone.', (('dino_loss', 'center', 'view'),)),
    'esvit': Layout(
        {'head': 'view', 'head_dense': 'region'},
        '',
        (('dino_loss', 'center', 'view'), ('dino_loss', 'center_grid', 'region')),
    ),
    'ibot': Layout(
        {'head': 'view'},
        'backbone.',
        (('ibot_loss', 'center', 'view'), ('ibot_loss', 'center2', 'patch')),
    ),
    'dinov2': Layout(
        {'dino_head': 'view', 'ibot_head': 'patch'},
        'backbone.',
        (('dino_loss', 'center', 'view'), ('ibot_patch_loss', 'center', 'patch')),
    ),
}
WRITTEN = ('dino', 'esvit')
"""Formats that a checkpoint of dinomm's can become."""


def unpacked(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """DINOv2's model of both networks and losses, as the other systems store them; others as is."""
    model = content.get('model')
    if not isinstance(model, Mapping) or not any(n.startswith('teacher.backbone.') for n in model):
        return content
    parts: dict[str, Any] = {key: value for key, value in content.items() if key != 'model'}
    for name, tensor in model.items():
        part, _, rest = name.partition('.')
        parts.setdefault(part, {})[rest] = tensor
    return parts


def can_go_on(content: Mapping[str, Any], source: str, target: str) -> bool:
    """Whether a file holds a head, and the target's files do, so that training can go on."""
    if target not in (('dinomm',) if source in LAYOUTS else WRITTEN):
        return False
    teacher = content.get('state_dict' if source == 'dinomm' else 'teacher')
    if not isinstance(teacher, Mapping):
        return False
    heads = LAYOUTS[source].heads if source in LAYOUTS else {'heads': ''}
    names = (name.removeprefix(STUDENT) for name in teacher)
    return any(name.startswith(tuple(f'{head}.' for head in heads)) for name in names)


def training_from(source: str, content: Mapping[str, Any]) -> tuple[dict[str, Any], Reasons]:
    """A checkpoint as `TeacherEMAHook` writes it, and what was left out, with reasons.

    Raises:
        ValueError: A name is none of the format's.
    """
    layout = LAYOUTS[source]
    left_out = {name: NOT_KEPT[name] for name in NOT_KEPT if name in content}
    centers = {}
    for module, tensor, head in layout.centers:
        center = content.get(module, {}).get(tensor)
        if center is None:
            continue
        if source == 'dinov2' and not center.any():
            left_out[f'{module}.{tensor}'] = (
                'a centre that never moved: the run used Sinkhorn-Knopp'
            )
        else:
            centers[CENTER.format(head)] = center.reshape(1, -1)
    networks = {}
    for role in ('teacher', 'student'):
        if isinstance(content.get(role), Mapping):
            state, dropped = _network(source, layout, content[role])
            networks[role] = {**state, **centers}
            left_out |= {f'{role}: {name}': reason for name, reason in dropped.items()}
    mask_token = networks.get('student', {}).get('backbone.mask_token')
    if mask_token is not None:  # iBOT's teacher has none; it sees no masks
        networks['teacher'].setdefault('backbone.mask_token', mask_token.clone())
    checkpoint: dict[str, Any] = dict(
        meta=dict(epoch=int(content.get('epoch') or 0), iter=int(content.get('iteration') or 0)),
        state_dict=networks['teacher'],
    )
    if 'student' in networks:
        checkpoint['ema_state_dict'] = {STUDENT + n: t for n, t in networks['student'].items()}
    return checkpoint, left_out


def _network(source: str, layout: Layout, stored: Mapping[str, Tensor]) -> tuple[State, Reasons]:
    heads: dict[str, State] = {}
    rest = {}
    for name, tensor in stored.items():
        name = name.removeprefix(STUDENT)
        part, _, within = name.partition('.')
        if part in layout.heads:
            heads.setdefault(layout.heads[part], {})[within] = tensor
        else:
            rest[name] = tensor
    if source == 'ibot':
        heads |= _patch_head(heads)
    backbone = read_weights(FORMATS[source], rest)
    state = {f'backbone.{name}': tensor for name, tensor in backbone.state.items()}
    for head, tensors in heads.items():
        for name, tensor in tensors.items():
            ours = HEAD.ours(name)
            if ours is None:
                raise ValueError(f'{name} is no name of a head of {FORMATS[source].title}')
            state[f'heads.{head}.{ours}'] = tensor
    return state, backbone.left_out


def _patch_head(heads: dict[str, State]) -> dict[str, State]:
    """iBOT's MLP serves both heads; a last layer of its own makes a head of its own."""
    view = heads.get('view', {})
    own = {n: view.pop(n) for n in list(view) if n.startswith('last_layer2.')}
    own = {name.replace('last_layer2.', 'last_layer.'): tensor for name, tensor in own.items()}
    if not own or all(n in view and torch.equal(view[n], tensor) for n, tensor in own.items()):
        return {}
    return {'patch': {**{n: t for n, t in view.items() if n.startswith('mlp.')}, **own}}


def training_to(target: str, content: Mapping[str, Any]) -> tuple[dict[str, Any], Reasons]:
    """A published checkpoint of training from one of dinomm's, and what was left out.

    Raises:
        ValueError: The heads are not those of that system.
    """
    layout = LAYOUTS[target]
    roles = {'teacher': 'state_dict', 'student': 'ema_state_dict'}
    checkpoint: dict[str, Any] = {'epoch': int(content.get('meta', {}).get('epoch') or 0)}
    left_out: Reasons = {n: NOT_KEPT[n] for n in NOT_KEPT if n in content}
    for role, key in roles.items():
        if key not in content:
            continue
        state, centers, dropped = _published(target, layout, content[key])
        has_norm = any(name.endswith('running_mean') for name in state)
        prefix = STUDENT if role == 'student' or has_norm else ''
        checkpoint[role] = {prefix + name: tensor for name, tensor in state.items()}
        left_out |= {f'{role}: {name}': reason for name, reason in dropped.items()}
        for module, tensor, head in layout.centers:
            if head in centers:
                checkpoint.setdefault(module, {})[tensor] = centers[head]
    return checkpoint, left_out


def _published(
    target: str, layout: Layout, stored: Mapping[str, Tensor]
) -> tuple[State, State, Reasons]:
    """Weights by published names, centres by head, what was left out."""
    title, theirs = FORMATS[target].title, {ours: head for head, ours in layout.heads.items()}
    stored = {name.removeprefix(STUDENT): tensor for name, tensor in stored.items()}
    written = write_names(FORMATS[target], read_weights(FORMATS['dinomm'], stored))
    state = {layout.backbone + name: tensor for name, tensor in written.state.items()}
    centers = {}
    for name, tensor in stored.items():
        if not name.startswith('heads.'):
            continue
        head, _, within = name.removeprefix('heads.').partition('.')
        if head not in theirs:
            raise ValueError(
                f'the checkpoint has a head {head!r}, {title} has {", ".join(theirs)}: take the '
                'backbone by --backbone-only'
            )
        if within == 'centering.center':
            centers[head] = tensor
            continue
        published = HEAD.theirs(within)
        if published is None:
            raise ValueError(f'heads.{head}.{within} has no place in a head of {title}')
        state[f'{theirs[head]}.{published}'] = tensor
    return state, centers, written.left_out
