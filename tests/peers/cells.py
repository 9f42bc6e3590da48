"""Heads that find objects, beside scikit-learn: the same cells, and those of the float network.

    pip install -r tests/peers/requirements.txt
    cargo build --release --bin offshoot
    python tests/peers/cells.py --shared FOLDER [--offshoot target/release/offshoot]

For each data set: F1 by `offshoot eval`; F1 of a Ridge of scikit-learn with the same weights and decay on
the int8 cells of the same package, read by `offshoot embed`; and on the cells of the float package. Peaks,
thresholds from five folds and hits are computed here anew, in numpy.
"""

import argparse
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge

MIDDLE, FLOOR, SAME, BINS, FOLDS, SPREAD, PRIOR = 0.4, 0.1, 0.45, 64, 5, 6, 20
SETS = [
    ("bccd-mini", False, ["--input-size", "256x320"]),
    ("deeppcb-mini", True, ["--input-size", "320x320", "--neighbours", "3",
                            "--cut", "/MobilenetV2/expanded_conv_6/expand/Clip_output_0"]),
]  # fmt: skip


def run(*args) -> str:
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def maps_of(inspected: str):
    """Shape, stride and first middle of each map, as `inspect` prints them."""
    pattern = r"map (\d+)x(\d+)x(\d+), stride (\d+)x(\d+), first middle ([-\d.]+) down, ([-\d.]+) across"
    maps = [[float(x) for x in found] for found in re.findall(pattern, inspected)]
    neighbours = re.search(r"neighbourhoods ([\d,none]+)\)", inspected).group(1)
    width, height = re.search(r"input +(\d+)x(\d+)", inspected).groups()
    return maps, {"none": [], "3": [1], "3,7": [1, 3]}[neighbours], (int(height), int(width))


