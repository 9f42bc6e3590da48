"""Embeddings of many images on many processes: an actor for Ray Data.

``pip install 'ray[data]'``. Each actor opens the extractor once; the bits are those of ``Extractor.embed``::

    import ray
    from offshoot.ray import OffshootEmbedder

    images = ray.data.from_items([{"path": path} for path in paths])
    images.map_batches(
        OffshootEmbedder,
        fn_constructor_args=("sprout.offshoot",),
        batch_size=64,
        compute=ray.data.ActorPoolStrategy(size=2),
    ).write_parquet("embeddings")

This module itself does not import Ray: the actor is a class that can be called, and runs without Ray too.

>>> import numpy as np
>>> from offshoot.ray import OffshootEmbedder
>>> embedder = OffshootEmbedder("sprout.offshoot")
>>> table = embedder({"image": np.zeros((2, 8, 8, 3), np.uint8), "label": np.array(["a", "b"])})
>>> table.column_names
['label', 'embedding', 'codes', 'scale', 'zero_point', 'package', 'error']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
import pyarrow as pa

from ._errors import InputError, OffshootError
from ._offshoot import Embedding, Embeddings, Extractor
from .parquet import embedding_columns

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["OffshootEmbedder"]

_IMAGES = ("image", "path", "bytes", "item")
"""Columns that hold images, in the order in which they are looked for."""


class OffshootEmbedder:
    """Callable that embeds a batch of Ray Data: an actor class for ``Dataset.map_batches``.

    A batch is a dict of numpy arrays, Ray's default. The result is a ``pyarrow.Table``: all columns of the batch
    but the pixels (paths stay), then those of ``offshoot.parquet``, and ``error``.

    Parameters
    ----------
    package : path or bytes
        Package, on a disk that every node sees. Bytes travel with the actor.
    images : str, optional
        Column with the images: arrays of uint8 as of ``ray.data.read_images(..., mode="RGB")``, paths, or
        bytes of files. The default is the first there is of ``image``, ``path``, ``bytes`` and ``item``.
    format : str, optional
        Format of arrays, as for ``Extractor.embed``.
    errors : str
        ``"raise"``: an image that cannot be read ends the job. ``"null"``: its row has no embedding, and
        the reason in the column ``error``.
    options
        Options of ``Extractor``. Give each actor as many CPUs (``num_cpus``) as ``threads``.
    """

    def __init__(
        self,
        package: Union[str, os.PathLike[str], bytes],
        *,
        images: Optional[str] = None,
        format: Optional[str] = None,
        errors: str = "raise",
        **options: Any,
    ) -> None:
        if errors not in ("raise", "null"):
            raise InputError(f"errors={errors!r}; there are 'raise' and 'null'")
        self.extractor = Extractor(package, **options)
        self._images = images
        self._format = format
        self._errors = errors

    def __call__(self, batch: dict[str, NDArray[Any]]) -> Any:
        """Embeds the images of a batch; returns a ``pyarrow.Table`` with a row for each."""
        name = self._column(batch)
        sources = [_source(value) for value in batch[name]]
        kept = [key for key in batch if key != name or isinstance(next(iter(sources), ""), str)]
        columns = {key: _column_of(key, batch[key]) for key in kept}
        rows, faults = self._embed(sources)
        # An image that could not be read takes no row, which makes its columns null.
        taken = iter(range(len(rows)))
        at = pa.array([None if fault else next(taken) for fault in faults], pa.int64())
        typed = rows if len(rows) else self.extractor.embed([np.zeros((8, 8, 3), np.uint8)])
        typed = typed if isinstance(typed, Embeddings) else Embeddings(typed)
        for key, values in embedding_columns(typed, self.extractor.id).items():
            columns[key] = values.take(at)
        columns["error"] = pa.array(faults, pa.string())
        return pa.table(columns)

    def _column(self, batch: dict[str, NDArray[Any]]) -> str:
        if self._images is not None:
            if self._images not in batch:
                raise InputError(f"no column `{self._images}` in the batch, but {sorted(batch)}")
            return self._images
        found = next((name for name in _IMAGES if name in batch), None)
        if found is None:
            raise InputError(
                f"no column of images in the batch, but {sorted(batch)}; name it by `images=`"
            )
        return found

    def _embed(
        self, sources: list[Any]
    ) -> tuple[Union[Embeddings, list[Embedding]], list[Optional[str]]]:
        """Embeddings of the images that could be read, and for each image why it could not."""
        if not sources:
            return [], []
        try:
            return self.extractor.embed(sources, format=self._format), [None] * len(sources)
        except OffshootError:
            if self._errors == "raise":
                raise
        rows: list[Embedding] = []
        faults: list[Optional[str]] = []
        for source in sources:
            try:
                rows.append(self.extractor.embed(source, format=self._format))
                faults.append(None)
            except OffshootError as error:
                faults.append(str(error))
        return rows, faults


def _source(value: Any) -> Any:
    """An image as ``Extractor.embed`` takes it."""
    if isinstance(value, (np.str_, np.bytes_)):
        return value.item()
    return value


def _column_of(name: str, values: NDArray[Any]) -> Any:
    if values.ndim != 1:
        raise InputError(
            f"column `{name}` has {values.ndim} dimensions; columns that are kept have one: drop it before"
        )
    return pa.array(values.tolist())
