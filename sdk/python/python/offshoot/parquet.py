"""Embeddings in Parquet files, by pyarrow: values, int8 codes, paths and labels.

A row has these columns:

=============  =========================  ============================================================
``path``       string                     where the image came from; null if nobody said
``label``      string                     class; null if nobody said
``embedding``  fixed-size list of float   real values, for search and for other programs
``codes``      fixed-size list of int8    values as the network gave them; not for a float package
``scale``      float                      an embedding is ``scale * (codes - zero_point)``
``zero_point`` int8
``package``    string                     id of the package that made it, 64 hex digits
=============  =========================  ============================================================

A head that is taught from ``codes`` has the bits of the board; ``embedding`` is for everybody else.

>>> import numpy as np
>>> import offshoot
>>> from offshoot.parquet import read_embeddings, write_embeddings
>>> extractor = offshoot.Extractor("sprout.offshoot")
>>> rows = extractor.embed([np.full((8, 8, 3), shade, np.uint8) for shade in (0, 128, 255)])
>>> write_embeddings("shades.parquet", rows, labels=["dark", "dark", "light"], package=extractor.id)
>>> stored = read_embeddings("shades.parquet", package=extractor.id)
>>> stored.labels, list(stored.embeddings) == list(rows)
(['dark', 'dark', 'light'], True)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ._errors import FileError, InputError, MissingFileError, OffshootError
from ._offshoot import Embedding, Embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Stored", "embedding_columns", "read_embeddings", "write_embeddings"]

_OWN = ("embedding", "codes", "scale", "zero_point", "package")


class Stored(NamedTuple):
    """Embeddings of a file, with what is known of each."""

    embeddings: Embeddings
    """Embeddings, in the file's order; int8 where the file has codes."""
    paths: list[Optional[str]]
    """Path of each image."""
    labels: list[Optional[str]]
    """Class of each image."""
    package: Optional[str]
    """Id of the package that made them; ``None`` if the file has none."""


def embedding_columns(embeddings: Embeddings, package: Optional[str] = None) -> dict[str, Any]:
    """Returns the pyarrow arrays of embeddings by name, for a table of one's own."""
    count, dim = embeddings.shape
    columns: dict[str, Any] = {"embedding": _lists(embeddings.numpy(), dim)}
    codes, scales, zero_points = embeddings.codes, embeddings.scales, embeddings.zero_points
    if codes is not None:
        columns["codes"] = _lists(codes, dim)
        columns["scale"] = pa.array(scales, pa.float32())
        columns["zero_point"] = pa.array(zero_points, pa.int8())
    # A column, not the schema's metadata: it survives what others do with the rows.
    columns["package"] = pa.array([package] * count, pa.string())
    return columns


def write_embeddings(
    path: Union[str, os.PathLike[str]],
    embeddings: Union[Embeddings, Sequence[Embedding]],
    *,
    paths: Optional[Sequence[Union[str, os.PathLike[str], None]]] = None,
    labels: Optional[Sequence[Optional[str]]] = None,
    package: Optional[str] = None,
) -> None:
    """Writes embeddings to a Parquet file, which is complete or not there.

    ``package`` is ``extractor.id``: without it nobody can tell later which heads they are for.

    Raises ``InputError`` if paths or labels are not as many as embeddings, ``FileError`` if the file
    cannot be written.
    """
    if not isinstance(embeddings, Embeddings):
        embeddings = Embeddings(embeddings)
    count = len(embeddings)
    names = None if paths is None else [None if p is None else os.fspath(p) for p in paths]
    columns = {
        "path": _texts("paths", names, count),
        "label": _texts("labels", labels, count),
        **embedding_columns(embeddings, package),
    }
    # Beside the file, so that it is replaced at once or not at all.
    fresh = Path(os.fspath(path) + ".new")
    try:
        pq.write_table(pa.table(columns), fresh)
        os.replace(fresh, path)
    except OSError as error:
        raise _file_error(path, error) from error
    finally:
        fresh.unlink(missing_ok=True)


def read_embeddings(
    path: Union[str, os.PathLike[str]], *, package: Optional[str] = None
) -> Stored:
    """Reads embeddings from a Parquet file, or from a folder of them as Ray writes it.

    Rows without an embedding (images that could not be read) are left out. With ``package``, rows of
    another package are an error: such embeddings mean nothing to this one's heads.

    Raises ``InputError`` for a file without embeddings or of several packages, ``FileError`` for one
    that cannot be read.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _file_error(path, error) from error
    if "embedding" not in table.column_names:
        raise _wrong(path, f"no column `embedding`, but {table.column_names}")
    table = table.filter(table["embedding"].is_valid())
    made_by = set(table["package"].to_pylist()) if "package" in table.column_names else {None}
    if len(made_by) > 1:
        raise _wrong(path, f"embeddings of {len(made_by)} packages; filter by the column `package`")
    found = next(iter(made_by), None)
    if package is not None and table.num_rows and found != package:
        raise _wrong(path, f"embeddings of the package {found}, not of {package}")
    return Stored(_rows(table), _texts_of(table, "path"), _texts_of(table, "label"), found)


def _rows(table: Any) -> Embeddings:
    values = _matrix(table["embedding"])
    if "codes" not in table.column_names or not len(values):
        return Embeddings(values)
    scales = table["scale"].to_pylist()
    zero_points = table["zero_point"].to_pylist()
    return Embeddings(
        [
            Embedding.from_codes(codes, scale, zero_point)
            for codes, scale, zero_point in zip(_matrix(table["codes"]), scales, zero_points)
        ]
    )


def _matrix(column: Any) -> NDArray[Any]:
    """Fixed-size lists as an array of two dimensions."""
    lists = column.combine_chunks()
    flat = np.asarray(lists.flatten())
    return flat.reshape(len(lists), lists.type.list_size)


def _lists(values: NDArray[Any], dim: int) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), dim)


def _texts(what: str, values: Optional[Sequence[Optional[str]]], count: int) -> Any:
    if values is None:
        return pa.nulls(count, pa.string())
    if len(values) != count:
        raise InputError(f"{len(values)} {what} for {count} embeddings; give one each")
    return pa.array(values, pa.string())


def _texts_of(table: Any, name: str) -> list[Optional[str]]:
    if name not in table.column_names:
        return [None] * table.num_rows
    return list(table[name].to_pylist())


def _wrong(path: Union[str, os.PathLike[str]], text: str) -> OffshootError:
    return InputError._of(f"{os.fspath(path)}: {text}", os.fspath(path), None)


def _file_error(path: Union[str, os.PathLike[str]], error: Exception) -> OffshootError:
    kind = MissingFileError if isinstance(error, FileNotFoundError) else FileError
    return kind._of(f"{os.fspath(path)}: {error}", os.fspath(path), getattr(error, "errno", None))
