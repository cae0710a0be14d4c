"""ONNX files: torch's exporter, names and metadata, onnxruntime."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .capture import INPUT, Captured
from .quiet import quiet

OLDEST_TORCH = (2, 6)
LARGEST_FILE = 2**31 - 2**20
"""Bytes that protobuf writes, with room for the graph."""

LEAST_SEVERITY = 3
"""Of what onnxruntime prints: errors."""


def require_torch() -> None:
    """Raises ValueError where torch's exporter is not yet the one that is used here."""
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version < OLDEST_TORCH:
        raise ValueError(
            f'--format onnx needs torch {".".join(map(str, OLDEST_TORCH))} or later, here is '
            f'{torch.__version__}: write --format torchscript, or install a later torch'
        )


def write(captured: Captured, path: Path, metadata: dict[str, Any]) -> None:
    """Writes the program with its input and outputs by name, their first axis ``batch``.

    Raises:
        ValueError: The weights are more than a file of ONNX holds.
    """
    import onnx

    require_torch()
    tensors = [*captured.program.state_dict.values(), *captured.program.constants.values()]
    size = sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))
    if size > LARGEST_FILE:
        raise ValueError(
            f'the weights have {size / 2**30:.1f} GiB, a file of ONNX holds 2: take --dtype '
            'float16, --format torchscript or --format export'
        )
    with quiet():
        exported = torch.onnx.export(captured.program, (), input_names=[INPUT], dynamo=True)
    model = exported.model_proto  # type: ignore[union-attr]  # None for the former exporter
    _name_outputs(model.graph, captured.form.outputs)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = 'batch'
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.checker.check_model(model)
    onnx.save_model(model, path)


def _name_outputs(graph: Any, outputs: tuple[str, ...]) -> None:
    """Renames the outputs, and out of their way the values that the exporter called so."""
    names = {name: f'inner_{name}' for name in outputs}
    names |= {value.name: name for value, name in zip(graph.output, outputs, strict=True)}
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for value in (*graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)


def read_metadata(path: Path) -> dict[str, Any]:
    """What :func:`write` added."""
    import onnx

    properties = onnx.load(path, load_external_data=False).metadata_props
    return {entry.key: json.loads(entry.value) for entry in properties}


def open_file(path: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """The network in onnxruntime on the CPU, with as many threads as torch has.

    Raises:
        ValueError: onnxruntime has not all of its operations.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = LEAST_SEVERITY
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
    except Exception as error:  # its types have no common base
        raise ValueError(
            'onnxruntime cannot run the network on the CPU (it has no bfloat16 there): '
            f'{str(error).splitlines()[0][:200]}. Leave the check away by --check 0'
        ) from None
    outputs = [output.name for output in session.get_outputs()]

    def run(images: Tensor) -> dict[str, Tensor]:
        arrays = session.run(outputs, {INPUT: images.numpy()})
        return dict(zip(outputs, map(torch.from_numpy, arrays), strict=True))

    return run
