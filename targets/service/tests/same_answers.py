"""Answers of the service to the lesson of `tests/doors`: the lines of `sdk/examples/same_answers.rs`.

  same_answers.py URL LESSON EMPTY    EMPTY is the file of an empty head, which the service then teaches
"""

import json
import pathlib
import struct
import sys
import urllib.parse
import urllib.request


def digest(data):
    """FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def bits(value):
    return struct.pack(">f", value).hex()


def counts(samples):
    for name, count in samples.items():
        yield from (name, count)


class Client:
    def __init__(self, url):
        self.url = url.rstrip("/")
        self.images = {}

    def step(self, line):
        step, *rest = line.split()
        return " ".join([line + ":", *map(str, getattr(self, step)(*rest))])

    def send(self, method, path, data=None, headers=()):
        path = self.url + urllib.parse.quote(path)
        request = urllib.request.Request(path, data=data, method=method, headers=dict(headers))
        with urllib.request.urlopen(request) as reply:
            return reply.read()

    def asked(self, method, path, image=None):
        data, headers = self.images[image] if image else (None, {})
        return json.loads(self.send(method, path, data, headers))

    def image(self, name, format, width, height, path):
        data = pathlib.Path(path).read_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        if format != "file":
            headers |= {"Offshoot-Format": format, "Offshoot-Width": width, "Offshoot-Height": height}
        self.images[name] = (data, headers)
        floats = self.send("POST", "/embed", data, headers | {"Accept": "application/octet-stream"})
        yield digest(floats)

    def teach(self, name, image):
        return counts(self.asked("POST", "/teach/" + name, image)["samples"])

    def undo(self):
        changed = self.asked("POST", "/undo")
        return [changed["class"], *counts(changed["samples"])]

    def forget(self, name):
        return counts(self.asked("DELETE", "/classes/" + name)["samples"])

    def classify(self, image):
        answer = self.asked("POST", "/classify", image)
        known = "is" if answer["class"] else "unlike"
        shares = map(bits, answer["probabilities"].values())
        return [known, answer["nearest"], bits(answer["confidence"]), *shares]

    def report(self):
        report = self.asked("GET", "/report")
        taken = [count for row in report["classes"] for count in row["taken_for"].values()]
        interval = struct.pack("<2f", *report["interval"])
        advice = "".join(report["advice"]).encode()
        return [report["right"], "of", report["asked"], *taken, digest(interval), digest(advice)]

    def save(self):
        data = self.send("GET", "/head")
        return [len(data), digest(data)]


def main(url, lesson, empty):
    client = Client(url)
    client.send("PUT", "/head", pathlib.Path(empty).read_bytes())
    for line in pathlib.Path(lesson).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            print(client.step(line))


main(*sys.argv[1:])
