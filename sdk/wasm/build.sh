#!/usr/bin/env bash
# Makes the npm package `offshoot` from this crate: sdk/wasm/build.sh [OUT]
# Wants rustup's target wasm32-unknown-unknown and wasm-bindgen's tool in the version of Cargo.lock:
#   rustup target add wasm32-unknown-unknown
#   cargo install wasm-bindgen-cli --version VERSION
# wasm-opt (npm's or Debian's binaryen) makes the module smaller; without it the package is whole, too.
set -euo pipefail
# From where it was called, if it is named.
out=${1:+$(realpath -m "$1")}
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
out=${out:-$(realpath -m "$target/npm")}

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
tool=$(command -v wasm-bindgen || true)
if [[ -z $tool || $("$tool" --version) != "wasm-bindgen $version" ]]; then
    echo "error: no wasm-bindgen $version on the path; cargo install wasm-bindgen-cli --version $version" >&2
    exit 3
fi
if ! rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then
    echo 'error: no target wasm32-unknown-unknown; rustup target add wasm32-unknown-unknown' >&2
    exit 3
fi

# Every browser of today has these instructions: Chrome 96, Firefox 89, Safari 16.4, Node 18.
RUSTFLAGS="-C target-feature=+simd128 ${RUSTFLAGS:-}" \
    cargo build --locked -p offshoot-wasm --target wasm32-unknown-unknown --profile wasm
rm -rf "$out"
"$tool" --target web --remove-name-section --remove-producers-section --out-dir "$out" --out-name offshoot \
    "$target/wasm32-unknown-unknown/wasm/offshoot_wasm.wasm"
if command -v wasm-opt >/dev/null; then
    wasm-opt -O3 --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext \
        --enable-mutable-globals --enable-reference-types --enable-multivalue \
        "$out/offshoot_bg.wasm" -o "$out/small.wasm"
    mv "$out/small.wasm" "$out/offshoot_bg.wasm"
else
    echo 'without wasm-opt: npm install --global binaryen makes the module smaller' >&2
fi
crate_version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
sed "s/VERSION/$crate_version/" sdk/wasm/npm/package.json >"$out/package.json"
cp sdk/wasm/npm/node.js sdk/wasm/npm/node.d.ts sdk/wasm/README.md LICENSE-APACHE LICENSE-MIT NOTICE "$out/"
printf '%s: module %d bytes, %d as gzip\n' "$out" "$(stat -c %s "$out/offshoot_bg.wasm")" "$(gzip -9c "$out/offshoot_bg.wasm" | wc -c)"
