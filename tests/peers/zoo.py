"""Exports many architectures with random weights, converts them, and compares them with onnxruntime.

    python zoo.py export FOLDER          torch and torchvision, timm as well where it is installed
    python zoo.py table FOLDER OFFSHOOT  onnx, onnxruntime, numpy, pillow; OFFSHOOT: path of the command

The second writes the table of models/README.md. Statistics of batch normalization are those of noise, so that
activations are as large as trained ones. A model without a line was not exported by this exporter.
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- zoo -->", "<!-- end of zoo -->"
TORCHVISION = """alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t
    mnasnet0_5 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 resnet50
    resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_1 swin_t swin_v2_t vgg11_bn vit_b_16 wide_resnet50_2""".split()
TIMM = """beit_base_patch16_224 botnet26t_256 cait_xxs24_224 coat_lite_tiny coatnet_nano_rw_224 convit_tiny
    convmixer_768_32 convnextv2_atto crossvit_tiny_240 cspdarknet53 cspresnet50 davit_tiny deit_tiny_distilled_patch16_224
    deit_tiny_patch16_224 dla46_c eca_nfnet_l0 ecaresnet26t edgenext_xx_small efficientformer_l1 efficientformerv2_s0
    efficientnet_lite0 efficientvit_b0 ese_vovnet19b_dw eva02_tiny_patch14_224 fastvit_t8 fbnetc_100 focalnet_tiny_srf
    gcresnext26ts gernet_s ghostnet_050 ghostnetv2_100 gmlp_s16_224 halonet26t hardcorenas_a hrnet_w18_small
    inception_next_tiny lambda_resnet26t lcnet_050 legacy_xception levit_128s maxvit_tiny_tf_224 mixer_s32_224 mixnet_s
    mobilenetv2_050 mobilenetv3_small_050 mobileone_s0 mobilevit_xxs mobilevitv2_050 nest_tiny pit_ti_224 poolformer_s12
    pvt_v2_b0 regnetz_b16 repghostnet_050 repvgg_a0 res2net50_14w_8s resmlp_12_224 resnet26t resnet50_gn resnetblur50
    resnetv2_50 rexnet_100 selecsls42b semnasnet_075 sequencer2d_s seresnext26d_32x4d skresnet18 spnasnet_100
    swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 tf_efficientnet_b0 tiny_vit_5m_224 tinynet_e tresnet_m
    twins_pcpvt_small visformer_tiny vit_tiny_patch16_224 volo_d1_224 xcit_nano_12_p16_224""".split()
# Seconds that a conversion may take.
LONG = 900


def settled(model, size):
    """The model with the statistics that noise gives its batch normalizations."""
    import torch

    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    model.eval()
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        model(torch.rand(4, 3, size, size))
    return model.eval()


def export(folder):
    import torch
    import torchvision

    warnings.filterwarnings("ignore")
    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)

    def write(name, model, size, opset):
        path = folder / f"{name}.onnx"
        if path.exists():
            return
        try:
            half = path.with_suffix(".part")
            names = {"input_names": ["input"], "output_names": ["output"]}
            torch.onnx.export(settled(model, size), torch.rand(1, 3, size, size), half, opset_version=opset, **names)
            half.rename(path)
            print("exported", name, flush=True)
        except Exception as error:  # the exporter's own, of any kind
            print("not exported", name, type(error).__name__, str(error)[:120].replace("\n", " "), flush=True)

    for at, name in enumerate(TORCHVISION):
        plain = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
        model = getattr(torchvision.models, name)(weights=None, **plain)
        write(f"torchvision {name}", model, 299 if name == "inception_v3" else 224, 13 + 4 * (at % 2))
    try:
        import timm
    except ImportError:
        print("timm is not installed")
        return
    for at, name in enumerate(TIMM):
        model = timm.create_model(name, pretrained=False, exportable=True)
        write(f"timm {name}", model, model.default_cfg["input_size"][-1], 13 + 4 * (at % 2))


def pictures(folder, size):
    """Two pictures of coloured squares, exactly as large as the input, as bytes."""
    import numpy as np
    from PIL import Image

    draws = np.random.default_rng(size)
    made = []
    (folder / "data").mkdir(parents=True)
    for at in range(2):
        coarse = draws.integers(0, 256, (7, 7, 3)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((size, size), Image.BICUBIC)
        image.save(folder / "data" / f"{at}.png")
        made.append(np.asarray(image))
    return made


def converted(offshoot, model, folder, precision):
    """The report, and the embeddings; or why there is none."""
    import numpy as np

    package = folder / f"{precision}.offshoot"
    options = ["--calibrate", "data", "--preset", "unit", "--squash", "--json", "--precision", precision]
    command = [offshoot, "convert", model, *options, "-o", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONG)
    except subprocess.TimeoutExpired:
        return None, f"takes more than {LONG} s here"
    if not package.exists():
        return None, done.stderr.strip()
    classes = folder / "classes" / "all"
    if not classes.exists():
        classes.parent.mkdir()
        classes.symlink_to(folder / "data")
    embed = [offshoot, "embed", package, "classes", "--output", "made.npz"]
    subprocess.run(embed, cwd=folder, check=True, capture_output=True)
    return json.loads(done.stdout), np.load(folder / "made.npz")["embeddings"].astype(float)


def peer(model, cut, images, size):
    """What onnxruntime gives at the cut."""
    import numpy as np
    import onnx
    import onnxruntime

    graph = onnx.load(model)
    if cut not in {output.name for output in graph.graph.output}:
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(cut))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    rows = []
    for image in images:
        value = session.run([cut], {"input": (image / 255).transpose(2, 0, 1)[None].astype(np.float32)})[0]
        rows.append(value.mean((2, 3)).ravel() if value.ndim == 4 else value.ravel())
    return rows


def difference(got, right):
    """Largest relative difference of two lists of vectors."""
    import numpy as np

    return max(np.linalg.norm(g - r) / max(np.linalg.norm(r), 1e-12) for g, r in zip(got, right))


def row(offshoot, model):
    """The line of one model."""
    import onnx

    graph = onnx.load(model, load_external_data=False).graph
    size = graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    name = model.stem
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        images = pictures(folder, size)
        report, got = converted(offshoot, model, folder, "f32")
        if report is None:
            return f"| {name} | {len(graph.node)} | no | {reason(got)} | | | |"
        right = peer(model, report["cut"], images, size)
        if report["unit_length"]:
            right = [r / (r @ r) ** 0.5 for r in right]
        fits = len(right[0]) == got.shape[1]
        off = f"{difference(got, right):.0e}" if fits else "-"
        mixed, coded = converted(offshoot, model, folder, "int8")
        if mixed is None:
            return f"| {name} | {len(graph.node)} | float | `{report['cut']}` | {off} | {reason(coded)} | |"
        quality = f"{mixed['cosine_mean']:.4f} | {mixed['decibels']:.0f}"
        return f"| {name} | {len(graph.node)} | {mixed['precision']} | `{report['cut']}` | {off} | {quality} |"


def reason(message):
    """The first of the reasons in a message, in one line."""
    lines = [line for line in message.splitlines() if line.strip()]
    table = [line.strip() for line in lines if line.strip().startswith("`")]
    said = table[0] if table else (lines[-1] if lines else "nothing was said")
    return " ".join(said.replace("|", "/").split("  ", 3)[:2]).replace("error: ", "")[:160]


def table(folder, offshoot):
    lines = ["| model | nodes | converts | cut | to onnxruntime | int8: cosine | dB |", "|---|---|---|---|---|---|---|"]
    for model in sorted(folder.glob("*.onnx")):
        begin = time.monotonic()
        lines.append(row(str(offshoot), model.resolve()))
        print(lines[-1], f"{time.monotonic() - begin:.0f} s", flush=True)
    page = REPOSITORY / "models/README.md"
    text = page.read_text()
    head, rest = text.split(BEGIN)
    page.write_text("\n".join([head + BEGIN, *lines, END]) + rest.split(END)[1])


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "export":
        export(Path(sys.argv[2]))
    elif len(sys.argv) == 4 and sys.argv[1] == "table":
        table(Path(sys.argv[2]), Path(sys.argv[3]).resolve())
    else:
        sys.exit(__doc__)


main()
