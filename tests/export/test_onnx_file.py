import pytest
import torch

from dinomm.export import onnx_file

from .networks import captured, network, write

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxscript')


def shape(value):
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    """Of a network whose own code reshapes, so that torch calls values as an output is called."""
    return onnx.load(write('vit', tmp_path_factory.mktemp('onnx') / 'network.onnx')).graph


def test_input_and_outputs_have_names_and_shapes(graph):
    assert [(value.name, shape(value)) for value in (*graph.input, *graph.output)] == [
        ('images', ['batch', 3, 48, 80]),
        ('view', ['batch', 24]),
        ('regions', ['batch', 60, 24]),
    ]


def test_position_embeddings_are_stored_as_resized(graph):
    assert not {'Resize', 'Upsample'} & {node.op_type for node in graph.node}
    stored = [list(tensor.dims) for tensor in graph.initializer]
    assert [1, 60, 24] in stored and [1, 16, 24] not in stored and [1, 17, 24] not in stored


def test_weights_that_no_file_holds(monkeypatch, tmp_path):
    weights = 4 * sum(p.numel() for p in network('vit').backbone.parameters())
    monkeypatch.setattr(onnx_file, 'LARGEST_FILE', weights - 1000)
    with pytest.raises(ValueError, match='a file of ONNX holds 2: take --dtype'):
        onnx_file.write(captured('vit'), tmp_path / 'network.onnx', {})


def test_torch_too_old(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    with pytest.raises(ValueError, match=r'needs torch 2\.6 or later, here is 2\.5\.1\+cpu'):
        onnx_file.write(captured('vit'), tmp_path / 'network.onnx', {})
    monkeypatch.setattr(torch, '__version__', '2.14.0a0+git')
    onnx_file.require_torch()


def test_what_onnxruntime_cannot_run(tmp_path):
    pytest.importorskip('onnxruntime')
    (tmp_path / 'network.onnx').write_bytes(b'no graph')
    with pytest.raises(ValueError, match='onnxruntime cannot run the network on the CPU'):
        onnx_file.open_file(tmp_path / 'network.onnx')
