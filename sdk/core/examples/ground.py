"""Data sets that `auto` was chosen by and checked on (sdk/docs/heads.md, "On other ground"), as image folders.

    python ground.py OUT [--data DIR] [NAME...]
    python foreign.py --package mobilenet_v2.offshoot --draws 8 --without lrcv --csv foreign.csv OUT/check/*

Writes OUT/choose/NAME/CLASS/NUMBER.png and OUT/check/NAME/...; both halves draw from other generators, fonts, classes
or sources, and no number of the rule was ever chosen on `check`. DIR has the public sets as they come: hymenoptera, animals4,
cifar10-mini, bccd-mini and deeppcb-mini (VOC), spoken-digits-mini and speech-commands-mini (wav), tiny-imagenet-40k.tar;
what it lacks is left out and named. Fonts: PyPI's font-roboto, font-source-sans-pro, font-source-serif-pro, font-lato,
font-caladea, font-amatic-sc, font-fredoka-one, font-hanken-grotesk, font-intuitive, font-manrope, and matplotlib's DejaVu.
foreign.csv was made of the same images embedded in float by onnxruntime, rounded to a byte a value, under
MobileNetV2 1.0/224 (`-v2`) and sprout (`-sprout`). Needs numpy, scipy, scikit-learn, scikit-image, Pillow.
"""

import argparse, glob, io, pathlib, sys, tarfile, wave
import xml.etree.ElementTree as ET

import numpy as np
import scipy.signal
import skimage
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_digits


def picture(values):
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB")


def folder(path, most=None):
    random, found = np.random.default_rng(0), {}
    for place in sorted(p for p in pathlib.Path(path).iterdir() if p.is_dir()):
        files = sorted(place.glob("*.*"))
        if most and len(files) > most:
            files = [files[i] for i in random.permutation(len(files))[:most]]
        found[place.name] = [Image.open(f).convert("RGB") for f in files]
    return found


def together(a, b):
    return {c: a.get(c, []) + b.get(c, []) for c in sorted(set(a) | set(b))}


def boxes(root, most):
    """What VOC's boxes hold, as squares with a margin."""
    found, root = {}, pathlib.Path(root)
    for path in sorted((root / "Annotations").glob("*.xml")):
        file = root / "JPEGImages" / f"{path.stem}.jpg"
        if not file.exists():
            continue
        whole = Image.open(file).convert("RGB")
        for thing in ET.parse(path).iter("object"):
            left, top, right, bottom = (
                float(thing.find("bndbox").find(k).text) for k in ("xmin", "ymin", "xmax", "ymax")
            )
            half, x, y = max(right - left, bottom - top, 8) * 0.65, (left + right) / 2, (top + bottom) / 2
            crop = whole.crop((int(x - half), int(y - half), int(x + half), int(y + half)))
            found.setdefault(thing.find("name").text.strip(), []).append(crop)
    random = np.random.default_rng(0)
    return {c: [v[i] for i in random.permutation(len(v))[:most]] for c, v in sorted(found.items())}


def spectrogram(path):
    """64 log-mel bands."""
    with wave.open(str(path)) as sound:
        rate, raw = sound.getframerate(), sound.readframes(sound.getnframes())
    x, window = np.frombuffer(raw, np.int16) / 32768, 512 if rate >= 16000 else 256
    f, _, s = scipy.signal.stft(x, rate, nperseg=window, noverlap=window * 3 // 4)
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)
    edge = 700 * (10 ** (np.linspace(mel(60), mel(rate / 2), 66) / 2595) - 1)
    up = (f[None] - edge[:-2, None]) / (edge[1:-1] - edge[:-2])[:, None]
    down = (edge[2:, None] - f[None]) / (edge[2:] - edge[1:-1])[:, None]
    bands = np.log(np.maximum(0, np.minimum(up, down)) @ np.abs(s) ** 2 + 1e-8)
    bands = (bands - bands.min()) / (bands.max() - bands.min() + 1e-9)
    return picture(255 * bands[::-1]).resize((128, 128))


def sounds(root):
    places = sorted(p for p in pathlib.Path(root).iterdir() if p.is_dir())
    return {p.name: [spectrogram(f) for f in sorted(p.glob("*.wav"))] for p in places}


def noise(random, s, beta):
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(s), np.fft.fftfreq(s)))
    f[0, 0] = 1
    x = np.fft.ifft2(np.fft.fft2(random.normal(size=(s, s))) / f**beta).real
    return (x - x.mean()) / x.std()


