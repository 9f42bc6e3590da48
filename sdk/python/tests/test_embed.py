"""Images in, embeddings out; and all that is no image."""

import io
import pathlib
import pickle

import numpy as np
import pytest

import offshoot
from conftest import made

PIL = pytest.importorskip("PIL.Image")


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def png(array):
    file = io.BytesIO()
    PIL.fromarray(array).save(file, "png")
    return file.getvalue()


def test_every_form_of_an_image_gives_the_same(extractor, picture, folder):
    want = extractor.embed(picture)
    (folder / "image.png").write_bytes(png(picture))
    forms = [
        PIL.fromarray(picture),
        PIL.fromarray(picture).convert("RGBA"),
        png(picture),
        "image.png",
        pathlib.Path("image.png"),
        offshoot.Image("image.png"),
        offshoot.Image(picture),
        memoryview(picture),
        picture[:, ::-1][:, ::-1],
        np.asfortranarray(picture),
        picture.repeat(2, axis=0)[::2],
    ]
    assert all(extractor.embed(form) == want for form in forms)
    assert extractor.embed(picture[..., ::-1], format="bgr") == want
    assert extractor.embed(np.ascontiguousarray(picture[..., ::-1]), format="bgr") == want
    grey = picture[..., 0]
    assert extractor.embed(grey) == extractor.embed(np.dstack([grey] * 3))
    assert extractor.embed(grey[..., None], format="grey") == extractor.embed(grey)


def test_several_images_are_rows(extractor, rng):
    stack = rng.integers(0, 256, (5, 30, 20, 3), dtype=np.uint8)
    rows = extractor.embed(stack)
    assert rows.shape == (5, extractor.dim) and len(rows) == 5
    assert [extractor.embed(image) for image in stack] == list(rows)
    assert np.array_equal(extractor.embed(list(stack)), rows)
    assert np.array_equal(rows.codes, [row.codes for row in rows])
    real = rows.scales[:, None] * (rows.codes.astype(np.float32) - rows.zero_points[:, None])
    assert np.array_equal(np.asarray(rows), real)
    assert np.array_equal(rows[1:4], np.asarray(rows)[1:4]) and rows[-1] == rows[4]
    assert np.array_equal(rows[::-2].codes, rows.codes[::-2])
    assert extractor.embed([]).shape == (0, extractor.dim)
    grey = extractor.embed(stack[..., 0], format="grey")
    assert grey[2] == extractor.embed(stack[2, ..., 0])
    with pytest.raises(IndexError):
        rows[5]


@pytest.mark.parametrize(
    "image, words",
    [
        (np.zeros((4, 4, 4), np.uint8), "alpha"),
        (np.zeros((4, 4), np.float32), "uint8"),
        (np.zeros((0, 4, 3), np.uint8), "sides must be 1 to"),
        (np.zeros((0, 4, 4, 3), np.uint8), "shape (0, 4, 4, 3)"),
        (np.zeros(7, np.uint8), "shape (7)"),
        (b"no image", "not an image"),
        (3, "uint8"),
        (None, "NoneType is no image"),
        ([[np.zeros((4, 4, 3), np.uint8)]], "not several"),
    ],
)
def test_what_is_no_image_is_refused_in_words(extractor, image, words):
    with pytest.raises(offshoot.InputError) as caught:
        extractor.embed(image)
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_formats_state_their_shapes(extractor):
    for name, shape in [("yuyv", (4, 4, 3)), ("nv12", (4, 4)), ("i420", (3, 3)), ("bgr", (4, 4))]:
        with pytest.raises(offshoot.InputError):
            extractor.embed(np.zeros(shape, np.uint8), format=name)
    with pytest.raises(offshoot.InputError, match="allowed are rgb"):
        extractor.embed(np.zeros((4, 4, 3), np.uint8), format="jpeg")


def test_a_file_that_is_not_there_has_its_name(extractor, folder):
    with pytest.raises(FileNotFoundError) as caught:
        extractor.embed("absent.png")
    assert isinstance(caught.value, offshoot.FileError) and caught.value.errno == 2
    assert caught.value.path == caught.value.filename == "absent.png"
    assert str(caught.value) == "absent.png: No such file or directory (os error 2)"
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert (str(again), again.path) == (str(caught.value), "absent.png")
    (folder / "bad.offshoot").write_bytes(b"OFFSHOOT" + bytes(100))
    with pytest.raises(offshoot.PackageError, match="bad.offshoot: "):
        offshoot.Extractor("bad.offshoot")
    with pytest.raises(OSError, match="is a folder; name a file that ends with .offshoot"):
        offshoot.Extractor(folder)


