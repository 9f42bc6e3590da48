"""Makes what ../foreign.rs reads: embeddings of pictures that no rule was chosen by, and what scikit-learn
makes of them.

    python make.py            # needs numpy, onnxruntime, Pillow, scikit-learn 1.9.1

digits.codes: 40 of each of the ten classes of scikit-learn's handwritten digits (Alpaydin and Kaynak 1998,
UCI Machine Learning Repository, CC BY 4.0), enlarged from 8 x 8 and embedded by models/sprout/sprout.onnx; one byte a
value, in steps of the greatest value / 127; class by class, the last ten of each to be tested on.
digits.csv: mean accuracy in per cent of ten draws, those of examples/few_shot/data.rs; `uneven` learns fewer of
each class than of the one before, from 30 to 4.
"""
import pathlib, sys
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "examples"))
import few_shot, foreign
import numpy as np, onnxruntime
from PIL import Image
from sklearn.datasets import load_digits

EACH, HELD, DRAWS = 40, 10, 10
UNEVEN = [30, 24, 19, 15, 12, 10, 8, 6, 5, 4]


def embeddings():
    digits, session = load_digits(), onnxruntime.InferenceSession(str(HERE.parents[3] / "models/sprout/sprout.onnx"))
    rows = []
    for c in range(10):
        for i in np.flatnonzero(digits.target == c)[:EACH]:
            picture = Image.fromarray((digits.images[i] * 15.9).astype(np.uint8)).convert("RGB").resize((96, 96), Image.BICUBIC)
            x = (np.asarray(picture, np.float32).transpose(2, 0, 1)[None] - 128) / 128
            rows.append(session.run(None, {"input": x})[0][0])
    x = np.array(rows)
    return np.round(x / (abs(x).max() / 127)).astype(np.int8)


def main():
    foreign.check()
    codes = embeddings()
    (HERE / "digits.codes").write_bytes(codes.tobytes())
    x, labels = codes.astype(float), np.repeat(np.arange(10), EACH)
    # Steps of sprout's size, as LogisticRegression depends on them.
    x *= 16 / np.linalg.norm(x, axis=1).mean()
    held = np.tile(np.arange(EACH) >= EACH - HELD, 10)
    lines = ["shots,lr,ridgecv,lda"]
    for shots in (1, 2, 5, 10, 20, None, "uneven"):
        right = {}
        for number in range(DRAWS if shots else 1):
            learn, test = few_shot.draw(labels, held, None if shots == "uneven" else shots, number)
            if shots == "uneven":
                places = {c: [i for i in learn if labels[i] == c] for c in range(10)}
                learn = [i for c in range(10) for i in places[c][: UNEVEN[c]]]
            said = foreign.theirs(x[learn], labels[learn], x[test], ["lrcv"])
            for name, answer in said.items():
                right.setdefault(name, []).append(100 * (answer == labels[test]).mean())
        means = [f"{np.mean(right[n]):.2f}" if n in right else "" for n in ("lr", "ridgecv", "lda")]
        lines.append(",".join([str(shots or "all"), *means]))
        print(lines[-1], flush=True)
    (HERE / "digits.csv").write_text("\n".join(lines) + "\n")


main()
