"""What a model gives at a tensor for pictures, by onnxruntime, as JSON: one list of floats a picture.

    python cases.py MODEL.onnx TENSOR HEIGHT WIDTH PICTURES.rgb

PICTURES.rgb: bytes, pictures x HEIGHT x WIDTH x 3. A model that takes floats gets them divided by 255. Feature maps are
averaged over their places; codes become the floats that they stand for.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime

KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


def decoded(graph, tensor):
    """Tensor to ask for, and the names of the scale and zero point of its codes, if it has any."""
    for node in graph.node:
        if node.op_type == "DynamicQuantizeLinear" and node.output[0] == tensor:
            return node.input[0], None
    for node in graph.node:
        if node.op_type.startswith(("Q", "DequantizeLinear")) and tensor in node.input:
            at = list(node.input).index(tensor)
            if node.op_type != "QuantizeLinear":
                return tensor, node.input[at + 1 : at + 3]
    return tensor, None


def shaped(picture, info):
    """A picture as the input that a model takes."""
    values = picture if info.type == "tensor(uint8)" else picture / 255
    if info.shape[-3] in (1, 3):
        values = values.transpose(2, 0, 1)
    return values[None].astype(KINDS[info.type])


def main():
    path, tensor, height, width, pictures = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    model = onnx.load(path)
    graph = model.graph
    tensor, grid = decoded(graph, tensor)
    if tensor not in {output.name for output in graph.output}:
        graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    rows = []
    for picture in np.fromfile(pictures, np.uint8).reshape(-1, height, width, 3):
        given = {}
        for info in session.get_inputs():
            image = len(info.shape) > 2
            given[info.name] = shaped(picture, info) if image else np.zeros(info.shape, KINDS.get(info.type, bool))
        values = session.run([tensor], given)[0].astype(np.float64)
        if grid:
            scale, zero = (constants[name].astype(np.float64) for name in grid)
            values = (values - zero) * scale
        if values.ndim == 4:
            values = values.mean((2, 3))
        rows.append(values.ravel().tolist())
    json.dump(rows, sys.stdout)


main()
