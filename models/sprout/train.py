#!/usr/bin/env python3
"""Sprout: a 96x96 -> 256-d image backbone. MobileNetV1 0.5/160, thinned, then distilled from the 1280-d embedding of
MobileNetV2 1.0/224.

To reproduce (two CPU cores, about 14 + 17 minutes; the wall clock drives the schedule, so another machine or load
gives other weights):
    python3 -m venv py && py/bin/pip install -r requirements.txt
    py/bin/python train.py --seed 1 bank --seconds 820
    py/bin/python train.py --seed 1 train
    py/bin/python train.py export
    py/bin/python train.py eval --results results.json
"""
import argparse, hashlib, io, json, math, multiprocessing, os, sys, tarfile, time
os.environ.setdefault("OMP_NUM_THREADS", "1"), os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np, onnx, onnxruntime as ort, scipy.linalg, torch, torch.nn as nn, torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageFilter

SIDE, SMALL, DIM = 96, 64, 256
EMB = "/MobilenetV2/Logits/Conv2d_1c_1x1/Flatten_output_0"
TINY, CIFAR, PHOTO = 0, 1, 2            # what kind of picture a source is
CROP, MOSAIC, MIX = 0, 1, 2             # how a pair was made
HELD_TINY, HELD_PHOTO = 3, 30           # held-out pictures: per Tiny ImageNet class; of imagenet-sample


# ---------------------------------------------------------------- pictures
def sources(data):
    """Training pictures as (kind, group, label, loader key); the order is fixed."""
    out, tar = [], tarfile.open(f"{data}/tiny-imagenet-40k.tar")
    members = sorted((m.name, m.offset_data, m.size) for m in tar.getmembers() if m.name.endswith(".JPEG"))
    wnids = sorted({n.split("/")[1] for n, _, _ in members})
    for n, off, size in members:
        out.append((TINY, "tiny", wnids.index(n.split("/")[1]), (off, size)))
    for group, sub, kind in (("cifar", "cifar10-mini/train", CIFAR), ("hymenoptera", "hymenoptera/train", PHOTO),
                             ("imagenet", "imagenet-sample", PHOTO)):
        for d, dirs, files in sorted(os.walk(f"{data}/{sub}")):
            out += [(kind, group, -1, f"{d}/{f}") for f in sorted(files) if f.lower().endswith((".jpg", ".jpeg", ".png"))]
    return out


def held_out(src):
    """Boolean per source: never trained on, for the held-out cosine."""
    rng, held = np.random.default_rng(7), np.zeros(len(src), bool)
    for c in range(200):
        held[rng.choice([i for i, s in enumerate(src[:40000]) if s[2] == c], HELD_TINY, replace=False)] = True
    held[rng.choice([i for i, s in enumerate(src) if s[1] == "imagenet"], HELD_PHOTO, replace=False)] = True
    return held


