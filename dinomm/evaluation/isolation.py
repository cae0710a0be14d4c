"""Keeps an evaluation from changing the training that surrounds it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Restores the random states of Python, numpy and torch (CPU and current CUDA device)."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switches to evaluation mode, then gives every module the mode that it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
