"""The optimizer's step as DINO takes it, in float32 and under autocast."""

import math
from collections.abc import Callable, Mapping
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from dinomm.registry import OPTIM_WRAPPERS

CLIPPED_PER = ('parameter', 'part', 'model')


def clip_each(grads: list[Tensor], max_norm: float) -> Tensor:
    """Scales each gradient to a norm of at most ``max_norm``, on its own and in place.

    DINO clips per parameter, not by the norm of all.

    Returns:
        The norms before.
    """
    norms = torch.stack(torch._foreach_norm(grads))
    factors = norms.add(1e-6).reciprocal_().mul_(max_norm).clamp_(max=1.0)
    torch._foreach_mul_(grads, list(factors.unbind()))
    return norms


def start_reading(flag: Tensor) -> Callable[[], bool]:
    """Begins to copy a boolean from its device; the function returned waits for the copy alone."""
    if not flag.is_cuda:
        return lambda: bool(flag)
    copy = torch.empty((), dtype=torch.bool, pin_memory=True)
    copy.copy_(flag, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def read() -> bool:
        copied.synchronize()
        return bool(copy)

    return read


def micro_batches_done(wrapper: OptimWrapper) -> int:
    """How many micro-batches of an accumulation window are done, 0 between two windows."""
    return 0 if wrapper.should_update() else wrapper.inner_count % wrapper._accumulative_counts


@OPTIM_WRAPPERS.register_module()
class DINOOptimWrapper(OptimWrapper):
    """mmengine's wrapper with DINO's and DINOv2's clipping, a frozen last layer, a count of steps.

    ``steps`` counts the performed optimizer steps. Everything that moves with training (schedules,
    teacher, centre) moves by it: micro-batches of an accumulated step do not count, nor does a
    step that is skipped.

    A step is skipped if its loss or a gradient is not finite, on all processes: a loss that is not
    makes its gradient NaN, which the exchange of gradients spreads. The norms of the clipping tell
    it, so that it costs nothing of its own. A fused optimizer decides on the device, and the host
    reads the outcome while the device is busy with the step; others wait for it before the step.

    Attributes:
        grad_norm: Norm (0-d) of all gradients of the last full window, before clipping; those of
            a frozen last layer left out.

    Args:
        optimizer: A torch optimizer.
        clip_grad: ``dict(max_norm=3.0, per='parameter')``: whose norm is held below ``max_norm``,
            that of each 'parameter' (DINO), of each 'part' of the model (DINOv2: the backbone, and
            each head; ``TwoGroupConstructor`` tells them) or of the whole 'model'.
        freeze_last_layer: Epochs, from the start, in which the parameters in ``last_layer``
            (``TwoGroupConstructor`` puts the heads' prototypes there) are not touched: their
            gradient is skipped, so that weight decay and moments stay as they are too.
        accumulative_counts: Micro-batches an optimizer step.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        clip_grad: dict | None = None,
        freeze_last_layer: int = 0,
        accumulative_counts: int = 1,
    ):
        super().__init__(optimizer, accumulative_counts=accumulative_counts)
        self.max_norm, self.clip_per = _parse_clip_grad(clip_grad)
        self.freeze_last_layer = freeze_last_layer
        self.last_layer: list[nn.Parameter] = []
        self.parts: dict[str, list[nn.Parameter]] = {}
        self.last_layer_frozen = False
        self.steps = 0
        self.stepped = False
        self.grad_norm: Tensor | None = None
        optimizer.register_step_post_hook(self._note_step)

    @property
    def accumulative_counts(self) -> int:
        """Micro-batches an optimizer step."""
        return self._accumulative_counts

    def start_epoch(self, epoch: int) -> None:
        """Sets whether the last layer is frozen in an epoch (counted from 0).

        Raises:
            ValueError: It should be frozen, but nobody said which parameters it has.
        """
        if self.freeze_last_layer and not self.last_layer:
            raise ValueError(
                f'optim_wrapper.freeze_last_layer is {self.freeze_last_layer}, but there is no '
                "last layer to freeze: set optim_wrapper.constructor='TwoGroupConstructor' and use "
                'a head with prototypes, or freeze_last_layer=0'
            )
        self.last_layer_frozen = epoch < self.freeze_last_layer

    def update_params(self, loss: Tensor, step_kwargs=None, zero_kwargs=None) -> None:
        """Backward, and a step if the window is full; ``stepped`` tells if one was performed."""
        self.stepped = False
        super().update_params(loss, step_kwargs, zero_kwargs)

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Backward; the gradient of a loss that is not finite is NaN."""
        super().backward(loss * torch.where(loss.isfinite(), 1.0, math.nan), **kwargs)

    def step(self, **kwargs) -> None:
        """Freezes, clips and steps, unless a gradient is not finite."""
        self.stepped = False
        self._step(**kwargs)
        self.steps += self.stepped

    def _step(self, **kwargs) -> None:
        finite = self._prepare_gradients().isfinite()
        if not getattr(self.optimizer, '_step_supports_amp_scaling', False):
            if bool(finite):
                self.optimizer.step(**kwargs)
            return
        read = start_reading(finite)
        # fused kernels look at these two, which torch's GradScaler sets likewise
        self.optimizer.grad_scale, self.optimizer.found_inf = None, finite.logical_not().float()
        self.optimizer.step(**kwargs)
        del self.optimizer.grad_scale, self.optimizer.found_inf
        self.stepped = read()

    def state_dict(self) -> dict:
        """The optimizer's state, the number of performed steps, and the last norm."""
        counted = {'performed_steps': self.steps, 'grad_norm': self.grad_norm}
        return {**super().state_dict(), **counted}

    def load_state_dict(self, state_dict: dict) -> None:
        """Takes what :meth:`state_dict` gave."""
        state_dict = dict(state_dict)
        self.steps = state_dict.pop('performed_steps', 0)
        self.grad_norm = state_dict.pop('grad_norm', None)
        super().load_state_dict(state_dict)

    def _note_step(self, *_) -> None:
        self.stepped = True

    def _prepare_gradients(self) -> Tensor:
        if self.last_layer_frozen:
            for parameter in self.last_layer:
                parameter.grad = None
        self.grad_norm = torch.linalg.vector_norm(self._clip(self.max_norm))
        return self.grad_norm

    def _clip(self, max_norm: float | None) -> Tensor:
        """Clips, and gives the norms before, of whatever was clipped on its own."""
        if self.clip_per == 'part' and max_norm is not None:
            if not self.parts:
                raise ValueError(
                    "optim_wrapper.clip_grad.per is 'part', but nobody named the parts of the "
                    "model: set optim_wrapper.constructor='TwoGroupConstructor'"
                )
            parts = [[p for p in part if p.grad is not None] for part in self.parts.values()]
            norms = [nn.utils.clip_grad_norm_(part, max_norm) for part in parts if part]
            return torch.stack(norms) if norms else torch.zeros(1)
        parameters = [
            p
            for group in self.optimizer.param_groups
            for p in group['params']
            if p.grad is not None
        ]
        grads = [p.grad for p in parameters]
        if not grads:
            return torch.zeros(1)
        if max_norm is None:
            return torch.stack(torch._foreach_norm(grads))
        if self.clip_per == 'model':
            return nn.utils.clip_grad_norm_(parameters, max_norm)
        return clip_each(grads, max_norm)


@OPTIM_WRAPPERS.register_module()
class DINOAmpOptimWrapper(DINOOptimWrapper):
    """The same under autocast: bfloat16 anywhere, float16 with a loss scaler on a GPU.

    Args:
        dtype: 'bfloat16' or 'float16'.
        loss_scale: Initial scale of the dynamic loss scaler of float16.
        kwargs: Of :class:`DINOOptimWrapper`.
    """

    def __init__(self, dtype: str = 'bfloat16', loss_scale: float = 65536.0, **kwargs):
        super().__init__(**kwargs)
        if dtype not in ('bfloat16', 'float16'):
            raise ValueError(f"optim_wrapper.dtype is {dtype!r}: expected 'bfloat16' or 'float16'")
        self.device_type = self.optimizer.param_groups[0]['params'][0].device.type
        self.dtype = getattr(torch, dtype)
        self.loss_scaler = None
        if dtype == 'float16':
            self.loss_scaler = self._build_scaler(loss_scale)

    def _build_scaler(self, loss_scale: float) -> torch.amp.GradScaler:
        if self.device_type != 'cuda':
            raise ValueError(
                f'float16 training needs a CUDA GPU, the model is on {self.device_type}: use '
                '--amp bfloat16'
            )
        if self.optimizer.defaults.get('fused'):
            raise ValueError(
                'a fused optimizer hides which steps the float16 loss scaler skips: set '
                'optim_wrapper.optimizer.fused=False'
            )
        return torch.amp.GradScaler('cuda', init_scale=loss_scale)

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Autocast, and no gradient exchange inside an accumulation window."""
        with super().optim_context(model), torch.autocast(self.device_type, self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Backward of the scaled loss."""
        scaled = loss if self.loss_scaler is None else self.loss_scaler.scale(loss)
        super().backward(scaled, **kwargs)

    def _step(self, **kwargs) -> None:
        if self.loss_scaler is None:
            super()._step(**kwargs)
            return
        self.loss_scaler.unscale_(self.optimizer)
        self._prepare_gradients()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()

    def state_dict(self) -> dict:
        """As the base class, with the scaler's state."""
        state = super().state_dict()
        if self.loss_scaler is not None:
            state['loss_scaler'] = self.loss_scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Takes what :meth:`state_dict` gave, also of a run without a scaler."""
        state_dict = dict(state_dict)
        scaler_state = state_dict.pop('loss_scaler', None)
        if scaler_state and self.loss_scaler is not None:
            self.loss_scaler.load_state_dict(scaler_state)
        super().load_state_dict(state_dict)


def _parse_clip_grad(clip_grad: dict | None) -> tuple[float | None, str]:
    if clip_grad is None:
        return None, 'parameter'
    options = dict(clip_grad) if isinstance(clip_grad, Mapping) else {}
    if 'per_parameter' in options:
        raise ValueError(
            f'optim_wrapper.clip_grad is {clip_grad!r}: per_parameter is now called per; write '
            "per='parameter' for per_parameter=True, per='model' for False"
        )
    max_norm, per = options.pop('max_norm', None), options.pop('per', 'parameter')
    is_number = isinstance(max_norm, int | float) and not isinstance(max_norm, bool)
    if options or not is_number or not max_norm > 0 or per not in CLIPPED_PER:
        raise ValueError(
            f'optim_wrapper.clip_grad is {clip_grad!r}: expected dict(max_norm=3.0, '
            f"per='parameter') with max_norm above 0 and per one of {CLIPPED_PER}, or None"
        )
    return float(max_norm), per
