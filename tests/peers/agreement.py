"""What 8 bits cost, by our quantizer and by onnxruntime's: the same models, calibration pictures, measure.

    pip install -r tests/peers/requirements.txt
    cargo build --release --bin offshoot
    python tests/peers/agreement.py --shared FOLDER

Each model keeps its classifier (`--cut` at the logits). Of the 500 photographs of the ImageNet sample
128 calibrate; on all 500 int8 is compared with float: the cosine of the features that feed the
classifier, and how often the largest logit is the same one. Each side is compared with its own float
run on its own pixels. The last lines are time and peak memory of quantizing MobileNetV2, each side a
process of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
CALIBRATED = 128
# Model, side, logits, features, agreement of the original int8 TFLite model where it is known.
MODELS = [
    ("mobilenet_v2_1.0_224", 224, "/MobilenetV2/Logits/Conv2d_1c_1x1/Gemm_output_0",
     "/MobilenetV2/Logits/Conv2d_1c_1x1/Flatten_output_0", 0.984),
    ("mobilenet_v1_0.25_128", 128, "/MobilenetV1/Logits/Conv2d_1c_1x1/Conv_output_0",
     "/MobilenetV1/Logits/GlobalAveragePool_output_0", 0.944),
    ("mobilenet_v1_0.5_160", 160, "/MobilenetV1/Logits/Conv2d_1c_1x1/Conv_output_0",
     "/MobilenetV1/Logits/GlobalAveragePool_output_0", 0.967),
    ("mobilenet_v1_0.75_192", 192, "/MobilenetV1/Logits/Conv2d_1c_1x1/Conv_output_0",
     "/MobilenetV1/Logits/GlobalAveragePool_output_0", 0.980),
]  # fmt: skip


def pixels(file: Path, side: int) -> np.ndarray:
    """Short side to side / 0.875, the middle kept, -1 to 1: a batch of one, planes."""
    image = Image.open(file).convert("RGB")
    short = round(side / 0.875)
    scale = short / min(image.size)
    image = image.resize([max(short, round(n * scale)) for n in image.size], Image.BILINEAR)
    left, top = ((n - side) // 2 for n in image.size)
    image = image.crop((left, top, left + side, top + side))
    values = (np.asarray(image, np.float32) - 127.5) / 127.5
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def cut(model: Path, names: list[str], out: Path) -> Path:
    whole = onnx.shape_inference.infer_shapes(onnx.load(model))
    inputs = [i.name for i in whole.graph.input if i.name not in {t.name for t in whole.graph.initializer}]
    onnx.save(onnx.utils.Extractor(whole).extract_model(inputs, names), out)
    return out


def quantize_onnx(model: Path, files: list[Path], side: int, out: Path) -> None:
    """onnxruntime's static quantization: QDQ, unsigned activations, signed weights by channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def __init__(self, name: str):
            self.rest = ({name: pixels(file, side)} for file in files)

        def get_next(self):
            return next(self.rest, None)

    ready = out.with_suffix(".ready.onnx")
    quant_pre_process(str(model), str(ready), skip_symbolic_shape=True)
    name = onnx.load(ready).graph.input[0].name
    quantize_static(
        str(ready), str(out), Pictures(name), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip


def run_onnx(model: Path, files: list[Path], side: int) -> list[np.ndarray]:
    """Each output for all pictures."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [[o.ravel() for o in session.run(None, {name: pixels(file, side)})] for file in files]
    return [np.array(column) for column in zip(*rows)]


def compare(exact: list[np.ndarray], got: list[np.ndarray]) -> dict:
    """Of logits and features, float and int8."""
    (a, x), (b, y) = exact, got
    cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    return {"agreement": float((a.argmax(1) == b.argmax(1)).mean()), "cosine": float(cosine.mean())}


def ours(args, model: Path, cut: str, calibration: Path, *options: str) -> np.ndarray:
    """Embeddings of all pictures by our package cut at a tensor."""
    kind = "f32" if "f32" in options else "int8"
    stem = f"{model.stem}.{cut.rsplit('/', 1)[-1]}.{kind}"
    package, table = args.work / f"{stem}.offshoot", args.work / f"{stem}.npz"
    convert = [args.tool, "convert", model, "--cut", cut, "--pool", "none", "-o", package, "--calibrate",
               calibration, *options]  # fmt: skip
    embed = [args.tool, "embed", package, args.work / "photos", "-o", table]
    for command in (convert, embed):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with np.load(table) as arrays:
        return next(arrays[name] for name in arrays if arrays[name].ndim == 2)


def link(files: list[Path], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())


def peak(command: list) -> tuple[float, float]:
    """Seconds and megabytes at most of a process."""
    child = "import resource, subprocess, sys, time; start = time.perf_counter(); " \
        "subprocess.run(sys.argv[1:], check=True, capture_output=True); " \
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3)"
    output = subprocess.run([sys.executable, "-c", child, *map(str, command)], check=True, capture_output=True)
    seconds, megabytes = map(float, output.stdout.split())
    return seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the folder of models and pictures")
    parser.add_argument("--tool", type=Path, default=REPOSITORY / "target/release/offshoot")
    parser.add_argument("--work", type=Path, default=Path("/tmp/offshoot-agreement"))
    parser.add_argument("--only", default="", help="models whose name holds this")
    parser.add_argument("--options", default="", help="more options of `offshoot convert`")
    parser.add_argument("--quantize", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    files = sorted((args.shared / "data/imagenet-sample").glob("*.jpg"))
    step = len(files) / CALIBRATED
    calibrated = [files[int(i * step)] for i in range(CALIBRATED)]
    if args.quantize:
        side = next(m[1] for m in MODELS if m[0] in args.quantize[0].name)
        quantize_onnx(args.quantize[0], calibrated, side, args.quantize[1])
        return
    calibration, halves = args.work / "calibration", args.work / "photos"
    link(calibrated, calibration)
    # `embed` takes folders of classes.
    for half in (0, 1):
        link(files[half::2], halves / str(half))
    order = files[0::2] + files[1::2]
    options = args.options.split()
    for name, side, logits, features, known in MODELS:
        if args.only not in name:
            continue
        model = args.shared / "models/real" / f"{name}.onnx"
        whole = cut(model, [logits, features], args.work / f"{name}.onnx")
        int8 = args.work / f"{name}.int8.onnx"
        quantize_onnx(whole, calibrated, side, int8)
        theirs = compare(*(run_onnx(m, order, side) for m in (whole, int8)))
        floats = [ours(args, model, t, calibration, "--precision", "f32") for t in (logits, features)]
        codes = [ours(args, model, t, calibration, *options) for t in (logits, features)]
        row = {"model": name, "tflite": known, "onnxruntime": theirs, "offshoot": compare(floats, codes)}
        print(json.dumps(row), flush=True)
    me = [sys.executable, __file__, "--shared", args.shared, "--work", args.work]
    model = args.shared / "models/real/mobilenet_v2_1.0_224.onnx"
    convert = [args.tool, "convert", model, "-o", args.work / "timed.offshoot", "--calibrate", calibration]
    quantize = [*me, "--quantize", model, args.work / "mobilenet_v2_1.0_224.timed.onnx"]
    for _ in range(3):
        for side, command in (("onnxruntime", quantize), ("offshoot", [*convert, *args.options.split()])):
            seconds, megabytes = peak(command)
            print(json.dumps({"quantize": side, "seconds": round(seconds, 2), "megabytes": round(megabytes)}), flush=True)


if __name__ == "__main__":
    main()
