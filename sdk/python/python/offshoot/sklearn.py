"""Estimators for scikit-learn: heads as a classifier, extractors as a transformer.

>>> import numpy as np
>>> from sklearn.pipeline import make_pipeline
>>> from offshoot import EmbeddingTransformer, OffshootClassifier
>>> rng = np.random.default_rng(0)
>>> dark, light = rng.integers(0, 90, (6, 96, 96, 3)), rng.integers(160, 256, (6, 96, 96, 3))
>>> images = np.concatenate([dark, light]).astype(np.uint8)
>>> model = make_pipeline(EmbeddingTransformer("sprout.offshoot"), OffshootClassifier())
>>> model.fit(images, ["dark"] * 6 + ["light"] * 6).predict(images[[0, 7]]).tolist()
['dark', 'light']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from ._errors import HeadError
from ._offshoot import Extractor, Head

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

__all__ = ["EmbeddingTransformer", "OffshootClassifier"]

MOST_SAMPLES = 65_535
"""Max number of samples that a head keeps."""

FIRST_ROOM = 256
"""Number of samples that ``partial_fit`` makes room for at first; it doubles."""


class OffshootClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Head of Offshoot as a classifier of embeddings, or of any vectors.

    A fitted one goes to a board: ``to_head(extractor).save(path)``.

    Parameters
    ----------
    kind : str
        Algorithm: ``"auto"``, ``"ncm"``, ``"softmax"``, ``"ridge"``, ``"slda"`` or ``"knn"``.
    inverse_l2 : float, optional
        Inverse L2 regularization (``C``), 0.001 to 1000; the default is that of the kind.
    length_transform : str, optional
        Transform of L2 norms: ``"raw"``, ``"half"``, ``"unit"`` or ``"quarter"``.
    false_rejection_rate : float
        Share of known samples that ``predict_known`` may call unknown, 0 to 0.5.
    max_samples : int, optional
        Number of samples that are kept, at most 65535; further ones are evicted by ``when_full``.
    when_full : str
        Eviction policy: ``"herding"``, ``"reservoir"`` or ``"refuse"``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    head_ : Head
        Head; its classes are those of ``classes_``, in order.

    >>> import numpy as np
    >>> from offshoot import OffshootClassifier
    >>> X = np.array([[1, 0], [1, 0.1], [0.9, 0], [0, 1], [0.1, 1], [0, 0.9]])
    >>> classifier = OffshootClassifier("ridge").fit(X, [7, 7, 7, 3, 3, 3])
    >>> classifier.predict([[0.1, 0.8]]).tolist(), classifier.classes_.tolist()
    ([3], [3, 7])
    """

    def __init__(
        self,
        kind: str = "auto",
        *,
        inverse_l2: Optional[float] = None,
        length_transform: Optional[str] = None,
        false_rejection_rate: float = 0.0,
        max_samples: Optional[int] = None,
        when_full: str = "herding",
    ) -> None:
        self.kind = kind
        self.inverse_l2 = inverse_l2
        self.length_transform = length_transform
        self.false_rejection_rate = false_rejection_rate
        self.max_samples = max_samples
        self.when_full = when_full

    def fit(self, X: Any, y: Any) -> "OffshootClassifier":
        """Fits a new head to the samples."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_ = unique_labels(y)
        self.head_ = self._empty(X.shape[1], len(self.classes_), len(y))
        self._name_classes()
        self._teach(X, y)
        self.head_.fit()
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Optional["ArrayLike"] = None
    ) -> "OffshootClassifier":
        """Adds samples; the first call names all ``classes``, or those of ``y`` are all there are.

        The head has room for ``max_samples``, or grows.
        """
        first = not hasattr(self, "head_")
        X, y = validate_data(self, X, y, dtype=np.float32, reset=first)
        check_classification_targets(y)
        if first:
            self.classes_ = unique_labels(y if classes is None else classes)
            self.head_ = self._empty(X.shape[1], len(self.classes_), FIRST_ROOM)
            self._name_classes()
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call, {self.classes_!r}"
            )
        self._make_room(len(y))
        self._teach(X, y)
        self.head_.fit()
        return self

    def predict(self, X: "ArrayLike") -> "NDArray[Any]":
        """Returns the most probable class of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: "ArrayLike") -> "NDArray[np.float64]":
        """Returns the probability of each class, given that a row is of one of them."""
        known = self._probabilities(X)
        total = known.sum(axis=1, keepdims=True)
        uniform = np.full_like(known, 1 / known.shape[1])
        np.divide(known, total, out=uniform, where=total > 0)
        return uniform

    def predict_known(self, X: "ArrayLike") -> "NDArray[np.bool_]":
        """Returns true for each row that is of a class at all; needs a false-rejection rate."""
        check_is_fitted(self)
        rows: Any = validate_data(self, X, dtype=np.float32, reset=False)
        return np.array([answer.known for answer in self.head_.classify(rows)], dtype=np.bool_)

    def to_head(self, extractor: Union[Extractor, None] = None) -> Head:
        """Returns a head of its own; with an extractor one that ``Head.load`` takes with it.

        The rows must then be embeddings of that extractor.
        """
        check_is_fitted(self)
        if extractor is None:
            return self.head_.copy()
        head = self._empty(extractor, *self.head_.limits)
        for name in self.head_.classes:
            head.add_class(name)
        for name, embedding in self.head_.samples:
            head.add_sample(name, embedding)
        return head

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "head_")

    def _probabilities(self, X: "ArrayLike") -> "NDArray[np.float64]":
        check_is_fitted(self)
        rows: Any = validate_data(self, X, dtype=np.float32, reset=False)
        return self.head_.probabilities(rows).astype(np.float64)

    def _empty(self, source: Union[Extractor, int], classes: int, samples: int) -> Head:
        most = MOST_SAMPLES if self.max_samples is None else self.max_samples
        head = Head(source, self.kind, classes=classes, samples=min(samples, most))
        if self.inverse_l2 is not None:
            head.inverse_l2 = self.inverse_l2
        if self.length_transform is not None:
            head.transform = self.length_transform
        head.false_rejection_rate = self.false_rejection_rate
        head.when_full = self.when_full
        return head

    def _name_classes(self) -> None:
        for index, label in enumerate(self.classes_):
            try:
                self.head_.add_class(str(label))
            except HeadError:
                # Too long, empty or unreadable for a screen: numbered.
                self.head_.add_class(f"class {index}")

    def _make_room(self, more: int) -> None:
        classes, room = self.head_.limits
        need = len(self.head_) + more
        most = MOST_SAMPLES if self.max_samples is None else self.max_samples
        if need <= room or room >= most:
            return
        larger = self._empty(self.head_.dim, classes, max(need, 2 * room))
        for name in self.head_.classes:
            larger.add_class(name)
        if len(self.head_) <= larger.limits[1]:
            larger.merge(self.head_)
            self.head_ = larger

    def _teach(self, X: "NDArray[np.float32]", y: "NDArray[Any]") -> None:
        numbers = np.searchsorted(self.classes_, y)
        known = self.classes_[np.minimum(numbers, len(self.classes_) - 1)] == y
        if not known.all():
            labels = np.unique(np.asarray(y)[~known]).tolist()
            raise ValueError(f"y has labels that `classes` has not: {labels}")
        for row, number in zip(X, numbers):
            self.head_.add_sample(int(number), row)


class EmbeddingTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Extractor as a transformer: images become rows of embeddings, float32.

    Images are anything ``Extractor.embed`` takes, in a list or an array of equal sizes. Nothing is
    learned: ``fit`` opens the package.

    Parameters
    ----------
    package : str, path, bytes or Extractor
        Package; a path is opened by ``fit`` or the first ``transform``.
    format : str, optional
        Pixel format of arrays, as of ``Extractor.embed``.
    threads : int
        Number of threads that share the network.
    """

    def __init__(
        self,
        package: "Union[str, os.PathLike[str], bytes, Extractor]",
        *,
        format: Optional[str] = None,
        threads: int = 1,
    ) -> None:
        self.package = package
        self.format = format
        self.threads = threads

    def fit(self, X: Any = None, y: Any = None) -> "EmbeddingTransformer":
        """Opens the package."""
        if isinstance(self.package, Extractor):
            self.extractor_ = self.package
        else:
            self.extractor_ = Extractor(self.package, threads=self.threads)
        return self

    def transform(self, X: Any) -> "NDArray[np.float32]":
        """Returns the embeddings, of shape ``(n_images, dim)``."""
        if not hasattr(self, "extractor_"):
            self.fit()
        images = X
        if not isinstance(X, np.ndarray) or X.dtype == object or X.dtype.kind in "US":
            images = [str(x) if isinstance(x, np.str_) else x for x in X]
        embeddings = self.extractor_.embed(images, format=self.format)
        return np.asarray(embeddings, dtype=np.float32).reshape(-1, self.extractor_.dim)

    def get_feature_names_out(self, input_features: Any = None) -> "NDArray[Any]":
        """Returns ``embedding0`` and so on."""
        if not hasattr(self, "extractor_"):
            self.fit()
        names = [f"embedding{index}" for index in range(self.extractor_.dim)]
        return np.asarray(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.requires_fit = False
        tags.no_validation = True
        return tags
