#!/usr/bin/env python3
"""Packs the sources of `offshoot-sdk` as a source distribution; prints its path.

    sdist.py OUT

`pip install` compiles it where no wheel fits: it takes Rust and ten minutes of a processor. In it are all files that
git tracks, but the pictures of the docs. The bytes are the same each time.
"""

import argparse
import gzip
import io
import pathlib
import re
import subprocess
import tarfile

import pack

ROOT = (pack.HERE / "../..").resolve()
# What the wheel has inside beside the module and the Python files.
PACKAGES = ("sprout", "speech")


def tracked() -> "list[str]":
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    names = listed.decode().split("\0")
    return sorted(name for name in names if name and not name.startswith("docs/pictures/"))


def project() -> str:
    """The project file as it must be two folders above its own."""
    text = (pack.HERE / "pyproject.toml").read_text()
    source = 'python-source = "sdk/python/python"\nmanifest-path = "sdk/python/Cargo.toml"'
    text = re.sub(r'^python-source = ".*"$', source, text, flags=re.M)
    return re.sub(r'^readme = ".*"$', 'readme = "sdk/python/README.md"', text, flags=re.M)


def files(version: str) -> "dict[str, bytes]":
    found = {name: (ROOT / name).read_bytes() for name in tracked()}
    for name in PACKAGES:
        package = found[f"models/{name}/{name}.offshoot"]
        found[f"sdk/python/python/offshoot/packages/{name}.offshoot"] = package
    found["pyproject.toml"] = project().encode()
    found["PKG-INFO"] = pack.metadata("offshoot-sdk", version).encode()
    return found


def archive(prefix: str, files: "dict[str, bytes]") -> bytes:
    packed = io.BytesIO()
    # Times are those of 1980, as in the wheels: cargo takes a file of 1970 for older than any output.
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(f"{prefix}/{name}")
            entry.size, entry.mtime = len(data), 315_532_800
            entry.mode = 0o755 if data.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Packs a source distribution.")
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    version = pack.value("version", (ROOT / "Cargo.toml").read_text())
    prefix = f"offshoot_sdk-{version}"
    path = out / f"{prefix}.tar.gz"
    out.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(prefix, files(version)))
    print(path)


if __name__ == "__main__":
    main()
