#!/usr/bin/env python3
"""Lists the public API of the SDK crates in tests/api/CRATE.txt, so that a change of it shows in review.

  tests/public_api.py            writes the lists
  tests/public_api.py --check    shows what differs from them, with exit code 1

Reads rustdoc's JSON, made with all features that the workspace asks for. Its format changes with the compiler:
FORMAT below is that of Rust 1.95. No nightly compiler is needed.
"""

import argparse
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "api"
CRATES = ["offshoot", "offshoot-core", "offshoot-engine", "offshoot-store", "offshoot-view"]
# rustdoc_types::FORMAT_VERSION that `Api` knows.
FORMAT = 57


def fail(message):
    sys.exit(f"error: {message}")


def document():
    """Runs rustdoc on the workspace; returns the folder of its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        wrapper = pathlib.Path(folder) / "rustdoc"
        # For rustdoc alone: in cargo's environment it would build all dependencies anew.
        wrapper.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n')
        wrapper.chmod(0o755)
        flags = "-Z unstable-options --output-format json"
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        # Media for microcontrollers, which no crate of the workspace uses.
        features = ["--features", "offshoot-store/nor"]
        done = subprocess.run(["cargo", "doc", "--quiet", "--workspace", "--no-deps", "--locked", *features], cwd=ROOT,
                              env={**os.environ, "RUSTDOC": str(wrapper), "RUSTDOCFLAGS": flags})
        if done.returncode:
            fail("cargo doc failed: mend what it named, then run tests/public_api.py again")
        return target / "doc"


class Api:
    """The public items of one crate, a line each."""

    def __init__(self, path):
        self.doc = json.loads(path.read_text())
        version = self.doc["format_version"]
        if version != FORMAT:
            fail(f"rustdoc writes format {version}, this script knows {FORMAT}: use the compiler of rust-toolchain.toml, or "
                 "set FORMAT in tests/public_api.py and compare the lists that it writes")
        self.index = self.doc["index"]
        self.lines = set()
        self.seen = set()
        root = self.item(self.doc["root"])
        self.module(root, root["name"])

    def item(self, number):
        return self.index.get(str(number))

    # Types.

    def type(self, kind):
        if kind is None:
            return "_"
        if kind == "infer":
            return "_"
        (name, it), = kind.items()
        match name:
            case "primitive" | "generic":
                return "!" if it == "never" else it
            case "resolved_path":
                return self.path(it)
            case "borrowed_ref":
                lifetime = it["lifetime"] + " " if it["lifetime"] else ""
                return f"&{lifetime}{'mut ' if it['is_mutable'] else ''}{self.type(it['type'])}"
            case "raw_pointer":
                return f"*{'mut' if it['is_mutable'] else 'const'} {self.type(it['type'])}"
            case "slice":
                return f"[{self.type(it)}]"
            case "array":
                return f"[{self.type(it['type'])}; {it['len']}]"
            case "tuple":
                return f"({', '.join(map(self.type, it))}{',' if len(it) == 1 else ''})"
            case "impl_trait":
                return f"impl {self.bounds(it)}"
            case "dyn_trait":
                lifetime = f" + {it['lifetime']}" if it["lifetime"] else ""
                return "dyn " + " + ".join(self.forall(t["generic_params"]) + self.path(t["trait"]) for t in it["traits"]) + lifetime
            case "function_pointer":
                return f"{self.forall(it['generic_params'])}fn{self.signature(it['sig'])}"
            case "qualified_path":
                of = f" as {self.path(it['trait'])}" if it["trait"] and it["trait"]["path"] else ""
                base = f"<{self.type(it['self_type'])}{of}>" if of else self.type(it["self_type"])
                return f"{base}::{it['name']}{self.arguments(it['args'])}"
        fail(f"rustdoc's JSON has a type `{name}`: add it to Api.type in tests/public_api.py")

    def path(self, path):
        return path["path"] + self.arguments(path["args"])

    def arguments(self, args):
        if not args:
            return ""
        if "parenthesized" in args:
            it = args["parenthesized"]
            output = f" -> {self.type(it['output'])}" if it["output"] else ""
            return f"({', '.join(map(self.type, it['inputs']))}){output}"
        if "angle_bracketed" not in args:
            return "(..)"
        it = args["angle_bracketed"]
        parts = [self.argument(a) for a in it["args"]]
        for constraint in it["constraints"]:
            (kind, value), = constraint["binding"].items()
            bound = f" = {self.term(value)}" if kind == "equality" else f": {self.bounds(value)}"
            parts.append(constraint["name"] + self.arguments(constraint["args"]) + bound)
        return f"<{', '.join(parts)}>" if parts else ""

    def argument(self, arg):
        if isinstance(arg, str):
            return "_"
        (kind, value), = arg.items()
        return value if kind == "lifetime" else self.term({kind: value})

    def term(self, term):
        (kind, value), = term.items()
        return self.type(value) if kind == "type" else value.get("value") or value["expr"]

    def bounds(self, bounds):
        out = []
        for bound in bounds:
            (kind, it), = bound.items()
            if kind == "trait_bound":
                maybe = "?" if it["modifier"] == "maybe" else ""
                out.append(self.forall(it["generic_params"]) + maybe + self.path(it["trait"]))
            elif kind == "outlives":
                out.append(it)
            else:
                out.append(f"use<{', '.join(next(iter(p.values())) for p in it)}>")
        return " + ".join(out)

    def forall(self, params):
        return f"for<{', '.join(p['name'] for p in params)}> " if params else ""

    # Generics and signatures.

    def generics(self, generics):
        out = []
        for param in generics["params"]:
            (kind, it), = param["kind"].items()
            if kind == "lifetime":
                out.append(param["name"] + (f": {' + '.join(it['outlives'])}" if it["outlives"] else ""))
            elif kind == "const":
                default = f" = {it['default']}" if it["default"] else ""
                out.append(f"const {param['name']}: {self.type(it['type'])}{default}")
            elif not it["is_synthetic"]:
                bounds = f": {self.bounds(it['bounds'])}" if it["bounds"] else ""
                default = f" = {self.type(it['default'])}" if it["default"] else ""
                out.append(param["name"] + bounds + default)
        return f"<{', '.join(out)}>" if out else ""

    def where(self, generics):
        out = []
        for predicate in generics["where_predicates"]:
            (kind, it), = predicate.items()
            if kind == "bound_predicate":
                out.append(f"{self.forall(it['generic_params'])}{self.type(it['type'])}: {self.bounds(it['bounds'])}")
            elif kind == "lifetime_predicate":
                out.append(f"{it['lifetime']}: {' + '.join(it['outlives'])}")
            else:
                out.append(f"{self.type(it['lhs'])} = {self.term(it['rhs'])}")
        return f" where {', '.join(out)}" if out else ""

    def signature(self, sig):
        inputs = ", ".join(f"{name}: {self.type(kind)}" if name else self.type(kind) for name, kind in sig["inputs"])
        for long, short in (("self: Self", "self"), ("self: &Self", "&self"), ("self: &mut Self", "&mut self")):
            inputs = re.sub(f"^{long}(?=,|$)", short, inputs)
        output = f" -> {self.type(sig['output'])}" if sig["output"] else ""
        return f"({inputs}){output}"

    # Items.

    def say(self, item, line):
        hints = [a for a in item["attrs"] if a in ("non_exhaustive", "must_use") or isinstance(a, dict) and "must_use" in a]
        marks = {"non_exhaustive" if a == "non_exhaustive" else "must_use" for a in hints}
        marks |= {"deprecated"} if item["deprecation"] else set()
        self.lines.add("".join(f"#[{m}] " for m in sorted(marks)) + line)

    def module(self, module, path):
        for number in module["inner"]["module"]["items"]:
            item = self.item(number)
            if item and item["visibility"] == "public":
                self.named(item, path, item["name"])

    def named(self, item, path, name):
        (kind, it), = item["inner"].items()
        full = f"{path}::{name}"
        if kind == "use":
            aim = self.item(it["id"]) if it["id"] is not None else None
            if aim is None or aim["crate_id"] != 0:
                self.lines.add(f"pub use {path}::{it['name']} = {it['source']}{'::*' if it['is_glob'] else ''}")
            elif it["is_glob"]:
                self.module(aim, path)
            else:
                self.named(aim, path, it["name"])
            return
        if (full, item["id"]) in self.seen:
            return
        self.seen.add((full, item["id"]))
        match kind:
            case "module":
                self.say(item, f"pub mod {full}")
                self.module(item, full)
            case "function":
                self.function(item, full)
            case "struct" | "union" | "enum":
                self.data(item, kind, it, full)
            case "trait":
                self.trait(item, it, full)
            case "constant":
                self.say(item, f"pub const {full}: {self.type(it['type'])} = {it['const']['value'] or it['const']['expr']}")
            case "static":
                self.say(item, f"pub static {full}: {self.type(it['type'])}")
            case "type_alias":
                self.say(item, f"pub type {full}{self.generics(it['generics'])} = {self.type(it['type'])}")
            case _:
                self.say(item, f"pub {kind} {full}")

    def function(self, item, full):
        it = item["inner"]["function"]
        words = "".join(f"{w} " for w in ("const", "async", "unsafe") if it["header"][f"is_{w}"])
        generics = it["generics"]
        self.say(item, f"pub {words}fn {full}{self.generics(generics)}{self.signature(it['sig'])}{self.where(generics)}")

    def data(self, item, kind, it, full):
        generics = self.generics(it["generics"]) + self.where(it["generics"])
        shape = it.get("kind")
        if kind == "struct" and isinstance(shape, dict) and "tuple" in shape:
            generics += self.tuple(shape["tuple"])
        self.say(item, f"pub {kind} {full}{generics}")
        plain = shape["plain"]["fields"] if isinstance(shape, dict) and "plain" in shape else it.get("fields", [])
        for field in filter(None, map(self.item, plain)):
            if field["visibility"] == "public":
                self.say(field, f"pub {full}::{field['name']}: {self.type(field['inner']['struct_field'])}")
        for variant in filter(None, map(self.item, it.get("variants", []))):
            self.variant(variant, f"{full}::{variant['name']}")
        self.impls(it["impls"], full)

    def tuple(self, fields):
        def one(number):
            field = number is not None and self.item(number)
            shown = field and field["visibility"] in ("public", "default")
            return self.type(field["inner"]["struct_field"]) if shown else "_"
        return f"({', '.join(map(one, fields))})"

    def variant(self, variant, full):
        it = variant["inner"]["variant"]
        shape = it["kind"]
        value = f" = {it['discriminant']['value']}" if it["discriminant"] else ""
        if isinstance(shape, dict) and "tuple" in shape:
            self.say(variant, f"pub {full}{self.tuple(shape['tuple'])}{value}")
            return
        self.say(variant, f"pub {full}{value}")
        fields = shape["struct"]["fields"] if isinstance(shape, dict) else []
        for field in filter(None, map(self.item, fields)):
            self.say(field, f"pub {full}::{field['name']}: {self.type(field['inner']['struct_field'])}")

    def impls(self, numbers, full):
        for impl in filter(None, map(self.item, numbers)):
            it = impl["inner"]["impl"]
            if it["is_synthetic"] or it["blanket_impl"]:
                continue
            head = f"impl{self.generics(it['generics'])}"
            if it["trait"]:
                if it["trait"]["path"] == "StructuralPartialEq":
                    continue
                no = "!" if it["is_negative"] else ""
                owner = self.type(it["for"])
                name = full.rsplit("::", 1)[-1]
                if not re.search(rf"\b{name}\b", owner):
                    # Of another type, which names this one: stands there.
                    continue
                owner = re.sub(rf"\b{name}\b", full, owner, count=1)
                self.say(impl, f"{head} {no}{self.path(it['trait'])} for {owner}{self.where(it['generics'])}")
                continue
            for member in filter(None, map(self.item, it["items"])):
                if member["visibility"] == "public":
                    self.member(member, full)

    def member(self, item, full):
        (kind, it), = item["inner"].items()
        name = f"{full}::{item['name']}"
        match kind:
            case "function":
                self.function(item, name)
            case "assoc_const":
                value = f" = {it['value']}" if it["value"] else ""
                self.say(item, f"pub const {name}: {self.type(it['type'])}{value}")
            case "assoc_type":
                bounds = f": {self.bounds(it['bounds'])}" if it["bounds"] else ""
                self.say(item, f"pub type {name}{self.generics(it['generics'])}{bounds}")

    def trait(self, item, it, full):
        bounds = f": {self.bounds(it['bounds'])}" if it["bounds"] else ""
        unsafe = "unsafe " if it["is_unsafe"] else ""
        self.say(item, f"pub {unsafe}trait {full}{self.generics(it['generics'])}{bounds}{self.where(it['generics'])}")
        for member in filter(None, map(self.item, it["items"])):
            self.member(member, full)
        for number in it["implementations"]:
            impl = self.item(number)
            if impl and impl["crate_id"] == 0 and not impl["inner"]["impl"]["blanket_impl"]:
                inner = impl["inner"]["impl"]
                where = self.where(inner["generics"])
                self.say(impl, f"impl{self.generics(inner['generics'])} {full}{self.arguments(inner['trait']['args'])} "
                               f"for {self.type(inner['for'])}{where}")


def order(line):
    """Items by their path; what is implemented comes last."""
    path = re.search(r"\w+(::\w+)+|$", line.split(" for ")[-1] if line.startswith("impl") else line)[0]
    return line.startswith("impl"), path.split("::"), line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, metavar="DIR", help="rustdoc's JSON, where it is made already")
    options = parser.parse_args()
    folder = options.json or document()
    changed = False
    for crate in CRATES:
        source = folder / f"{crate.replace('-', '_')}.json"
        text = "\n".join(sorted(Api(source).lines, key=order)) + "\n"
        place = LISTS / f"{crate}.txt"
        if not options.check:
            LISTS.mkdir(exist_ok=True)
            place.write_text(text)
            continue
        old = place.read_text() if place.exists() else ""
        name = str(place.relative_to(ROOT))
        diff = list(difflib.unified_diff(old.splitlines(), text.splitlines(), name, "the sources", lineterm="", n=0))
        print("\n".join(diff), end="\n" if diff else "")
        changed |= bool(diff)
    if changed:
        fail("the public API differs from its lists: run tests/public_api.py, commit tests/api, and name what breaks in CHANGELOG.md")


main()
