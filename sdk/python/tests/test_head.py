"""Heads by random sequences of operations, against a model in plain Python; and what is refused."""

import copy
import pickle

import numpy as np
import pytest

import offshoot

DIM = 6
KINDS = ["auto", "ncm", "softmax", "ridge", "slda", "knn"]


class Plain:
    """What a head keeps, as lists; never full."""

    def __init__(self):
        self.classes = []
        self.samples = []

    def remove_class(self, number):
        name = self.classes.pop(number)
        self.samples = [sample for sample in self.samples if sample[0] != name]

    def rename(self, number, name):
        old, self.classes[number] = self.classes[number], name
        self.samples = [(name if own == old else own, x) for own, x in self.samples]

    def nearest_mean(self, x):
        """Class whose mean of unit vectors is nearest by angle."""
        def mean(name):
            rows = np.array([v for own, v in self.samples if own == name], dtype=np.float64)
            return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)

        names = [name for name in self.classes if any(own == name for own, _ in self.samples)]
        cosines = [mean(n) @ x / np.linalg.norm(mean(n)) / np.linalg.norm(x) for n in names]
        order = np.argsort(cosines)
        clear = len(names) == 1 or cosines[order[-1]] - cosines[order[-2]] > 0.02
        return names[order[-1]] if clear else None


def check(head, plain):
    assert head.classes == plain.classes
    assert len(head) == len(plain.samples)
    for (name, embedding), (own, x) in zip(head.samples, plain.samples):
        assert name == own
        # Kept in int8: to half a step, and the step's own rounding.
        assert np.abs(np.asarray(embedding) - x).max() <= 0.7 * embedding.scale
    for number, name in enumerate(plain.classes):
        count = sum(own == name for own, _ in plain.samples)
        assert head.samples_of(name) == head.samples_of(number) == head.shown_of(name) == count


def step(head, plain, rng):
    """Makes one random change to both."""
    action = rng.integers(8)
    if action == 0 and len(plain.classes) < 6:
        name = f"thing {rng.integers(1000)}"
        if name in plain.classes:
            with pytest.raises(offshoot.HeadError):
                head.add_class(name)
        else:
            assert head.add_class(name) == len(plain.classes)
            plain.classes.append(name)
    elif action in (1, 2, 3) and plain.classes and len(plain.samples) < 40:
        number = int(rng.integers(len(plain.classes)))
        x = rng.normal(size=DIM).astype(np.float32) + 3 * np.eye(DIM, dtype=np.float32)[number]
        head.add_sample(number if rng.integers(2) else plain.classes[number], x)
        plain.samples.append((plain.classes[number], x))
    elif action == 4:
        assert head.undo() == (plain.samples.pop()[0] if plain.samples else None)
    elif action == 5 and plain.samples:
        index = int(rng.integers(len(plain.samples)))
        assert head.remove_sample(index) == plain.samples.pop(index)[0]
    elif action == 6 and len(plain.classes) > 3:
        number = int(rng.integers(len(plain.classes)))
        head.remove_class(number)
        plain.remove_class(number)
    elif action == 7 and plain.classes:
        number = int(rng.integers(len(plain.classes)))
        name = f"other {rng.integers(1_000_000)}"
        head.rename_class(plain.classes[number], name)
        plain.rename(number, name)


@pytest.mark.parametrize("seed", range(12))
def test_random_sequences_keep_what_lists_keep(seed):
    rng = np.random.default_rng(seed)
    head = offshoot.Head(DIM, "ncm", classes=6, samples=40)
    head.false_rejection_rate = 0.0
    plain = Plain()
    for _ in range(150):
        step(head, plain, rng)
        check(head, plain)
        if plain.samples and rng.integers(4) == 0:
            x = rng.normal(size=DIM)
            want = plain.nearest_mean(x)
            assert want is None or head.classify(x).nearest == want
        if rng.integers(10) == 0:
            head = pickle.loads(pickle.dumps(head)) if rng.integers(2) else copy.deepcopy(head)


def taught(kind="ridge", extra=()):
    rng = np.random.default_rng(5)
    head = offshoot.Head(DIM, kind, classes=4, samples=60)
    for number, name in enumerate(["mug", "pen", "key"]):
        head.add_class(name)
        rows = rng.normal(size=(8, DIM)) * 0.3 + 2 * np.eye(DIM)[number]
        head.add_samples(name, rows)
    return head


