"""Ray Data's actor: the bits of one extractor, on several processes."""

import numpy as np
import pytest

import offshoot
from conftest import SPROUT

pa = pytest.importorskip("pyarrow", reason="no pyarrow here")

from offshoot.parquet import read_embeddings
from offshoot.ray import OffshootEmbedder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three hundred images in files: noise on gradients, of sizes that differ."""
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(3)
    paths = []
    for i in range(300):
        height, width = rng.integers(20, 70, 2)
        ramp = np.linspace(0, 255 - i % 97, width)[None, :, None] * rng.random(3)
        pixels = np.clip(ramp + rng.normal(0, 30, (height, width, 3)), 0, 255).astype(np.uint8)
        paths.append(str(folder / f"{i:03}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def cluster(pictures):
    ray = pytest.importorskip("ray", reason="no ray here")
    pytest.importorskip("ray.data", reason="no ray[data] here")
    for last in [False, False, True]:
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
            break
        except Exception as error:
            # Ray waits for its own processes for 30 seconds, which a busy machine exceeds.
            ray.shutdown()
            if last or "timed out during startup" not in str(error):
                raise
    yield ray
    ray.shutdown()


def test_paths_on_ray_are_the_bits_of_embed(cluster, pictures, extractor, folder):
    rows = [{"path": path, "label": f"c{i % 7}"} for i, path in enumerate(pictures)]
    dataset = cluster.data.from_items(rows, override_num_blocks=8)
    pool = cluster.data.ActorPoolStrategy(size=2)
    done = dataset.map_batches(
        OffshootEmbedder, fn_constructor_args=(str(SPROUT),), batch_size=32, compute=pool
    )
    done.write_parquet(str(folder / "embeddings"))
    stored = read_embeddings(folder / "embeddings", package=extractor.id)
    assert sorted(stored.paths) == pictures
    order = np.argsort(stored.paths)
    assert [stored.labels[i] for i in order] == [row["label"] for row in rows]
    assert [stored.embeddings[int(i)] for i in order] == list(extractor.embed(pictures))


def test_decoded_images_on_ray_are_the_bits_of_embed(cluster, pictures, extractor, folder):
    dataset = cluster.data.read_images(pictures[:60], mode="RGB", include_paths=True)
    pool = cluster.data.ActorPoolStrategy(size=1)
    done = dataset.map_batches(
        OffshootEmbedder, fn_constructor_args=(str(SPROUT),), batch_size=16, compute=pool
    )
    done.write_parquet(str(folder / "embeddings"))
    stored = read_embeddings(folder / "embeddings")
    assert len(stored.paths) == 60
    order = np.argsort(stored.paths)
    assert [stored.embeddings[int(i)] for i in order] == list(extractor.embed(pictures[:60]))


def embedded(batch, **options):
    return OffshootEmbedder(SPROUT, **options)(batch)


def test_batches_of_every_sort(pictures, extractor):
    expected = np.asarray(extractor.embed(pictures[:3]))
    contents = [open(path, "rb").read() for path in pictures[:3]]
    arrays = np.empty(3, object)
    for i, path in enumerate(pictures[:3]):
        arrays[i] = offshoot.Image(path).numpy()
    same = np.zeros((2, 9, 9, 3), np.uint8)
    same.setflags(write=False)
    batches = [
        ({"path": np.array(pictures[:3])}, expected, ["path"]),
        ({"item": np.array(pictures[:3], object)}, expected, ["item"]),
        ({"bytes": np.array(contents, object)}, expected, []),
        ({"image": arrays, "path": np.array(["x", "y", "z"])}, expected, ["path"]),
        ({"image": same, "n": np.array([1, 2])}, np.asarray(extractor.embed(list(same))), ["n"]),
        ({"path": np.array([], str)}, np.zeros((0, extractor.dim)), ["path"]),
    ]
    for batch, values, kept in batches:
        table = embedded(batch)
        own = ["embedding", "codes", "scale", "zero_point", "package", "error"]
        assert table.column_names == kept + own
        assert table.schema.field("embedding").type == pa.list_(pa.float32(), extractor.dim)
        found = table["embedding"].to_pylist()
        assert np.array_equal(np.reshape(found, (-1, extractor.dim)), values)
    named = embedded({"path": np.array(["a"] * 3), "frame": arrays}, images="frame")
    assert named.column_names[0] == "path" and named["embedding"][0].as_py() == list(expected[0])
    swapped = embedded({"image": same + np.arange(3, dtype=np.uint8)}, format="bgr")
    frame = extractor.embed(same[0] + np.arange(3, dtype=np.uint8), format="bgr")
    assert swapped["embedding"][0].as_py() == list(np.asarray(frame))


@pytest.mark.parametrize("broken", [[1], [0, 2], [0, 1, 2]])
def test_broken_images_end_the_job_or_are_named(pictures, extractor, folder, broken):
    paths = list(pictures[:3])
    for i in broken:
        paths[i] = str(folder / f"broken{i}.png")
        (folder / f"broken{i}.png").write_bytes(b"\x89PNG, or not")
    batch = {"path": np.array(paths)}
    with pytest.raises(offshoot.InputError, match="broken"):
        embedded(batch)
    table = embedded(batch, errors="null")
    expected = extractor.embed(pictures[:3])
    for i, row in enumerate(table.to_pylist()):
        if i in broken:
            assert f"broken{i}.png" in row["error"]
            assert row["embedding"] is row["codes"] is row["scale"] is row["package"] is None
        else:
            assert row["error"] is None and row["package"] == extractor.id
            assert row["embedding"] == list(np.asarray(expected[i]))
    assert table.schema == embedded({"path": np.array(pictures[:1])}).schema


def test_mistakes_are_errors(pictures):
    with pytest.raises(offshoot.MissingFileError):
        OffshootEmbedder("absent.offshoot")
    with pytest.raises(offshoot.InputError, match="there are 'raise' and 'null'"):
        OffshootEmbedder(SPROUT, errors="skip")
    with pytest.raises(offshoot.InputError, match="no column of images in the batch, but .'x'"):
        embedded({"x": np.array([1])})
    with pytest.raises(offshoot.InputError, match="no column `frame`"):
        embedded({"x": np.array([1])}, images="frame")
    with pytest.raises(offshoot.InputError, match="column `more` has 4 dimensions"):
        embedded({"path": np.array(pictures[:1]), "more": np.zeros((1, 2, 2, 3))})
