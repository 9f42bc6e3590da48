"""Files that onnxruntime has quantized, taken as they are and quantized anew: both beside onnxruntime's own int8.

    pip install -r tests/peers/requirements.txt
    cargo build --release --bin offshoot
    python tests/peers/quantized.py --shared FOLDER

Small networks of random weights, and MobileNetV2 with its ImageNet weights, are quantized by `quantize_static`: QDQ and
QOperator, weights per channel and per tensor, signed and unsigned, activations symmetric or not. A row has, for the
embedding that `offshoot convert` finds: how many layers were taken, the largest difference to onnxruntime's int8
embedding in steps of its last quantization, and the cosine to it, mean and worst; the same for `--requantize`; and the
cosine of onnxruntime's int8 to float. All run on the same pixels. MobileNetV2 has a row for its logits, too, with the
share of photographs for which the largest one is the same. Every float network is of this file's own making, or of
FOLDER/models/real; photographs are those of FOLDER/data/imagenet-sample.
"""

import argparse
import json
import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
MOBILENET = "mobilenet_v2_1.0_224"
LOGITS = "/MobilenetV2/Logits/Conv2d_1c_1x1/Gemm_output_0"
FEATURES = "/MobilenetV2/Logits/Conv2d_1c_1x1/Flatten_output_0"


