"""Estimators as scikit-learn wants them."""

import pickle

import numpy as np
import pytest

import offshoot

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from offshoot import EmbeddingTransformer, OffshootClassifier

KINDS = ["auto", "ncm", "softmax", "ridge", "slda", "knn"]


@pytest.fixture
def things(rng):
    X = np.concatenate([rng.normal(size=(30, 12)) + 2 * np.eye(12)[i] for i in range(3)])
    return X.astype(np.float32), np.repeat(["c", "a", "b"], 30)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_all_checks_of_estimators_pass(kind):
    done = check_estimator(OffshootClassifier(kind))
    assert len(done) > 40 and not [c for c in done if c["status"] in ("failed", "xfail")]


def test_a_classifier_answers_as_its_head(things):
    X, y = things
    classifier = OffshootClassifier("ridge").fit(X, y)
    head = classifier.head_
    assert classifier.classes_.tolist() == head.classes == ["a", "b", "c"]
    assert np.allclose(classifier.predict_proba(X), head.probabilities(X), atol=1e-6)
    assert classifier.predict(X).tolist() == [answer.nearest for answer in head.classify(X)]
    assert classifier.score(X, y) > 0.7 and classifier.predict_known(X).all()
    strict = clone(classifier).set_params(false_rejection_rate=0.2).fit(X, y)
    assert not strict.predict_known(-X).all()
    assert np.allclose(strict.predict_proba(-X).sum(axis=1), 1)
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict_proba(X), classifier.predict_proba(X))


def test_parts_teach_what_the_whole_does(things):
    X, y = things
    order = np.random.default_rng(0).permutation(len(y))
    whole = OffshootClassifier("ridge").fit(X[order], y[order])
    parts = OffshootClassifier("ridge")
    for part in np.array_split(order, 7):
        parts.partial_fit(X[part], y[part], classes=np.unique(y))
    assert np.array_equal(parts.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ValueError, match="labels that `classes` has not"):
        parts.partial_fit(X[:2], ["a", "z"])


def test_a_head_grows_as_it_must_and_no_further():
    X = np.random.default_rng(0).normal(size=(1500, 3))
    y = np.arange(1500) % 2
    growing = OffshootClassifier("ncm")
    bounded = OffshootClassifier("ncm", max_samples=100)
    for part in np.array_split(np.arange(1500), 5):
        growing.partial_fit(X[part], y[part])
        bounded.partial_fit(X[part], y[part])
    assert (len(growing.head_), len(bounded.head_)) == (1500, 100)
    assert growing.head_.shown_of(0) == bounded.head_.shown_of(0) == 750
    # Means are of all samples seen, kept or not.
    assert (growing.predict(X) == bounded.predict(X)).mean() > 0.99


def test_searches_and_pipelines_take_it(things):
    X, y = things
    search = GridSearchCV(OffshootClassifier(), {"kind": ["ncm", "ridge"]}, cv=3, n_jobs=2)
    assert search.fit(X, y).best_score_ > 0.6
    assert cross_val_score(OffshootClassifier("slda"), X, y, cv=3).mean() > 0.6


def test_images_go_through_a_pipeline(folder, rng, extractor):
    images = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    images[6:] //= 5
    labels = np.repeat(["light", "dark"], 6)
    model = make_pipeline(EmbeddingTransformer("sprout.offshoot"), OffshootClassifier("ridge"))
    model.fit(images, labels)
    assert model.score(images, labels) > 0.9
    assert model[:-1].get_feature_names_out().shape == (extractor.dim,)
    rows = EmbeddingTransformer(extractor).fit_transform(list(images))
    assert np.array_equal(rows, extractor.embed(images))
    offshoot.Image(images[0])
    from PIL import Image

    Image.fromarray(images[0]).save("one.png")
    for paths in (["one.png"], np.array(["one.png"])):
        assert np.array_equal(EmbeddingTransformer("sprout.offshoot").transform(paths), rows[:1])
    head = model[-1].to_head(extractor)
    head.save("things.head")
    loaded = offshoot.Head.load("things.head", extractor)
    assert loaded.classify(extractor.embed(images[8])).nearest == "dark"
    assert clone(model).fit(images, labels).predict(images[:1]).tolist() == ["light"]


def test_labels_that_are_no_names_are_numbered():
    X = [[0, 1], [1, 0], [0, 2], [2, 0]]
    long = ["x" * 70, "y", "x" * 70, "y"]
    classifier = OffshootClassifier("ncm").fit(X, long)
    assert classifier.head_.classes == ["class 0", "y"]
    assert classifier.predict(X).tolist() == long
