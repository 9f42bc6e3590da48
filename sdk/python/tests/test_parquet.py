"""Embeddings in Parquet files."""

import numpy as np
import pytest

import offshoot

pa = pytest.importorskip("pyarrow", reason="no pyarrow here")
pq = pytest.importorskip("pyarrow.parquet", reason="no pyarrow here")

from offshoot.parquet import read_embeddings, write_embeddings


@pytest.fixture
def rows(extractor, rng):
    return extractor.embed(rng.integers(0, 256, (5, 20, 30, 3), dtype=np.uint8))


def test_what_is_written_comes_back(folder, extractor, rows):
    paths, labels = [folder / f"{i}.png" for i in range(5)], ["a", "b", None, "b", "a"]
    write_embeddings("all.parquet", rows, paths=paths, labels=labels, package=extractor.id)
    stored = read_embeddings("all.parquet", package=extractor.id)
    assert list(stored.embeddings) == list(rows) and stored.package == extractor.id
    assert stored.paths == [str(path) for path in paths] and stored.labels == labels
    assert [path.name for path in folder.iterdir()].count("all.parquet.new") == 0


def test_heads_taught_from_a_file_have_the_bits(folder, extractor, rows):
    write_embeddings("all.parquet", rows, labels=list("abaab"))
    stored = read_embeddings("all.parquet")
    heads = []
    for embeddings in [rows, stored.embeddings]:
        head = offshoot.Head(extractor, "ridge", samples=5)
        for label in "ab":
            head.add_class(label)
        for label, embedding in zip(stored.labels, embeddings):
            head.add_sample(label, embedding)
        heads.append(head.to_bytes())
    assert heads[0] == heads[1]


def test_others_read_plain_columns(folder, extractor, rows):
    """No extension type, so that DuckDB, pandas, LanceDB and FAISS read it."""
    write_embeddings("all.parquet", rows, package=extractor.id)
    table = pq.read_table("all.parquet")
    assert table.column_names == ["path", "label", "embedding", "codes", "scale", "zero_point", "package"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), extractor.dim)
    assert table.schema.field("codes").type == pa.list_(pa.int8(), extractor.dim)
    values = np.stack(table["embedding"].to_numpy())
    assert np.array_equal(values, np.asarray(rows))


def test_floats_have_no_codes(folder):
    floats = [[0.5, -1.0], [3.0, 4.0]]
    write_embeddings("floats.parquet", [offshoot.Embedding(row) for row in floats])
    stored = read_embeddings("floats.parquet")
    assert np.array_equal(stored.embeddings, floats) and stored.embeddings.codes is None
    assert stored.package is None and stored.paths == stored.labels == [None, None]


def test_rows_without_an_embedding_are_left_out(folder, extractor, rows):
    write_embeddings("all.parquet", rows, paths=list("vwxyz"), package=extractor.id)
    table = pq.read_table("all.parquet")
    pq.write_table(table.take(pa.array([0, None, 2, None, 4])), "holes.parquet")
    stored = read_embeddings("holes.parquet")
    assert stored.paths == ["v", "x", "z"]
    assert list(stored.embeddings) == [rows[0], rows[2], rows[4]]
    pq.write_table(table.slice(0, 0), "none.parquet")
    assert len(read_embeddings("none.parquet", package=extractor.id).embeddings) == 0


def test_mistakes_are_errors_and_leave_the_file(folder, extractor, rows):
    write_embeddings("all.parquet", rows, package=extractor.id)
    before = (folder / "all.parquet").read_bytes()
    with pytest.raises(offshoot.InputError, match="2 labels for 5 embeddings"):
        write_embeddings("all.parquet", rows, labels=["a", "b"])
    with pytest.raises(offshoot.InputError, match="0 paths for 5 embeddings"):
        write_embeddings("all.parquet", rows, paths=[])
    assert (folder / "all.parquet").read_bytes() == before
    with pytest.raises(offshoot.MissingFileError, match="no/all.parquet") as caught:
        write_embeddings("no/all.parquet", rows)
    assert caught.value.path == "no/all.parquet"
    with pytest.raises(offshoot.MissingFileError, match="absent.parquet"):
        read_embeddings("absent.parquet")
    (folder / "bad.parquet").write_bytes(before[:-9])
    with pytest.raises(offshoot.FileError, match="bad.parquet"):
        read_embeddings("bad.parquet")
    with pytest.raises(offshoot.InputError, match="not of abc"):
        read_embeddings("all.parquet", package="abc")
    pq.write_table(pa.table({"x": [1]}), "other.parquet")
    with pytest.raises(offshoot.InputError, match="no column `embedding`"):
        read_embeddings("other.parquet")
    write_embeddings("two.parquet", rows, package="abc")
    pq.write_table(pa.concat_tables(map(pq.read_table, ["all.parquet", "two.parquet"])), "both.parquet")
    with pytest.raises(offshoot.InputError, match="2 packages"):
        read_embeddings("both.parquet")
