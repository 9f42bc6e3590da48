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


def main():
    out = Path(sys.argv[1])
    count = 0
    for case in collect_testcases(None):
        made = case.data_sets and wrapped(case)
        if made:
            (out / f"{case.name}.onnx").write_bytes(made[0].SerializeToString())
            (out / f"{case.name}.json").write_text(json.dumps(made[1]))
            count += 1
    print(count)


main()