@pytest.mark.parametrize("kind", KINDS)
def test_questions_fit_the_head_when_something_changed(kind):
    head = taught(kind)
    assert not head.is_fitted
    answer = head.classify(2 * np.eye(DIM)[1])
    assert (answer.known, answer.name, answer.class_id) == (True, "pen", 1) and head.is_fitted
    assert answer.confidence > 0.5 and answer.margin > 0 and answer.score is None
    head.undo()
    assert not head.is_fitted and head.report().asked == 23
    rows = 2 * np.eye(DIM)[:3]
    assert [a.name for a in head.classify(rows)] == ["mug", "pen", "key"]
    probabilities = head.probabilities(rows)
    assert probabilities.shape == (3, 3)
    assert np.array_equal(probabilities[1], head.probabilities(rows[1]))
    assert (probabilities.argmax(axis=1) == [0, 1, 2]).all()
    assert (probabilities.sum(axis=1) < 1 + 1e-6).all()
    assert head.chosen().kind in KINDS and head.fit() == head.fit()
    unlike = head.classify(-np.ones(DIM))
    assert not unlike.known and unlike.name is unlike.class_id is None
    assert unlike.nearest in head.classes


@pytest.mark.parametrize("kind", ["ncm", "softmax", "ridge", "slda", "auto"])
def test_the_numbers_of_a_linear_head_give_its_answers(kind):
    head = taught(kind)
    head.false_rejection_rate = 0.0
    linear = head.linear()
    power = {"raw": 1.0, "half": 0.5, "quarter": 0.25, "unit": 0.0}[linear.transform]
    for x in np.random.default_rng(2).normal(size=(10, DIM)).astype(np.float32):
        norm = float(np.linalg.norm(x))
        gain = linear.inverse_temperature * (norm / linear.mean_length) ** power / norm
        scores = gain * (linear.weights @ x) + linear.bias
        want = np.exp(scores - scores.max())
        found = head.probabilities(x)
        assert np.allclose(found / found.sum(), want / want.sum(), atol=2e-5)
        parts, bias = head.contributions(x, "mug", "key")
        assert parts.sum() + bias == pytest.approx(scores[0] - scores[2], abs=1e-3)


def test_reports_show_themselves():
    head = taught()
    head.rename_class("key", "<b>&'\"")
    head.add_class("none yet")
    report = head.report()
    assert (report.asked, report.accuracy) == (24, report.right / 24)
    assert report.confusion.sum() == 24 and np.trace(report.confusion) == report.right
    assert report.interval[0] < report.accuracy <= report.interval[1] + 1e-6
    assert len(report.answers) == 24 and report.answers[0][0] in report.classes
    assert report.advice[0].kind == "few-samples" and "none yet" in str(report.advice[0])
    page = report._repr_html_()
    assert "&lt;b&gt;&amp;&#39;&quot;" in page and "<b>" not in page and str(report.right) in page
    assert str(report.right) in str(report)


def test_heads_are_kept_and_merged(folder, extractor):
    head = taught()
    head.inverse_l2, head.transform, head.when_full = 3.0, "half", "reservoir"
    head.false_rejection_rate = 0.25
    head.save(folder / "things.head")
    for again in [offshoot.Head.load("things.head"), head.copy(), copy.copy(head)]:
        assert again.to_bytes() == head.to_bytes()
        assert again.classify(np.eye(DIM)[0]) == head.classify(np.eye(DIM)[0])
        assert (again.inverse_l2, again.transform, again.when_full) == (3.0, "half", "reservoir")
        assert again.false_rejection_rate == 0.25 and again.limits == (4, 60)
    with pytest.raises(offshoot.HeadError, match="things.head: the head was taught with another"):
        offshoot.Head.load("things.head", extractor)
    both = offshoot.Head.merged([head, taught(), head])
    assert len(both) == 3 * 24 and both.classes == head.classes
    own = taught()
    own.merge(own)
    assert len(own) == 48
    bad = bytearray(head.to_bytes())
    bad[99] ^= 1
    with pytest.raises(offshoot.HeadError, match="checksum"):
        offshoot.Head.from_bytes(bytes(bad))


