#!/usr/bin/env bash
# Converts models on this machine, and with the tool built for 64-bit ARM under QEMU, and fails where the
# packages differ in a byte.
#   targets/same-bytes.sh                          # sprout, and ../shared's small networks where they are
#   targets/same-bytes.sh MODEL PICTURES [OPTIONS] # any model, with options of `offshoot convert`
# From nothing the tool for ARM takes a quarter of an hour of processor time; the two take half a minute more.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

triple=aarch64-unknown-linux-gnu
prepare "$triple"
have "$emulator" qemu-user
cd "$root"
cargo build --locked --release --bin offshoot
cross "$triple" build --release --bin offshoot
host=${CARGO_TARGET_DIR:-target}/release/offshoot
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# same MODEL PICTURES [OPTIONS]
same() {
    local name
    name=$(basename "$1" .onnx)
    "$host" convert "$1" --calibrate "${@:2}" -o "$work/here.offshoot" >/dev/null
    # QEMU starts no ARM program for one: the command does not start its child, but is it.
    "$emulator" -L "$sysroot" "$target_dir/$triple/release/offshoot" --inside $$ \
        convert "$1" --calibrate "${@:2}" -o "$work/there.offshoot" >/dev/null
    cmp "$work/here.offshoot" "$work/there.offshoot" || die 1 "$name: the packages differ"
    printf '%-24s the same %s bytes\n' "$name" "$(stat -c %s "$work/here.offshoot")"
}

if (($#)); then
    same "$@"
    exit
fi
same models/sprout/sprout.onnx docs/pictures
shared=$root/../shared
if [[ -d $shared ]]; then
    mkdir "$work/photographs"
    find "$shared/data/imagenet-sample" -name '*.jpg' | sort | head -n 8 | xargs cp -t "$work/photographs"
    same "$shared/models/real/mobilenet_v1_0.25_128.onnx" "$work/photographs"
    # Squeeze and excite, hard swish.
    same "$shared/models/real/ppocr_cls_mobilenet_v3.onnx" "$work/photographs" \
        --input-size 48x192 --preset raw
fi
