#!/usr/bin/env python3
"""Packs a module that cargo has built, and the Python sources, as a wheel; prints its path.

    pack.py MODULE.so OUT

What the workspace has built for its tests is tested so, and tract is not compiled again: `maturin build`
chooses features by itself, and so other crates.
"""

import base64
import hashlib
import pathlib
import platform
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def version() -> str:
    text = (HERE / "../../Cargo.toml").resolve().read_text()
    return re.search(r'^version = "(.*)"', text, re.M).group(1)


def files(module: pathlib.Path, info: str) -> "dict[str, bytes]":
    package = HERE / "python" / "offshoot"
    kept = [path for path in sorted(package.iterdir()) if path.suffix in (".py", ".pyi", ".typed")]
    kept += [path for path in package.iterdir() if path.name == "py.typed"]
    found = {f"offshoot/{path.name}": path.read_bytes() for path in kept}
    found["offshoot/_offshoot.abi3.so"] = module.read_bytes()
    tag = f"cp39-abi3-linux_{platform.machine()}"
    found[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: pack.py\nRoot-Is-Purelib: false\nTag: {tag}\n"
    ).encode()
    found[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: offshoot-sdk\nVersion: {version()}\n"
        "Requires-Python: >=3.9\nRequires-Dist: numpy>=1.21\n"
    ).encode()
    return found


def main(module: str, out: str) -> None:
    info = f"offshoot_sdk-{version()}.dist-info"
    content = files(pathlib.Path(module), info)
    record = ""
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = pathlib.Path(out) / f"offshoot_sdk-{version()}-cp39-abi3-linux_{platform.machine()}.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            wheel.writestr(name, data)
    print(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: pack.py MODULE.so OUT")
    main(*sys.argv[1:])
