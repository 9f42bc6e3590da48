#!/usr/bin/env python3
"""Writes what each program of a release contains, as CycloneDX 1.5: targets/sbom.py OUT

One file per program, library and wheel: the crates that are linked into it on any of its machines with just its
features, their licences, checksums and what needs what. Reads Cargo.lock and cargo's own tree; needs no network after
`cargo fetch`. The bytes are the same for the same commit: the time is SOURCE_DATE_EPOCH, and there is no random number.
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PC = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
BOARD = ["aarch64-unknown-linux-musl", "armv7-unknown-linux-gnueabihf"]
# Name of what is downloaded: its crate, its features, its machines, its kind.
PRODUCTS = {
    "offshoot": ("offshoot-cli", "", PC, "application"),
    "offshoot-board": ("offshoot-board", "", BOARD, "application"),
    "offshoot-npm": ("offshoot-wasm", "", ["wasm32-unknown-unknown"], "library"),
    "offshoot-runtime": ("offshoot-python", "", PC, "library"),
    "offshoot-sdk": ("offshoot-python", "convert", PC, "library"),
    "liboffshoot": ("offshoot-c", "", PC, "library"),
}


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {done.stderr.strip()}")
    return done.stdout


def checksums():
    """SHA-256 of each crate's archive, by name and version, from Cargo.lock."""
    lock = (ROOT / "Cargo.lock").read_text()
    entry = re.compile(r'^name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"$', re.M)
    return {(name, version): digest for name, version, digest in entry.findall(lock)}


def edges(crate, features, triples):
    """What needs what among the crates that are linked: sets of (name, version) by (name, version)."""
    found = {}
    for triple in triples:
        tree = cargo("tree", "-p", crate, "--features", features, "--target", triple, "--prefix", "depth",
                     "-e", "normal,no-proc-macro", "--format", " {p}")
        above = []
        for line in tree.splitlines():
            depth, name, version, *_ = line.split()
            one = (name, version.removeprefix("v"))
            del above[int(depth):]
            found.setdefault(one, set())
            if above:
                found[above[-1]].add(one)
            above.append(one)
    return found


def component(one, kind, licences, digests):
    name, version = one
    purl = f"pkg:cargo/{name}@{version}"
    told = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licences.get(one):
        # Crates of long ago have a slash for OR.
        told["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", licences[one])}]
    if one in digests:
        told["hashes"] = [{"alg": "SHA-256", "content": digests[one]}]
    return told


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: targets/sbom.py OUT")
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    licences = {(p["name"], p["version"]): p["license"] for p in packages}
    version = next(p["version"] for p in packages if p["name"] == "offshoot-cli")
    digests = checksums()
    time = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), datetime.timezone.utc)
    for product, (crate, features, triples, kind) in PRODUCTS.items():
        needs = edges(crate, features, triples)
        whole = {**component((crate, version), kind, licences, {}), "name": product}
        listed = [component(one, "library", licences, digests) for one in sorted(needs) if one[0] != crate]
        refs = {one: f"pkg:cargo/{one[0]}@{one[1]}" for one in needs}
        graph = [{"ref": refs[one], "dependsOn": sorted(refs[below] for below in needs[one])} for one in sorted(needs)]
        bom = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": whole},
            "components": listed,
            "dependencies": graph,
        }
        path = out / f"{product}-{version}.cdx.json"
        path.write_text(json.dumps(bom, indent=1) + "\n")
        print(f"{path}  {len(listed)} crates")


if __name__ == "__main__":
    main()
