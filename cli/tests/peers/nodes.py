"""The node tests of ONNX as models that take a picture: `nodes.py OUT` writes OUT/NAME.onnx and OUT/NAME.json.

ONNX defines its operators by these tests: a graph of one node, inputs, and the outputs that are right. Here the
first input of floats is a constant that is added to a picture, which is black, so that all of what a converter does
with a network is done with it; the other inputs are weights. NAME.json has the first output's values.
"""

import json
import math
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

MOST = 1 << 14
# Operators that take each sample of a batch by itself, whose tests have batches: the first sample is taken.
EACH = ("test_lrn",)


def sides(values):
    """Rows and columns of a picture of so many pixels."""
    columns = max(d for d in range(1, 257) if values % d == 0)
    return values // columns, columns


def wrapped(case):
    """The model and the values that are right; nothing where a test is of something else."""
    graph = case.model.graph
    inputs, outputs = case.data_sets[0]
    if case.name.startswith(EACH):
        inputs, outputs = [inputs[0][:1], *inputs[1:]], [outputs[0][:1]]
    if len(inputs) != len(graph.input) or not all(isinstance(i, np.ndarray) for i in inputs):
        return None
    floats = [k for k, i in enumerate(inputs) if i.dtype == np.float32 and 0 < i.size <= MOST]
    if not floats or not isinstance(outputs[0], np.ndarray) or outputs[0].dtype != np.float32:
        return None
    right = outputs[0].astype(float)
    if right.size == 0 or not np.isfinite(right).all() or not np.isfinite(inputs[floats[0]]).all():
        return None
    data, name = inputs[floats[0]], graph.input[floats[0]].name
    rows, columns = sides(data.size)
    if rows > 4096:
        return None
    weights = [numpy_helper.from_array(value, i.name) for i, value in zip(graph.input, inputs) if i.name != name]
    weights.append(numpy_helper.from_array(data.reshape(1, 1, rows, columns), "picture.added"))
    weights.append(numpy_helper.from_array(np.array(data.shape, np.int64), "picture.shape"))
    before = [
        helper.make_node("Add", ["picture", "picture.added"], ["picture.filled"]),
        helper.make_node("Reshape", ["picture.filled", "picture.shape"], [name]),
    ]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 1, rows, columns])
    model = helper.make_model(
        helper.make_graph(
            before + list(graph.node), case.name, [picture], list(graph.output[:1]), list(graph.initializer) + weights
        ),
        opset_imports=case.model.opset_import,
        ir_version=case.model.ir_version,
    )
    return model, {"rows": rows, "columns": columns, "right": right.ravel().tolist()}


def own(name, nodes, x, weights, opset=17):
    """A test of our own, with what onnxruntime gives; `nodes` lead from `x` to `y`."""
    import onnxruntime

    rows, columns = sides(x.size)
    constants = {"picture.added": x.reshape(1, 1, rows, columns), "picture.shape": np.array(x.shape, np.int64), **weights}
    before = [
        helper.make_node("Add", ["picture", "picture.added"], ["picture.filled"]),
        helper.make_node("Reshape", ["picture.filled", "picture.shape"], ["x"]),
    ]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 1, rows, columns])
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(before + nodes, name, [picture], [result], tensors)
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    black = np.zeros((1, 1, rows, columns), np.float32)
    right = session.run(["y"], {"picture": black})[0].astype(float)
    return name, model, {"rows": rows, "columns": columns, "right": right.ravel().tolist()}


