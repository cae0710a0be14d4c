"""What batch norm has counted, kept over a step."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


class NormStatistics:
    """Copies of the running statistics of a network's batch norms, to go back to."""

    def __init__(self, network: nn.Module):
        self._buffers = {
            f'{path}.{name}': buffer
            for path, module in network.named_modules()
            if isinstance(module, _NormBase)
            for name, buffer in module.named_buffers(recurse=False)
        }
        self.kept: dict[str, Tensor] = {n: buffer.clone() for n, buffer in self._buffers.items()}

    def keep(self) -> None:
        """Takes them as they are now."""
        if self.kept:
            torch._foreach_copy_(list(self.kept.values()), list(self._buffers.values()))

    def restore(self) -> None:
        """Puts back what was kept."""
        if self.kept:
            torch._foreach_copy_(list(self._buffers.values()), list(self.kept.values()))