def values(flat, maps, reaches, template=None):
    """Cells of one picture: rows, columns, values."""
    heights = [int(m[0]) for m in maps]
    bands = np.gcd.reduce(heights)
    shape = (max(heights), max(int(m[1]) for m in maps))

    def split(flat):
        bare, at = flat.reshape(bands, -1), 0
        for h, w, c, *_ in ([int(x) for x in m] for m in maps):
            length = h // bands * w * c
            own = bare[:, at:at + length].reshape(h, w, c)
            at += length
            yield own.repeat(shape[0] // h, 0).repeat(shape[1] // w, 1)

    base = np.concatenate(list(split(flat)), -1)
    if template is not None:
        base = np.abs(base - np.concatenate(list(split(template)), -1))
    parts = [base]
    for reach in reaches:
        sums = np.zeros_like(base)
        count = np.zeros(shape + (1,))
        padded = np.pad(base, ((reach, reach), (reach, reach), (0, 0)))
        ones = np.pad(np.ones(shape + (1,)), ((reach, reach), (reach, reach), (0, 0)))
        for y in range(2 * reach + 1):
            for x in range(2 * reach + 1):
                sums += padded[y:y + shape[0], x:x + shape[1]]
                count += ones[y:y + shape[0], x:x + shape[1]]
        parts.append(sums / count)
    return np.concatenate(parts, -1)


class Grid:
    def __init__(self, maps, sides):
        finest = max(maps, key=lambda m: m[0])
        self.y = (finest[5] + finest[3] * np.arange(int(finest[0]))) / sides[0]
        self.x = (finest[6] + finest[4] * np.arange(int(finest[1]))) / sides[1]

    def labels(self, boxes):
        label = np.zeros((len(self.y), len(self.x)), int)
        owner = np.zeros_like(label)
        order = sorted(range(len(boxes)), key=lambda k: -boxes[k][3] * boxes[k][4])

        def inside(box, share):
            _, x, y, w, h = box
            down = np.abs(self.y - y) <= share * h / 2
            return down[:, None] & (np.abs(self.x - x) <= share * w / 2)[None]

        for k in order:
            label[inside(boxes[k], 1.0) & (label == 0)] = -1
        for k in order:
            middle = inside(boxes[k], MIDDLE)
            middle[np.abs(self.y - boxes[k][2]).argmin(), np.abs(self.x - boxes[k][1]).argmin()] = True
            label[middle], owner[middle] = boxes[k][0] + 1, k
        return label, owner


class Head:
    """Ridge of scikit-learn: objects together and background count the same."""

    def __init__(self, grid, cells, boxes, classes):
        self.grid = grid
        rows, labels, targets = [], [], []
        for own, there in zip(cells, boxes):
            label, owner = grid.labels(there)
            keep = label >= 0
            rows.append(own[keep])
            labels.append(label[keep])
            for y, x in zip(*np.nonzero(label > 0)):
                _, bx, by, w, h = there[owner[y, x]]
                targets.append([bx - grid.x[x], by - grid.y[y], np.log(w), np.log(h)])
        rows, labels, targets = np.concatenate(rows), np.concatenate(labels), np.array(targets)
        weight = np.where(labels > 0, 1 / (labels > 0).sum(), 1 / (labels == 0).sum())
        indicator = (labels[:, None] == np.arange(1, classes + 1)[None]).astype(float)
        self.classes = self.ridge(rows, indicator, weight)
        objects = rows[labels > 0]
        self.boxes = self.ridge(objects, targets, np.full(len(objects), 1 / len(objects)))
        deviation = targets.std(0)
        self.limits = targets.mean(0) - 2.5 * deviation, targets.mean(0) + 2.5 * deviation

    @staticmethod
    def ridge(rows, targets, weight):
        centred = rows - np.average(rows, axis=0, weights=weight)
        decay = 0.1 * (weight[:, None] * centred**2).sum() / rows.shape[1]
        return Ridge(alpha=decay, solver="cholesky").fit(rows, targets, sample_weight=weight)

    def find(self, cells):
        h, w, d = cells.shape
        scores = self.classes.predict(cells.reshape(-1, d)).reshape(h, w, -1)
        boxes = np.clip(self.boxes.predict(cells.reshape(-1, d)), *self.limits).reshape(h, w, 4)
        padded = np.pad(scores, ((1, 1), (1, 1), (0, 0)), constant_values=-9)
        highest = np.max([padded[a:a + h, b:b + w] for a in range(3) for b in range(3)], 0)
        found = []
        for y, x, c in zip(*np.nonzero((scores >= highest) & (scores > FLOOR))):
            dx, dy, lw, lh = boxes[y, x]
            found.append((scores[y, x, c], c, self.grid.x[x] + dx, self.grid.y[y] + dy, np.exp(lw), np.exp(lh)))
        found.sort(reverse=True)
        kept = []
        for own in found:
            if all(k[1] != own[1] or overlap(k[2:], own[2:]) < SAME for k in kept):
                kept.append(own)
        return kept


def overlap(a, b):
    common = [max(0, min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2))
              for i in (0, 1)]  # fmt: skip
    both = common[0] * common[1]
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def hits(found, boxes):
    used, right = set(), []
    for _, c, x, y, *_ in found:
        near = [((x - b[1]) ** 2 + (y - b[2]) ** 2, k) for k, b in enumerate(boxes)
                if k not in used and b[0] == c and abs(x - b[1]) <= b[3] / 2 and abs(y - b[2]) <= b[4] / 2]  # fmt: skip
        if near:
            used.add(min(near)[1])
        right.append(bool(near))
    return right


