"""The converter, where the wheel has it; and what is said where it has not."""

import os
import pathlib
import signal
import subprocess
import sys
import threading

import numpy as np
import PIL.Image
import pytest

import offshoot
from conftest import ROOT
from offshoot import _offshoot

MODEL = ROOT / "models" / "sprout" / "sprout.onnx"
here = pytest.mark.skipif(not hasattr(_offshoot, "convert"), reason="the wheel is offshoot-runtime")
PRESET = {"preset": "imagenet"}


def run(*arguments):
    command = [sys.executable, "-m", "offshoot", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def images():
    """Shapes on grounds, as unlike as images are."""
    rng = np.random.default_rng(4)
    out = []
    for _ in range(12):
        image = np.empty((64, 64, 3), np.uint8)
        image[:] = rng.integers(0, 256, 3)
        top, left = rng.integers(0, 40, 2)
        image[top : top + 20, left : left + 20] = rng.integers(0, 256, 3)
        out.append((image // 2 + rng.integers(0, 128, image.shape)).astype(np.uint8))
    return out


@here
def test_the_whole_command_is_a_module(folder, images):
    done = run("verify", "sprout.offshoot")
    assert done.returncode == 0 and done.stdout.startswith("verify ok  ")
    missing = run("verify", "absent.offshoot")
    assert missing.returncode == 2 and missing.stderr.startswith("error: absent.offshoot: ")
    assert run("grow").returncode == 2
    assert run("--version").stdout == f"offshoot {offshoot.__version__}\n"
    # Models are read by a child, which is Python again.
    assert "cut            features" in run("inspect", MODEL).stdout
    os.mkdir("calibration")
    for number, image in enumerate(images):
        PIL.Image.fromarray(image).save(f"calibration/{number}.png")
    done = run("convert", MODEL, "--calibrate", "calibration", "--preset", "imagenet", "-o", "own.offshoot")
    assert done.returncode == 0, done.stderr
    assert run("verify", "own.offshoot").returncode == 0


@here
def test_the_small_package_comes_with_the_wheel_and_the_sharp_one_can_be_had(folder):
    assert run("pull", "sprout", "-o", "got.onnx").returncode == 0
    assert not os.path.exists("got.onnx")
    assert pathlib.Path("got.offshoot").read_bytes() == MODEL.with_suffix(".offshoot").read_bytes()
    assert run("demo", "--out", "screen.png").returncode == 0
    sharp = run("doctor", "--extractor", "sharp")
    assert sharp.returncode == 2 and sharp.stderr.startswith("error: sharp.offshoot: ")
    place = pathlib.Path(offshoot.__file__).parent / "packages"
    assert f" into {place}, or " in sharp.stderr


@here
def test_the_command_is_a_program_on_path():
    program = pathlib.Path(sys.executable).with_name("offshoot")
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert done.stdout == f"offshoot {offshoot.__version__}\n"


@here
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command(folder, number):
    words = [sys.executable, "-m", "offshoot", "serve", "sprout.offshoot", "--listen", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as served:
        assert "http://127.0.0.1" in served.stdout.readline()
        served.send_signal(number)
        assert served.wait(20) == -number


@pytest.mark.skipif(hasattr(_offshoot, "convert"), reason="the wheel has the converter")
def test_without_the_converter_it_is_said_what_to_install(images):
    with pytest.raises(ImportError, match="install offshoot-sdk"):
        offshoot.convert("model.onnx", images)
    refused = run("cuts", MODEL)
    assert refused.returncode == 2 and "install offshoot-sdk" in refused.stderr


@here
def test_a_conversion_is_a_package_and_a_report(images, folder):
    stages = []
    done = offshoot.convert(
        MODEL, images, ["a", "b"] * 6, output="new.offshoot", **PRESET,
        progress=lambda stage, share: stages.append((stage, share)),
    )
    assert {"import", "calibrate", "quantize", "compare"} <= {stage for stage, _ in stages}
    assert all(0 <= share <= 1 for _, share in stages)
    assert (done.precision, done.dim) == ("int8", 256) and done.cosine_mean > 0.9
    assert done.cosine_min <= done.cosine_mean and done.worst_layers
    assert done.held_out.asked == 12
    assert done.cut in str(done) and f"<td>{done.precision}</td>" in done._repr_html_()
    extractor = offshoot.Extractor("new.offshoot")
    assert (folder / "new.offshoot").read_bytes() == done.package
    assert extractor.verify().ok and extractor.dim == done.dim
    # From bytes, of files and arrays, in another order of channels: the same package.
    turned = [x[..., ::-1] for x in images]
    again = offshoot.convert(MODEL.read_bytes(), turned, format="bgr", **PRESET)
    assert offshoot.Extractor(again.package).id == extractor.id


@here
def test_a_float_package_agrees_with_the_int8_one(images):
    wide = offshoot.convert(MODEL, images, precision="f32", **PRESET)
    small = offshoot.convert(MODEL, images, **PRESET)
    floats, codes = (offshoot.Extractor(done.package) for done in (wide, small))
    assert floats.isa is None and floats.manifest.precision == "f32"
    for image in images[:3]:
        one, other = floats.embed(image), codes.embed(image)
        assert one.codes is None and one.cosine(other) > 0.9


@here
def test_a_float_model_has_nothing_to_requantize(images):
    plain, anew = (offshoot.convert(MODEL, images, requantize=asked, **PRESET) for asked in (False, True))
    assert plain.package == anew.package


@here
def test_models_are_inspected_and_cut(images):
    found = offshoot.cuts(MODEL)
    assert sum(cut.chosen for cut in found) == 1 and len(found) > 3
    assert [cut.macs for cut in found] == sorted(cut.macs for cut in found)
    chosen = next(cut for cut in found if cut.chosen)
    described = offshoot.inspect(MODEL)
    # The file's name of the tensor, which is the last map in another shape.
    assert described["cut"] == "features" and chosen == found[-1] and described["int8_layers"] > 5
    assert not described["float_layers"] and not described["takes_text"]
    early = offshoot.convert(MODEL, images, cut=found[2].name, **PRESET)
    assert early.cut == found[2].name and early.dim == found[2].shape[2]
    assert found[2].name in run("inspect", MODEL, "--layers").stdout


@here
def test_what_is_no_model_is_refused(images):
    for model, words in [(b"", "graph"), (b"no model", "ONNX")]:
        with pytest.raises(offshoot.ConvertError, match=words):
            offshoot.convert(model, images)
    for wrong in [{"pool": "sum"}, {"precision": "int4"}, {"preset": "x"}, {"cut": "nowhere"},
                  {"search_seconds": -1.0}]:
        with pytest.raises(offshoot.ConvertError):
            offshoot.convert(MODEL, images, **wrong)
    with pytest.raises(offshoot.ConvertError, match="calibration"):
        offshoot.convert(MODEL, [])
    with pytest.raises(ValueError, match="labels"):
        offshoot.convert(MODEL, images, ["a"])
    with pytest.raises(offshoot.InputError):
        offshoot.convert(MODEL, [np.zeros((4, 4), np.float32)])


@here
def test_what_the_callback_raises_ends_the_conversion(images):
    class Enough(Exception):
        pass

    seen = []

    def progress(stage, share):
        seen.append(stage)
        if stage == "calibrate":
            raise Enough("stop")

    with pytest.raises(Enough, match="stop"):
        offshoot.convert(MODEL, images, progress=progress, **PRESET)
    assert seen[-1] == "calibrate" and "write" not in seen
    assert offshoot.convert(MODEL, images, **PRESET).dim == 256


@here
def test_ctrl_c_ends_a_conversion(images):
    main = threading.main_thread().ident
    sent = []

    def progress(stage, share):
        if not sent:
            sent.append(signal.pthread_kill(main, signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        offshoot.convert(MODEL, images, progress=progress, **PRESET)


@here
def test_a_head_is_exported(extractor, rng):
    head = offshoot.Head(extractor, "ridge")
    rows = extractor.embed(rng.integers(0, 256, (8, 30, 30, 3), dtype=np.uint8))
    for name, part in [("a", rows[:4]), ("b", rows[4:])]:
        head.add_class(name)
        head.add_samples(name, part)
    model = offshoot.export(extractor, head, "both.onnx")
    assert os.path.getsize("both.onnx") == len(model) > 100_000
    with pytest.raises(offshoot.ConvertError, match="knn"):
        other = offshoot.Head(extractor, "knn")
        other.merge(head)
        offshoot.export(extractor, other)
    with pytest.raises(offshoot.HeadError):
        offshoot.export(extractor, offshoot.Head(extractor.dim))


@here
def test_parts_are_stated_and_chosen_from(images):
    made = offshoot.convert(str(MODEL), images, parts="auto", **PRESET)
    extractor = offshoot.Extractor(made.package)
    assert extractor.last_part == 256 < extractor.dim
    head = offshoot.Head(extractor, classes=2, samples=12)
    for number, image in enumerate(images):
        name = "ab"[number % 2]
        if number < 2:
            head.add_class(name)
        head.add_sample(name, extractor.embed(image))
    last, everything, t = head.part_errors()
    assert head.reads_all() == (everything < 0.95 * last and t > 2)
    read = extractor.dim if head.reads_all() else extractor.last_part
    assert head.linear().weights.shape == (2, read)
    assert head.linear().first == extractor.dim - read
