"""Examples of docstrings and of README.md; types; the list of what the facade has."""

import doctest
import importlib
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys

import pytest

import offshoot
from conftest import ROOT
from offshoot import _errors, _offshoot


def documented():
    yield "offshoot", offshoot.__doc__
    for module in (_offshoot, _errors):
        for name in module.__all__:
            value = getattr(module, name)
            yield name, value.__doc__
            for attribute, member in vars(value).items() if inspect.isclass(value) else []:
                yield f"{name}.{attribute}", getattr(member, "__doc__", None)
    for optional in ("sklearn", "parquet", "ray"):
        try:
            module = importlib.import_module(f"offshoot.{optional}")
        except ImportError:
            continue
        yield module.__name__, module.__doc__
        for name in module.__all__:
            yield name, getattr(module, name).__doc__


EXAMPLES = [(name, text) for name, text in documented() if isinstance(text, str) and ">>>" in text]


@pytest.mark.parametrize("name, text", EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_examples_of_docstrings_run(name, text):
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert tried and not failed


def test_everything_public_has_words():
    assert len(EXAMPLES) >= 10
    hidden = ("_", "numpy", "line", "path")
    for name, text in documented():
        member = name.split(".")[-1]
        if not member.startswith(hidden) and name not in ("__version__", "NOTHING"):
            assert text, name


def test_readme_runs(folder, rng):
    """The Python blocks of README.md, in order, in one namespace."""
    from PIL import Image

    for name, shade in [("mug", 40), ("plant", 200)]:
        (folder / name).mkdir()
        for i in range(4):
            pixels = (rng.integers(0, 50, (60, 80, 3)) + shade).astype("uint8")
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    Image.fromarray(pixels).save(folder / "what_is_this.png")
    shutil.copy(ROOT / "models" / "sprout" / "sprout.onnx", folder)
    text = (ROOT / "sdk" / "python" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) >= 3
    names = {}
    for block in blocks:
        if "offshoot.convert" in block and not _offshoot.__dict__.get("convert"):
            continue
        if "offshoot.parquet" in block and not importlib.util.find_spec("pyarrow"):
            continue
        if "import ray" in block:  # On a cluster: test_ray.py runs it.
            continue
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("page", ["detection.md", "signals.md", "sound.md"])
def test_pages_run(page, folder):
    """The Python blocks of a page of the documentation, in one namespace."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    shutil.copy(ROOT / "models" / "speech" / "speech.offshoot", folder / "ears.offshoot")
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_types_hold(folder):
    pytest.importorskip("mypy")
    (folder / "use.py").write_text(
        "import numpy as np\n"
        "import offshoot\n"
        "e = offshoot.Extractor('x', threads=2)\n"
        "head = offshoot.Head(e, 'auto', classes=3)\n"
        "one: offshoot.Embedding = e.embed('image.png')\n"
        "several: offshoot.Embeddings = e.embed(['image.png'])\n"
        "name: str | None = head.classify(one).name\n"
        "answers: list[offshoot.Answer] = head.classify(several)\n"
        "places = offshoot.SpatialHead(e, classes=2)\n"
        "cells = e.cells('image.png')\n"
        "places.teach(cells, [('cup', 0.5, 0.5), (1, 0.1, 0.2, 0.3, 0.4)])\n"
        "x: float = places.find(cells)[0].x\n"
        "odd: bool = bool(offshoot.GoodHead(e, fixed=True).look(cells))\n"
        "moved: offshoot.Embedding = e.embed_signal(np.zeros((16, 3), np.int16))\n"
    )
    (folder / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n[mypy-sklearn.*,pyarrow.*]\nignore_missing_imports = True\n"
    )

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=folder
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("mypy", "--config-file", "mypy.ini", "use.py")
    run("mypy", "--config-file", "mypy.ini", "-p", "offshoot")
    run("mypy.stubtest", "offshoot._offshoot", "--mypy-config-file", "mypy.ini",
        "--allowlist", str(ROOT / "sdk" / "python" / "tests" / "stubtest_allowlist.txt"),
        "--ignore-unused-allowlist")


def test_import_is_quick_and_loads_no_numpy():
    code = (
        # Of the processor: it is the same on a machine that others share.
        "import sys, time; t = time.process_time(); import offshoot; "
        "print(time.process_time() - t, 'numpy' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    seconds, numpy = min(run.stdout.split() for run in runs)
    assert float(seconds) < 0.1 and numpy == "False"
