#!/usr/bin/env bash
# Builds a wheel and prints its path: offshoot-sdk, or by --runtime offshoot-runtime, without the converter.
#   build.sh [--runtime] [--dev] [--target TRIPLE] [--out DIR]
# By --dev in the profile of the tests. Wants maturin: MATURIN names it, or it is on PATH.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
root=$folder/../..
runtime=
out=
arguments=(--locked)
while (($#)); do
    case $1 in
    --runtime) runtime=1 ;;
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
# Absolute: maturin runs in a folder of its own.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A folder with copies: maturin packs what lies in the project's own, and follows no links out of it.
project=$work/project
mkdir "$project"
cp -RL "$folder"/{python,README.md,LICENSE-MIT,LICENSE-APACHE,NOTICE} "$project"
find "$project" -name __pycache__ -prune -exec rm -rf {} +
if [[ ! $runtime ]]; then
    mkdir "$project/python/offshoot/packages"
    cp "$root"/models/{sprout/sprout,speech/speech}.offshoot "$project/python/offshoot/packages/"
fi
edit=(-e "s#^python-source = .*#&\nmanifest-path = \"$folder/Cargo.toml\"#")
if [[ $runtime ]]; then
    edit+=(-e 's/^name = "offshoot-sdk"$/name = "offshoot-runtime"/' -e '/^features = /d'
        -e 's/, and the converter"$/"/')
fi
sed "${edit[@]}" "$folder/pyproject.toml" >"$project/pyproject.toml"

# No interpreter is asked: the stable ABI is the same for all. `linux`: what the wheel may run on is
# stated by who publishes it, by maturin in a manylinux container.
touch "$work/before"
cd "$project"
PYO3_NO_PYTHON=1 "$maturin" build "${arguments[@]}" --compatibility "${COMPATIBILITY:-linux}" --out "$out" >&2
find "$out" -name '*.whl' -newer "$work/before" | head -n 1
