#!/usr/bin/env python3
"""Writes NOTICE: the licences of all that the programs and the Python module contain.

  targets/notice.py            writes it
  targets/notice.py --check    says if it is out of date, with exit code 1

Reads Cargo.lock and the sources that cargo has fetched; needs no network after `cargo fetch`.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTICE = ROOT / "NOTICE"
PROGRAMS = [("offshoot-cli", "buses"), ("offshoot-board", "tract"), ("offshoot-python", "convert")]
TRIPLES = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
    "armv7-unknown-linux-gnueabihf",
    "armv7-unknown-linux-musleabihf",
]
# The first that a crate offers is taken; how its text begins, or a part of it.
LICENCES = {
    "MIT": "Permission is hereby granted, free of charge",
    "Apache-2.0": "Apache License",
    "0BSD": "Permission to use, copy, modify, and/or distribute",
    "Zlib": "This software is provided 'as-is'",
    "ISC": "Permission to use, copy, modify, and/or distribute",
    "BSD-2-Clause": "Redistribution and use in source and binary forms",
    "BSD-3-Clause": "Redistribution and use in source and binary forms",
    "Unicode-3.0": "UNICODE LICENSE V3",
    "CDLA-Permissive-2.0": "Community Data License Agreement",
}
FILES = re.compile(r"(licen[cs]e|copying|unlicense|copyright)", re.I)
HEADER = """\
Offshoot
Copyright (c) the Offshoot authors
MIT (LICENSE-MIT) or Apache-2.0 (LICENSE-APACHE), at your choice.

Made by targets/notice.py; not to be changed by hand.

The programs `offshoot` and `offshoot-board`, and the Python module, contain what follows, or a part of it. Where a crate leaves
the choice, the licence under which it stands here is taken.
"""
RULE = "-" * 100


def fail(message):
    sys.exit(f"error: {message}")


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments, "--locked", "--offline"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        fail(f"{done.stderr.strip()}\nrun `cargo fetch --locked`, then targets/notice.py again")
    return done.stdout


def crates():
    """The crates from elsewhere that a program links on some board, as cargo metadata has them."""
    linked = set()
    for package, features in PROGRAMS:
        for triple in TRIPLES:
            tree = cargo("tree", "-e", "normal,no-proc-macro", "-p", package, "--features", features, "--target",
                         triple, "--prefix", "none", "--no-dedupe", "--format", "{p}")
            linked |= {tuple(line.split()[:2]) for line in tree.splitlines()}
    known = {(p["name"], "v" + p["version"]): p for p in json.loads(cargo("metadata", "--format-version", "1"))["packages"]}
    return [known[crate] for crate in sorted(linked) if known[crate]["source"]]


def texts(package):
    """The licence files of a crate: name and text."""
    folder = pathlib.Path(package["manifest_path"]).parent
    named = [f for f in sorted(folder.iterdir()) if FILES.match(f.name)]
    files = [g for f in named for g in (sorted(f.iterdir()) if f.is_dir() else [f]) if g.is_file()]
    if package["license_file"] and folder / package["license_file"] not in files:
        files.append(folder / package["license_file"])
    return {f.name: f.read_text(errors="replace").replace("\r\n", "\n").strip() for f in files}


def wanted(package):
    """The licences that hold for a crate: all that its expression joins by AND, one of those it joins by OR."""
    expression = (package["license"] or "").replace(" / ", " OR ").replace("/", " OR ")
    parts = [part.strip(" ()") for part in re.split(r"\bAND\b", expression)]
    chosen = []
    for part in parts:
        offered = part.split(" OR ")
        taken = next((licence for licence in LICENCES if licence in offered), None)
        if not taken:
            fail(f"{package['name']} is under `{expression}`: add a licence of it to LICENCES in targets/notice.py")
        chosen.append(taken)
    return chosen


def flat(text):
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def holders_of(text):
    """The lines of a licence file that say who holds the copyright."""
    lines = [line.strip(" */") for line in text.splitlines()]
    named = [line for line in lines if re.match(r"(copyright\b|\(c\)|©)", line, re.I)]
    template = re.compile(r"you must retain|notice|[\[{]yyyy|license to reproduce|holder", re.I)
    return [re.sub(r" or$", "", line) for line in named if not template.search(line)]


def authors(package):
    names = ", ".join(re.sub(r"\s*<[^>]*>", "", name) for name in package["authors"])
    return f"Copyright (c) {names or 'the authors of ' + package['name']}"


def alike(packages):
    """Of crates under one licence: its text in all variants, by each the crates with their holders."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    bodies = {}
    for package in packages:
        (licence,) = wanted(package)
        begin = LICENCES[licence]
        text = next((text for text in texts(package).values() if begin in text), "")
        holders = holders_of(text)
        body = re.sub(r"(?m)^[ /]*//[ ]?", "", text[max(text.find(begin), 0):])
        if licence == "Apache-2.0":
            # A NOTICE of the crate's own goes with it.
            folder = pathlib.Path(package["manifest_path"]).parent
            holders += [f.read_text(errors="replace").strip() for f in sorted(folder.glob("NOTICE*"))]
            body = "The text is in LICENSE-APACHE."
        key = flat(body)
        bodies.setdefault(key, body)
        found[licence][key].append((package, holders or [authors(package)]))
    for licence, variants in found.items():
        usual = max((key for key in variants if key), key=lambda key: len(variants[key]), default=None)
        if not usual:
            fail(f"no crate brings the text of {licence}: put it into targets/notice.py")
        # Crates without the text have the usual one, as have those that add to it what is no condition.
        for key in [key for key in variants if key != usual and (not key or key.startswith(usual))]:
            variants[usual] += variants.pop(key)
        variants[usual].sort(key=lambda user: user[0]["name"])
    return found, bodies


