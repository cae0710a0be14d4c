"""Pretrained backbones as ONNX, TorchScript and torch.export files.

One capture by ``torch.export`` is the source of all three: the number of images is free, the size
of an image is fixed, and what depends on the weights alone, such as resized position embeddings,
is computed once and stored. Nothing here imports torch before it is used.
"""

from .formats import FORMATS, open_file, read_metadata

__all__ = ['FORMATS', 'open_file', 'read_metadata']
