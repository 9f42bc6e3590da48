#!/usr/bin/env python3
"""Packs a module that cargo has built, and the Python sources, as a wheel; prints its path.

    pack.py [--runtime] [--platform TAG] MODULE.so OUT

TAG is linux_MACHINE if it is not given. The package zopfli (from PyPI), where it is installed, makes the wheel 3 %
smaller, and takes one to two minutes. What the workspace has built for its tests is tested so, and what a
release has built for its command goes into a wheel without tract being compiled again: `maturin build` chooses
features by itself, and so other crates. The bytes are the same each time.
"""

import argparse
import base64
import hashlib
import pathlib
import platform
import re
import struct
import zlib

try:
    import zopfli.zlib
except ImportError:
    zopfli = None

HERE = pathlib.Path(__file__).resolve().parent
# First of January 1980, the earliest that a ZIP archive knows, at midnight.
DATE, TIME = 1 << 5 | 1, 0
DEFLATE, VERSION, UNIX = 8, 20, 3 << 8


def value(name: str, text: str) -> str:
    return re.search(rf'^{name} = "(.*)"', text, re.M).group(1)


def block(name: str, text: str) -> "list[str]":
    """Strings of an array in a TOML file; Python before 3.11 reads none."""
    found = re.search(rf"^{name} = \[(.*?)\]$", text, re.M | re.S)
    return re.findall(r'"([^"]*)"', found.group(1))


def metadata(name: str, version: str) -> str:
    project = (HERE / "pyproject.toml").read_text()
    summary = value("description", project)
    if name == "offshoot-runtime":
        summary = summary.removesuffix(", and the converter")
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", f"Summary: {summary}"]
    lines += [f"License-Expression: {value('license', project)}"]
    lines += [f"License-File: {file}" for file in LICENCES]
    lines += [f"Classifier: {text}" for text in block("classifiers", project)]
    lines += [f"Requires-Python: {value('requires-python', project)}"]
    lines += [f"Requires-Dist: {text}" for text in block("dependencies", project)]
    for extra in ("sklearn", "pillow", "parquet", "ray"):
        lines += [f"Provides-Extra: {extra}"]
        lines += [f'Requires-Dist: {text}; extra == "{extra}"' for text in block(extra, project)]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text()]
    return "\n".join(lines)


LICENCES = ("LICENSE-APACHE", "LICENSE-MIT", "NOTICE")


def files(module: pathlib.Path, name: str, version: str, tag: str) -> "dict[str, bytes]":
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    package = HERE / "python" / "offshoot"
    kept = [path for path in sorted(package.iterdir()) if path.suffix in (".py", ".pyi", ".typed")]
    found = {f"offshoot/{path.name}": path.read_bytes() for path in kept}
    found["offshoot/_offshoot.abi3.so"] = module.read_bytes()
    found.update({f"{info}/licenses/{file}": (HERE / file).read_bytes() for file in LICENCES})
    found[f"{info}/METADATA"] = metadata(name, version).encode()
    found[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: pack.py\nRoot-Is-Purelib: false\nTag: cp39-abi3-{tag}\n"
    ).encode()
    if name == "offshoot-sdk":
        # What the command has inside, but for the package `sharp` and the model of `small`: 5 MB of the wheel.
        for name in ("sprout", "speech"):
            path = HERE / f"../../models/{name}/{name}.offshoot"
            found[f"offshoot/packages/{name}.offshoot"] = path.read_bytes()
        found[f"{info}/entry_points.txt"] = b"[console_scripts]\noffshoot=offshoot.__main__:main\n"
    record = ""
    for path, data in found.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    found[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return found


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    if zopfli is None:
        return packed
    # Without zlib's header and checksum.
    return min(packed, zopfli.zlib.compress(data, numiterations=5)[2:-4], key=len)


def archive(files: "dict[str, bytes]") -> bytes:
    """A ZIP archive. `zipfile` takes no data that another compressor has made."""
    body, directory = b"", b""
    for name, data in files.items():
        packed = deflated(data)
        mode = 0o100755 if name.endswith(".so") else 0o100644
        common = struct.pack(
            "<5H3L2H", VERSION, 0, DEFLATE, TIME, DATE, zlib.crc32(data), len(packed), len(data), len(name), 0
        )
        directory += b"PK\1\2" + struct.pack("<H", UNIX | VERSION) + common
        directory += struct.pack("<3H2L", 0, 0, 0, mode << 16, len(body)) + name.encode()
        body += b"PK\3\4" + common + name.encode() + packed
    end = struct.pack("<4H2LH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def main() -> None:
    parser = argparse.ArgumentParser(description="Packs a wheel.")
    parser.add_argument("--runtime", action="store_true", help="a module without the converter")
    parser.add_argument("--platform", default=f"linux_{platform.machine()}", metavar="TAG")
    parser.add_argument("module", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    words = parser.parse_args()
    name = "offshoot-runtime" if words.runtime else "offshoot-sdk"
    version = value("version", (HERE / "../../Cargo.toml").resolve().read_text())
    path = words.out / f"{name.replace('-', '_')}-{version}-cp39-abi3-{words.platform}.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(files(words.module, name, version, words.platform)))
    print(path)


if __name__ == "__main__":
    main()
