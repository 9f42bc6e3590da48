"""The converter: ONNX models become packages. It is in the distribution ``offshoot`` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Optional, Sequence, Union

from . import _offshoot
from ._offshoot import Extractor, Head

if TYPE_CHECKING:
    import os

    from ._offshoot import Conversion, Cut

    Model = Union[str, os.PathLike[str], bytes]

__all__ = ["Conversion", "Cut", "convert", "cuts", "export", "inspect"]


def __getattr__(name: str) -> object:
    if name in ("Conversion", "Cut"):
        return getattr(_compiled(), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _compiled() -> Any:
    if not hasattr(_offshoot, "convert"):
        raise ImportError(
            "this is offshoot-runtime, which runs packages and has no converter: "
            "uninstall it and install offshoot-sdk, the wheel that sdk/python/build.sh makes"
        )
    return _offshoot


def convert(
    model: "Model",
    samples: "Iterable[object]",
    labels: Optional[Sequence[object]] = None,
    *,
    cut: Union[str, Sequence[str], None] = None,
    parts: Union[str, Sequence[str], None] = None,
    pool: str = "avg",
    precision: str = "int8",
    size: Optional["tuple[int, int]"] = None,
    tokens: Optional[int] = None,
    l2: bool = False,
    preset: Optional[str] = None,
    mean: Optional[Sequence[float]] = None,
    std: Optional[Sequence[float]] = None,
    bgr: bool = False,
    squash: bool = False,
    requantize: bool = False,
    search_seconds: Optional[float] = None,
    format: Optional[str] = None,
    tokenizer: "Union[str, os.PathLike[str], None]" = None,
    external_data: bool = False,
    output: "Union[str, os.PathLike[str], None]" = None,
    progress: Optional[Callable[[str, float], object]] = None,
) -> "Conversion":
    """Converts an ONNX backbone to a package, calibrated on samples.

    ``model`` is a path, or the bytes of the file. ``samples`` are a hundred images or so as the
    device will see them, each anything ``Extractor.embed`` takes; texts for a language backbone.
    With ``labels``, one per image, the report has the held-out accuracy of a head on the new
    package, ``held_out``. Options are those of the command ``offshoot convert``: ``parts`` is
    ``"auto"`` or names of tensors; ``requantize`` quantizes a file anew that is quantized already.
    ``output`` writes the package to a file. ``progress`` is called with the stage and its finished
    share; what it raises ends the conversion, as Ctrl-C does.

    The model is read in this process: convert those of strangers in one of their own, for example
    by ``python -m offshoot convert``.

    Raises ``ConvertError`` for a model that cannot be converted, with the next thing to do.
    """
    compiled = _compiled()
    words: dict[str, object] = {
        "pool": pool,
        "precision": precision,
        "size": size,
        "tokens": tokens,
        "l2": l2,
        "preset": preset,
        "mean": mean,
        "std": std,
        "bgr": bgr,
        "squash": squash,
        "requantize": requantize,
        "search_seconds": search_seconds,
    }
    if cut is not None:
        words["cut"] = cut
    if parts is not None:
        words["parts"] = parts
    kept = list(samples)
    if labels is not None and len(labels) != len(kept):
        raise ValueError(f"{len(labels)} labels of {len(kept)} samples")
    done = compiled.convert(model, kept, format, tokenizer, external_data, progress, words)
    if labels is not None:
        done._hold(_held_out(done.package, kept, labels, format))
    if output is not None:
        with open(output, "wb") as file:
            file.write(done.package)
    conversion: Conversion = done
    return conversion


def _held_out(
    package: bytes, samples: "list[object]", labels: Sequence[object], format: Optional[str]
) -> Any:
    extractor = Extractor(package)
    names = [str(label) for label in labels]
    head = Head(extractor, classes=len(set(names)), samples=len(names))
    numbers = {name: head.add_class(name) for name in dict.fromkeys(names)}
    for name, sample in zip(names, samples):
        head.add_sample(numbers[name], extractor.embed(sample, format=format))
    return head.report()


def cuts(
    model: "Model",
    *,
    size: Optional["tuple[int, int]"] = None,
    tokens: Optional[int] = None,
    external_data: bool = False,
) -> "list[Cut]":
    """Lists the tensors that a model can be cut at, in order, with their cost."""
    words = {"size": size, "tokens": tokens, "pool": "none"}
    found: list[Cut] = _compiled().cuts(model, external_data, words)
    return found


def inspect(
    model: "Model",
    *,
    cut: Optional[str] = None,
    size: Optional["tuple[int, int]"] = None,
    external_data: bool = False,
) -> "dict[str, Any]":
    """Describes a model before it is converted: its cut, and the layers that stay in float."""
    words: dict[str, Any] = {"size": size}
    if cut is not None:
        words["cut"] = cut
    found: dict[str, Any] = _compiled().inspect(model, external_data, words)
    return found


def export(
    extractor: Extractor,
    head: Head,
    output: "Union[str, os.PathLike[str], None]" = None,
) -> bytes:
    """Makes one ONNX model of an int8 package and a head: image in, probabilities out."""
    model: bytes = _compiled().export(extractor, head)
    if output is not None:
        with open(output, "wb") as file:
            file.write(model)
    return model
