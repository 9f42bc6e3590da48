"""Times a truncated network in Offshoot and in its peers, in one run, and writes the table of
docs/performance.md.

    pip install -r tests/peers/requirements.txt
    cargo build --release --bin offshoot
    python tests/peers/run.py --shared FOLDER

With OFFSHOOT_ISA, kernels of ours that are not this processor's best run beside onnxruntime alone: the other
peers choose theirs themselves (see without_avx512.py for onnxruntime's).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from ai_edge_litert.interpreter import Interpreter

import models

REPOSITORY = Path(__file__).resolve().parents[2]
ISA = os.environ.get("OFFSHOOT_ISA", "")
BEGIN = f"<!-- tests/peers/run.py writes from here{ISA and ', ' + ISA} -->"
END = "<!-- to here -->"
WARM_UP = 3


class Onnx:
    """onnxruntime on a file, with its input where the session reads it."""

    def __init__(self, path: Path, value: np.ndarray, threads: int):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Its threads would spin on while a peer is measured.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input(self.session.get_inputs()[0].name, value)
        self.binding.bind_output(self.session.get_outputs()[0].name)

    def run(self, runs: int) -> tuple[float, float]:
        return timed(lambda: self.session.run_with_iobinding(self.binding), runs)


class LiteRt:
    """LiteRT on a file; XNNPACK is its default for processors."""

    def __init__(self, path: Path, pixels: np.ndarray, threads: int):
        self.path, self.threads, self.pixels = path, threads, pixels
        self.interpreter = self.opened()

    def opened(self) -> Interpreter:
        interpreter = Interpreter(model_path=str(self.path), num_threads=self.threads)
        interpreter.allocate_tensors()
        tensor = interpreter.get_input_details()[0]
        codes = (self.pixels.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(tensor["index"], codes[None])
        return interpreter

    def run(self, runs: int) -> tuple[float, float]:
        return timed(self.interpreter.invoke, runs)

    def first(self) -> float:
        """From the file to the first result, in milliseconds."""
        start = time.perf_counter_ns()
        self.opened().invoke()
        return (time.perf_counter_ns() - start) / 1e6


class Offshoot:
    """`offshoot bench`, a process for each round; the network alone, as the peers are timed."""

    def __init__(self, tool: Path, package: Path, threads: int):
        self.command = [str(tool), "bench", str(package), "--json", "--threads", str(threads)]

    def bench(self, runs: int, *more: str) -> dict:
        command = [*self.command, "--runs", str(runs), *more]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def run(self, runs: int) -> tuple[float, float]:
        return reported(self.bench(runs))


class Tract:
    """tract on the same cut, by our `--compare`; it has one thread."""

    def __init__(self, offshoot: Offshoot, model: Path):
        self.offshoot, self.model = offshoot, model

    def run(self, runs: int) -> tuple[float, float]:
        return reported(self.offshoot.bench(runs, "--compare", str(self.model))["compare"])


def reported(report: dict) -> tuple[float, float]:
    return report["network"]["p50_ns"] / 1e6, report["network"]["min_ns"] / 1e6


def timed(run, runs: int) -> tuple[float, float]:
    """Median and fastest of some runs after a few unmeasured ones, in milliseconds."""
    for _ in range(WARM_UP):
        run()
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return statistics.median(times), min(times)


def package(args, network: models.Network, model: Path, target: str = "") -> Path:
    """Our package of the model, calibrated on the sample of ImageNet, packed for a processor if one is named."""
    out = args.work / f"{model.stem}{'.' * bool(target)}{target}.offshoot"
    command = [str(args.tool), "convert", str(model), "--preset", network.preset, "-o", str(out)]
    command += ["--calibrate", str(args.shared / "data/imagenet-sample"), "--calibrate-limit", "32"]
    command += ["--target", target] if target else []
    if not out.exists():
        report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        out.with_suffix(".txt").write_text(report)
    return out


def cosine(package: Path) -> float:
    """What `convert` said of the package."""
    report = package.with_suffix(".txt").read_text()
    return next(float(l.split()[1]) for l in report.splitlines() if l.split()[:1] == ["cosine"])


def prepare(args, network: models.Network) -> dict:
    """Every peer's file, made once."""
    model = models.source(network, REPOSITORY, args.shared, args.work)
    own = package(args, network, model)
    info = Offshoot(args.tool, own, 1).bench(1)
    cut = models.truncate(model, info["cut"], args.work / f"{model.stem}.cut.onnx")
    pictures = sorted((args.shared / "data/imagenet-sample").glob("*.*"))
    pictures = [p for p in pictures if p.suffix.lower() in (".jpg", ".jpeg", ".png")][:: 500 // 32][:32]
    pixels = [models.pixels(p, network.side) for p in pictures]
    inputs = [models.normalized(p, network.preset) for p in pixels]
    files = {"model": model, "package": own, "cut": cut, "pixels": pixels[0], "input": inputs[0]}
    files["qdq"] = models.quantized(cut, inputs, args.work / f"{model.stem}.qdq.onnx")
    files["cosine"] = models.agreement(cut, files["qdq"], inputs)
    if network.tflite:
        files["packed"] = package(args, network, model, "native")
        files["tflite"] = models.truncate_tflite(
            args.shared / network.tflite, args.work / f"{model.stem}.cut.tflite"
        )
    return files


def peers(args, files: dict, threads: int) -> dict:
    own = Offshoot(args.tool, files["package"], threads)
    found = {"Offshoot int8": own}
    if "tflite" in files and not ISA:
        found["LiteRT int8 (XNNPACK)"] = LiteRt(files["tflite"], files["pixels"], threads)
    found["onnxruntime int8 (QDQ u8s8)"] = Onnx(files["qdq"], files["input"], threads)
    found["onnxruntime f32"] = Onnx(files["cut"], files["input"], threads)
    if threads == 1 and not ISA:
        found["tract f32"] = Tract(own, files["model"])
    return found


def rounds(args, found: dict) -> dict:
    """Each peer in turn, round after round."""
    times = {name: [] for name in found}
    for number in range(args.rounds):
        order = list(found)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            times[name].append(found[name].run(args.runs))
    return times


def ceiling(own: Offshoot, runs: int) -> float:
    """How much more two processes get done than one: what no team of two can exceed."""
    shares = []
    for _ in range(5):
        alone, _ = own.run(runs)
        command = [*own.command, "--runs", str(4 * runs)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        reports = [json.loads(process.communicate()[0]) for process in both]
        shares.append(2 * alone / statistics.mean(r["network"]["p50_ns"] / 1e6 for r in reports))
    return statistics.median(shares)


def rows(network: str, threads: int, times: dict) -> list[str]:
    own = times["Offshoot int8"]
    lines = []
    for name, of_peer in times.items():
        ratio = statistics.median(a / b for (a, _), (b, _) in zip(own, of_peer))
        median = statistics.median(m for m, _ in of_peer)
        least, own_least = (min(f for _, f in times) for times in (of_peer, own))
        cells = [network, threads, name, f"{median:.2f}", f"{ratio:.2f}", f"{own_least / least:.2f}"]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def header(args, load: float) -> list[str]:
    flags = next(l for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith(("flags", "Features")))
    known = "avx2 fma avx_vnni avx512f avx512_vnni amx_int8 asimd asimddp i8mm neon".split()
    has = [f for f in known if f in flags.split()]
    versions = f"onnxruntime {ort.__version__}, LiteRT {litert_version()}"
    report = Offshoot(args.tool, args.first_package, 1).bench(1)
    command = "python tests/peers/run.py " + " ".join(sys.argv[1:])
    if ISA:
        command = f"OFFSHOOT_ISA={ISA} PYTHONPATH={os.environ.get('PYTHONPATH', '')} {command}"
    return [
        BEGIN, "", f"`{command}`, {time.strftime('%Y-%m-%d', time.gmtime())}: {report['processor']}, "
        f"{os.cpu_count()} cores, of {' '.join(known)} it has {' '.join(has)}; our kernels: {report['isa']}; "
        f"{versions}, Linux {platform.release()}; {args.rounds} rounds of {args.runs} runs each; "
        f"load average {load:.2f} before, {os.getloadavg()[0]:.2f} after.", "",
    ]


def litert_version() -> str:
    from importlib.metadata import version
    return version("ai-edge-litert")


def opening(found: dict, files: dict, args) -> list[str]:
    """From the file to the first embedding, and the files' sizes, against LiteRT."""
    plain, litert = found["Offshoot int8"], found["LiteRT int8 (XNNPACK)"]
    packed = Offshoot(args.tool, files["packed"], 1)
    times = [[], [], []]
    for _ in range(max(args.rounds, 15)):
        for own, taken in zip((plain, packed), times):
            report = own.bench(1)
            taken.append((report["open_ns"] + report["first_network_ns"]) / 1e6)
        times[2].append(litert.first())
    medians = [statistics.median(taken) for taken in times]
    ratios = [statistics.median(a / b for a, b in zip(taken, times[2])) for taken in times[:2]]
    sizes = [files[name].stat().st_size for name in ("package", "packed", "tflite")]
    return [
        f"From the file to the first embedding, the input ready (ours in a process of its own, LiteRT in one "
        f"that has run it before): {medians[0]:.2f} ms, with `convert --target native` {medians[1]:.2f} ms, "
        f"LiteRT {medians[2]:.2f} ms; ratios {ratios[0]:.2f} and {ratios[1]:.2f}. "
        f"Files of the same cut: {sizes[0]} and {sizes[1]} bytes, TFLite {sizes[2]}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shared", type=Path, required=True, help="the folder of models and pictures")
    parser.add_argument("--tool", type=Path, default=REPOSITORY / "target/release/offshoot")
    parser.add_argument("--work", type=Path, default=Path("/tmp/offshoot-peers"), help="keeps the models made")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=10, help="of each peer in a round")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--networks", nargs="*", default=[n.name for n in models.NETWORKS])
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    args = parser.parse_args()
    args.shared, args.tool = args.shared.resolve(), args.tool.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    networks = [n for n in models.NETWORKS if n.name in args.networks]
    prepared = [(network, prepare(args, network)) for network in networks]
    args.first_package = prepared[0][1]["package"]
    load = os.getloadavg()[0]
    lines = [
        "| network | threads | who | ms, median | Offshoot / who | of the fastest runs |",
        "|---|---|---|---|---|---|",
    ]
    notes, single = [], {}
    for network, files in prepared:
        for threads in args.threads:
            found = peers(args, files, threads)
            times = rounds(args, found)
            lines += rows(network.name, threads, times)
            print("\n".join(rows(network.name, threads, times)), flush=True)
            own = statistics.median(median for median, _ in times["Offshoot int8"])
            single.setdefault(network.name, own)
            if threads == 1:
                notes.append(
                    f"{network.name}: cosine of the int8 embedding to float, mean of 32 pictures of the "
                    f"sample: ours {cosine(files['package']):.4f}, onnxruntime's {files['cosine']:.4f}."
                )
            if "LiteRT int8 (XNNPACK)" in found and threads == 1:
                notes += opening(found, files, args)
            if threads == 2:
                most = ceiling(Offshoot(args.tool, files["package"], 1), args.runs)
                notes.append(
                    f"{network.name}: two threads do {single[network.name] / own:.2f} times the work of one; "
                    f"two processes of one thread each do {most:.2f} times, which is this machine's ceiling."
                )
    text = "\n".join(header(args, load) + lines + [""] + [f"{n}\n" for n in notes] + [END])
    print(text)
    if args.write:
        page = REPOSITORY / "docs/performance.md"
        old = page.read_text()
        before, rest = old.split(BEGIN)
        page.write_text(before + text + rest.split(END, 1)[1])


if __name__ == "__main__":
    main()
