"""Write small networks for signals with calibration sets, an input and its embedding by onnxruntime.

    python signals.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(sys.argv[1])
RANDOM = np.random.default_rng(11)


def weights(name, *shape):
    fan = int(np.prod(shape[1:])) or 1
    return numpy_helper.from_array(
        RANDOM.normal(scale=np.sqrt(2 / fan), size=shape).astype(np.float32), name
    )


def convolution(name, source, channels, out, kernel):
    w = weights(f"{name}.w", out, channels, *kernel)
    pads = [k // 2 for k in kernel] * 2
    conv = helper.make_node(
        "Conv", [source, w.name], [f"{name}_conv"], kernel_shape=kernel, pads=pads, name=f"{name}_conv"
    )
    return [conv, helper.make_node("Relu", [f"{name}_conv"], [name], name=name)], [w]


def write(name, dims, nodes, stored, samples, open_dims=None):
    """Write the model, whose output `features` is the embedding, and its files."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, open_dims or dims)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, None)],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"offshoot.cut": "features"})
    onnx.save(model, FOLDER / f"{name}.onnx")
    np.savez_compressed(FOLDER / f"{name}.npz", x=samples, y=np.zeros(len(samples), np.int64))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    channels_first = name not in ("vector", "series_last", "map6_last")
    one = samples[:1].astype(np.float32)
    # Arrays have channels last here.
    given = np.moveaxis(one, -1, 1) if channels_first else one
    (out,) = session.run(None, {"x": given})
    one.tofile(FOLDER / f"{name}.in")
    out.astype(np.float32).tofile(FOLDER / f"{name}.out")


def noise(*shape):
    """Return smooth noise with an offset and a size for each channel."""
    x = RANDOM.normal(size=shape)
    for axis in range(1, len(shape) - 1):
        x = x + np.roll(x, 1, axis) + np.roll(x, 2, axis)
    size = RANDOM.uniform(0.5, 2, shape[-1])
    return (x * size + RANDOM.normal(size=shape[-1])).astype(np.float32)


def vector():
    w1, w2 = weights("w1", 24, 30), weights("w2", 16, 24)
    nodes = [
        helper.make_node("Gemm", ["x", "w1"], ["h"], transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2"], ["g"], transB=1),
        helper.make_node("Relu", ["g"], ["features"]),
    ]
    write("vector", [1, 30], nodes, [w1, w2], noise(64, 30))


def network(kernel, channels, source="x"):
    first, w1 = convolution("a", source, channels, 12, kernel)
    second, w2 = convolution("b", "a", 12, 16, kernel)
    ends = [
        helper.make_node("GlobalAveragePool", ["b"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    return first + second + ends, w1 + w2


def series():
    nodes, stored = network([5], 6)
    write("series", [1, 6, 64], nodes, stored, noise(48, 64, 6))
    turn = helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 2, 1])
    nodes, stored = network([5], 6, "turned")
    write("series_last", [1, 64, 6], [turn, *nodes], stored, noise(48, 64, 6))
    nodes, stored = network([3], 2)
    write("open", [1, 2, 50], nodes, stored, noise(48, 50, 2), ["batch", 2, "time"])


def maps():
    for channels in (1, 2, 4):
        nodes, stored = network([3, 3], channels)
        write(f"map{channels}", [1, channels, 24, 24], nodes, stored, noise(24, 24, 24, channels))
    turn = helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 3, 1, 2])
    nodes, stored = network([3, 3], 6, "turned")
    write("map6_last", [1, 24, 24, 6], [turn, *nodes], stored, noise(24, 24, 24, 6))


vector()
series()
maps()