def several(package):
    """A crate under several licences at once: its files as they are, but for Apache's text."""
    out = [RULE, f"{package['name']} {package['version']}: {package['license']}", ""]
    for name, text in texts(package).items():
        apache = len(text) > 9000 and flat(text).startswith("apache license version 2 0 january 2004")
        out += ["Apache-2.0: the text is in LICENSE-APACHE." if apache else text, ""]
    return out


def data(packages):
    out = []
    for name in ["sharp", "speech"]:
        text = (ROOT / f"models/{name}/NOTICE").read_text().strip()
        out += [RULE, f"models/{name}/{name}.offshoot", "", text, ""]
    out += [RULE, "models/sprout/sprout.offshoot", ""]
    out += ["Weights derived from those of google-coral/test_data, by the TensorFlow and Coral authors, Apache License 2.0;",
            "models/sprout/README.md says what was changed. The text is in LICENSE-APACHE.", ""]
    fonts = next((p for p in packages if p["name"] == "dejavu"), None)
    folder = fonts and pathlib.Path(fonts["manifest_path"]).parent / "assets"
    licence = folder and next((f for f in sorted(folder.rglob("LICENSE*"))), None)
    if not licence:
        fail("no licence of the DejaVu fonts in the crate `dejavu`: find where it went and correct targets/notice.py")
    out += [RULE, "DejaVu fonts", "", licence.read_text(errors="replace").strip(), ""]
    return out


def notice():
    packages = crates()
    out = [HEADER, *data(packages)]
    out += [RULE, "Rust's standard library", "", "Copyright (c) The Rust Project Developers. MIT or Apache-2.0.",
            "Static programs also contain musl: Copyright (c) 2005-2020 Rich Felker, et al. MIT.", ""]
    found, bodies = alike([package for package in packages if len(wanted(package)) == 1])
    for licence in LICENCES:
        for key, users in sorted(found[licence].items(), key=lambda item: (-len(item[1]), item[0])):
            out += [RULE, licence, ""]
            for package, holders in users:
                out.append(f"{package['name']} {package['version']}")
                out += [f"    {line}" for holder in dict.fromkeys(holders) for line in holder.splitlines()]
            out += ["", bodies[key].strip(), ""]
    for package in packages:
        if len(wanted(package)) > 1:
            out += several(package)
    return "\n".join(line.rstrip() for part in out for line in part.split("\n")).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = notice()
    if not check:
        NOTICE.write_text(text)
    elif not NOTICE.exists() or NOTICE.read_text() != text:
        fail("NOTICE is not that of Cargo.lock: run targets/notice.py and commit NOTICE")


main()
