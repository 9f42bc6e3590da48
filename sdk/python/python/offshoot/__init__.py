"""Grow a new classifier on an old network: extractors, heads and the converter of Offshoot.

>>> import numpy as np
>>> import offshoot
>>> extractor = offshoot.Extractor("sprout.offshoot")
>>> head = offshoot.Head(extractor)
>>> for name, shades in {"dark": [0, 20, 40], "light": [215, 235, 255]}.items():
...     _ = head.add_class(name)
...     frames = [np.full((8, 8, 3), shade, np.uint8) for shade in shades]
...     head.add_samples(name, extractor.embed(frames))
>>> head.classify(extractor.embed(np.full((8, 8, 3), 230, np.uint8))).nearest
'light'
"""

from __future__ import annotations

from ._errors import (
    ConvertError,
    FileError,
    HeadError,
    InputError,
    MissingFileError,
    OffshootError,
    PackageError,
)
from ._offshoot import (
    NOTHING,
    Advice,
    Answer,
    Cells,
    Detection,
    Ears,
    Embedding,
    Embeddings,
    Expected,
    Extractor,
    FineTuned,
    Fit,
    GoodHead,
    Head,
    Image,
    KnownOdds,
    Linear,
    Manifest,
    Memory,
    Probe,
    Recipe,
    Report,
    Sensor,
    SpatialHead,
    Unusual,
    Verification,
    __version__,
    instruction_sets,
)

# Type checkers know the name; `typing` itself would take half of the import's time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._conversion import Cut, Conversion, convert, cuts, export, inspect
    from .sklearn import EmbeddingTransformer, OffshootClassifier

__all__ = [
    "NOTHING",
    "Advice",
    "Answer",
    "Cells",
    "Conversion",
    "ConvertError",
    "Cut",
    "Detection",
    "Ears",
    "Embedding",
    "EmbeddingTransformer",
    "Embeddings",
    "Expected",
    "Extractor",
    "FileError",
    "FineTuned",
    "Fit",
    "GoodHead",
    "Head",
    "HeadError",
    "Image",
    "InputError",
    "KnownOdds",
    "Linear",
    "Manifest",
    "Memory",
    "MissingFileError",
    "OffshootClassifier",
    "OffshootError",
    "PackageError",
    "Probe",
    "Recipe",
    "Report",
    "Sensor",
    "SpatialHead",
    "Unusual",
    "Verification",
    "__version__",
    "convert",
    "cuts",
    "export",
    "inspect",
    "instruction_sets",
]

_LATER = {
    "Conversion": "_conversion",
    "Cut": "_conversion",
    "EmbeddingTransformer": "sklearn",
    "OffshootClassifier": "sklearn",
    "convert": "_conversion",
    "cuts": "_conversion",
    "export": "_conversion",
    "inspect": "_conversion",
}


def __getattr__(name: str) -> object:
    """Imports what needs scikit-learn or the converter when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module 'offshoot' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)


def __dir__() -> "list[str]":
    return sorted(__all__)
