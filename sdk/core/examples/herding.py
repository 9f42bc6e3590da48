"""What a full head should keep: a fair choice (the reservoir we have) or samples whose mean stays that
of all shown (herding, Welling 2009; iCaRL, Rebuffi et al. 2017), here one sample at a time with a
running sum of each class's unit vectors.

    python herding.py DATA.npz...

All of `train` is shown in random order, mean of six orders; LogisticRegression on what is kept. On the
embeddings of few_shot.csv:

    kept a class         5             10            20
    cifar10-mini     46 -> 58      53 -> 61      58 -> 64
    hymenoptera      90 -> 95      93 -> 94      94 -> 95

So full heads herd (`few_shot --keep` measures them). It needs 4 bytes a class and dimension in memory and
in the head's file, and what was left out has an influence that cannot be taken back sample by sample.
"""
import pathlib, sys
import numpy as np
from sklearn.linear_model import LogisticRegression


def herd(unit, order, room):
    kept, total = [], 0
    for shown, i in enumerate(order, 1):
        total = total + unit[i]
        kept.append(i)
        if len(kept) > room:
            held, mean = unit[kept].sum(0), total / shown
            gaps = [np.linalg.norm(mean - (held - unit[k]) / room) for k in kept]
            kept.pop(int(np.argmin(gaps)))
    return kept


for path in sys.argv[1:]:
    data = np.load(path)
    x, labels, held = data["embeddings"].astype(np.float64), data["labels"], data["split"] == 1
    unit, draws = x / np.linalg.norm(x, axis=1, keepdims=True), np.random.default_rng(0)
    for room in (5, 10, 20):
        scores = {"herding": [], "reservoir": []}
        for _ in range(6):
            kept = {"herding": [], "reservoir": []}
            for c in range(labels.max() + 1):
                order = draws.permutation(np.where((labels == c) & ~held)[0])
                kept["herding"] += herd(unit, order, room)
                kept["reservoir"] += list(order[:room])
            for policy, picks in kept.items():
                model = LogisticRegression(max_iter=5000).fit(x[picks], labels[picks])
                scores[policy].append(model.score(x[held], labels[held]))
        means = ", ".join(f"{policy} {np.mean(s):.4f}" for policy, s in scores.items())
        print(f"{pathlib.Path(path).stem}, {room} kept a class: {means}", flush=True)