def ours():
    """What ONNX has no tests of: operations of onnxruntime, and floats where its tests have integers."""
    draws = np.random.default_rng(7)

    def wave(*shape):
        return draws.normal(size=shape).astype(np.float32)

    def node(op, inputs, outputs=("y",), domain="", **attributes):
        return helper.make_node(op, list(inputs), list(outputs), domain=domain, **attributes)

    microsoft = "com.microsoft"
    image, tokens = wave(1, 3, 6, 8), wave(1, 5, 16)
    pads = np.array([0, 0, 2, 1, 0, 0, 3, 2], np.int64)
    for mode in ("reflect", "edge"):
        yield own(f"own_{mode}_pad", [node("Pad", ["x", "p"], mode=mode)], image, {"p": pads})
    compare = node("Greater", ["x", "t"], ["c"])
    yield own("own_where", [compare, node("Where", ["c", "x", "t"])], image, {"t": np.float32(0.25)})
    yield own("own_upsample_linear", [node("Upsample", ["x", "s"], mode="linear")], image, {"s": np.array([1, 1, 2, 3], np.float32)}, 9)
    turned = {"w": wave(3, 2, 3, 3), "b": wave(2)}
    stated = {"strides": [2, 3], "pads": [1, 0, 1, 1], "output_padding": [1, 0]}
    yield own("own_convtranspose", [node("ConvTranspose", ["x", "w", "b"], **stated)], image, turned)
    apart = {"w": wave(3, 1, 4, 4)}
    yield own("own_convtranspose_apart", [node("ConvTranspose", ["x", "w"], group=3, strides=[2, 2], pads=[1] * 4)], image, apart)
    fused = node("FusedConv", ["x", "w", "b", "z"], domain=microsoft, activation="Relu", pads=[1] * 4)
    yield own("own_fused_conv", [fused], image, {"w": wave(4, 3, 3, 3), "b": wave(4), "z": wave(1, 4, 6, 8)})
    leaky = {"activation": "LeakyRelu", "activation_alpha": 0.25, "transB": 1}
    yield own("own_fused_gemm", [node("FusedGemm", ["x", "w", "b"], domain=microsoft, **leaky)], wave(1, 16), {"w": wave(7, 16), "b": wave(7)})
    scores = node("FusedMatMul", ["x", "x"], domain=microsoft, transB=1, alpha=0.25)
    yield own("own_fused_matmul", [scores], tokens, {})
    attention = node("Attention", ["x", "w", "b"], domain=microsoft, num_heads=4)
    yield own("own_attention", [attention], tokens, {"w": wave(16, 48) / 4, "b": wave(48)})
    yield own("own_bias_gelu", [node("BiasGelu", ["x", "b"], domain=microsoft)], tokens, {"b": wave(16)})
    yield own("own_fast_gelu", [node("FastGelu", ["x", "b"], domain=microsoft)], tokens, {"b": wave(16)})
    norm = {"g": wave(16), "b": wave(16), "z": tokens[:, ::-1].copy()}
    skip = node("SkipLayerNormalization", ["x", "z", "g", "b"], domain=microsoft, epsilon=1e-5)
    yield own("own_skip_layer_normalization", [skip], tokens, norm)
    codes = draws.integers(0, 256, (6, 1, 8)).astype(np.uint8)
    blocks = {"q": codes, "s": np.abs(wave(6)) + 0.1, "z": draws.integers(0, 256, 6).astype(np.uint8)}
    few = node("MatMulNBits", ["x", "q", "s", "z"], domain=microsoft, K=16, N=6, bits=4, block_size=16)
    yield own("own_matmul_blocks", [few], tokens, blocks)
    # Steps that every result is a whole number of, so that nothing is rounded.
    half = {"s": np.float32(0.5), "t": np.float32(0.25), "z": np.uint8(100)}
    whole = draws.integers(-20, 20, (1, 4, 4, 6)).astype(np.float32) / 2
    begin = node("QuantizeLinear", ["x", "s", "z"], ["q"])
    end = node("DequantizeLinear", ["r", "t", "z"])
    grid = ["q", "s", "z"]
    for op, inputs, attributes in [
        ("QLinearAdd", [*grid, *grid, "t", "z"], {}),
        ("QLinearLeakyRelu", [*grid, "t", "z"], {"alpha": 0.5}),
        ("QLinearConcat", ["t", "z", *grid, *grid], {"axis": 1}),
    ]:
        nodes = [begin, node(op, inputs, ["r"], microsoft, **attributes), end]
        yield own(f"own_{op.lower()}", nodes, whole, half)


def main():
    out = Path(sys.argv[1])
    count = 0
    for case in collect_testcases(None):
        made = case.data_sets and wrapped(case)
        if made:
            (out / f"{case.name}.onnx").write_bytes(made[0].SerializeToString())
            (out / f"{case.name}.json").write_text(json.dumps(made[1]))
            count += 1
    try:
        for name, model, said in ours():
            (out / f"{name}.onnx").write_bytes(model.SerializeToString())
            (out / f"{name}.json").write_text(json.dumps(said))
            count += 1
    except ImportError:
        print("no onnxruntime: operations of its own are not tested")
    print(count)


main()
