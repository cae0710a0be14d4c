"""Changes of exported graphs."""

from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.graph import CodeGen
from torch.fx.node import map_arg

LARGEST_CONSTANT = 2**22
"""Numbers that a folded constant may have: 16 MiB of float32."""


def fold_constants(program: ExportedProgram) -> GraphModule:
    """A module in which what the input does not reach is a stored tensor.

    Position embeddings are resized and relative position biases gathered once, not at every call.
    What would be larger than :data:`LARGEST_CONSTANT` stays as it is.
    """
    module = _module(program.run_decompositions({}))  # without operations in place
    graph = module.graph
    values = _constants(module)
    for number, (node, value) in enumerate(values.items()):
        leaves = [user for user in node.users if user not in values]
        if node.op == 'get_attr' or not leaves:
            continue
        module.register_buffer(f'constant_{number}', value)
        with graph.inserting_before(node):
            stored = graph.get_attr(f'constant_{number}')
        node.replace_all_uses_with(stored, delete_user_cb=lambda user: user not in values)
    graph.eliminate_dead_code()
    return GraphModule(module, graph)


def _constants(module: GraphModule) -> dict[Node, Tensor]:
    values: dict[Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == 'get_attr':
            values[node] = _attribute(module, node.target)
        elif node.op == 'call_function' and all(i in values for i in node.all_input_nodes):
            arguments = map_arg((node.args, node.kwargs), values.__getitem__)
            value = node.target(*arguments[0], **arguments[1])
            if isinstance(value, Tensor) and value.numel() <= LARGEST_CONSTANT:
                values[node] = value.contiguous()
    return values


def _attribute(module: GraphModule, path: str) -> Any:
    value: Any = module
    for name in path.split('.'):
        value = getattr(value, name)
    return value


def scriptable(program: ExportedProgram, outputs: tuple[str, ...]) -> GraphModule:
    """A module for ``torch.jit.script``: a tensor to a dict of ``outputs``, in their order."""
    module = _module(program)
    graph = module.graph
    for node in graph.nodes:
        if node.target is torch.ops.aten.sym_size.int:
            node.op, node.target = 'call_method', 'size'
        elif isinstance(node.target, torch._ops.OpOverload):
            node.target = node.target.overloadpacket
        elif node.op == 'output':
            node.args = (dict(zip(outputs, node.args[0], strict=True)),)
    graph.set_codegen(CodeGen())
    return GraphModule(module, graph)


def _module(program: ExportedProgram) -> GraphModule:
    """The program's module without the checks of its input, which newer torch puts into it."""
    module = program.module()
    for node in list(module.graph.nodes):
        if node.op == 'call_module':
            module.graph.erase_node(node)
    return module