def test_damaged_packages_are_refused(rng, folder):
    good = (folder / "sprout.offshoot").read_bytes()
    assert offshoot.Extractor(good).verify().ok
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        bad = bytes(bad)[: rng.integers(1, len(bad) + 1)]
        if bad != good:
            with pytest.raises(offshoot.PackageError):
                offshoot.Extractor(bad)


def test_options_are_checked():
    for wrong in [{"threads": 0}, {"threads": 256}, {"threads": -1}, {"isa": "z80"}]:
        with pytest.raises(offshoot.InputError):
            offshoot.Extractor("sprout.offshoot", **wrong)
    with pytest.raises(TypeError):
        offshoot.Extractor(7)


def test_text_is_for_other_packages(extractor):
    with pytest.raises(offshoot.InputError, match="the package takes images"):
        extractor.embed_tokens(np.array([1, 2, 3]))
    assert extractor.token_limit is None and extractor.tokenizer is None


def test_extractors_travel_to_other_processes(extractor, picture):
    again = pickle.loads(pickle.dumps(offshoot.Extractor("sprout.offshoot", threads=2)))
    assert again.threads == 2 and again.embed(picture) == extractor.embed(picture)
    rows = extractor.embed([picture, picture])
    assert np.array_equal(pickle.loads(pickle.dumps(rows)).codes, rows.codes)
    assert pickle.loads(pickle.dumps(rows[0])) == rows[0]
    image = offshoot.Image(picture)
    assert pickle.loads(pickle.dumps(image)) == image


def test_embeddings_are_arrays(extractor, picture):
    embedding = extractor.embed(picture)
    real = np.asarray(embedding)
    assert real.dtype == np.float32 and np.asarray(embedding, dtype=np.float64).dtype == np.float64
    want = embedding.scale * (embedding.codes.astype(np.float32) - embedding.zero_point)
    assert np.array_equal(real, want) and embedding[3] == real[3]
    same = offshoot.Embedding.from_codes(embedding.codes, embedding.scale, embedding.zero_point)
    assert same == embedding and same.cosine(embedding) == pytest.approx(1)
    assert offshoot.Embedding(real).codes is None
    other = np.random.default_rng(0).normal(size=len(real)).astype(np.float32)
    want = real @ other / np.linalg.norm(real) / np.linalg.norm(other)
    assert embedding.cosine(other) == pytest.approx(want, abs=1e-6)
    assert embedding.cosine(other[1:]) is None
    for wrong in [0.0, float("nan"), -1.0]:
        with pytest.raises(offshoot.InputError):
            offshoot.Embedding.from_codes(embedding.codes, wrong, 0)


def test_views_are_numpys(picture):
    image = offshoot.Image(picture)
    assert np.array_equal(image.numpy(), picture)
    assert np.array_equal(image.seen("mirrored"), picture[:, ::-1])
    assert np.array_equal(image.seen("darker"), picture.astype(int) * 4 // 5)
    assert np.array_equal(image.seen("lighter"), np.minimum(picture.astype(int) * 5 // 4, 255))
    assert image.seen("nearer").numpy().shape == (32, 48, 3)
    with pytest.raises(offshoot.InputError):
        image.seen("upside down")


def test_a_profile_is_of_the_same_embedding(extractor, picture):
    embedding, stages = extractor.profile(picture)
    assert embedding == extractor.embed(picture)
    assert stages[0][0] == "preprocess" and len(stages) > 5
    assert all(seconds >= 0 for _, seconds in stages)


def test_the_manifest_describes_the_package(extractor):
    manifest = extractor.manifest
    assert (manifest.source, manifest.precision) == ("sprout.onnx", "int8")
    assert manifest.id == extractor.id
    assert (manifest.width, manifest.height, manifest.takes_text) == (96, 96, False)
    assert extractor.memory.arena > 0


@pytest.mark.parametrize("isa", offshoot.instruction_sets())
@pytest.mark.parametrize("threads", [1, 3])
def test_every_kernel_gives_the_same(extractor, isa, threads):
    other = offshoot.Extractor("sprout.offshoot", isa=isa, threads=threads)
    assert (other.isa, other.threads) == (isa, threads)
    frame = made(3, 3 * 50 * 60).reshape(50, 60, 3)
    assert other.embed(frame) == extractor.embed(frame)
    assert other.verify() == extractor.verify() and extractor.verify().ok