def test_an_extractors_head_is_bound_to_it(extractor, rng):
    head = offshoot.Head(extractor)
    assert (head.package_id, head.dim) == (extractor.id, extractor.dim)
    other = offshoot.Head(extractor.dim, package_id=extractor.id)
    assert other.package_id == extractor.id
    with pytest.raises(offshoot.HeadError):
        head.merge(offshoot.Head(extractor.dim))
    images = rng.integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)
    images[3:] //= 4
    rows = extractor.embed(images)
    for name, part in [("light", rows[:3]), ("dark", rows[3:])]:
        head.add_class(name)
        head.add_samples(name, part)
    # As the network gave them: no bit is rounded.
    assert [x for _, x in head.samples] == list(rows)
    extractor.embed(images[4])
    grid = extractor.activations(head, "dark")
    assert grid.ndim == 2 and grid.dtype == np.float32
    assert offshoot.Head.from_bytes(head.to_bytes(), extractor).classes == ["light", "dark"]
    with pytest.raises(offshoot.HeadError):
        extractor.activations(offshoot.Head(extractor.dim), "dark")


def test_a_full_head_evicts_as_it_is_told():
    head = offshoot.Head(2, "ncm", classes=1, samples=2)
    head.add_class("a")
    for _ in range(5):
        head.add_sample("a", [1, 0])
    assert (len(head), head.shown_of("a")) == (2, 5)
    head.forget_left_out()
    assert head.shown_of("a") == 2
    head.when_full = "refuse"
    with pytest.raises(offshoot.HeadError):
        head.add_sample("a", [1, 0])


@pytest.mark.parametrize(
    "misuse",
    [
        lambda h: h.add_class(""),
        lambda h: h.add_class("mug"),
        lambda h: h.add_class("x" * 65),
        lambda h: h.add_sample("spoon", np.ones(DIM)),
        lambda h: h.add_sample(3, np.ones(DIM)),
        lambda h: h.add_sample("mug", np.ones(DIM + 1)),
        lambda h: h.add_sample("mug", np.full(DIM, np.nan)),
        lambda h: h.add_sample("mug", np.ones((2, DIM))),
        lambda h: h.add_samples("mug", np.ones(DIM)),
        lambda h: h.add_sample("mug", np.array(["a"] * DIM)),
        lambda h: h.classify(np.ones(DIM - 1)),
        lambda h: h.classify(np.ones((2, 2, DIM))),
        lambda h: h.classify(np.full(DIM, np.inf)),
        lambda h: h.classify(np.ones(DIM, complex)),
        lambda h: h.remove_sample(24),
        lambda h: h.remove_class("spoon"),
        lambda h: h.rename_class("mug", "pen"),
        lambda h: h.contributions(np.ones(DIM), "mug", "spoon"),
        lambda h: h.similarity(np.ones((2, DIM))),
        lambda h: setattr(h, "inverse_l2", -1),
        lambda h: setattr(h, "false_rejection_rate", 0.9),
        lambda h: setattr(h, "transform", "whole"),
        lambda h: setattr(h, "when_full", "never"),
        lambda h: offshoot.Head(DIM, "svm"),
        lambda h: offshoot.Head(0),
        lambda h: offshoot.Head(DIM, samples=0),
        lambda h: offshoot.Head(DIM, samples=70_000),
        lambda h: offshoot.Head(DIM, classes=-1),
        lambda h: offshoot.Head(DIM, classes=2000),
        lambda h: offshoot.Head(DIM, package_id="12"),
        lambda h: offshoot.Head(60_000, samples=65_535),
        lambda h: offshoot.Head.from_bytes(b""),
        lambda h: offshoot.Head.merged([]),
        lambda h: offshoot.Head(DIM).classify(np.ones(DIM)),
        lambda h: taught("knn").linear(),
    ],
)
def test_misuse_is_told_and_changes_nothing(misuse):
    head = taught()
    before = head.to_bytes()
    with pytest.raises((offshoot.HeadError, offshoot.InputError)) as caught:
        misuse(head)
    assert isinstance(caught.value, ValueError) and len(str(caught.value)) > 10
    assert head.to_bytes() == before


def test_a_name_that_is_taken_is_said():
    head = taught()
    for misuse in [lambda: head.add_class("mug"), lambda: head.rename_class("pen", "mug")]:
        with pytest.raises(offshoot.HeadError, match="there is a class `mug`"):
            misuse()


def test_wrong_types_are_type_errors():
    head = taught()
    for misuse in [
        lambda: head.add_sample(None, np.ones(DIM)),
        lambda: head.add_sample(-1, np.ones(DIM)),
        lambda: head.remove_sample(-1),
        lambda: offshoot.Head("sprout.offshoot"),
        lambda: offshoot.Head.from_bytes("text"),
    ]:
        with pytest.raises((TypeError, OverflowError)):
            misuse()
