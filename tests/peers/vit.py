"""ViT-S/16 at 224 with random weights of a trained network's size, in Offshoot and in onnxruntime, in turns.

    python vit.py export OUT PICTURES        writes OUT/vit.onnx, and PNG files of 224 x 224 to calibrate on and to time
    offshoot convert OUT/vit.onnx --calibrate OUT/calibration --preset imagenet --squash -o OUT/vit.offshoot
    cargo build --release -p offshoot --no-default-features --features png --example image_time
    python vit.py time OUT image_time        one thread: onnxruntime f32, quantize_dynamic, and quantize_static (QDQ) of the
                                             same graph, and the SDK's example image_time; cosines to f32

The graph is that of torch's exporter at opset 13 of Hugging Face's ViT: a convolution of patches, a class token, norms before
attention and before the layers inside. The embedding is the class token behind the last norm. PICTURES is a folder of
photographs, at least 40.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from minilm import Builder, Offshoot, cosines, session
from onnx import TensorProto, helper
from PIL import Image

LAYERS, HEADS, WIDTH, INSIDE, SIDE, PATCH = 12, 6, 384, 1536, 224, 16
PLACES = (SIDE // PATCH) ** 2 + 1
CALIBRATED, TIMED = 32, 8
MEAN, DEVIATION = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


class Vit(Builder):
    """Nodes with weights made where they are asked for."""

    def __init__(self):
        super().__init__({})
        self.random = np.random.default_rng(7)

    def made(self, name, shape, scale, around=0.0):
        values = self.random.normal(around, scale, shape).astype(np.float32)
        self.weights[name] = values
        return values

    def dense(self, x, name, depth, channels):
        self.made(f"{name}.weight", (channels, depth), 0.8 / depth**0.5)
        self.made(f"{name}.bias", channels, 0.05)
        return super().dense(x, name)

    def norm(self, x, name):
        # As trained: most factors near one, few channels of large ones.
        self.made(f"{name}.weight", WIDTH, 0.2, 1.0)[:: WIDTH // 8] *= 4
        self.made(f"{name}.bias", WIDTH, 0.1)
        return super().norm(x, name)

    def heads(self, x, name, order):
        shape = self.constant("heads", np.array([1, PLACES, HEADS, WIDTH // HEADS]))
        x = self.node("Reshape", [x, shape], f"/{name}/Reshape")
        return self.node("Transpose", [x], f"/{name}/Transpose", perm=order)

    def layer(self, x, at):
        name = f"layer.{at}"
        inner = self.norm(x, f"{name}.before")
        orders = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        parts = [self.heads(self.dense(inner, f"{name}.{p}", WIDTH, WIDTH), f"{name}.{p}", o) for p, o in orders.items()]
        scores = self.node("MatMul", parts[:2], f"/{name}/MatMul")
        scores = self.node("Div", [scores, self.number((WIDTH / HEADS) ** 0.5)], f"/{name}/Div")
        shares = self.node("Softmax", [scores], f"/{name}/Softmax", axis=-1)
        context = self.node("MatMul", [shares, parts[2]], f"/{name}/MatMul_1")
        context = self.node("Transpose", [context], f"/{name}/Transpose", perm=[0, 2, 1, 3])
        shape = self.constant("width", np.array([1, PLACES, WIDTH]))
        context = self.node("Reshape", [context, shape], f"/{name}/Reshape")
        x = self.node("Add", [self.dense(context, f"{name}.out", WIDTH, WIDTH), x], f"/{name}/Add")
        inside = self.dense(self.norm(x, f"{name}.after"), f"{name}.inside", WIDTH, INSIDE)
        inside = self.dense(self.gelu(inside, f"{name}.gelu"), f"{name}.back", INSIDE, WIDTH)
        return self.node("Add", [inside, x], f"/{name}/Add_1")


def graph():
    """The model: a picture in, the class token out."""
    b = Vit()
    patches = b.constant("patches", b.made("patches", (WIDTH, 3, PATCH, PATCH), 0.04))
    bias = b.constant("patches.bias", b.made("bias", WIDTH, 0.05))
    sides = [PATCH, PATCH]
    x = b.node("Conv", ["pixels", patches, bias], "/Conv", kernel_shape=sides, strides=sides)
    x = b.node("Reshape", [x, b.constant("row", np.array([1, WIDTH, PLACES - 1]))], "/Reshape")
    x = b.node("Transpose", [x], "/Transpose", perm=[0, 2, 1])
    x = b.node("Concat", [b.constant("class", b.made("class", (1, 1, WIDTH), 0.1)), x], "/Concat", axis=1)
    x = b.node("Add", [x, b.constant("places", b.made("places", (1, PLACES, WIDTH), 0.1))], "/Add")
    for at in range(LAYERS):
        x = b.layer(x, at)
    x = b.norm(x, "norm")
    b.node("Gather", [x, b.constant("first", np.array([0]))], "embedding", axis=1)
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 1, WIDTH])
    made = helper.make_graph(b.nodes, "vit", inputs, [output], list(b.constants.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def pixels(path):
    values = (np.asarray(Image.open(path).convert("RGB"), np.float32) - MEAN) / DEVIATION
    return values.transpose(2, 0, 1)[None].astype(np.float32)


def export(out, pictures):
    onnx.save(graph(), out / "vit.onnx")
    for at, path in enumerate(sorted(Path(pictures).glob("*.jpg"))[: CALIBRATED + TIMED]):
        folder = out / ("calibration" if at < CALIBRATED else "timed")
        folder.mkdir(exist_ok=True)
        Image.open(path).convert("RGB").resize((SIDE, SIDE)).save(folder / f"{at:03}.png")


def quantized(out):
    """onnxruntime's int8 files of the graph, by name; they are kept."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

    class Pictures(CalibrationDataReader):
        def __init__(self):
            self.paths = iter(sorted((out / "calibration").glob("*.png")))

        def get_next(self):
            path = next(self.paths, None)
            return path and {"pixels": pixels(path)}

    files = {"quantize_dynamic": out / "vit_dynamic.onnx", "quantize_static": out / "vit_static.onnx"}
    if not files["quantize_dynamic"].exists():
        quantize_dynamic(out / "vit.onnx", files["quantize_dynamic"], per_channel=True, weight_type=QuantType.QInt8)
    if not files["quantize_static"].exists():
        quantize_static(
            out / "vit.onnx", files["quantize_static"], Pictures(), per_channel=True, weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8, op_types_to_quantize=["MatMul", "Conv"],
        )  # fmt: skip
    return files


