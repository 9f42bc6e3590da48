"""How often the advice of `offshoot check` is right: the table of sdk/docs/check.md.

    python ground.py OUT --data DIR                              the data sets, OUT/choose/* and OUT/check/*
    python check.py SINGLE PARTS LARGER [--splits 2] [--csv check.csv] OUT/choose/* OUT/check/*

SINGLE and PARTS are one network, converted without and with `--parts auto` and calibrated on photographs; LARGER is
another backbone. Each set is divided at random into samples to learn, as many more, and images to test. `check` is asked
about the first; then each change is made, and a head `auto` is tested with and without it. Advice is right if the change
gains at least half a point in the mean of the splits where it is advised, and less than two points where it is not. The
thresholds of `measure/checkup/advice.rs` were fixed before any of the sets was looked at.
Needs numpy; OFFSHOOT names the command where it is not `target/release/offshoot`.
"""

import argparse, collections, csv, json, os, pathlib, re, subprocess, sys, tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
OFFSHOOT = os.environ.get("OFFSHOOT", ROOT / "target/release/offshoot")
SHOTS, TESTED, CLASSES = (20, 10, 5), 30, 10
GAINS, HARMLESS = 0.5, 2.0  # points
CHANGES = ["parts", "tuning", "samples", "backbone"]


def offshoot(*words):
    done = subprocess.run([OFFSHOOT, "--quiet", *map(str, words)], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def split(folder, out, number):
    """Links OUT/some with train/ and val/, and OUT/more with twice the samples; returns the samples of a class."""
    random = np.random.default_rng([number, 19])
    classes = sorted(p for p in folder.iterdir() if p.is_dir())
    if len(classes) > CLASSES:
        classes = sorted(random.choice(np.array(classes), CLASSES, replace=False))
    files = {c: [sorted(c.iterdir())[i] for i in random.permutation(len(list(c.iterdir())))] for c in classes}
    least = min(map(len, files.values()))
    shots = next((n for n in SHOTS if 2 * n + 5 <= least), None)
    if shots is None:
        return None
    for place, count in (("some", shots), ("more", 2 * shots)):
        for c, own in files.items():
            for part, chosen in (("train", own[:count]), ("val", own[2 * shots :][:TESTED])):
                target = out / place / part / c.name
                target.mkdir(parents=True)
                for f in chosen:
                    (target / f.name).symlink_to(f.resolve())
    return shots


def accuracy(package, data):
    return 100 * float(re.search(r"auto +([0-9.]+)", offshoot("eval", package, data, "--head", "auto")).group(1))


def gains(arguments, out):
    """What `check` says, and what each change gains."""
    single, parts, larger = arguments.packages
    some, more = out / "some", out / "more"
    said = json.loads(offshoot("check", single, some, "--json"))
    before = accuracy(single, some)
    tuned = offshoot("finetune", single, some, "--force", "--dry-run")
    pair = re.search(r"auto: ([0-9.]+) of .* before, ([0-9.]+) after", tuned)
    after = {
        "parts": accuracy(parts, some),
        "tuning": before + 100 * (float(pair.group(2)) - float(pair.group(1))),
        "samples": accuracy(single, more),
        "backbone": accuracy(larger, some),
    }
    advised = {one["change"]: one["advised"] for one in said["advice"]}
    return said, before, advised, {change: after[change] - before for change in CHANGES}


def rows(arguments):
    for folder in arguments.sets:
        advised, found, others = collections.defaultdict(list), collections.defaultdict(list), []
        for number in range(arguments.splits):
            with tempfile.TemporaryDirectory() as place:
                shots = split(folder, pathlib.Path(place), number)
                if shots is None:
                    print(f"{folder}: too few images", file=sys.stderr)
                    break
                said, before, own, gain = gains(arguments, pathlib.Path(place))
            last = said["distances"][-1] if said["distances"] else {"percentile": np.nan, "ratio": np.nan}
            doubled = (said["doubled"] or {}).get("gain", np.nan)
            others.append([before, last["percentile"], last["ratio"], 100 * doubled, len(said["images"])])
            for change in CHANGES:
                advised[change].append(own.get(change, False))
                found[change].append(gain[change])
        if not others:
            continue
        row = [folder.parent.name, folder.name, shots, *np.nanmean(others, 0).round(2)]
        for change in CHANGES:
            share, mean = np.mean(advised[change]), np.mean(found[change])
            is_right = mean >= GAINS if share > 0.5 else mean < HARMLESS
            row += [round(float(share), 2), round(float(mean), 2), int(is_right)]
        print(*row, flush=True, file=sys.stderr)
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=pathlib.Path)
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--csv", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.packages, arguments.sets = arguments.places[:3], arguments.places[3:]
    head = ["half", "data", "shots", "right", "percentile", "ratio", "foretold", "image_faults"]
    head += [f"{change}_{what}" for change in CHANGES for what in ("advised", "gain", "is_right")]
    found = list(rows(arguments))
    if arguments.csv:
        with open(arguments.csv, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *found])
    for half in dict.fromkeys(row[0] for row in found):
        own = [row for row in found if row[0] == half]
        for i, change in enumerate(CHANGES):
            print(f"{half}: {change} right on {sum(row[10 + 3 * i] for row in own)} of {len(own)}")


if __name__ == "__main__":
    main()
