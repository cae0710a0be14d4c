"""DINO's step written straight down in PyTorch: what dinomm's step is measured against.

The same network and the same numbers, without dinomm's head, loss, wrapper or hook: a weight-normed
last layer, a log-softmax a view, one cross-entropy a pair, and a loop over parameters for clipping
and averaging.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinomm.models.heads.prototype_head import build_projector


class PlainHead(nn.Module):
    """Projector, L2, weight-normed linear layer."""

    def __init__(self, in_channels: int, hidden: int, bottleneck: int, num_prototypes: int):
        super().__init__()
        self.mlp = build_projector(in_channels, hidden, bottleneck, 3, norm=False)
        last = nn.Linear(bottleneck, num_prototypes, bias=False)
        self.last_layer = nn.utils.parametrizations.weight_norm(last)
        length = self.last_layer.parametrizations.weight.original0
        length.data.fill_(1)
        length.requires_grad = False

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, C)."""
        return self.last_layer(F.normalize(self.mlp(features), dim=-1))


class PlainDINO(nn.Module):
    """Backbone and head; groups of views go through the backbone one after the other."""

    def __init__(self, backbone: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, groups: list[Tensor]) -> Tensor:
        """Logits of all views, view-major."""
        return self.head(torch.cat([self.backbone(images)[-1][:, 0] for images in groups]))


class PlainStep:
    """One training step after the other, as the paper's pseudo-code with its recipe."""

    def __init__(self, model: PlainDINO, num_prototypes: int, lr: float, max_norm: float):
        self.student, self.teacher = model, copy.deepcopy(model)
        for parameter in self.teacher.parameters():
            parameter.requires_grad = False
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        plain = [p for n, p in named if n.endswith('.bias') or p.ndim == 1]
        decayed = [p for n, p in named if not (n.endswith('.bias') or p.ndim == 1)]
        groups: list[dict] = [{'params': decayed}, {'params': plain, 'weight_decay': 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=0.04)
        self.center = torch.zeros(1, num_prototypes)
        self.max_norm = max_norm

    def __call__(self, groups: list[Tensor], num_views: int) -> float:
        """Trains on groups of normalised views (globals first); the loss."""
        with torch.no_grad():
            teacher_logits = self.teacher(groups[:1])
        student_logits = self.student(groups)
        loss = self.loss(student_logits, teacher_logits, num_views)
        self.optimizer.zero_grad()
        loss.backward()
        for parameter in self.student.parameters():
            if parameter.grad is not None:
                factor = self.max_norm / (parameter.grad.norm(2).item() + 1e-6)
                if factor < 1:
                    parameter.grad.mul_(factor)
        self.optimizer.step()
        with torch.no_grad():
            pairs = zip(self.student.parameters(), self.teacher.parameters(), strict=True)
            for student, teacher in pairs:
                teacher.data.mul_(0.996).add_(0.004 * student.detach().data)
        return loss.item()

    def loss(self, student_logits: Tensor, teacher_logits: Tensor, num_views: int) -> Tensor:
        """Mean cross-entropy over the pairs of a global and another view; moves the centre."""
        students = (student_logits / 0.1).chunk(num_views)
        targets = F.softmax((teacher_logits - self.center) / 0.04, dim=-1).detach().chunk(2)
        total, pairs = torch.zeros(()), 0
        for q, target in enumerate(targets):
            for v, student in enumerate(students):
                if v != q:
                    total = total + (-target * F.log_softmax(student, -1)).sum(-1).mean()
                    pairs += 1
        batch_center = teacher_logits.mean(0, keepdim=True)
        self.center = self.center * 0.9 + batch_center * 0.1
        return total / pairs
