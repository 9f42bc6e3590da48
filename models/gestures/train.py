"""Train the network of this folder on synthetic motions, and write it with small data sets.

    python models/gestures/train.py models/gestures

Three convolutions over time, an average, a classifier of ten motions. NumPy alone trains it, so that the
weights are the same numbers on every machine up to the order of sums; `onnx` writes the file.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import motions

# Channels, length of the kernel and stride of each convolution.
LAYERS = [(16, 7, 2), (32, 5, 2), (48, 3, 2)]
EPOCHS = 14
BATCH = 50


def columns(x, kernel, stride):
    """Return the windows of x (n, time, channels), padded like the network: n, out, kernel * channels."""
    pad = kernel // 2
    x = np.pad(x, ((0, 0), (pad, pad), (0, 0)))
    out = (x.shape[1] - kernel) // stride + 1
    places = stride * np.arange(out)[:, None] + np.arange(kernel)
    return x[:, places].reshape(len(x), out, -1)


def scattered(grad, shape, kernel, stride):
    """Return the gradient of x from that of its windows."""
    pad = kernel // 2
    n, time, channels = shape
    x = np.zeros((n, time + 2 * pad, channels), grad.dtype)
    grad = grad.reshape(n, grad.shape[1], kernel, channels)
    for k in range(kernel):
        x[:, k : k + stride * grad.shape[1] : stride] += grad[:, :, k]
    return x[:, pad : pad + time]


def forward(weights, x):
    kept = []
    for (w, b), (_, kernel, stride) in zip(weights, LAYERS):
        seen = columns(x, kernel, stride)
        out = np.maximum(seen @ w + b, 0)
        kept.append((x.shape, seen, out))
        x = out
    pooled = x.mean(1)
    w, b = weights[-1]
    return pooled @ w + b, pooled, kept


def backward(weights, grad, pooled, kept):
    grads = [(pooled.T @ grad, grad.sum(0))]
    time = kept[-1][2].shape[1]
    grad = np.repeat((grad @ weights[-1][0].T)[:, None] / time, time, 1)
    for (w, _), (_, kernel, stride), (shape, seen, out) in zip(
        weights[-2::-1], LAYERS[::-1], kept[::-1]
    ):
        grad = grad * (out > 0)
        flat = grad.reshape(-1, grad.shape[2])
        grads.append((seen.reshape(-1, seen.shape[2]).T @ flat, flat.sum(0)))
        grad = scattered(grad @ w.T, shape, kernel, stride)
    return grads[::-1]


def train(x, y, seed):
    random = np.random.default_rng(seed)
    weights = []
    channels = x.shape[2]
    for out, kernel, _ in LAYERS:
        fan = kernel * channels
        weights.append((random.normal(scale=np.sqrt(2 / fan), size=(fan, out)), np.zeros(out)))
        channels = out
    kinds = int(y.max()) + 1
    weights.append((random.normal(scale=0.1, size=(channels, kinds)), np.zeros(kinds)))
    moments = [[np.zeros_like(p), np.zeros_like(p)] for pair in weights for p in pair]
    count = 0
    for epoch in range(EPOCHS):
        rate = 3e-3 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        for rows in np.split(random.permutation(len(x)), len(x) // BATCH):
            scores, pooled, kept = forward(weights, x[rows])
            scores = np.exp(scores - scores.max(1, keepdims=True))
            grad = scores / scores.sum(1, keepdims=True)
            grad[np.arange(len(rows)), y[rows]] -= 1
            grads = backward(weights, grad / len(rows), pooled, kept)
            count += 1
            flat = [p for pair in weights for p in pair]
            for p, g, m in zip(flat, [g for pair in grads for g in pair], moments):
                m[0] = 0.9 * m[0] + 0.1 * g
                m[1] = 0.999 * m[1] + 0.001 * g * g
                p -= rate * (m[0] / (1 - 0.9**count)) / (np.sqrt(m[1] / (1 - 0.999**count)) + 1e-8)
    return weights


def accuracy(weights, x, y):
    return float((forward(weights, x)[0].argmax(1) == y).mean())


def write(weights, mean, std, file):
    nodes = []
    stored = []
    name = "signal"
    channels = motions.CHANNELS
    for i, ((w, b), (out, kernel, stride)) in enumerate(zip(weights, LAYERS)):
        pad = kernel // 2
        # Our columns are kernel by channels; ONNX has out, channels, kernel.
        w = w.reshape(kernel, channels, out).transpose(2, 1, 0)
        stored += [(f"w{i}", w), (f"b{i}", b)]
        nodes += [
            helper.make_node(
                "Conv",
                [name, f"w{i}", f"b{i}"],
                [f"conv{i}"],
                name=f"conv{i}",
                kernel_shape=[kernel],
                strides=[stride],
                pads=[pad, pad],
            ),
            helper.make_node("Relu", [f"conv{i}"], [f"relu{i}"], name=f"relu{i}"),
        ]
        name = f"relu{i}"
        channels = out
    w, b = weights[-1]
    stored += [("classifier.weight", w.T), ("classifier.bias", b)]
    nodes += [
        helper.make_node("GlobalAveragePool", [name], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], name="flatten"),
        helper.make_node(
            "Gemm",
            ["features", "classifier.weight", "classifier.bias"],
            ["scores"],
            name="classifier",
            transB=1,
        ),
    ]
    shape = [1, motions.CHANNELS, motions.PLACES]
    graph = helper.make_graph(
        nodes,
        "gestures",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(motions.LEARNED)])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in stored],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    listed = lambda values: ",".join(f"{value:.4g}" for value in values)
    stated = {
        "offshoot.mean": listed(mean),
        "offshoot.std": listed(std),
        "offshoot.rate": str(motions.RATE),
    }
    helper.set_model_props(model, stated)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def main(folder):
    x, y = motions.dataset(motions.LEARNED, 300, 1)
    tested = motions.dataset(motions.LEARNED, 60, 2)
    # The package has four digits of them.
    mean = np.array([float(f"{v:.4g}") for v in x.mean((0, 1))])
    std = np.array([float(f"{v:.4g}") for v in x.std((0, 1))])
    scaled = lambda x: (x - mean) / std
    weights = train(scaled(x), y, 3)
    print(f"ten learned motions, others of them: {accuracy(weights, scaled(tested[0]), tested[1]):.3f}")
    folder.mkdir(parents=True, exist_ok=True)
    write(weights, mean, std, folder / "gestures.onnx")
    x, y = motions.dataset(motions.LEARNED, 12, 4)
    np.savez_compressed(folder / "learned.npz", x=x, y=y, classes=np.array(motions.LEARNED))
    x, y = motions.dataset(motions.TAUGHT, 10, 5)
    tested = motions.dataset(motions.TAUGHT, 20, 6)
    np.savez_compressed(
        folder / "taught.npz",
        x_train=x,
        y_train=y,
        x_test=tested[0],
        y_test=tested[1],
        classes=np.array(motions.TAUGHT),
    )
    # A stream as a board reads it: ten pushes, then ten draws of a V.
    random = np.random.default_rng(7)
    with open(folder / "stream.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "x", "y", "z"])
        at = 0
        for kind in ["push"] * 10 + ["draw-v"] * 10:
            for place in motions.recording(kind, random):
                table.writerow([f"{at / motions.RATE:.2f}", *(f"{value:.3f}" for value in place)])
                at += 1


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