def metal(random, kind, s=160):
    b = 0.5 * noise(random, s, 0.3) + noise(random, s, 1.2)
    b = np.apply_along_axis(lambda r: np.convolve(r, np.ones(9) / 9, "same"), 1, b)
    im = Image.fromarray(np.clip(130 + 20 * random.normal() + 18 * b, 0, 255).astype(np.uint8))
    d = ImageDraw.Draw(im, "L")
    P = lambda: tuple(random.uniform(10, s - 10, 2))
    dark = int(random.choice([random.uniform(20, 90), random.uniform(175, 230)]))
    if kind == "scratch":
        for _ in range(random.integers(1, 4)):
            a = P()
            t = random.uniform(0, 2 * np.pi)
            l = random.uniform(25, 110)
            d.line([a, (a[0] + l * np.cos(t), a[1] + l * np.sin(t))], fill=dark, width=int(random.integers(1, 4)))
    elif kind == "pit":
        for _ in range(random.integers(3, 25)):
            a = P()
            r = random.uniform(1, 4)
            d.ellipse([a[0] - r, a[1] - r, a[0] + r, a[1] + r], fill=dark)
    elif kind == "stain":
        m = noise(random, s, 2.2)
        y, x = np.mgrid[:s, :s]
        c = P()
        m = m - ((x - c[0]) ** 2 + (y - c[1]) ** 2) / (2 * random.uniform(20, 45) ** 2)
        a = np.array(im, float)
        k = random.uniform(0.55, 0.85)
        a[m > -0.6] *= k
        im = Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))
    elif kind == "crack":
        p = list(P())
        t = random.uniform(0, 2 * np.pi)
        for _ in range(random.integers(12, 30)):
            t += random.normal() * 0.6
            q = [p[0] + 6 * np.cos(t), p[1] + 6 * np.sin(t)]
            d.line([tuple(p), tuple(q)], fill=min(dark, 80), width=int(random.integers(1, 3)))
            p = q
    elif kind == "patch":
        for _ in range(random.integers(1, 3)):
            a = P()
            w, h = random.uniform(15, 60, 2)
            d.rectangle([a[0], a[1], a[0] + w, a[1] + h], fill=dark)
        im = im.filter(ImageFilter.GaussianBlur(random.uniform(1, 3)))
    elif kind == "rolled":
        a = np.array(im, float)
        y = np.arange(s)
        a += random.uniform(8, 20) * np.sin(2 * np.pi * y / random.uniform(6, 20) + random.uniform(0, 6))[:, None]
        im = Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))
    a = np.array(im, float) + random.normal(size=(s, s)) * 6
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8)).convert("RGB")


def cloth(random, kind, s=160):
    y, x = np.mgrid[:s, :s].astype(float)
    t = random.uniform(-0.2, 0.2)
    u, v = x * np.cos(t) + y * np.sin(t), y * np.cos(t) - x * np.sin(t)
    p = random.uniform(5, 9)
    a, b = np.sin(2 * np.pi * u / p), np.sin(2 * np.pi * v / p)
    if kind == "knot":
        m = np.zeros((s, s))
        for _ in range(random.integers(1, 4)):
            c = random.uniform(20, s - 20, 2)
            m += np.exp(-((x - c[0]) ** 2 + (y - c[1]) ** 2) / (2 * random.uniform(3, 7) ** 2))
        z = a + b + 3 * m
    elif kind == "missing":
        z = a + b
        c = random.uniform(20, s - 20)
        z = np.where(abs(u - c) < p * random.uniform(0.5, 1.2), b * 0.2 - 1, z)
    elif kind == "hole":
        c = random.uniform(30, s - 30, 2)
        z = a + b
        r = random.uniform(4, 14)
        e = noise(random, s, 1.5)
        z = np.where(np.hypot(x - c[0], y - c[1]) + 3 * e < r, -3.5, z)
    elif kind == "shift":
        c = random.uniform(40, s - 40)
        z = np.where(v > c, np.sin(2 * np.pi * (u + p / 2) / p), a) + b
    elif kind == "oil":
        m = noise(random, s, 2.5)
        c = random.uniform(30, s - 30, 2)
        m = m - np.hypot(x - c[0], y - c[1]) / random.uniform(15, 35)
        z = (a + b) - 1.5 * (m > -0.8)
    else:
        z = a + b
    col = random.uniform(70, 190, 3)
    n = noise(random, s, 0.8)
    im = np.clip(
        col[None, None] + (22 * z + 8 * n + random.normal(size=(s, s)) * 5)[..., None] * random.uniform(0.7, 1.2, 3),
        0,
        255,
    )
    return Image.fromarray(im.astype(np.uint8))


def glyphs(chars, fonts, per, seed):
    random = np.random.default_rng(seed)
    out = {}
    for ch in chars:
        out["u%04x" % ord(ch)] = l = []
        for i in range(per):
            f = ImageFont.truetype(fonts[random.integers(len(fonts))], int(random.integers(60, 110)))
            im = Image.new("RGB", (160, 160), tuple(random.integers(120, 256, 3)))
            d = ImageDraw.Draw(im)
            d.text(
                (80 + random.normal() * 8, 80 + random.normal() * 8),
                ch,
                font=f,
                fill=tuple(random.integers(0, 110, 3)),
                anchor="mm",
            )
            im = im.rotate(random.normal() * 12, fillcolor=im.getpixel((0, 0)), resample=Image.BILINEAR).filter(
                ImageFilter.GaussianBlur(random.uniform(0, 2.5))
            )
            a = np.array(im, float) + random.normal(size=(160, 160, 3)) * random.uniform(0, 25)
            l.append(Image.fromarray(np.clip(a, 0, 255).astype(np.uint8)))
    return out


