#!/usr/bin/env bash
# Compares packages as extractors of a device that is taught and writes the table of models/README.md. From the root:
#   models/compare.sh EFFICIENTNET_LITE0.onnx
# The model is what models/sharp/make.py writes. Wants the photographs and MobileNetV2 of ../shared, and for the
# instructions on ARM what targets/setup.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# == 1)) || { echo 'usage: models/compare.sh EFFICIENTNET_LITE0.onnx' >&2; exit 2; }
shared=../shared
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { cargo run --quiet --release -p offshoot-cli "$@"; }
package() {
    run --bin offshoot -- convert "$1" --calibrate "$shared/data/imagenet-sample" -o "$work/$2.offshoot" >&2
}
package "$1" efficientnet_lite0
package "$shared/models/real/mobilenet_v2_1.0_224.onnx" mobilenet_v2
cp models/sprout/sprout.offshoot "$work"

packages=("$work"/{sprout,mobilenet_v2,efficientnet_lite0}.offshoot)
run --example extractors -- "$shared/data" "${packages[@]}" >"$work/quality"
targets/count-extractors.sh "${packages[@]}" >"$work/counts"

# A row's name, then its counts in millions in the order of the processors.
while IFS= read -r row; do
    name=$(cut -d '|' -f 2 <<<"$row" | tr -d ' ')
    counts=$(sed -n "s/^$name.offshoot  *[^ ]*  *\([0-9.]*\) M$/ \1 |/p" "$work/counts" | tr -d '\n')
    printf '%s%s\n' "$row" "$counts"
done <"$work/quality" >"$work/rows"
cat "$work/rows"
{
    sed '/^<!-- extractors -->$/q' models/README.md
    cat <<'HEAD'
| package | bytes | M MACs | arena | animals4 | hymenoptera | cifar10-mini | simulated | unknown, 1 class | 2 classes | cortex-a53 | a72 | a76 |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
HEAD
    cat "$work/rows"
    sed -n '/^<!-- end of extractors -->$/,$p' models/README.md
} >"$work/README.md"
cp "$work/README.md" models/README.md
