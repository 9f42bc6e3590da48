"""The same truncated network in each peer's form."""

import json
from dataclasses import dataclass
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import onnxruntime as ort
from ai_edge_litert import schema_py_generated as tflite
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image


@dataclass(frozen=True)
class Network:
    """A network of the table, where its model comes from, and how it wants its pictures."""

    name: str
    side: int
    preset: str  # of `offshoot convert`
    source: str  # below the repository or the shared folder
    tflite: str | None = None


NETWORKS = [
    Network(
        "MobileNetV2 1.0/224", 224, "tf", "models/real/mobilenet_v2_1.0_224.onnx",
        "models/tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite",
    ),
    Network("ResNet-50/224", 224, "imagenet", "models/skeletons/resnet50_op13.onnx"),
    Network("sprout/96", 96, "tf", "models/sprout/sprout.onnx"),
]


def source(network: Network, repository: Path, shared: Path, work: Path) -> Path:
    """The ONNX model as a file; a skeleton with its weights."""
    own = repository / network.source
    if own.exists():
        return own
    path = shared / network.source
    recipe = path.with_suffix(".recipe.json")
    if not recipe.exists():
        return path
    filled = work / path.name
    if not filled.exists():
        refill(path, recipe, filled)
    return filled


def refill(path: Path, recipe: Path, out: Path) -> None:
    """Random weights of the recipe's deviations; the rule is in `cli/tests/suite/common/refill.rs`."""
    model = onnx.load(path)
    entries = {e["name"]: e for e in json.loads(recipe.read_text())["initializers"]}
    for tensor in model.graph.initializer:
        entry = entries.get(tensor.name)
        if entry is not None:
            rows = tensor.dims[0] if entry.get("center") == "rows" else 0
            values = fill(tensor.name, int(np.prod(tensor.dims)), entry["mean"], entry["std"], rows)
            tensor.raw_data = values.astype("<f4").tobytes()
    onnx.save(model, out)


def fill(name: str, n: int, mean: float, std: float, rows: int) -> np.ndarray:
    """Sums of four 16-bit uniforms of a hash of the name and the index: nearly normal."""
    if std == 0.0:
        return np.full(n, mean)
    stream = 0xCBF2_9CE4_8422_2325
    for byte in name.encode():
        stream = (stream ^ byte) * 0x0100_0000_01B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(stream ^ 0x5EED_ED6E_5D4B_0001) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(
            0x9E37_79B9_7F4A_7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        z = z ^ (z >> np.uint64(31))
    sums = sum(((z >> np.uint64(16 * k)) & np.uint64(0xFFFF)).astype(np.float64) for k in range(4))
    center = sums.reshape(rows, -1).mean(1).repeat(n // rows) if rows else 131_070.0
    return mean + std * ((sums - center) * 2.642_899_792_130_301_4e-5)


def truncate(path: Path, cut: str, out: Path) -> Path:
    """The model up to the tensor that the package was cut at."""
    model = onnx.load(path)
    for tensor in model.graph.input:
        for dim in tensor.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = 1
    model = onnx.shape_inference.infer_shapes(model)
    initializers = {i.name for i in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in initializers]
    onnx.save(onnx.utils.Extractor(model).extract_model(inputs, [cut]), out)
    return out


def pixels(file: Path, side: int) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB").resize((side, side), Image.BILINEAR))


def normalized(pixels: np.ndarray, preset: str) -> np.ndarray:
    """As the float models want it: a batch of one, planes."""
    mean, std = {
        "tf": ([127.5] * 3, [127.5] * 3),
        "imagenet": ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    }[preset]
    values = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(std)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


class Calibration(CalibrationDataReader):
    def __init__(self, name: str, inputs: list[np.ndarray]):
        self.rest = iter([{name: value} for value in inputs])

    def get_next(self):
        return next(self.rest, None)


def quantized(path: Path, inputs: list[np.ndarray], out: Path) -> Path:
    """onnxruntime's own static quantization, in the form found fastest on x86: QDQ, unsigned
    activations, signed weights by channel."""
    if not out.exists():
        ready = out.with_suffix(".ready.onnx")
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        name = onnx.load(ready).graph.input[0].name
        quantize_static(
            str(ready), str(out), Calibration(name, inputs), quant_format=QuantFormat.QDQ,
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )
    return out


def agreement(exact: Path, path: Path, inputs: list[np.ndarray]) -> float:
    """Mean cosine of a model's outputs to another's."""
    sessions = [ort.InferenceSession(str(p), providers=["CPUExecutionProvider"]) for p in (exact, path)]
    name = sessions[0].get_inputs()[0].name
    cosines = []
    for value in inputs:
        a, b = (s.run(None, {name: value})[0].ravel() for s in sessions)
        cosines.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    return float(np.mean(cosines))


def truncate_tflite(path: Path, out: Path) -> Path:
    """The TFLite model from its first int8 tensor to the mean over the last map: without the
    conversion of its input, the classifier and the softmax."""
    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    kinds = [model.operatorCodes[o.opcodeIndex] for o in graph.operators]
    codes = [max(k.builtinCode, k.deprecatedBuiltinCode) for k in kinds]
    first = 1 if codes[0] == tflite.BuiltinOperator.QUANTIZE else 0
    last = codes.index(tflite.BuiltinOperator.MEAN)
    graph.operators = graph.operators[first : last + 1]
    graph.inputs = [graph.operators[0].inputs[0]]
    graph.outputs = [graph.operators[-1].outputs[0]]
    model.signatureDefs = None
    compact(model)
    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(model.Pack(builder), b"TFL3")
    out.write_bytes(builder.Output())
    return out


def compact(model) -> None:
    """Empties the buffers that no operator reads any more: the file shrinks by what was cut."""
    graph = model.subgraphs[0]
    read = {graph.tensors[i].buffer for o in graph.operators for i in o.inputs if i >= 0}
    for index, buffer in enumerate(model.buffers):
        if index not in read:
            buffer.data = None
    model.metadata = None