class Net:
    """A graph of random weights, node by node."""

    def __init__(self, seed: int, side: int):
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.side, self.channels = side, {"input": 3}

    def node(self, op: str, *inputs: str, **attributes) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{name}_node", **attributes))
        self.channels[name] = self.channels.get(inputs[0], 0)
        return name

    def stored(self, values: np.ndarray) -> str:
        name = f"t{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def conv(self, x: str, channels: int, kernel: int = 3, stride: int = 1, depthwise: bool = False) -> str:
        depth = 1 if depthwise else self.channels[x]
        weights = self.random.normal(0, (2 / (depth * kernel**2)) ** 0.5, (channels, depth, kernel, kernel))
        # Channels of unlike size, as after the folding of a batch normalization.
        weights *= self.random.uniform(0.4, 1.6, (channels, 1, 1, 1))
        bias = self.stored(self.random.normal(0, 0.1, channels))
        attributes = {"pads": [kernel // 2] * 4, "strides": [stride] * 2, "kernel_shape": [kernel] * 2}
        group = channels if depthwise else 1
        out = self.node("Conv", x, self.stored(weights), bias, group=group, **attributes)
        self.channels[out] = channels
        return out

    def model(self, x: str) -> onnx.ModelProto:
        pool = self.node("GlobalAveragePool", x)
        flat = self.node("Flatten", pool)
        weights = self.random.normal(0, 0.2, (10, self.channels[x]))
        self.node("Gemm", flat, self.stored(weights), self.stored(np.zeros(10)), transB=1)
        self.nodes[-1].output[0] = "logits"
        sides = helper.make_tensor_value_info("input", 1, [1, 3, self.side, self.side])
        logits = helper.make_tensor_value_info("logits", 1, [1, 10])
        graph = helper.make_graph(self.nodes, "net", [sides], [logits], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


def inverted(net: Net, x: str, wide: int, out: int) -> str:
    """An inverted residual of MobileNetV2."""
    y = net.node("Clip", net.conv(x, wide, 1), net.stored(np.array(0.0)), net.stored(np.array(6.0)))
    y = net.node("Relu", net.conv(y, wide, depthwise=True))
    y = net.conv(y, out, 1)
    return net.node("Add", x, y) if net.channels[x] == out else y


def mobile() -> onnx.ModelProto:
    net = Net(1, 32)
    x = net.node("Relu", net.conv("input", 16, stride=2))
    for _ in range(3):
        x = inverted(net, x, 48, 16)
    return net.model(net.node("Relu", net.conv(x, 32, 1)))


def residual() -> onnx.ModelProto:
    net = Net(2, 32)
    x = net.node("MaxPool", net.node("Relu", net.conv("input", 16)), kernel_shape=[2, 2], strides=[2, 2])
    for channels in (16, 32):
        skip = x if net.channels[x] == channels else net.conv(x, channels, 1)
        y = net.conv(net.node("Relu", net.conv(x, channels)), channels)
        x = net.node("Relu", net.node("Add", skip, y))
    return net.model(x)


def joined() -> onnx.ModelProto:
    """Concatenations of unlike scales, an average pool, and a sigmoid gate."""
    net = Net(3, 32)
    x = net.node("Relu", net.conv("input", 16, stride=2))
    for _ in range(2):
        a, b = net.node("Relu", net.conv(x, 8, 1)), net.conv(x, 8)
        x = net.node("Concat", a, b, axis=1)
        net.channels[x] = 16
    x = net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    y = net.conv(x, 24)
    return net.model(net.node("Mul", y, net.node("Sigmoid", y)))


def swish() -> onnx.ModelProto:
    net = Net(4, 32)
    x = net.node("HardSwish", net.conv("input", 16, stride=2))
    y = net.node("HardSwish", net.conv(x, 16, depthwise=True))
    return net.model(net.node("LeakyRelu", net.conv(y, 24, 1), alpha=0.1))


NETS = {"mobile": mobile, "residual": residual, "joined": joined, "swish": swish}
TYPES = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8, "u16": QuantType.QUInt16}


def ways(whole: bool) -> list[dict]:
    """Ways to quantize: activations, weights, per channel, symmetric, format."""
    rows = []
    kinds = [("u8", "s8"), ("s8", "s8"), ("u8", "u8")]
    for (act, weight), per_channel, symmetric, form in product(kinds, (True, False), (False, True), ("QDQ", "QOperator")):
        if (symmetric and act == "u8") or (per_channel and weight == "u8") or (whole and symmetric):
            continue
        rows.append({"activations": act, "weights": weight, "channels": per_channel, "symmetric": symmetric, "form": form})
    return rows


class Reader(CalibrationDataReader):
    def __init__(self, name: str, inputs: list[np.ndarray]):
        self.rest = iter([{name: value} for value in inputs])

    def get_next(self):
        return next(self.rest, None)


def quantize(model: Path, out: Path, inputs: list[np.ndarray], way: dict) -> None:
    ready = out.with_suffix(".ready.onnx")
    quant_pre_process(str(model), str(ready), skip_symbolic_shape=True)
    name = onnx.load(ready).graph.input[0].name
    quantize_static(
        str(ready), str(out), Reader(name, inputs), quant_format=QuantFormat[way["form"]], per_channel=way["channels"],
        activation_type=TYPES[way["activations"]], weight_type=TYPES[way["weights"]],
        extra_options={"ActivationSymmetric": way["symmetric"]},
    )  # fmt: skip


def step_of(graph: onnx.GraphProto, tensor: str) -> tuple[float, float]:
    """Scale and zero point of the codes of a tensor; 0 if it has none."""
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type.startswith("Q") and tensor in node.output and node.op_type != "QuantizeLinear":
            places = [(6, 7)] if node.op_type in ("QLinearConv", "QLinearAdd", "QLinearMul") else [(3, 4), (7, 8)]
            for scale, zero in places:
                if len(node.input) > zero:
                    return float(constants[node.input[scale]]), float(constants[node.input[zero]])
        if node.op_type == "DequantizeLinear" and tensor == node.output[0]:
            return float(constants[node.input[1]]), 0.0
        if node.op_type.startswith(("Q", "DequantizeLinear")) and tensor in node.input:
            at = list(node.input).index(tensor)
            if node.op_type != "QuantizeLinear":
                return float(constants[node.input[at + 1]]), float(constants[node.input[at + 2]])
    return 0.0, 0.0


def run(model: Path, tensor: str, inputs: list[np.ndarray]) -> np.ndarray:
    """Values of a tensor for all inputs; codes as the floats that they stand for."""
    proto = onnx.load(model)
    scale, zero = step_of(proto.graph, tensor)
    if tensor not in {o.name for o in proto.graph.output}:
        proto.graph.output.append(helper.make_empty_tensor_value_info(tensor))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = []
    for value in inputs:
        got = session.run([tensor], {name: value})[0]
        values = got.astype(np.float64)
        if got.dtype.kind in "ui":
            values = (values - zero) * scale
        rows.append((values.mean((2, 3)) if values.ndim == 4 else values).ravel())
    return np.array(rows)


class Ours:
    """Our package of a file, and its embeddings."""

    def __init__(self, args, model: Path, photos: Path, calibration: Path, *options: str):
        package, table = args.work / "package.offshoot", args.work / "table.npz"
        command = [args.tool, "convert", model, "-o", package, "--calibrate", calibration, "--squash", "--json", *options]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        # Networks of random weights may be far from float however they are quantized.
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
        report = json.loads(done.stdout)
        self.cut = report["cut"]
        self.taken = next((d for d in report["done"] if d.startswith("quantized already")), "")
        subprocess.run([args.tool, "embed", package, photos, "-o", table], check=True, stdout=subprocess.DEVNULL)
        with np.load(table) as arrays:
            self.rows = next(arrays[name] for name in arrays if arrays[name].ndim == 2).astype(np.float64)


def cosines(a: np.ndarray, b: np.ndarray) -> dict:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    all_of = (a * b).sum(1) / np.maximum(lengths, 1e-30)
    return {"mean": round(float(all_of.mean()), 5), "worst": round(float(all_of.min()), 5)}


def compared(want: np.ndarray, got: np.ndarray, step: float) -> dict:
    row = {"cosine": cosines(want, got)}
    if step:
        codes = np.abs(want - got) / step
        row |= {"codes": round(float(codes.max()), 2), "within_1": round(float((codes < 1.01).mean()), 5)}
    if want.shape[1] in (1000, 1001):
        row["agreement"] = round(float((want.argmax(1) == got.argmax(1)).mean()), 4)
    return row


def options(pictures: dict, cut: str | None) -> list[str]:
    return [*(["--cut", cut, "--pool", "none"] if cut else []), "--preset", pictures["preset"]]


def exact(args, floats: Path, pictures: dict, cut: str | None) -> np.ndarray:
    """Embeddings of the float network."""
    own = Ours(args, floats, pictures["photos"], pictures["calibration"], "--precision", "f32", *options(pictures, cut))
    return own.rows


def row_of(args, name: str, floats: np.ndarray, model: Path, pictures: dict, cut: str | None) -> dict:
    stated = options(pictures, cut)
    photos, calibration = pictures["photos"], pictures["calibration"]
    own = Ours(args, model, photos, calibration, *stated)
    anew = Ours(args, model, photos, calibration, "--requantize", *stated)
    want = run(model, own.cut, pictures["inputs"])
    step = step_of(onnx.load(model).graph, own.cut)[0]
    return {
        "model": name, "cut": own.cut, "taken": own.taken, "as_is": compared(want, own.rows, step),
        "requantized": compared(want, anew.rows, step), "onnxruntime_to_float": cosines(want, floats),
        "as_is_to_float": cosines(own.rows, floats), "requantized_to_float": cosines(anew.rows, floats),
    }  # fmt: skip


def crops(files: list[Path], folder: Path, side: int) -> None:
    """The middle of each photograph as a picture of the input's size, in two folders of classes."""
    shutil.rmtree(folder, ignore_errors=True)
    for at, file in enumerate(files):
        image = Image.open(file).convert("RGB")
        short = round(side / 0.875)
        scale = short / min(image.size)
        image = image.resize([max(short, round(n * scale)) for n in image.size], Image.BILINEAR)
        left, top = ((n - side) // 2 for n in image.size)
        target = folder / str(at % 2)
        target.mkdir(parents=True, exist_ok=True)
        image.crop((left, top, left + side, top + side)).save(target / f"{at:04}.png")


def pictures_of(args, side: int, count: int, calibrated: int, preset: str) -> dict:
    files = sorted((args.shared / "data/imagenet-sample").glob("*.jpg"))
    tested = files[:: max(1, len(files) // count)][:count]
    others = [f for f in files if f not in tested] or files
    seen = others[:: max(1, len(others) // calibrated)][:calibrated]
    photos, calibration = args.work / f"photos{side}", args.work / f"calibration{side}"
    crops(tested, photos, side)
    crops(seen, calibration, side)
    mean, std = {"unit": (0.0, 255.0), "tf": (127.5, 127.5)}[preset]

    def values(folder: Path) -> list[np.ndarray]:
        order = sorted(folder.glob("*/*.png"))
        pixels = [np.asarray(Image.open(f), np.float32).transpose(2, 0, 1)[None] for f in order]
        return [np.ascontiguousarray((p - np.float32(mean)) / np.float32(std)) for p in pixels]

    return {"photos": photos, "calibration": calibration, "preset": preset, "inputs": values(photos),
            "seen": values(calibration)}  # fmt: skip


def small(args) -> None:
    pictures = pictures_of(args, 32, 64, 64, "unit")
    for name, make in NETS.items():
        if args.only not in name:
            continue
        floats = args.work / f"{name}.onnx"
        onnx.save(make(), floats)
        rows = exact(args, floats, pictures, None)
        for way in ways(False):
            tag = "_".join(str(v) for v in way.values())
            model = args.work / f"{name}.{tag}.onnx"
            quantize(floats, model, pictures["seen"], way)
            print(json.dumps({**way, **row_of(args, name, rows, model, pictures, None)}), flush=True)


def mobilenet(args) -> None:
    if args.only not in MOBILENET:
        return
    pictures = pictures_of(args, 224, args.photos, 128, "tf")
    floats = args.shared / "models/real" / f"{MOBILENET}.onnx"
    rows = {cut: exact(args, floats, pictures, cut) for cut in (FEATURES, LOGITS)}
    for way in ways(True):
        tag = "_".join(str(v) for v in way.values())
        model = args.work / f"{MOBILENET}.{tag}.onnx"
        if not model.exists():
            quantize(floats, model, pictures["seen"], way)
        names = {o for n in onnx.load(model).graph.node for o in n.output}
        # The classifier is asked of the first way alone.
        for float_cut in (FEATURES, LOGITS) if way == ways(True)[0] else (FEATURES,):
            ends = [f"{float_cut}_DequantizeLinear_Output", f"{float_cut}_quantized", float_cut]
            cut = next(end for end in ends if end in names)
            row = row_of(args, MOBILENET, rows[float_cut], model, pictures, cut)
            print(json.dumps({**way, **row}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder of models and pictures")
    parser.add_argument("--tool", type=Path, default=REPOSITORY / "target/release/offshoot")
    parser.add_argument("--work", type=Path, default=Path("/tmp/offshoot-quantized"))
    parser.add_argument("--only", default="", help="models whose name holds this")
    parser.add_argument("--photos", type=int, default=250, help="photographs for MobileNetV2")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    small(args)
    mobilenet(args)


if __name__ == "__main__":
    main()
