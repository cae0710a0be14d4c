"""LARS, as DINO trains its ResNet-50 with it."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from dinomm.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class LARS(Optimizer):
    """SGD with momentum and layer-wise rates (arXiv 1708.03888), in foreach kernels.

    Each tensor's decayed gradient u = g + weight_decay p is scaled to ``eta |p| / |u|``; then
    buffer <- momentum buffer + u and p <- p - lr buffer. So the rate of a step scales all that is
    in the buffer, as published; mmpretrain's LARS (``mmpretrain.LARS``) puts each step's rate into
    it, and reads two norms of every tensor back to the host.

    Groups with ``lars_exclude`` (``TwoGroupConstructor`` marks biases and norms so) are neither
    scaled nor decayed.

    Args:
        params: Parameters or groups.
        lr: Learning rate.
        momentum: Share of the buffer that stays.
        weight_decay: Of groups without ``lars_exclude``.
        eta: The trust coefficient of the paper.
    """

    def __init__(
        self,
        params,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 1e-3,
    ):
        for key, value in (('lr', lr), ('momentum', momentum), ('weight_decay', weight_decay)):
            if value < 0:
                raise ValueError(
                    f'optim_wrapper.optimizer.{key} is {value}: expected a number from 0'
                )
        super().__init__(
            params,
            {
                'lr': lr,
                'momentum': momentum,
                'weight_decay': weight_decay,
                'eta': eta,
                'lars_exclude': False,
            },
        )

    @torch.no_grad()
    def step(self, closure=None):
        """One step; returns what ``closure`` gives, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group['params'] if p.grad is not None]
            if params:
                self._step_group(group, params)
        return loss

    def _step_group(self, group: dict, params: list[Tensor]) -> None:
        updates = [p.grad for p in params if p.grad is not None]
        if not group['lars_exclude']:
            updates = list(torch._foreach_add(updates, params, alpha=group['weight_decay']))
            torch._foreach_mul_(updates, _trust_ratios(params, updates, group['eta']))
        for p in params:
            if 'momentum_buffer' not in self.state[p]:
                self.state[p]['momentum_buffer'] = torch.zeros_like(p)
        buffers = [self.state[p]['momentum_buffer'] for p in params]
        torch._foreach_mul_(buffers, group['momentum'])
        torch._foreach_add_(buffers, updates)
        torch._foreach_add_(params, buffers, alpha=-group['lr'])


def _trust_ratios(params: list[Tensor], updates: list[Tensor], eta: float) -> list[Tensor]:
    """``eta |p| / |u|`` of each tensor, 1 where a norm is 0."""
    lengths = torch.stack(torch._foreach_norm(params))
    ratios = lengths.mul(eta) / torch.stack(torch._foreach_norm(updates))
    usable = ratios.isfinite() & (lengths > 0)
    return list(torch.where(usable, ratios, torch.ones_like(ratios)).unbind())
