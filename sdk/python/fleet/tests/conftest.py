"""What the tests share."""

import pathlib

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
SPROUT = ROOT / "models" / "sprout" / "sprout.offshoot"
DIM = 12
KINDS = ["auto", "ncm", "softmax", "ridge", "slda", "knn"]
NAMES = ["mug", "key", "pen", "cup", "nut"]


def sample(rng, name):
    """An int8 embedding of a cluster of its class's, with a scale of its own."""
    import offshoot

    center = 40.0 * np.eye(DIM)[NAMES.index(name)]
    codes = np.clip(rng.normal(center, 12), -128, 127).astype(np.int8)
    return offshoot.Embedding.from_codes(codes, float(rng.choice([0.05, 0.1])), int(rng.integers(-9, 9)))


def empty(kind="ncm", classes=8, samples=400):
    import offshoot

    return offshoot.Head(DIM, kind, classes=classes, samples=samples)


def bits(head, rng=None):
    """All that a head answers, as bytes; none for a head without samples."""
    if not len(head):
        return b""
    probe = np.random.default_rng(5).normal(size=(16, DIM)).astype(np.float32)
    return head.probabilities(probe).tobytes()


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def cluster():
    """Ray on this machine, which Flower's simulation takes as it is."""
    ray = pytest.importorskip("ray", reason="no ray here")
    for last in [False, False, True]:
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            break
        except Exception as error:
            # Ray waits for its own processes for 30 seconds, which a busy machine exceeds.
            ray.shutdown()
            if last or "timed out during startup" not in str(error):
                raise
    yield ray
    ray.shutdown()
