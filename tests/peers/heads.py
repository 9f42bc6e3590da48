"""Times heads of many samples beside scikit-learn's, in one run, one thread each, by processor time, and writes the table of
sdk/docs/heads.md.

    pip install numpy scikit-learn
    cargo build --release -p offshoot-core --features alloc --example scale
    python tests/peers/heads.py [--write]

The samples are those of `sdk/core/examples/scale.rs`: clusters that overlap, of uneven dimensions. Ours are kept as
bytes, and their time has held-out scores of every sample in it; scikit-learn's is `fit` alone, on standardised values.
LogisticRegression is given the problem that ours solves, too: the same features and strength. The objective is half of the
squared weights plus C times the loss; ours must not be greater than that at scikit-learn's tolerance.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]:
    os.environ[name] = "1"

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

REPOSITORY = Path(__file__).resolve().parents[2]
TABLE = REPOSITORY / "sdk/docs/heads.md"
BEGIN = "<!-- tests/peers/heads.py writes from here -->"
END = "<!-- to here -->"
SIZES = [(1000, 256, 10), (5000, 256, 10), (5000, 256, 1000), (20_000, 1280, 10)]
# Ours, theirs. Theirs choose a strength where ours do not (RidgeClassifierCV: ten, by exact leave-one-out).
PAIRS = [
    ("ridge", "RidgeClassifierCV", lambda: RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))),
    ("slda", "LDA, lsqr, shrunk", lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
    ("softmax", "LogisticRegression, same problem", lambda: LogisticRegression(C=STRENGTH, max_iter=1000)),
    ("softmax", "LogisticRegression", lambda: LogisticRegression(max_iter=1000)),
    ("auto", None, None),
]
STRENGTH = 10  # of our softmax regression
LIMIT = 600


class HalfLength:
    """Features of our softmax regression: half way between the values and those of length 1."""

    def fit(self, values):
        self.mean = np.linalg.norm(values, axis=1).mean()
        return self

    def transform(self, values):
        return values / np.sqrt(np.linalg.norm(values, axis=1, keepdims=True) * self.mean)


def ours(program, size, kind):
    command = [program, *map(str, size), kind]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout.split()
    except subprocess.TimeoutExpired:
        return None
    return float(told[1]), float(told[2]), float(told[3]), told[6]


def objective(model, learn, labels):
    scores = learn @ model.coef_.T.astype(float) + model.intercept_
    top = scores.max(axis=1)
    loss = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[np.arange(len(labels)), labels]
    return (model.coef_.astype(float) ** 2).sum() / 2 + STRENGTH * loss.sum()


def theirs(make, learn, fresh, labels, scaler):
    scaler = scaler.fit(learn)
    model = make()
    learn = scaler.transform(learn)
    start = time.process_time()
    model.fit(learn, labels)
    seconds = time.process_time() - start
    reached = objective(model, learn, labels) if isinstance(scaler, HalfLength) else None
    return seconds, model.score(scaler.transform(fresh[:2000]), labels[:2000]), reached


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=REPOSITORY / "target/release/examples/scale")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = ["| samples x dimensions, classes | head | seconds | report | right | scikit-learn | seconds | right |",
            "|---|---|---|---|---|---|---|---|"]
    for size in SIZES:
        samples, dim, classes = size
        floats = subprocess.run([args.program, *map(str, size), "-"], capture_output=True, check=True).stdout
        values = np.frombuffer(floats, np.float32).reshape(2, samples, dim)
        labels = np.arange(samples) % classes
        for kind, name, make in PAIRS:
            # Minutes each, and nothing is learned from them.
            if (kind == "softmax" and classes > 100) or (kind == "auto" and samples < 10_000):
                continue
            own = ours(args.program, size, kind)
            is_same = name is not None and name.endswith("same problem")
            cells = [f"{own[0]:.2f}", f"{own[1]:.2f}", f"{own[2]:.3f}"] if own else [f"more than {LIMIT}", "", ""]
            other = ["", "", ""]
            if name:
                scaler = HalfLength() if is_same else StandardScaler()
                seconds, score, reached = theirs(make, values[0], values[1], labels, scaler)
                other = [name, f"{seconds:.2f}", f"{score:.3f}"]
                if is_same and own:
                    assert float(own[3]) <= reached * 1.0001, f"{size}: {own[3]} above {reached}"
            rows.append("| " + " | ".join([f"{samples} x {dim}, {classes}", f"`{kind}`", *cells, *other]) + " |")
            print(rows[-1], file=sys.stderr, flush=True)
    table = "\n".join(rows)
    if not args.write:
        print(table)
        return
    text = TABLE.read_text()
    before, rest = text.split(BEGIN)
    TABLE.write_text(before + BEGIN + "\n" + table + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
