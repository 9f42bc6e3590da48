"""Signals and sound: arrays of samples in, embeddings out, at once and as streams."""

import numpy as np
import pytest

import offshoot
from conftest import ROOT

SPEECH = ROOT / "models" / "speech" / "speech.offshoot"


@pytest.fixture
def sensing():
    return offshoot.Extractor("gestures.offshoot")


@pytest.fixture
def recording(rng):
    return rng.integers(-1000, 1000, (26, 3), dtype=np.int16)


def test_a_window_is_the_same_in_every_form(sensing, recording):
    sensor = sensing.sensor
    assert (sensor.channels, sensor.places, sensor.step) == (3, 16, 5)
    assert (sensor.rate, sensor.unit, sensor.sound) == (50, 0.5, False)
    window = recording[:16]
    want = sensing.embed_signal(window)
    real = window * np.float32(0.5)
    forms = [
        window.ravel(),
        window.reshape(2, 8, 3),
        np.asfortranarray(window),
        recording.repeat(2, axis=0)[:32:2],
        real,
        real.astype(np.float64),
        real.tolist(),
    ]
    assert all(sensing.embed_signal(form) == want for form in forms)
    assert want.codes.dtype == np.int8 and want.shape == (sensing.dim,)


def test_a_recording_is_the_mean_of_its_windows(sensing, recording):
    windows = [sensing.embed_signal(recording[at : at + 16]).numpy() for at in (0, 5, 10)]
    mean = (windows[0] + windows[1] + windows[2]) / np.float32(3)
    assert np.array_equal(sensing.embed_recording(recording).numpy(), mean)


@pytest.mark.parametrize("piece", [1, 7, 26])
def test_a_stream_has_the_windows_of_its_recording(sensing, recording, piece):
    want = [sensing.embed_signal(recording[at : at + 16]) for at in (0, 5, 10)]
    probe = offshoot.Probe(sensing)
    for form in (recording, recording * np.float32(0.5)):
        found = []
        for at in range(0, len(form), piece):
            found.extend(probe.push(form[at : at + piece]))
        assert found == want
        probe.clear()


def test_what_is_no_signal_is_said(sensing, extractor, recording):
    def refused(match, call, *arguments):
        with pytest.raises(offshoot.InputError, match=match):
            call(*arguments)

    refused("26 places.*takes 16", sensing.embed_signal, recording)
    refused("2 channels, the package takes 3", sensing.embed_signal, recording[:16, :2])
    refused("no whole number of places", sensing.embed_signal, recording.ravel()[:47])
    refused("a signal of <U", sensing.embed_signal, "wave")
    refused("finite", sensing.embed_signal, np.full((16, 3), np.nan))
    refused("10 places", sensing.embed_recording, recording[:10])
    refused("takes images", extractor.embed_signal, recording[:16])
    refused("takes signals", sensing.embed, np.zeros((8, 8, 3), np.uint8))
    refused("takes signals", sensing.embed_samples, np.arange(99, dtype=np.int16))
    refused("takes images", offshoot.Probe, extractor)
    refused("takes signals", offshoot.Ears, sensing)
    refused("2 channels", offshoot.Probe(sensing).push, recording[:, :2])
    assert extractor.sensor is None


def test_sound_is_heard_at_once_and_as_a_stream(rng):
    hearing = offshoot.Extractor(SPEECH)
    sensor = hearing.sensor
    assert sensor.sound and sensor.rate == 16_000 and sensor.channels == 1
    noise = rng.integers(-3000, 3000, sensor.places + 2 * sensor.step, dtype=np.int16)
    clip = hearing.embed_samples(noise)
    assert clip.shape == (hearing.dim,) and clip.codes is None
    want = [hearing.embed_window(noise[at : at + sensor.places]) for at in (0, sensor.step)]
    ears = offshoot.Ears(hearing)
    for _ in range(2):
        found = [row for piece in np.array_split(noise, 7) for row in ears.push(piece)]
        assert found[:2] == want and len(found) == 3
        ears.clear()
    with pytest.raises(offshoot.InputError, match="int16"):
        hearing.embed_samples(noise / 32768)
    with pytest.raises(offshoot.InputError, match="one channel"):
        hearing.embed_samples(noise[:100].reshape(50, 2))
    with pytest.raises(offshoot.InputError):
        hearing.embed_samples(np.zeros(20_000, np.int16))


def test_a_wake_word_has_a_threshold_and_a_recall(rng):
    head = offshoot.Head(8, "ridge")
    for name, middle in [("room", 0), ("word", 3)]:
        head.add_class(name)
        head.add_samples(name, rng.normal(middle, 1, (40, 8)).astype(np.float32))
    threshold = head.wake_threshold("room", 1000)
    assert 0 < threshold <= 1
    assert head.recall("word", 0) >= head.recall("word", threshold) >= 0
    with pytest.raises(offshoot.HeadError, match="no class `door`"):
        head.recall("door", 0.5)
