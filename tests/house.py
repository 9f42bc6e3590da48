#!/usr/bin/env python3
"""Writes the table of the house into ARCHITECTURE.md: figures of the sources, before and now.

    python3 tests/house.py            # writes
    python3 tests/house.py --check    # fails where the table is another
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# At 9b3b84f, before the rooms were rebuilt.
BEFORE = {
    "files in `cli/src` beside its folders": "47",
    "tuple lets per 1000 lines": "13.2",
    "closures bound to a name per 1000 lines": "12.8",
    "width of lines, 90th and 99th of a hundred": "81, 105",
    "doc lines that begin with What, Where, Whether, How, That, Of, As": "20.1 %",
    "examples on public items of the facade": "5",
}
BEGIN, END = "<!-- tests/house.py writes from here -->", "<!-- to here -->"
VAGUE = ("What", "Where", "Whether", "How", "That", "Of", "As")


def sources():
    """Lines of each source, unit tests at the foot left out."""
    for base in ("cli", "sdk", "targets"):
        for path in sorted((ROOT / base).rglob("*.rs")):
            parts = path.relative_to(ROOT).parts
            if "tests" in parts or "target" in parts:
                continue
            lines = path.read_text().splitlines()
            end = next((i for i, line in enumerate(lines) if line == "mod tests {"), len(lines))
            yield path, lines[:end]


def figures():
    """The figures of BEFORE, of the sources as they are."""
    code, docs, vague, tuples, closures, widths, examples = 0, 0, 0, 0, 0, [], 0
    for path, lines in sources():
        fence = False
        for line in lines:
            text = line.strip()
            if re.match(r"//[/!]", text):
                docs += 1
                words = text[3:].split()
                vague += bool(words) and re.sub(r"\W.*", "", words[0]) in VAGUE
                if text[3:].strip().startswith("```"):
                    fence = not fence
                    examples += fence and path.is_relative_to(ROOT / "sdk/src")
            if not text:
                continue
            widths.append(len(line))
            if not text.startswith("//"):
                code += 1
                tuples += bool(re.match(r"let \(.*\) = \(.*,.*\)", text))
                closures += bool(re.match(r"let (mut )?\w+ = (move )?\|", text))
    widths.sort()
    beside = [p for p in (ROOT / "cli/src").glob("*.rs") if not p.with_suffix("").is_dir()]
    now = [
        str(len(beside)),
        f"{1000 * tuples / code:.1f}",
        f"{1000 * closures / code:.1f}",
        f"{widths[len(widths) * 9 // 10]}, {widths[len(widths) * 99 // 100]}",
        f"{100 * vague / docs:.1f} %",
        str(examples),
    ]
    return dict(zip(BEFORE, now, strict=True))


def main():
    rows = ["| | before | now |", "|---|---|---|"]
    rows += [f"| {name} | {BEFORE[name]} | {value} |" for name, value in figures().items()]
    path = ROOT / "ARCHITECTURE.md"
    text = path.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    new = "\n".join([head + BEGIN, "", *rows, "", END + tail])
    if "--check" in sys.argv[1:]:
        if new != text:
            sys.exit("ARCHITECTURE.md: the table of the house is old: python3 tests/house.py")
        return
    path.write_text(new)


main()
