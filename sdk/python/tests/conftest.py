"""What the tests share: the repository's extractor, and where they run."""

import os
import pathlib
import shutil

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SPROUT = ROOT / "models" / "sprout" / "sprout.offshoot"

#: Packages of a few kilobytes for cells and signals.
TINY = ROOT / "sdk" / "tests"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own for each test, with the packages that the examples open."""
    shutil.copy(SPROUT, tmp_path / "sprout.offshoot")
    shutil.copy(TINY / "tiny-cells.offshoot", tmp_path / "eyes.offshoot")
    shutil.copy(TINY / "tiny-signals.offshoot", tmp_path / "gestures.offshoot")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def extractor():
    import offshoot

    return offshoot.Extractor(os.fspath(SPROUT))


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def made(seed, length):
    """Bytes by a formula."""
    at = np.arange(length, dtype=np.uint32) + np.uint32(seed)
    with np.errstate(over="ignore"):
        return ((at * np.uint32(2_654_435_761)) >> np.uint32(24)).astype(np.uint8)