def near_duplicates(src, data, limit=0.85):
    """Training pictures whose 24x24 grey thumbnail correlates with one of a test picture: never trained on.
    (Tiny ImageNet's bees hold eight photographs of hymenoptera/val; the limit is generous.)"""
    def thumb(im):
        a = np.asarray(im.convert("L").resize((24, 24), Image.BOX), np.float32)
        return (a - a.mean()) / (np.linalg.norm(a - a.mean()) + 1e-6)
    test = []
    for sub in ("animals4", "hymenoptera/val"):
        for d, _, files in os.walk(f"{data}/{sub}"):
            for im in (Image.open(f"{d}/{f}").convert("RGB") for f in files):
                s, (w, h) = min(im.size), im.size
                square = im.crop(((w - s) // 2, (h - s) // 2, (w + s) // 2, (h + s) // 2))
                for t in (thumb(im), thumb(square)):
                    test += [t.ravel(), t[:, ::-1].ravel()]
    train = np.stack([thumb(Image.fromarray(a)).ravel() for a in load(src, data)])
    return np.flatnonzero((train @ np.stack(test).T).max(1) > limit)


def load(src, data):
    """Decode every picture once, into RAM, as u8 arrays."""
    blob, out = open(f"{data}/tiny-imagenet-40k.tar", "rb"), []
    for kind, _, _, key in src:
        if kind == TINY:
            blob.seek(key[0])
            key = io.BytesIO(blob.read(key[1]))
        out.append(np.asarray(Image.open(key).convert("RGB")))
    return out


def random_box(rng, w, h, lo, hi=1.0):
    area, ratio = rng.uniform(lo, hi) * w * h, math.exp(rng.uniform(-0.3, 0.3))
    cw, ch = min(w, math.sqrt(area * ratio)), min(h, math.sqrt(area / ratio))
    x, y = rng.uniform(0, w - cw), rng.uniform(0, h - ch)
    return (x, y, x + cw, y + ch)


def jitter(rng, a):
    b, c, s = rng.uniform(0.65, 1.4, 3)
    a = a.astype(np.float32) * b
    a = (a - a.mean()) * c + a.mean()
    g = a.mean(2, keepdims=True)
    return np.clip(g + (a - g) * s, 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- bank
def teacher_session(path, size, batch):
    """The teacher at another input size: on 64-pixel pictures it is more accurate at 160 than at 224."""
    m = onnx.load(path)
    d = m.graph.input[0].type.tensor_type.shape.dim
    d[0].dim_value, d[2].dim_value, d[3].dim_value = batch, size, size
    del m.graph.output[:], m.graph.value_info[:]
    m.graph.output.append(helper.make_tensor_value_info(EMB, TensorProto.FLOAT, [batch, 1280]))
    o = ort.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    return ort.InferenceSession(m.SerializeToString(), o, providers=["CPUExecutionProvider"])


def make_view(rng, kind, how, pick, pics):
    """One picture for the teacher (native size given by the source) and its size."""
    def crop(i, lo, size):
        im = Image.fromarray(pics[i])
        return np.asarray(im.resize((size, size), Image.BICUBIC, box=random_box(rng, *im.size, lo)))
    if how == MOSAIC:                                    # 2 x 2 whole small pictures: sharp detail at 96 pixels
        q = [pics[i] if rng.random() < 0.5 else pics[i][:, ::-1] for i in pick]
        a = np.concatenate([np.concatenate(q[:2], 1), np.concatenate(q[2:], 1)], 0)
        im = Image.fromarray(a)
        a, size = np.asarray(im.resize((112, 112), Image.BICUBIC, box=random_box(rng, 128, 128, 0.35))), 224
    else:
        size = {TINY: 160, CIFAR: 128, PHOTO: 224}[kind]
        native = {TINY: 80, CIFAR: 64, PHOTO: 224}[kind]
        a = crop(pick[0], {TINY: 0.25, CIFAR: 0.5, PHOTO: 0.12}[kind], native)
        if how == MIX:
            b = crop(pick[1], 0.4, native)
            if rng.random() < 0.5:
                t = rng.uniform(0.3, 0.7)
                a = (a * t + b * (1 - t)).astype(np.uint8)
            else:
                a, (x0, y0, x1, y1) = a.copy(), np.int32(random_box(rng, native, native, 0.15, 0.5))
                a[y0:y1, x0:x1] = b[y0:y1, x0:x1]
    return Image.fromarray(jitter(rng, a[:, ::-1] if rng.random() < 0.5 else a)), size


def bank_worker(args, rank, tasks, src):
    t0, pics = time.time(), load(src, args.data)
    kinds, held = np.array([s[0] for s in src]), held_out(src)
    free = {k: np.flatnonzero((kinds == k) & ~held) for k in (TINY, PHOTO)}
    sess = {s: teacher_session(args.teacher, s, 8) for s in (128, 160, 224)}
    crops, embs, meta, queue = [], [], [], {s: [] for s in sess}

    def flush(size):
        x = np.stack([q[0] for q in queue[size]]).astype(np.float32).transpose(0, 3, 1, 2)
        e = sess[size].run(None, {"input": (x - 128) / 128})[0].astype(np.float16)
        for (_, c, m), v in zip(queue[size], e):
            crops.append(c), embs.append(v), meta.append(m)
        queue[size].clear()

    for n, (how, i) in enumerate(tasks[rank :: args.workers]):
        rng = np.random.default_rng([args.seed, rank, n])
        kind = src[i][0]
        pick = [i] + ([] if how == CROP else list(rng.choice(free[kind], 3)))
        view, size = make_view(rng, kind, how, pick, pics)
        small = view.resize((SIDE, SIDE), Image.BICUBIC if kind != PHOTO else Image.BILINEAR)
        if kind != PHOTO and how != MOSAIC and rng.random() < 0.5:
            small = small.filter(ImageFilter.UnsharpMask(1.5, int(rng.uniform(60, 200)), 0))
        big = view.resize((size, size), Image.BICUBIC) if view.size[0] != size else view
        queue[size].append((np.asarray(big), np.asarray(small), (how, size, *pick, -1, -1, -1)[:6]))
        if len(queue[size]) == 8:
            flush(size)
        if time.time() - t0 > args.seconds:
            break
    for name, rows in (("crops", crops), ("embs", embs), ("meta", meta)):
        np.save(f"{args.bank}/{name}{rank}.npy", np.stack(rows).astype(np.int32) if name == "meta" else np.stack(rows))
    print(f"worker {rank}: wrote {len(meta)} pairs, {time.time() - t0:.0f} s", flush=True)


def cmd_bank(args):
    os.makedirs(args.bank, exist_ok=True)
    src = sources(args.data)
    tasks = bank_tasks(args, src)
    ctx = multiprocessing.get_context("fork")
    ps = [ctx.Process(target=bank_worker, args=(args, r, tasks, src)) for r in range(args.workers)]
    [p.start() for p in ps], [p.join() for p in ps]


def bank_tasks(args, src):
    """Pairs to make, in order: all held-out pictures twice, then a weighted draw in which pictures take turns."""
    held, rng = held_out(src), np.random.default_rng(args.seed)
    kinds = np.array([s[0] for s in src])
    pool = {k: np.flatnonzero((kinds == k) & ~held) for k in (TINY, CIFAR, PHOTO)}
    deck = {k: np.concatenate([rng.permutation(v) for _ in range(1 + 300000 // len(v))]) for k, v in pool.items()}
    used = {k: 0 for k in pool}
    tasks = [(CROP, i) for i in np.flatnonzero(held)] * 2
    plan = [(CROP, TINY, 0.62), (CROP, PHOTO, 0.12), (CROP, CIFAR, 0.05), (MOSAIC, TINY, 0.09), (MIX, TINY, 0.07), (MIX, PHOTO, 0.05)]
    for j in rng.choice(len(plan), 300000, p=[p[2] for p in plan]):
        how, kind, _ = plan[j]
        tasks.append((how, deck[kind][used[kind]]))
        used[kind] += 1
    return tasks


# ---------------------------------------------------------------- network
# Output channels and stride of the 13 blocks of MobileNetV1 0.5 (Howard et al. 2017), thinned from the sixth on, where
# it has 256 (x 6) and 512 (x 2).
BLOCKS = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (176, 2), *[(176, 1)] * 5, (320, 2), (320, 1)]


class Unit(nn.Sequential):
    """Convolution, batch norm, ReLU6; at stride 2 padded as TensorFlow does: right and bottom only."""
    def __init__(self, i, o, k=1, s=1, g=1):
        pad = (0, 1, 0, 1) if s == 2 else (k // 2,) * 4
        super().__init__(nn.ZeroPad2d(pad) if k > 1 else nn.Identity(), nn.Conv2d(i, o, k, s, groups=g, bias=False),
                         nn.BatchNorm2d(o, momentum=0.03), nn.ReLU6(inplace=True))
        self.pads = [pad[2], pad[0], pad[3], pad[1]] if k > 1 else [0] * 4


class Sprout(nn.Module):
    def __init__(self):
        super().__init__()
        layers, i = [Unit(3, 16, 3, 2)], 16
        for o, s in BLOCKS:
            layers += [Unit(i, i, 3, s, i), Unit(i, o)]
            i = o
        self.body, self.out = nn.Sequential(*layers), nn.Linear(i, DIM)

    def forward(self, x):
        return self.out(self.body(x).mean((2, 3)))


def thin(net, path, x, t):
    """Start from MobileNetV1 0.5/160 with fewer channels. Kept are those that a pivoted QR picks from what the next
    pointwise layer reads, scaled by its weights; each pointwise layer is then fitted anew by least squares to what the
    whole network computes (He et al. 2017, channel pruning), so that errors do not add up. Batch norms, folded in the
    file, come back as the identity on the statistics of x; the linear layer starts as ridge regression to t."""
    weights = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in onnx.load(path).graph.initializer}
    name = lambda k: "Conv2d_0" if k == 0 else f"Conv2d_{(k + 1) // 2}_{'depthwise' if k % 2 else 'pointwise'}"
    get = lambda k: [weights[f"MobilenetV1.MobilenetV1.{name(k)}.{part}"] for part in ("weight", "bias")]
    rng, whole, kept = np.random.default_rng(0), x, torch.arange(16)
    flat = lambda y: y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])
    with torch.no_grad():
        for k, unit in enumerate(net.body):
            conv, norm, (w, b) = unit[1], unit[2], get(k)
            target = F.conv2d(unit[0](whole), w, b, conv.stride, groups=w.shape[0] if k % 2 else 1)
            whole = F.relu6(target)
            if k % 2 or k == 0:
                conv.weight.copy_(w[kept])
                b = b[kept]
            else:
                kept = torch.arange(len(w))
                if conv.out_channels < len(w):
                    v, seen = get(k + 2)[0] if k < 26 else weights["MobilenetV1.Logits.Conv2d_1c_1x1.weight"], whole
                    if k < 26:
                        d = get(k + 1)
                        seen = F.relu6(F.conv2d(net.body[k + 1][0](seen), *d, net.body[k + 1][1].stride, groups=len(w)))
                    a = (flat(seen) * v.flatten(1).norm(dim=0)).numpy()
                    a = a[rng.choice(len(a), min(len(a), 12000), replace=False)]
                    pivots = scipy.linalg.qr(a, mode="r", pivoting=True)[1]
                    kept = torch.from_numpy(np.sort(pivots[: conv.out_channels]))
                a, y = flat(x), flat(target)[:, kept]
                pick = torch.from_numpy(rng.choice(len(a), min(len(a), 60000), replace=False))
                a, y = a[pick].double(), y[pick].double()
                a = torch.cat([a, torch.ones(len(a), 1, dtype=a.dtype)], 1)
                gram = a.T @ a
                fit = torch.linalg.solve(gram + 1e-5 * gram.diagonal().mean() * torch.eye(len(gram)), a.T @ y).float()
                conv.weight.copy_(fit[:-1].T[:, :, None, None])
                b = fit[-1]
            y = conv(unit[0](x))
            mean, var = y.mean((0, 2, 3)), y.var((0, 2, 3))
            norm.running_mean.copy_(mean), norm.running_var.copy_(var)
            norm.weight.copy_(torch.sqrt(var + norm.eps)), norm.bias.copy_(mean + b)
            x = unit[3](norm.eval()(y))
        f = x.mean((2, 3))
        m, c = f.mean(0), f - f.mean(0)
        w = torch.linalg.solve(c.T @ c + 0.1 * (c**2).sum() / c.shape[1] * torch.eye(c.shape[1]), c.T @ (t - t.mean(0)))
        net.out.weight.copy_(w.T), net.out.bias.copy_(t.mean(0) - m @ w)


def macs(net):
    total, layers = [], [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(lambda m, i, o: total.append(m.weight[0].numel() * o.numel())) for m in layers]
    net.eval()(torch.zeros(1, 3, SIDE, SIDE))
    [h.remove() for h in hooks]
    return sum(total)


# ---------------------------------------------------------------- training
def load_bank(args):
    """Crops (u8), meta (how, teacher size, pictures), unit targets (centred per teacher size, PCA-256,
    divided by eigenvalue^0.125), held-out flags."""
    ranks = [f[5:-4] for f in sorted(os.listdir(args.bank)) if f.startswith("crops")]
    part = lambda k: [np.load(f"{args.bank}/{k}{r}.npy", mmap_mode="r") for r in ranks]
    meta, emb = np.concatenate(part("meta")), np.concatenate(part("embs"))
    src = sources(args.data)
    if not os.path.exists(f"{args.bank}/duplicates.npy"):
        np.save(f"{args.bank}/duplicates.npy", near_duplicates(src, args.data))
    keep = ~np.isin(meta[:, 2:], np.load(f"{args.bank}/duplicates.npy")).any(1)
    cuts = np.cumsum([len(m) for m in part("meta")])[:-1]
    crops = np.concatenate([c[k] for c, k in zip(part("crops"), np.split(keep, cuts))])
    meta, emb = meta[keep], emb[keep]
    held = held_out(src)[meta[:, 2]]
    mean = {}
    emb = emb.astype(np.float32)
    for s in np.unique(meta[:, 1]):
        mean[s] = emb[(meta[:, 1] == s) & ~held].mean(0)
        emb[meta[:, 1] == s] -= mean[s]
    x = emb[~held][::2]
    val, vec = np.linalg.eigh(x.T @ x / len(x))
    val, vec = val[::-1][:DIM], vec[:, ::-1][:, :DIM]
    t = emb @ (vec / val**0.125)
    t /= np.linalg.norm(t, axis=1, keepdims=True)
    print(f"bank: {len(t)} pairs, {held.sum()} held out, PCA keeps {val.sum() * len(x) / (x**2).sum():.3f}", flush=True)
    return crops, meta, t.astype(np.float32), held


def batch_input(x, res, rng=None):
    """u8 NHWC -> float NCHW (channels last) at res; with rng: flips, a window shared by the batch, and gain."""
    x = torch.from_numpy(x).permute(0, 3, 1, 2)
    if rng is not None:
        flip = torch.from_numpy(rng.random(len(x)) < 0.5)
        x[flip] = x[flip].flip(3)
        side = int(rng.choice([76, 82, 88, 92, 96, 96]))
        a, b = rng.integers(0, SIDE + 1 - side, 2)
        x = x[:, :, a : a + side, b : b + side]
    if x.shape[2] != res:
        x = F.interpolate(x.contiguous(memory_format=torch.channels_last), size=(res, res), mode="bilinear", antialias=True)
    x = x.float().sub_(128).mul_(1 / 128)
    if rng is not None:
        x = x * torch.from_numpy(rng.uniform(0.85, 1.15, (len(x), 1, 1, 1)).astype(np.float32))
    return x.contiguous(memory_format=torch.channels_last)


def resolution(step):
    """Two steps at 64 pixels, where a picture of Tiny ImageNet is sharp, then one at 96 with pictures that are sharp
    there: a network that knows sharp photographs forgets them on enlarged ones."""
    return SIDE if step % 3 == 2 else SMALL


def embed(net, crops, res=SIDE):
    net.eval()
    with torch.no_grad():
        return np.concatenate([net(batch_input(crops[i : i + 64], res)).numpy() for i in range(0, len(crops), 64)])


def cosine(net, crops, t, res=SIDE):
    e = embed(net, crops, res)
    return float(((e * t).sum(1) / np.linalg.norm(e, axis=1)).mean())


def cmd_train(args):
    """Two single-threaded processes average their gradients through shared memory after every step. One barrier a
    step: on a busy machine this is far faster than two OpenMP threads, which meet two hundred times a step."""
    ctx = multiprocessing.get_context("fork")
    bank = load_bank(args)
    size = sum(p.numel() for p in Sprout().parameters())
    shared = (ctx.RawArray("f", 2 * args.workers * size), ctx.RawArray("d", 2), ctx.Barrier(args.workers))
    ps = [ctx.Process(target=train_worker, args=(args, r, bank, shared, size)) for r in range(args.workers)]
    [p.start() for p in ps], [p.join() for p in ps]
    sys.exit(max(abs(p.exitcode) for p in ps))


def train_worker(args, rank, bank, shared, size):
    torch.manual_seed(args.seed), torch.set_num_threads(1)
    (crops, meta, t, held), barrier = bank, shared[2]
    grads = torch.from_numpy(np.frombuffer(shared[0], np.float32).reshape(2, args.workers, size))
    index = np.flatnonzero(~held)
    sharp = index[(meta[index, 1] == 224)]      # crops of photographs, and mosaics
    tiny, photo = np.flatnonzero(held & (meta[:, 1] == 160)), np.flatnonzero(held & (meta[:, 1] == 224))
    seen = index[(meta[index, 0] == CROP) & (meta[index, 1] == 160)][::50]
    tests = test_sets(args.data, small=True) if rank == 0 else None
    net, ema = Sprout(), Sprout()
    if not os.path.exists(args.checkpoint):
        first = np.random.default_rng(args.seed).choice(sharp, 1500, replace=False)
        thin(net, args.start, batch_input(crops[first], SIDE), torch.from_numpy(t[first]))
    net = net.to(memory_format=torch.channels_last)
    ema.load_state_dict(net.state_dict())
    params = list(net.parameters())
    opt = torch.optim.AdamW([{"params": [p for p in params if p.ndim > 1], "weight_decay": 0.05},
                             {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0}], lr=args.rate, fused=True)
    begin = {k: v.clone() for k, v in ema.state_dict().items()}
    state = {"step": 0, "images": 0, "elapsed": 0.0, "log": []}
    if os.path.exists(args.checkpoint):
        ck = torch.load(args.checkpoint, weights_only=False)
        net.load_state_dict(ck["net"]), ema.load_state_dict(ck["ema"]), opt.load_state_dict(ck["opt"])
        state, begin = ck["state"], ck["begin"]
        print("resumed at step", state["step"], flush=True)
    rng = np.random.default_rng([args.seed, state["step"], rank])
    run = torch.compile(net, dynamic=False)
    pairs = [(a, b) for a, b in zip(net.state_dict().values(), ema.state_dict().values()) if a.is_floating_point()]
    live, smooth = [a for a, _ in pairs], [b for _, b in pairs]
    running, order = [], {SMALL: np.zeros(0, int), SIDE: np.zeros(0, int)}
    progress = min(1.0, state["elapsed"] / args.seconds)
    if rank == 0:
        print("start:", {n: few_shot(lambda x: embed(ema, x), tests, n, "crop", 5) for n in ("animals4", "ants-bees")}, flush=True)
    for side in (SMALL, SIDE):
        run(batch_input(crops[: args.batch], side, rng)).sum().backward()                   # compile before the clock
    barrier.wait()
    start, last = time.time() - state["elapsed"], time.time()
    while progress < 1:
        res, even = resolution(state["step"]), state["step"] % 2
        for g in opt.param_groups:
            g["lr"] = args.rate * min(1.0, progress / 0.02) * 0.5 * (1 + math.cos(math.pi * progress)) + 1e-6
        if len(order[res]) < args.batch:
            order[res] = rng.permutation(sharp if res == SIDE else index)
        pick, order[res] = np.sort(order[res][: args.batch]), order[res][args.batch :]
        net.train()
        loss = 1 - F.cosine_similarity(run(batch_input(crops[pick], res, rng)), torch.from_numpy(t[pick])).mean()
        opt.zero_grad(set_to_none=True)
        loss.backward()
        grads[even, rank] = torch.cat([p.grad.reshape(-1) for p in params])
        if rank == 0:
            shared[1][even] = min(1.0, (time.time() - start) / args.seconds)
        barrier.wait()
        progress = shared[1][even]
        for p, g in zip(params, grads[even].mean(0).split([p.numel() for p in params])):
            p.grad.copy_(g.view_as(p))          # keeps the channels-last layout, which the fused optimizer relies on
        opt.step()
        state["step"] += 1
        state["images"] += len(pick) * args.workers
        if rank:
            continue
        running.append(float(loss.detach()))
        with torch.no_grad():
            torch._foreach_lerp_(smooth, live, 1 - min(0.998, state["step"] / (state["step"] + 20)))
        if progress < 1 and (state["step"] % 20 or time.time() - last < args.every):
            continue
        state["elapsed"] = time.time() - start
        row = {"minutes": round(state["elapsed"] / 60, 1), "step": state["step"], "images": state["images"],
               "loss": round(float(np.mean(running)), 4), "seen": round(cosine(ema, crops[seen], t[seen], SMALL), 3),
               "held_tiny": round(cosine(ema, crops[tiny], t[tiny], SMALL), 3),
               "held_photo": round(cosine(ema, crops[photo], t[photo]), 3)}
        for name in ("animals4", "ants-bees"):
            row[name] = few_shot(lambda x: embed(ema, x), tests, name, "crop", 5)
        state["log"].append(row)
        running, last = [], time.time()
        torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "opt": opt.state_dict(), "state": state, "begin": begin},
                   args.checkpoint + ".tmp")
        os.replace(args.checkpoint + ".tmp", args.checkpoint)
        print(json.dumps(row), f"({time.time() - start - state['elapsed']:.0f} s)", flush=True)


# ---------------------------------------------------------------- few-shot tests
def view(path, how):
    im = Image.open(path).convert("RGB")
    if how == "squash":
        return np.asarray(im.resize((SIDE, SIDE), Image.BILINEAR))
    k = round(SIDE / 0.875) / min(im.size)
    w, h = max(SIDE, round(im.width * k)), max(SIDE, round(im.height * k))
    x, y = (w - SIDE) // 2, (h - SIDE) // 2
    return np.asarray(im.resize((w, h), Image.BILINEAR).crop((x, y, x + SIDE, y + SIDE)))


def test_sets(data, small=False):
    """name -> how -> (pool images, labels, test images or None, labels)."""
    def folder(d, how):
        cls = sorted(c for c in os.listdir(d) if os.path.isdir(f"{d}/{c}"))
        files = [(f"{d}/{c}/{f}", i) for i, c in enumerate(cls) for f in sorted(os.listdir(f"{d}/{c}"))]
        return np.stack([view(f, how) for f, _ in files]), np.array([i for _, i in files])
    out = {}
    for how in ("crop",) if small else ("crop", "squash"):
        out["animals4", how] = (*folder(f"{data}/animals4", how), None, None)
        out["ants-bees", how] = (*folder(f"{data}/hymenoptera/train", how), *folder(f"{data}/hymenoptera/val", how))
    if not small:
        c = f"{data}/cifar10-mini"
        out["cifar10-mini", "squash"] = (*folder(f"{c}/train", "squash"), *folder(f"{c}/test", "squash"))
    return out


def few_shot(encode, tests, name, how, shots, draws=20, cache=None):
    """Accuracy in % of (class means cosine, logistic regression, the same on unit features); mean of the draws."""
    from sklearn.linear_model import LogisticRegression
    px, py, tx, ty = tests[name, how]
    cache = {} if cache is None else cache
    if (name, how) not in cache:
        cache[name, how] = encode(px), None if tx is None else encode(tx)
    p, q = cache[name, how]
    unit = lambda a: a / np.linalg.norm(a, axis=1, keepdims=True)
    acc = []
    for d in range(draws):
        rng = np.random.default_rng([17, d])
        pick = np.concatenate([rng.choice(np.flatnonzero(py == c), shots, replace=False) for c in np.unique(py)])
        rest = np.setdiff1d(np.arange(len(py)), pick)
        x, y = p[pick], py[pick]
        u, v = (p[rest], py[rest]) if q is None else (q, ty)
        means = unit(np.stack([unit(x)[y == c].mean(0) for c in np.unique(py)]))
        acc.append([((unit(u) @ means.T).argmax(1) == v).mean(),
                    LogisticRegression(max_iter=200).fit(x, y).score(u, v),
                    LogisticRegression(max_iter=200, C=10).fit(unit(x), y).score(unit(u), v)])
    return [round(float(a), 1) for a in 100 * np.mean(acc, 0)]


# ---------------------------------------------------------------- export and evaluation
def whiten(net, args, count=10000):
    """Turn the last linear layer: (within-class covariance of Tiny ImageNet crops + ridge)^-1/2, centred. Directions
    in which pictures of one class differ count less. The ridge was chosen on classes left out of the covariance."""
    meta, src, crops = np.load(f"{args.bank}/meta0.npy"), sources(args.data), np.load(f"{args.bank}/crops0.npy", mmap_mode="r")
    ok = ~held_out(src)[meta[:, 2]] & ~np.isin(meta[:, 2], np.load(f"{args.bank}/duplicates.npy"))
    pick = np.flatnonzero(ok & (meta[:, 0] == CROP) & (meta[:, 1] == 160))[:count]
    e, label = embed(net, np.ascontiguousarray(crops[pick])), np.array([s[2] for s in src])[meta[pick, 2]]
    mean, rest = e.mean(0), e.copy()
    for c in np.unique(label):
        rest[label == c] -= rest[label == c].mean(0)
    val, vec = np.linalg.eigh(rest.T @ rest / len(rest))
    turn = torch.from_numpy((vec / np.sqrt(np.maximum(val, 0) + args.ridge * val.mean())) @ vec.T)
    with torch.no_grad():
        net.out.bias.copy_(turn @ (net.out.bias - torch.from_numpy(mean)))
        net.out.weight.copy_(turn @ net.out.weight)


def cmd_export(args):
    """Write the weights as plain opset-13 ONNX, batch norms folded, root-mean-square output 1 per dimension. They lie
    between those training began with and those it ended with (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
    models"): the ones know more kinds of pictures, the others match the teacher better; between them is better than both."""
    ck = torch.load(args.checkpoint, weights_only=False)
    net = Sprout()
    net.load_state_dict({k: torch.lerp(ck["begin"][k], v, args.blend) if v.is_floating_point() else v
                         for k, v in ck["ema"].items()})
    part = np.load(f"{args.bank}/crops0.npy", mmap_mode="r")
    probe = np.ascontiguousarray(part[::100][:400])
    if args.ridge > 0:
        whiten(net, args)
    with torch.no_grad():
        scale = 1 / np.sqrt((embed(net, probe) ** 2).mean())
        net.out.weight.mul_(scale), net.out.bias.mul_(scale)
    nodes, inits = [], []

    def tensor(name, a):
        inits.append(numpy_helper.from_array(np.asarray(a, np.float32, order="C"), name))
        return name

    def unit(u, x, name):
        conv, bn = u[1], u[2]
        k = (bn.weight / torch.sqrt(bn.running_var + bn.eps)).detach().double()
        w = conv.weight.detach().double() * k[:, None, None, None]
        b = bn.bias.detach().double() - bn.running_mean.double() * k
        nodes.append(helper.make_node("Conv", [x, tensor(name + "_w", w), tensor(name + "_b", b)], [name + "_conv"],
                                      name=name, dilations=[1, 1], group=conv.groups, kernel_shape=list(conv.kernel_size),
                                      pads=u.pads, strides=list(conv.stride)))
        nodes.append(helper.make_node("Clip", [name + "_conv", "zero", "six"], [name], name=name + "_clip"))
        return name

    tensor("zero", np.float32(0)), tensor("six", np.float32(6))
    x = "input"
    for i, u in enumerate(net.body):
        x = unit(u, x, "stem" if i == 0 else f"block{(i + 1) // 2}_{'depth' if i % 2 else 'point'}")
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], name="pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["features"], name="flatten", axis=1))
    w, b = tensor("embedding_w", net.out.weight.detach()), tensor("embedding_b", net.out.bias.detach())
    nodes.append(helper.make_node("Gemm", ["features", w, b], ["embedding"], name="gemm", alpha=1.0, beta=1.0, transB=1))
    info = lambda n, d: helper.make_tensor_value_info(n, TensorProto.FLOAT, d)
    graph = helper.make_graph(nodes, "sprout", [info("input", [1, 3, SIDE, SIDE])], [info("embedding", [1, DIM])], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="offshoot-sprout")
    helper.set_model_props(model, {
        "offshoot.cut": "embedding", "offshoot.preset": "tf",
        "offshoot.licence": "Apache-2.0; from MobileNetV1 0.5/160, distilled from MobileNetV2 1.0/224 (both Apache-2.0, TensorFlow/Coral authors)",
        "offshoot.source": "models/sprout/train.py; google-coral/test_data mobilenet_v1_0.5_160_quant, mobilenet_v2_1.0_224_quant"})
    onnx.checker.check_model(model, full_check=True)
    os.makedirs(os.path.dirname(os.path.abspath(args.onnx)), exist_ok=True)
    with open(args.onnx + ".tmp", "wb") as f:
        f.write(model.SerializeToString())
    os.replace(args.onnx + ".tmp", args.onnx)
    sess = ort.InferenceSession(args.onnx, providers=["CPUExecutionProvider"])
    a, b = embed(net, probe[:8]), np.concatenate([sess.run(None, {"input": batch_input(probe[i : i + 1], SIDE)
                                                                  .contiguous().numpy()})[0] for i in range(8)])
    print(f"{args.onnx}: {os.path.getsize(args.onnx)} bytes, {macs(net)} MACs, "
          f"{sum(int(np.prod(t.dims)) for t in inits)} parameters, largest error {np.abs(a - b).max():.1e}, "
          f"step {ck['state']['step']}, sha256 {hashlib.sha256(open(args.onnx, 'rb').read()).hexdigest()}")


def cmd_eval(args):
    """Few-shot accuracy of the ONNX file, and its held-out cosine; writes the numbers as JSON."""
    o = ort.SessionOptions()
    o.intra_op_num_threads = 1
    sess = ort.InferenceSession(args.onnx, o, providers=["CPUExecutionProvider"])
    prep = lambda im: (im.astype(np.float32).transpose(2, 0, 1)[None] - 128) / 128
    encode = lambda ims: np.concatenate([sess.run(None, {"input": prep(im)})[0] for im in ims])
    tests, cache, out = test_sets(args.data), {}, {}
    for (name, how) in tests:
        for shots in {"animals4": (1, 5, 10), "ants-bees": (1, 5, 20), "cifar10-mini": (5, 20, 100)}[name]:
            draws = 5 if name == "cifar10-mini" else 20
            out[f"{name} {how} {shots}"] = few_shot(encode, tests, name, how, shots, draws, cache)
            print(f"{name:13} {how:7} {shots:4}  class means / LR / LR unit:", *out[f"{name} {how} {shots}"], flush=True)
    if args.results:
        json.dump(out, open(args.results, "w"), indent=1)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="/work/shared/data")
    ap.add_argument("--teacher", default="/work/shared/models/real/mobilenet_v2_1.0_224.onnx")
    ap.add_argument("--bank", default="/work/lab/sprout/bank")
    ap.add_argument("--checkpoint", default="/work/lab/sprout/sprout.pt")
    ap.add_argument("--onnx", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "sprout.onnx"))
    ap.add_argument("--seed", type=int, default=1)
    sub = ap.add_subparsers(dest="cmd", required=True)
    p = sub.add_parser("bank", help="crops and teacher embeddings")
    p.add_argument("--seconds", type=float, default=760)
    p.add_argument("--workers", type=int, default=2)
    p = sub.add_parser("train", help="train, resuming the checkpoint when there is one")
    p.add_argument("--seconds", type=float, default=900, help="wall clock of the whole schedule")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--batch", type=int, default=64, help="per worker")
    p.add_argument("--rate", type=float, default=2.5e-4, help="peak learning rate")
    p.add_argument("--start", default="/work/shared/models/real/mobilenet_v1_0.5_160.onnx", help="weights to start from")
    p.add_argument("--every", type=float, default=130, help="seconds between checkpoints and log rows")
    p = sub.add_parser("export", help="checkpoint to ONNX")
    p.add_argument("--blend", type=float, default=0.6, help="0: the weights training began with; 1: those it ended with")
    p.add_argument("--ridge", type=float, default=3.0, help="of the whitening; 0: none")
    p = sub.add_parser("eval", help="few-shot accuracy of the ONNX file")
    p.add_argument("--results", default="")
    args = ap.parse_args()
    globals()["cmd_" + args.cmd](args)


if __name__ == "__main__":
    main()
