"""scikit-learn on the draws of few_shot.rs: LogisticRegression as it comes (but for enough iterations).

    python few_shot.py [--draws N] DATA.npz... > few_shot_sklearn.csv
    python few_shot.py --refit EXECUTABLE DATA.npz

The second form times fits of 10 classes x 50 samples, here and by `few_shot --refit` in the same run,
and fails where `auto` takes longer.

Made with scikit-learn 1.9.1 and numpy 2.4.6, one thread (OMP_NUM_THREADS=1). The archives are what
`offshoot embed` writes.
"""
import os, sys, time, pathlib, subprocess
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
from sklearn.linear_model import LogisticRegression

M, SHOTS, KEPT_BACK = (1 << 64) - 1, [1, 5, 10, 20, None], 5


def split_mix(state):
    state = (state + 0x9E3779B97F4A7C15) & M
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return state, z ^ (z >> 31)


def draw(labels, held, shots, number):
    state, learn, test = ((number + 1) * 0xD1B54A32D192ED03) & M, [], []
    for c in range(labels.max() + 1):
        members = [i for i in range(len(labels)) if labels[i] == c and not held[i]]
        for i in range(len(members) - 1, 0, -1):
            state, r = split_mix(state)
            members[i], members[r % (i + 1)] = members[r % (i + 1)], members[i]
        most = len(members) - (0 if held.any() else KEPT_BACK)
        taken = min(shots or most, most)
        learn, test = learn + members[:taken], test + members[taken:]
    return learn, [i for i in range(len(labels)) if held[i]] if held.any() else test


def main(arguments):
    draws = 30
    if arguments[:1] == ["--refit"]:
        refit(*arguments[1:])
    if arguments[:1] == ["--draws"]:
        draws, arguments = int(arguments[1]), arguments[2:]
    print("data,shots,head,accuracy")
    for path in arguments:
        data = np.load(path)
        x, labels, held = data["embeddings"].astype(np.float64), data["labels"], data["split"] == 1
        least = min(((labels == c) & ~held).sum() for c in range(labels.max() + 1))
        for shots in SHOTS:
            if shots and shots + KEPT_BACK > least:
                continue
            scores = []
            for number in range(1 if not shots and held.any() else draws):
                learn, test = draw(labels, held, shots, number)
                model = LogisticRegression(max_iter=5000).fit(x[learn], labels[learn])
                scores.append((model.predict(x[test]) == labels[test]).mean())
            print(f"{pathlib.Path(path).stem},{shots or 'all'},sklearn,{np.mean(scores):.5f}", flush=True)


def refit(executable, path):
    data = np.load(path)
    x, labels, held = data["embeddings"], data["labels"], data["split"] == 1
    learn, _ = draw(labels, held, 50, 0)
    theirs = {}
    for kind in (np.float64, np.float32):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            LogisticRegression(max_iter=5000).fit(x[learn].astype(kind), labels[learn])
            times.append(1e3 * (time.perf_counter() - start))
        theirs[kind.__name__] = min(times)
        print(f"LogisticRegression, {kind.__name__}: {min(times):.1f} ms")
    table = subprocess.run([executable, "--refit", path], capture_output=True, text=True, check=True).stdout
    print(table)
    ours = {line.split()[0]: float(line.split()[1]) for line in table.splitlines() if line.startswith("  ")}
    for kind, time_ms in ours.items():
        print(f"{kind:<8} " + ", ".join(f"1/{t / time_ms:.1f} of {name}" for name, t in theirs.items()))
    # numpy's own precision, and what the table is computed with.
    sys.exit(0 if ours["auto"] <= theirs["float64"] else "auto takes longer")


if __name__ == "__main__":
    main(sys.argv[1:])