def patches(names, per, seed):
    base = pathlib.Path(skimage.__file__).parent / "data"
    random = np.random.default_rng(seed)
    out = {}
    for n in names:
        im = Image.open(next(base.glob(n + ".*"))).convert("RGB")
        w, h = im.size
        out[n] = []
        for _ in range(per):
            s = int(min(w, h) * random.uniform(0.15, 0.3))
            x, y = random.integers(0, w - s), random.integers(0, h - s)
            p = im.crop((x, y, x + s, y + s)).resize((160, 160), Image.BILINEAR).rotate(int(random.integers(4)) * 90)
            out[n].append(p.point(lambda v, k=random.uniform(0.7, 1.3): min(255, int(v * k))))
    return out


def digits():
    d = load_digits()
    random = np.random.default_rng(0)
    return {
        str(c): [
            Image.fromarray((d.images[i] * 15.9).astype(np.uint8)).convert("RGB").resize((96, 96), Image.BICUBIC)
            for i in random.permutation(np.flatnonzero(d.target == c))[:80]
        ]
        for c in range(10)
    }


def tiny(data, which, per):
    out = {}
    with tarfile.open(data / "tiny-imagenet-40k.tar") as t:
        names = sorted({m.name.split("/")[1] for m in t.getmembers() if m.isfile()})
        pick = set(names[which])
        cnt = {}
        for m in t:
            if not m.isfile():
                continue
            c = m.name.split("/")[1]
            if c in pick and cnt.get(c, 0) < per:
                cnt[c] = cnt.get(c, 0) + 1
                out.setdefault(c, []).append(Image.open(io.BytesIO(t.extractfile(m).read())).convert("RGB"))
    return dict(sorted(out.items()))


def drawn(f, kinds, per, seed):
    random = np.random.default_rng(seed)
    return {k: [f(random, k) for _ in range(per)] for k in kinds}


FONTS = sorted(f for place in sys.path for f in glob.glob(f"{place}/**/*.[to]tf", recursive=True))
FONTS += sorted(glob.glob("/usr/share/fonts/truetype/dejavu/*.ttf"))


def fonts(*names):
    return [f for f in FONTS if any(name in f for name in names)]


def collections(data):
    d = pathlib.Path(data)
    return {
        "choose/hymenoptera": lambda: together(folder(d / "hymenoptera/train"), folder(d / "hymenoptera/val")),
        "choose/animals4": lambda: folder(d / "animals4"),
        "choose/cifar10": lambda: folder(d / "cifar10-mini/train", 80),
        "choose/bccd": lambda: boxes(d / "bccd-mini", 250),
        "choose/spoken": lambda: sounds(d / "spoken-digits-mini"),
        "choose/letters": lambda: glyphs(
            "aegknrstBQ", fonts("roboto", "source_sans", "caladea", "intuitive", "fredoka"), 60, 1
        ),
        "choose/metal": lambda: drawn(metal, ["none", "scratch", "pit", "stain", "crack", "patch", "rolled"], 90, 2),
        "choose/textures": lambda: patches("brick grass gravel camera moon coins page text cell".split(), 60, 3),
        "choose/tiny": lambda: tiny(d, slice(0, 140, 2), 60),
        "check/deeppcb": lambda: boxes(d / "deeppcb-mini", 200),
        "check/commands": lambda: sounds(d / "speech-commands-mini"),
        "check/digits": digits,
        "check/symbols": lambda: glyphs("ΨΩΔΣΦ∞♠♣☂☎♪✈", fonts("DejaVu", "dejavu")[:8], 60, 4),
        "check/numbers": lambda: glyphs(
            "0123456789", fonts("source_serif", "lato", "amatic", "hanken", "manrope"), 60, 6
        ),
        "check/cloth": lambda: drawn(cloth, ["fine", "knot", "missing", "hole", "shift", "oil"], 90, 5),
        "check/places": lambda: patches(
            "astronaut chelsea coffee rocket retina hubble_deep_field ihc motorcycle_left".split(), 60, 7
        ),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="only these, as check/digits")
    parser.add_argument("--data", default=".", help="folder of the public sets")
    args = parser.parse_args()
    for name, make in collections(args.data).items():
        if args.names and name not in args.names:
            continue
        try:
            found = make()
        except FileNotFoundError as error:
            print(f"{name}: left out, there is no {error.filename}")
            continue
        for kind, pictures in found.items():
            place = args.out / name / kind
            place.mkdir(parents=True, exist_ok=True)
            for number, one in enumerate(pictures):
                one.save(place / f"{number:03}.png")
        print(f"{name}: {sum(map(len, found.values()))} images of {len(found)} classes")


if __name__ == "__main__":
    main()
