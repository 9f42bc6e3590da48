"""Embeddings of several parts beside those of one: the tables of sdk/docs/parts.md.

    python ground.py OUT --data DIR                        the data sets, OUT/choose/* and OUT/check/*
    python parts.py accuracy SINGLE PARTS [--shots 5,20] [--draws 20] [--csv parts.csv] OUT/choose/* OUT/check/*
    python parts.py rule PARTS [--draws 12] [--csv parts_rule.csv] OUT/choose/* OUT/check/*

`accuracy` runs `offshoot eval` on two packages of one network, converted without and with `--parts auto`, on the same
draws. `rule` fits ridge regression on the last part and on all values of every draw, with the regularization of the
least exact leave-one-out error, and counts what each rule for the choice would have gained or lost; the rule of
`head/fit/choice.rs` was taken from the sets under `choose`, those under `check` came after it. Needs numpy; OFFSHOOT names
the command where it is not `target/release/offshoot`.
"""

import argparse, csv, os, pathlib, re, subprocess, sys, tempfile

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
OFFSHOOT = os.environ.get("OFFSHOOT", ROOT / "target/release/offshoot")
GRID = 4.0 ** np.arange(-3, 5)
MOST = 80  # images of a class


def accuracy(package, folder, shots, draws):
    words = ["eval", package, folder, "--head", "auto", "--per-class", str(MOST)]
    words += ["--shots", str(shots), "--draws", str(draws)]
    said = subprocess.run([OFFSHOOT, *words], check=True, capture_output=True, text=True).stdout
    mean, half = re.search(r"auto +([0-9.]+) .* within ([0-9.]+)", said).groups()
    return float(mean), float(half)


def accuracies(arguments):
    for folder in arguments.sets:
        smallest = min(len(list(place.iterdir())) for place in folder.iterdir() if place.is_dir())
        for shots in map(int, arguments.shots.split(",")):
            if shots <= smallest * 2 // 3:
                pair = [accuracy(p, folder, shots, arguments.draws) for p in arguments.packages]
                yield [folder.parent.name, folder.name, shots, *pair[0], *pair[1]]


def embed(package, folder):
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place) / "all.npz"
        words = ["embed", package, folder, "--per-class", str(MOST), "--output", out]
        subprocess.run([OFFSHOOT, *words], check=True, stdout=subprocess.DEVNULL)
        archive = np.load(out)
        return archive["embeddings"].astype(np.float64), archive["labels"]


def last_part(package):
    said = subprocess.run([OFFSHOOT, "inspect", package], check=True, capture_output=True, text=True).stdout
    values = int(re.search(r"embedding +([0-9]+) values", said).group(1))
    return values - int(re.search(r"parts .* ([0-9]+)$", said, re.M).group(1))


class Ridge:
    """Features of norm^(1/4), classes weighted by the root of their samples, as `auto` begins."""

    def __init__(self, samples, labels, classes):
        self.mean_norm = np.linalg.norm(samples, axis=1).mean()
        self.labels, self.targets = labels, np.eye(classes)[labels]
        z = self.features(samples)
        weights = 1 / np.sqrt(np.bincount(labels, minlength=classes)[labels])
        weights /= weights.mean()
        self.mean, self.target_mean = (weights[:, None] * z).mean(0), (weights[:, None] * self.targets).mean(0)
        root = np.sqrt(weights)[:, None]
        self.z, targets = root * (z - self.mean), root * (self.targets - self.target_mean)
        square = (z**2).sum(1).mean()
        variance = square - (z.mean(0) ** 2).sum()
        values, vectors = np.linalg.eigh(self.z @ self.z.T)
        turned, squares, best = vectors.T @ targets, vectors**2, None
        for inverse_l2 in GRID:
            decay = max(variance / inverse_l2, 1e-4 * square)
            alpha = vectors @ (turned / (values + decay)[:, None])
            slack = np.maximum(decay * (squares / (values + decay)).sum(1) - weights / len(z), 1e-4)
            errors = ((decay * alpha / slack[:, None]) ** 2).sum(1)
            if best is None or errors.mean() < best[0].mean():
                best = errors, alpha
        self.errors, self.alpha = best

    def features(self, samples):
        norms = np.linalg.norm(samples, axis=1, keepdims=True)
        return samples / norms**0.75 / self.mean_norm**0.25

    def right(self, samples, labels):
        scores = (self.features(samples) - self.mean) @ (self.z.T @ self.alpha) + self.target_mean
        return (scores.argmax(1) == labels).mean()


def draws_of(labels, shots, number):
    random = np.random.default_rng([shots, number, len(labels)])
    classes = np.unique(labels)
    if len(classes) > 12:
        classes = random.choice(classes, 12, replace=False)
    shuffled = [random.permutation(np.flatnonzero(labels == c)) for c in classes]
    if min(map(len, shuffled)) < shots + 5:
        return None
    learn, test = [p[:shots] for p in shuffled], [p[shots : shots + 40] for p in shuffled]
    own = lambda sets: np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    return np.concatenate(learn), own(learn), np.concatenate(test), own(test), len(classes)


def rules(arguments):
    last = last_part(arguments.packages[0])
    for folder in arguments.sets:
        embeddings, labels = embed(arguments.packages[0], folder)
        for shots in map(int, arguments.shots.split(",")):
            for number in range(arguments.draws):
                draw = draws_of(labels, shots, number)
                if draw is None:
                    continue
                learn, own, test, want, classes = draw
                views = embeddings[:, -last:], embeddings
                narrow, wide = (Ridge(view[learn], own, classes) for view in views)
                less = narrow.errors - wide.errors
                t = less.mean() / max(less.std(ddof=1) / np.sqrt(len(less)), 1e-12)
                gain = wide.right(views[1][test], want) - narrow.right(views[0][test], want)
                share = wide.errors.mean() / narrow.errors.mean()
                yield [folder.parent.name, folder.name, shots, number, share, t, 100 * gain]


def count(rows):
    print(f"{'half':8}{'rule':32}{'mean gain':>10}{'below -1':>12}{'worst':>8}")
    for half in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == half]
        for enough, least in [(0, -9), (0, 2), (4, -9), (4, 1), (4, 1.5), (4, 2), (4, 2.5)]:
            takes = lambda r: r[4] < 0.95 and r[5] > least and r[2] >= enough
            gains = np.array([r[6] if takes(r) else 0.0 for r in own])
            rule = f"-5 %, t > {least}, {enough} a class"
            print(f"{half:8}{rule:32}{gains.mean():10.2f}{(gains < -1).sum():6} / {len(gains)}{gains.min():8.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["accuracy", "rule"])
    parser.add_argument("places", nargs="+", type=pathlib.Path)
    parser.add_argument("--shots")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--csv", type=pathlib.Path)
    arguments = parser.parse_intermixed_args()
    packages = 2 if arguments.what == "accuracy" else 1
    arguments.packages, arguments.sets = arguments.places[:packages], arguments.places[packages:]
    arguments.shots = arguments.shots or ("5,20" if packages == 2 else "1,2,3,5,10,20")
    rows = []
    for row in (accuracies if packages == 2 else rules)(arguments):
        rows.append(row)
        print(*row, flush=True, file=sys.stderr)
    if packages == 1:
        count(rows)
    if arguments.csv:
        head = "half,data,shots," + ("single,within,parts,parts_within" if packages == 2 else "draw,share,t,gain")
        with open(arguments.csv, "w", newline="") as file:
            csv.writer(file).writerows([head.split(","), *([f"{x:.4g}" if isinstance(x, float) else x for x in r] for r in rows)])


if __name__ == "__main__":
    main()
