#!/usr/bin/env bash
# Builds a wheel and prints its path: offshoot, or by --runtime offshoot-runtime, without the converter.
#   build.sh [--runtime] [--dev] [--target TRIPLE] [--out DIR]
# By --dev in the profile of the tests. Wants maturin: MATURIN names it, or it is on PATH.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
root=$folder/../..
project=$folder
out=
arguments=(--locked)
while (($#)); do
    case $1 in
    --runtime) project=$folder/runtime ;;
    --dev) arguments+=(--profile dev) ;;
    --target) arguments+=(--target "$2"); shift ;;
    --out) out=$2; shift ;;
    *) echo "error: no option '$1'; there are --runtime, --dev, --target and --out" >&2; exit 2 ;;
    esac
    shift
done
maturin=${MATURIN:-maturin}
if ! command -v "$maturin" >/dev/null; then
    echo "error: no maturin here; pip install maturin, or name it by MATURIN" >&2
    exit 3
fi
: "${out:=${CARGO_TARGET_DIR:-$root/target}/wheels}"
mkdir -p "$out"
before=$(mktemp)
trap 'rm -f "$before"' EXIT
# No interpreter is asked: the stable ABI is the same for all. `linux`: what the wheel may run on is
# stated by who publishes it, by maturin in a manylinux container.
cd "$project"
PYO3_NO_PYTHON=1 "$maturin" build "${arguments[@]}" --compatibility "${COMPATIBILITY:-linux}" --out "$out" >&2
find "$out" -name '*.whl' -newer "$before" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-