def timing(out, program, rounds=5):
    runs = {"f32": session(out / "vit.onnx")}
    runs.update((name, session(path)) for name, path in quantized(out).items())
    ours = Offshoot(program, out / "vit.offshoot")
    taken = {name: [] for name in [*runs, "Offshoot"]}
    found = {name: [] for name in taken}
    for path in sorted((out / "timed").glob("*.png")):
        feed = {"pixels": pixels(path)}
        for at in range(rounds + 1):
            for name, run in runs.items():
                start = time.process_time()
                run.run(None, feed)
                taken[name].append(1000 * (time.process_time() - start))
            start = ours.processor_time()
            own = ours.embed([path])
            taken["Offshoot"].append(1000 * (ours.processor_time() - start))
            if at == 0:  # The file is decoded, and what a first run costs is not a run's.
                taken = {name: times[:-1] for name, times in taken.items()}
                for name, run in runs.items():
                    found[name].append(run.run(None, feed)[0].ravel())
                found["Offshoot"].append(own)
    print(f"onnxruntime {onnxruntime.__version__}, {rounds} runs of each of {len(found['f32'])} pictures, one thread")
    for name, times in taken.items():
        own = cosines(np.array(found[name]), np.array(found["f32"]))
        ratio = np.median(np.array(taken["Offshoot"]) / times)
        print(
            f"{name:18} median {np.median(times):6.1f} ms, least {min(times):6.1f}; Offshoot / it {ratio:.2f}, of the least"
            f" {min(taken['Offshoot']) / min(times):.2f}; cosine to f32 mean {own.mean():.5f} worst {own.min():.5f}"
        )


def main():
    command, out, argument = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    out.mkdir(exist_ok=True)
    if command == "export":
        export(out, argument)
    elif command == "time":
        timing(out, argument)


if __name__ == "__main__":
    main()
