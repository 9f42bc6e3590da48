#!/usr/bin/env bash
# Makes the site, a folder of static pages: docs/book.sh OUT
# OUT/docs is the book of the pages that SUMMARY.md lists; OUT itself is the page that teaches from a webcam
# (sdk/wasm/page.sh; wants what that wants, or OFFSHOOT_NPM). Without it OUT leads to the book.
# Wants mdbook on the path (cargo install mdbook). Exit code 3, with a reason: it is not there.
# A link of a page that leads nowhere is an error.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[[ ${1:-} ]] || { echo 'error: no folder; docs/book.sh OUT' >&2; exit 2; }
out=$(realpath -m "$1")
command -v mdbook >/dev/null || { echo 'error: no mdbook here; cargo install mdbook' >&2; exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$out"
landing=
if OFFSHOOT_DOCS=docs/index.html "$root/sdk/wasm/page.sh" "$out"; then
    landing=1
else
    (($? == 3)) || exit 1
    echo 'skipped: the page that teaches from a webcam; the site begins with the book' >&2
    printf '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Offshoot</title>\n%s\n%s</html>\n' \
        '<meta http-equiv="refresh" content="0; url=docs/index.html">' '<a href="docs/index.html">Offshoot</a>' >"$out/index.html"
fi

# Pages keep their places, so that links among them hold; what they link to comes with them.
python3 - "$root" "$work/src" "$landing" <<'EOF'
import pathlib
import re
import shutil
import sys

root, work = map(pathlib.Path, sys.argv[1:3])
LINK = re.compile(r"\]\(([^)\s]+)\)")
IMAGE = re.compile(r'<img src="([^"]+)"')
summary = (root / "docs/SUMMARY.md").read_text()
pages = [(root / "docs" / link).resolve().relative_to(root) for link in LINK.findall(summary)]
for page in pages:
    text = (root / page).read_text()
    for link in LINK.findall(text) + IMAGE.findall(text):
        if link.startswith(("http", "#", "mailto:")):
            continue
        target = (root / page).parent / link.split("#")[0]
        if not target.exists():
            sys.exit(f"error: {page} links to {link}, which is not there")
        target = target.resolve().relative_to(root)
        # Other pages of the repository as they are, and no folders.
        if target not in pages and (root / target).is_file():
            copy = work / target
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / target, copy)
    copy = work / page
    copy.parent.mkdir(parents=True, exist_ok=True)
    if sys.argv[3] and page == pathlib.Path("README.md"):
        text = text.replace("\n\n", "\n\n**[Teach it from your webcam, in this browser](../index.html)**\n\n", 1)
    copy.write_text(text)
# Seen from the root, where the site begins.
lines = [LINK.sub(lambda m: f"]({(root / 'docs' / m[1]).resolve().relative_to(root)})", line) for line in summary.splitlines()]
(work / "SUMMARY.md").write_text("\n".join(lines) + "\n")
EOF
cat >"$work/book.toml" <<'EOF'
[book]
title = "Offshoot"
language = "en"
src = "src"

[output.html]
no-section-label = true
EOF
mdbook build "$work" --dest-dir "$out/docs" >/dev/null

# Links between pages, as they are in the site.
python3 - "$out" <<'EOF'
import html.parser
import pathlib
import sys
import urllib.parse

out = pathlib.Path(sys.argv[1])


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.names = [], set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.names.add(values.get("id"))
        if tag == "a" and values.get("href"):
            self.found.append(values["href"])
        if tag == "img" and values.get("src"):
            self.found.append(values["src"])


pages = {}
for path in out.rglob("*.html"):
    pages[path] = Links()
    pages[path].feed(path.read_text())
broken = []
for path, page in pages.items():
    if path.name in ("print.html", "toc.html", "404.html"):
        continue
    for link in page.found:
        parts = urllib.parse.urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            continue
        if not target.exists() or (parts.fragment and target in pages and parts.fragment not in pages[target].names):
            broken.append(f"{path.relative_to(out)}: {link}")
if broken:
    sys.exit("error: links that lead nowhere:\n" + "\n".join(broken))
print(f"{out}: {len(pages)} pages")
EOF
