"""Fine-tuning: the bytes of the library, and what a tail changes."""

import hashlib
import pickle

import numpy as np
import pytest

import offshoot
from conftest import made

#: Those of `sdk/tests/tail.rs`.
DIGESTS = ("578e6786ba6ffc26", "de7ac81a9b067e69")


def formula(i):
    """A frame of class `i % 2`."""
    return (made(1000 * i, 3 * 32 * 32) // 2 + 100 * (i % 2)).astype(np.uint8).reshape(32, 32, 3)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


@pytest.fixture
def own():
    return offshoot.Extractor("sprout.offshoot")


def test_the_tail_has_the_bytes_of_the_library(own, folder):
    frames = [formula(i) for i in range(12)]
    plain = own.embed(frames[3])
    plain_id = own.id
    tuned = own.finetune(frames, ["a", "b"] * 6, epochs=2, force=True)
    assert tuned and tuned.kept and tuned.samples == 12
    assert str(tuned).startswith("kept: ") and repr(tuned) == f"<{tuned.line}>"
    assert own.embed(frames[3]) == plain and own.id == plain_id, "nothing is set"
    assert np.array_equal(own.finetune(np.stack(frames), [7, None] * 6, epochs=2, force=True).tail, tuned.tail)
    own.set_tail(tuned.tail)
    embedding = own.embed(frames[3])
    assert (digest(tuned.tail), digest(embedding.codes.tobytes())) == DIGESTS
    assert own.id != plain_id and own.verify().ok
    (folder / "things.tail").write_bytes(tuned.tail)
    others = [
        offshoot.Extractor("sprout.offshoot", tail="things.tail"),
        offshoot.Extractor("sprout.offshoot", tail=tuned.tail),
        pickle.loads(pickle.dumps(own)),
    ]
    assert all(other.id == own.id and other.embed(frames[3]) == embedding for other in others)
    head = offshoot.Head(own, classes=2, samples=4)
    own.set_tail(None)
    assert own.id == plain_id and own.embed(frames[3]) == plain
    with pytest.raises(offshoot.HeadError):
        offshoot.Head.from_bytes(head.to_bytes(), own)


def test_what_is_wrong_is_said(own):
    frames = [formula(i) for i in range(12)]
    with pytest.raises(offshoot.InputError, match="12 images, 3 labels"):
        own.finetune(frames, ["a", "b", "a"])
    with pytest.raises(offshoot.InputError, match="too few samples"):
        own.finetune(frames[:2], ["a", "b"])
    with pytest.raises(offshoot.InputError, match="one image"):
        own.finetune(frames[0], ["a"])
    with pytest.raises(offshoot.PackageError, match="not a tuned tail"):
        own.set_tail(b"abc")
    with pytest.raises(offshoot.MissingFileError):
        own.set_tail("none.tail")
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    refused = own.finetune(noise, [0, 1] * 6)
    assert not refused and refused.tail is None
