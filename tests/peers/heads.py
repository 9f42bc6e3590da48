"""Times heads of many samples beside scikit-learn's, in one run, one thread each, by processor time, and writes the table of
sdk/docs/heads.md.

    pip install numpy scikit-learn
    cargo build --release -p offshoot-core --features alloc --example scale
    python tests/peers/heads.py [--write]

The samples are those of `sdk/core/examples/scale.rs`: clusters that overlap, of uneven dimensions. Ours are kept as
bytes, and their time has exact held-out scores of every sample in it; scikit-learn's is `fit` alone.
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
    ("softmax", "LogisticRegression", lambda: LogisticRegression(max_iter=1000)),
    ("auto", None, None),
]
LIMIT = 600


def ours(program, size, kind):
    command = [program, *map(str, size), kind]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout.split()
    except subprocess.TimeoutExpired:
        return None
    return float(told[1]), float(told[2]), float(told[3])


def theirs(make, learn, fresh, labels):
    scaler = StandardScaler().fit(learn)
    model = make()
    learn = scaler.transform(learn)
    start = time.process_time()
    model.fit(learn, labels)
    seconds = time.process_time() - start
    return seconds, model.score(scaler.transform(fresh[:2000]), labels[:2000])


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
            own = ours(args.program, size, kind)
            cells = [f"{own[0]:.2f}", f"{own[1]:.2f}", f"{own[2]:.3f}"] if own else [f"more than {LIMIT}", "", ""]
            other = ["", "", ""]
            if name:
                seconds, score = theirs(make, values[0], values[1], labels)
                other = [name, f"{seconds:.2f}", f"{score:.3f}"]
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
