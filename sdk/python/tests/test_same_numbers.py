"""The same bits as the Rust library: what `sdk/examples/same_numbers.rs` prints."""

import os

import numpy as np
import pytest

import offshoot
from conftest import made

WIDTH, HEIGHT = 100, 80
SHAPES = {
    "rgb": (HEIGHT, WIDTH, 3),
    "bgr": (HEIGHT, WIDTH, 3),
    "grey": (HEIGHT, WIDTH),
    "rgb565": (HEIGHT, WIDTH, 2),
    "yuyv": (HEIGHT, WIDTH, 2),
    "nv12": (HEIGHT * 3 // 2, WIDTH),
    "i420": (HEIGHT * 3 // 2, WIDTH),
}


def shaded(seed, shade):
    return (shade + made(seed, 3 * 32 * 32) // 4).astype(np.uint8).reshape(32, 32, 3)


def taught(extractor, kind):
    head = offshoot.Head(extractor, kind, classes=4, samples=40)
    for number in range(3):
        head.add_class(f"class {number}")
        frames = [shaded(100 * number + sample, 60 * number) for sample in range(5)]
        head.add_samples(number, extractor.embed(frames))
    yield f"{kind} record {head.to_bytes().hex()}"
    for number in range(3):
        embedding = extractor.embed(shaded(100 * number + 50, 60 * number))
        answer = head.classify(embedding)
        bits = head.probabilities(embedding).tobytes().hex()
        yield f"{kind} answer {answer.nearest_id} {str(answer.known).lower()} {bits}"


def lines(extractor):
    for name, shape in SHAPES.items():
        frame = made(7, int(np.prod(shape))).reshape(shape)
        yield f"{name} {extractor.embed(frame, format=name).to_bytes().hex()}"
    for kind in ["ncm", "softmax", "ridge", "slda", "knn", "auto"]:
        yield from taught(extractor, kind)
    yield f"verify {extractor.verify().digest}"


def test_python_gives_the_bits_of_rust(extractor):
    path = os.environ.get("OFFSHOOT_NUMBERS")
    if path is None:
        pytest.skip("OFFSHOOT_NUMBERS names no output of same_numbers.rs; test.sh makes it")
    with open(path) as file:
        wanted = file.read().splitlines()
    found = list(lines(extractor))
    assert len(wanted) == len(found) == 32
    for want, have in zip(wanted, found):
        assert have == want, want.split()[:2]


@pytest.mark.parametrize("isa", offshoot.instruction_sets())
@pytest.mark.parametrize("threads", [1, 3])
def test_every_kernel_gives_the_same(extractor, isa, threads):
    other = offshoot.Extractor("sprout.offshoot", isa=isa, threads=threads)
    assert (other.isa, other.threads) == (isa, threads)
    frame = made(3, 3 * 50 * 60).reshape(50, 60, 3)
    assert other.embed(frame) == extractor.embed(frame)
    assert other.verify() == extractor.verify() and extractor.verify().ok
