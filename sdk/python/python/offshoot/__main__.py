"""``python -m offshoot``: packages and conversions without a program.

Exit codes are those of the command ``offshoot``: 0 done, 1 a check failed, 2 the input is at fault.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import Optional, Sequence

import offshoot

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp", ".gif", ".tif", ".tiff"}


def verify(words: argparse.Namespace) -> int:
    found = offshoot.Extractor(words.package).verify()
    print(found)
    return 0 if found.ok else 1


def inspect(words: argparse.Namespace) -> int:
    if words.file.endswith(".onnx"):
        described = offshoot.inspect(words.file)
    else:
        manifest = offshoot.Extractor(words.file).manifest
        described = {
            name: getattr(manifest, name) for name in dir(manifest) if not name.startswith("_")
        }
    for name, value in described.items():
        print(f"{name:<16} {value}")
    return 0


def cuts(words: argparse.Namespace) -> int:
    for cut in offshoot.cuts(words.model):
        shape = "x".join(map(str, cut.shape))
        print(f"{cut.macs:>14}  {shape:<14} {cut.name}{'  (chosen)' if cut.chosen else ''}")
    return 0


def convert(words: argparse.Namespace) -> int:
    folder = pathlib.Path(words.calibrate)
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not images:
        raise offshoot.InputError(f"{folder}: no images; put a hundred of the device's there")
    done = offshoot.convert(
        words.model,
        images[: words.most],
        cut=words.cut,
        precision=words.precision,
        preset=words.preset,
        output=words.output,
        progress=lambda stage, share: print(f"{stage:<14} {share:4.0%}", end="\r", file=sys.stderr),
    )
    print(f"{words.output}\n{done}")
    return 0


def parser() -> argparse.ArgumentParser:
    about = "Offshoot " + offshoot.__version__
    root = argparse.ArgumentParser("python -m offshoot", description=about)
    root.add_argument("--version", action="version", version=offshoot.__version__)
    commands = root.add_subparsers(required=True)
    command = commands.add_parser("verify", help="run a package's golden vectors")
    command.add_argument("package")
    command.set_defaults(run=verify)
    command = commands.add_parser("inspect", help="describe a package or an ONNX model")
    command.add_argument("file")
    command.set_defaults(run=inspect)
    command = commands.add_parser("cuts", help="list the tensors that a model can be cut at")
    command.add_argument("model")
    command.set_defaults(run=cuts)
    command = commands.add_parser("convert", help="convert an ONNX model to a package")
    command.add_argument("model")
    command.add_argument("--calibrate", required=True, metavar="DIR", help="folder of images")
    command.add_argument("-o", "--output", required=True)
    command.add_argument("--cut")
    command.add_argument("--preset")
    command.add_argument("--precision", default="int8", choices=["int8", "f32"])
    command.add_argument("--most", type=int, default=128, help="max number of images")
    command.set_defaults(run=convert)
    return root


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs the command; returns its exit code."""
    words = parser().parse_args(arguments)
    try:
        code: int = words.run(words)
        return code
    except (offshoot.OffshootError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
