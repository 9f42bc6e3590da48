"""`auto` beside scikit-learn on any data sets: the table "On other ground" of sdk/docs/heads.md.

    python foreign.py [--package PACKAGE] [--draws N] [--shots 1,2,5] [--without lrcv] [--csv OUT] COLLECTION...

COLLECTION is a folder with one folder of images per class, embedded by `offshoot embed` with PACKAGE, or
an archive that `offshoot embed` wrote. OFFSHOOT and FEW_SHOT name the two programs where they are not
`target/release/offshoot` and `target/release/examples/few_shot`.

Of each class two fifths (5 to 60 images) are tested on, others are learned from: 1, 2, 5, 10, 20 and
all; and unevenly: all of one class, then fewer and fewer to a twelfth of another, at least four, in an
order that every draw changes. A row is the mean of its draws. `recall` is the mean of the classes' shares of right
answers, `accuracy` that of all images where classes are as frequent as they are learned. Beside `auto`:

    lr       LogisticRegression, enough iterations
    lrcv     LogisticRegressionCV, five folds or as many as the rarest class has samples
    ridgecv  RidgeClassifierCV
    lda      LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), from three samples a class

as they come. The first three change nothing where features are turned, so that they get the coordinates of
the samples' span; the last one is solved by Woodbury's identity (both are compared with scikit-learn's own
numbers first). `best` is the best of the last three in that row, `interval` half of the 95 % interval of what `auto`
leads it by. Made with scikit-learn 1.9.1, one thread.
"""
import argparse, collections, csv, os, pathlib, subprocess, sys, tempfile, warnings
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifierCV

warnings.filterwarnings("ignore")  # Of iterations that do not suffice: as it comes.
ROOT = pathlib.Path(__file__).resolve().parents[3]
OFFSHOOT = os.environ.get("OFFSHOOT", ROOT / "target/release/offshoot")
FEW_SHOT = os.environ.get("FEW_SHOT", ROOT / "target/release/examples/few_shot")
SHOTS = ["1", "2", "5", "10", "20", "all", "uneven"]
Task = collections.namedtuple("Task", "shots draw learn test")


def archive(collection, package, folder):
    path = pathlib.Path(collection)
    if path.is_dir():
        if not package:
            sys.exit(f"{path} is a folder of images: name a package with --package")
        out = pathlib.Path(folder) / f"{path.name}.npz"
        subprocess.run([OFFSHOOT, "embed", package, path, "--output", out], check=True, stdout=subprocess.DEVNULL)
        path = out
    return path


def draw(labels, shots, number):
    random = np.random.default_rng([number, 15])
    learn, test, classes = [], [], labels.max() + 1
    for rank, c in enumerate(random.permutation(classes)):
        members = random.permutation(np.flatnonzero(labels == c))
        kept_back = min(max(5, int(len(members) * 0.4)), 60)
        pool, count = members[kept_back:], len(members)
        if shots == "uneven":
            count = max(4, round(len(pool) * 12 ** (-rank / max(classes - 1, 1))))
        elif shots != "all":
            count = int(shots)
        learn, test = learn + list(pool[:count]), test + list(members[:kept_back])
    return Task(shots, number, np.array(learn), np.array(test))


def rows(labels, wanted):
    counts = np.bincount(labels)
    least = (counts - np.clip((counts * 0.4).astype(int), 5, 60)).min()
    if least < 1:
        sys.exit(f"a class has {counts.min()} images: at least 6 are needed")
    return [s for s in wanted if s in ("all", "uneven") and least >= 4 or s.isdigit() and int(s) <= least]


def span(x, q):
    """Coordinates in the span of the samples."""
    if len(x) >= x.shape[1]:
        return x, q
    turn, _ = np.linalg.qr(x.T)
    return x @ turn, q @ turn


def lda(x, y, q):
    """Scores of LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto") among the samples: the
    covariance is a diagonal and a product of the samples' deviations (Ledoit and Wolf 2004, of each class
    brought to variance 1)."""
    n, p = x.shape
    share, diagonal, rows, means = np.bincount(y) / n, np.zeros(p), [], []
    for c in range(y.max() + 1):
        own = x[y == c]
        means.append(own.mean(0))
        z = own - means[-1]
        deviation = np.sqrt((z**2).mean(0))
        deviation[deviation < 1e-12] = 1
        z1, m = z / deviation, len(own)
        size = (z1**2).sum() / m / p
        square = ((z1 @ z1.T / m) ** 2).sum()
        spread = (square - p * size**2) / p
        noise = min(((z1**2).sum(1) ** 2).sum() / m - square, p * m * spread) / (p * m)
        shrinkage = noise / spread if spread > 0 else 0.0
        diagonal += share[c] * shrinkage * size * deviation**2
        rows.append(np.sqrt(share[c] * (1 - shrinkage) / m) * z)
    low, means = np.vstack(rows), np.array(means)
    diagonal = np.maximum(diagonal, 1e-10 * diagonal.max())
    scaled = low / diagonal
    inner = np.linalg.solve(np.eye(n) + scaled @ low.T, scaled @ means.T)
    weights = means / diagonal - inner.T @ scaled
    return q @ weights.T - 0.5 * (weights * means).sum(1) + np.log(share)