def f1(grid, train, test, classes):
    """F1 on test pictures, with thresholds from folds of the training pictures."""
    seen = np.zeros((classes, 2, BINS))
    objects = np.zeros(classes)
    for fold in range(FOLDS):
        rest = [i for i in range(len(train[0])) if i % FOLDS != fold]
        head = Head(grid, [train[0][i] for i in rest], [train[1][i] for i in rest], classes)
        for i in range(fold, len(train[0]), FOLDS):
            found = head.find(train[0][i])
            for own, right in zip(found, hits(found, train[1][i])):
                seen[own[1], int(not right), min(int(np.clip(own[0], 0, 1) * BINS), BINS - 1)] += 1
            for box in train[1][i]:
                objects[box[0]] += 1
    down = seen[:, :, ::-1].cumsum(2)[:, :, ::-1]
    curve = 2 * down[:, 0] / (down.sum(1) + objects[:, None])
    window = np.lib.stride_tricks.sliding_window_view(np.pad(curve, ((0, 0), (SPREAD, SPREAD)), "edge"), 2 * SPREAD + 1, 1)
    peaks = (BINS - 1 - window.sum(-1)[:, ::-1].argmax(1)) / BINS
    thresholds = (peaks * objects + 0.5 * PRIOR) / (objects + PRIOR)
    head = Head(grid, *train, classes)
    right = total = 0
    for cells, boxes in zip(*test):
        found = [own for own in head.find(cells) if own[0] >= thresholds[own[1]]]
        right += sum(hits(found, boxes))
        total += len(found) + len(boxes)
    return 2 * right / total


def boxes_of(data: Path, name: str, classes: list[str]):
    root = ET.parse(data / "Annotations" / f"{name}.xml").getroot()
    width, height = (float(root.find(f"size/{side}").text) for side in ("width", "height"))
    for thing in root.findall("object"):
        left, top, right, bottom = (float(thing.find(f"bndbox/{k}").text) for k in ("xmin", "ymin", "xmax", "ymax"))
        yield (classes.index(thing.find("name").text), (left + right) / 2 / width, (top + bottom) / 2 / height,
               (right - left) / width, (bottom - top) / height)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--offshoot", default="target/release/offshoot")
    args = parser.parse_args()
    model = args.shared / "models/real/mobilenet_v2_1.0_224.onnx"
    for name, is_difference, options in SETS:
        data = args.shared / "data" / name
        lists = {part: (data / f"ImageSets/Main/{part}.txt").read_text().split() for part in ("trainval", "test")}
        trees = [ET.parse(file).getroot() for file in (data / "Annotations").glob("*.xml")]
        classes = sorted({thing.find("name").text for tree in trees for thing in tree.findall("object")})
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder)
            scores = {}
            for precision in ("int8", "f32"):
                package = own / f"{precision}.offshoot"
                run(args.offshoot, "convert", model, "--calibrate", data, "--cells", *options,
                    "--precision", precision, "-o", package)  # fmt: skip
                maps, reaches, sides = maps_of(run(args.offshoot, "inspect", package))
                flats = {}
                for kind in ["JPEGImages", "Templates"][: 1 + is_difference]:
                    out = own / f"{precision}_{kind}.npz"
                    run(args.offshoot, "embed", package, data / kind, "--format", "folder", "-o", out)
                    npz = np.load(out)
                    flats[kind] = {Path(p).stem: v.astype(float) for p, v in zip(npz["files"], npz["embeddings"])}
                grid = Grid(maps, sides)

                def part(names):
                    cells = [values(flats["JPEGImages"][n], maps, reaches,
                                    flats["Templates"][n] if is_difference else None) for n in names]  # fmt: skip
                    return cells, [list(boxes_of(data, n, classes)) for n in names]

                scores[precision] = f1(grid, part(lists["trainval"]), part(lists["test"]), len(classes))
            templates = ["--templates", data / "Templates"] if is_difference else []
            told = run(args.offshoot, "eval", own / "int8.offshoot", data, *templates)
        ours = float(re.search(r"^ +all +[\d.]+ +[\d.]+ +([\d.]+)", told, re.M).group(1))
        print(f"| {name} | {ours:.3f} | {scores['int8']:.3f} | {scores['f32']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
