"""Answers of the module to the lesson of `tests/doors`: the lines of `sdk/examples/same_answers.rs`.

  same_answers.py PACKAGE LESSON KIND
"""

import pathlib
import struct
import sys

import numpy as np

import offshoot


def digest(data):
    """FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def bits(value):
    return struct.pack(">f", value).hex()


def shape(format, width, height):
    if format in ("rgb", "bgr"):
        return height, width, 3
    if format in ("rgb565", "yuyv"):
        return height, width, 2
    return (height if format == "grey" else height * 3 // 2), width


class Learner:
    def __init__(self, package, kind):
        self.extractor = offshoot.Extractor(package)
        self.head = offshoot.Head(self.extractor, kind, classes=4, samples=20)
        self.images = {}

    def step(self, line):
        step, *rest = line.split()
        return " ".join([line + ":", *map(str, getattr(self, step)(*rest))])

    def image(self, name, format, width, height, path):
        data = pathlib.Path(path).read_bytes()
        if format == "file":
            embedding = self.extractor.embed(data)
        else:
            sides = shape(format, int(width), int(height))
            frame = np.frombuffer(data, np.uint8)[: np.prod(sides)].reshape(sides)
            embedding = self.extractor.embed(frame, format=format)
        self.images[name] = embedding
        yield digest(embedding.numpy().astype("<f4").tobytes())

    def samples(self):
        for name in self.head.classes:
            yield from (name, self.head.samples_of(name))

    def teach(self, name, image):
        if name not in self.head.classes:
            self.head.add_class(name)
        self.head.add_sample(name, self.images[image])
        return self.samples()

    def undo(self):
        name = self.head.undo()
        if self.head.samples_of(name) == 0:
            self.head.remove_class(name)
        return [name, *self.samples()]

    def forget(self, name):
        self.head.remove_class(name)
        return self.samples()

    def classify(self, image):
        answer = self.head.classify(self.images[image])
        shares = self.head.probabilities(self.images[image])
        known = "is" if answer.known else "unlike"
        return [known, answer.nearest, bits(answer.confidence), *map(bits, shares)]

    def report(self):
        report = self.head.report()
        advice = "".join(advice.text for advice in report.advice)
        interval = struct.pack("<2f", *report.interval)
        counts = report.confusion.ravel()
        return [report.right, "of", report.asked, *counts, digest(interval), digest(advice.encode())]

    def save(self):
        data = self.head.to_bytes()
        return [len(data), digest(data)]


def answers(package, lesson, kind):
    learner = Learner(package, kind)
    for line in pathlib.Path(lesson).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield learner.step(line)


if __name__ == "__main__":
    for line in answers(*sys.argv[1:]):
        print(line)
