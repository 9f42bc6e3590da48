#!/usr/bin/env bash
# Makes a folder of static files, the page that teaches from a webcam: sdk/wasm/page.sh OUT [PACKAGE]
# PACKAGE is models/sprout/sprout.offshoot if none is given. OFFSHOOT_NPM names the folder that
# build.sh made; without it build.sh is run. OFFSHOOT_DOCS is the address of a documentation to link to.
# Serve OUT by https, or from localhost.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[[ ${1:-} ]] || { echo 'error: no folder; sdk/wasm/page.sh OUT [PACKAGE]' >&2; exit 2; }
out=$1
package=${2:-$here/../../models/sprout/sprout.offshoot}
[[ -f $package ]] || { echo "error: $package: no such package" >&2; exit 2; }
npm=${OFFSHOOT_NPM:-}
if [[ -z $npm ]]; then
    npm=$(mktemp -d)
    trap 'rm -rf "$npm"' EXIT
    "$here/build.sh" "$npm/offshoot"
    npm=$npm/offshoot
fi
board=$here/../../targets/device/src/web/page

mkdir -p "$out"
cp "$npm/offshoot.js" "$npm/offshoot_bg.wasm" "$board/page.js" "$board/points.js" "$board/icon.svg" \
    "$here/page/source.js" "$here/page/session.js" "$here/page/link.js" "$out/"
cp "$package" "$out/extractor.offshoot"
cat "$board/style.css" "$here/page/local.css" >"$out/style.css"
# Nothing but its own files, by whatever means; `wasm-unsafe-eval` is the right to compile a module.
policy="default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:"
policy+="; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'"
sed -e "s|<meta charset=\"utf-8\">|&\n  <meta http-equiv=\"Content-Security-Policy\" content=\"$policy\">\n  <meta name=\"referrer\" content=\"no-referrer\">|" \
    -e "/<details id=\"report\">/{
        r $here/page/local.html
        N
    }" \
    -e "/<noscript>/{
        r $here/page/dialog.html
        N
    }" \
    ${OFFSHOOT_DOCS:+-e "s|</h1>|&\n    <a class=\"docs\" href=\"$OFFSHOOT_DOCS\">Documentation</a>|"} \
    -e 's|all of which comes from the device itself|all of which comes from here|' \
    "$board/index.html" >"$out/index.html"
files=(index.html page.js points.js source.js session.js link.js offshoot.js offshoot_bg.wasm extractor.offshoot style.css icon.svg)
version=offshoot-$(cd "$out" && cat "${files[@]}" "$here/page/worker.js" | sha256sum | cut -c 1-16)
sed -e "s|@version@|$version|" -e "s|@files@|${files[*]}|" "$here/page/worker.js" >"$out/worker.js"
printf '%s: %d files, %d bytes\n' "$out" "$(find "$out" -maxdepth 1 -type f | wc -l)" "$(cat "$out"/* | wc -c)"