def check():
    """What takes the place of scikit-learn says what it says."""
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [5, 9, 7])
    x = random.normal(size=(len(y), 60)) * random.uniform(0.2, 2, 60) + 0.4 * y[:, None]
    q = random.normal(size=(40, 60)) + 0.4
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, y).decision_function(q)
    ours = lda(x, y, q)
    centred = lambda scores: scores - scores.mean(1, keepdims=True)
    assert abs(centred(theirs) - centred(ours)).max() < 1e-6 * abs(theirs).max()
    whole, (x1, q1) = LogisticRegression(max_iter=5000).fit(x, y), span(x, q)
    assert (whole.predict(q) == LogisticRegression(max_iter=5000).fit(x1, y).predict(q1)).all()


def theirs(x, y, q, without):
    """What scikit-learn's classifiers say."""
    least = np.bincount(y).min()
    turned, asked = span(x, q)
    models = {"lr": LogisticRegression(max_iter=5000), "ridgecv": RidgeClassifierCV()}
    if least >= 2:
        models["lrcv"] = LogisticRegressionCV(cv=int(min(5, least)))
    said = {n: model.fit(turned, y).predict(asked) for n, model in models.items() if n not in without}
    if least >= 3 and "lda" not in without:
        said["lda"] = lda(x, y, q).argmax(1)
    return said


def ours(path, tasks, folder):
    """What `auto` chose, said and how sure it was."""
    lines = pathlib.Path(folder) / "tasks"
    lines.write_text("".join(f"{','.join(map(str, t.learn))};{','.join(map(str, t.test))}\n" for t in tasks))
    out = subprocess.run([FEW_SHOT, "--answer", lines, path], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        chosen, *answers = line.split()
        pairs = [answer.split(":") for answer in answers]
        yield chosen, np.array([int(c) for c, _ in pairs]), np.array([float(p) for _, p in pairs])


def measures(said, want, learned):
    """Mean of the classes' shares of right answers, plain and by how often classes were learned."""
    recalls = np.array([(said[want == c] == c).mean() for c in range(learned.max() + 1)])
    return recalls.mean(), (np.bincount(learned) / len(learned) * recalls).sum()


def calibration_error(sure, right):
    bins = np.minimum((sure * 10).astype(int), 9)
    return sum(abs((sure[bins == b] - right[bins == b]).sum()) for b in range(10)) / len(sure)


def collection(path, wanted, draws, without, folder):
    """The rows of one collection."""
    data = np.load(path)
    x, labels = data["embeddings"].astype(np.float64), data["labels"].astype(int)
    tasks = [draw(labels, shots, number) for shots in rows(labels, wanted) for number in range(draws)]
    cells = collections.defaultdict(lambda: collections.defaultdict(list))
    for task, (chosen, said, sure) in zip(tasks, ours(path, tasks, folder)):
        y, want = labels[task.learn], labels[task.test]
        cell = cells[task.shots]
        cell["chosen"].append(chosen)
        cell["sure"].append((sure, said == want))
        for name, answer in {"auto": said, **theirs(x[task.learn], y, x[task.test], without)}.items():
            cell[name].append(measures(answer, want, y))
    for shots, cell in cells.items():
        for which, measure in enumerate(["recall", "accuracy"]):
            if which and shots not in ("all", "uneven"):
                continue  # Classes are alike: the same number.
            of = {k: np.array(v)[:, which] for k, v in cell.items() if k not in ("chosen", "sure")}
            means = {name: 100 * values.mean() for name, values in of.items()}
            best = max([n for n in ("lrcv", "ridgecv", "lda") if n in of] or ["lr"], key=means.get)
            leads = 100 * (of["auto"] - of[best])
            sure, right = (np.concatenate(parts) for parts in zip(*cell["sure"]))
            yield {
                "data": pathlib.Path(path).stem, "shots": shots, "measure": measure,
                **{n: round(means[n], 2) if n in means else "" for n in ("auto", "lr", "lrcv", "ridgecv", "lda")},
                "best": best, "lead": round(leads.mean(), 2),
                "interval": round(1.96 * leads.std(ddof=1) / np.sqrt(draws), 2) if draws > 1 else "",
                "calibration_error": round(calibration_error(sure, right), 3),
                "chosen": collections.Counter(cell["chosen"]).most_common(1)[0][0].replace(",", " "),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("collections", nargs="+", metavar="COLLECTION")
    parser.add_argument("--package", help="package that embeds the folders")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--shots", default=",".join(SHOTS))
    parser.add_argument("--without", default="", help="what to leave out of scikit-learn's: lrcv takes the time")
    parser.add_argument("--csv", help="file that gets the rows")
    args = parser.parse_args()
    check()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.collections:
            path = archive(name, args.package, folder)
            for row in collection(path, args.shots.split(","), args.draws, args.without.split(","), folder):
                found.append(row)
                print(" ".join(f"{value!s:>9}" for value in list(row.values())), flush=True)
    if args.csv:
        with open(args.csv, "w", newline="") as out:
            writer = csv.DictWriter(out, found[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
    summary(found)


def summary(found):
    print("\ndata: mean lead of auto over LogisticRegression")
    for name in dict.fromkeys(row["data"] for row in found):
        leads = [row["auto"] - row["lr"] for row in found if row["data"] == name and row.get("lr") not in (None, "")]
        if leads:
            print(f"  {name}: {np.mean(leads):+.2f} in {len(leads)} rows")
    near = [row["lead"] >= -1 for row in found]
    print(f"{sum(near)} of {len(near)} rows are within a point of the best of lrcv, ridgecv and lda, or above it")


if __name__ == "__main__":
    main()
