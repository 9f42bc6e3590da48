"""Answers of the module about places and signals: the lines of `sdk/examples/same_places.rs`.

  same_places.py CELLS SIGNALS
"""

import sys

import numpy as np

import offshoot
from same_answers import bits, digest

PLACES = [(2, 4), (16, 8), (8, 20), (22, 22), (4, 12)]


def square(extractor, x, y, colour):
    image = np.full((32, 32, 3), 40, np.uint8)
    image[y : y + 8, x : x + 8] = colour
    return extractor.cells(image)


def places(extractor):
    head = offshoot.SpatialHead(extractor, classes=2)
    good = offshoot.GoodHead(extractor)
    head.add_class("square")
    for x, y in PLACES:
        cells = square(extractor, x, y, 220)
        head.teach(cells, [("square", x / 32, y / 32, 0.25, 0.25)])
        good.teach(cells)
    for found in head.find(square(extractor, 12, 14, 220)):
        numbers = (found.score, found.x, found.y, *(found.size or (0, 0)))
        yield ["found", found.class_id, *map(bits, numbers)]
    odd = good.look(square(extractor, 12, 14, (255, 0, 255)))
    numbers = (odd.score, odd.threshold, odd.x, odd.y)
    yield ["unusual", int(odd.unusual), *map(bits, numbers), digest(odd.heat.tobytes())]
    yield ["heads", digest(head.to_bytes()), digest(good.to_bytes())]


def signals(extractor):
    samples = (np.arange(3 * 26) * 37 % 2001 - 1000).astype(np.int16).reshape(26, 3)
    yield ["window", digest(extractor.embed_signal(samples[:16]).numpy().tobytes())]
    yield ["recording", digest(extractor.embed_recording(samples).numpy().tobytes())]


if __name__ == "__main__":
    cells, sensor = map(offshoot.Extractor, sys.argv[1:])
    for line in [*places(cells), *signals(sensor)]:
        print(*line)
