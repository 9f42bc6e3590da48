#!/usr/bin/env bash
# Tests a wheel in a fresh environment: the runtime's; by --convert the converter's, of what the workspace has
# built; by --sdist the one that pip makes of the source distribution. Exit code 3, with a reason: what it wants
# is not here.
#   test.sh [--convert | --sdist] [--python PYTHON] [PYTEST ARGUMENTS]
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
root=$folder/../..
python=python3
convert=
sdist=
while (($#)); do
    case $1 in
    --convert) convert=1 ;;
    --sdist) sdist=1 ;;
    --python) python=$2; shift ;;
    *) break ;;
    esac
    shift
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lacks() {
    echo "skipped: $1" >&2
    exit 3
}
"$python" -c 'import venv, ensurepip' 2>/dev/null || lacks 'no python3-venv here'
"$python" -m venv "$work/env" || lacks 'no environment could be made'
env=$work/env/bin
"$env/pip" install -q maturin numpy pytest pillow 'scikit-learn>=1.6' mypy nbclient nbformat ipykernel ||
    lacks 'no Python packages here'

target=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TARGET_DIR=$target

tested() {
    "$env/pip" install -q --force-reinstall --no-deps "$1"
    # Not from the folder of the sources, which have no compiled module.
    (cd "$work" && "$env/python" -m pytest -q -p no:cacheprovider "$folder/tests" "${@:2}")
    "$root/tests/doors.sh" "python=$env/python"
}

if [[ $convert ]]; then
    # With the features of all, so that no crate but PyO3's is compiled for this.
    PYO3_NO_PYTHON=1 cargo build -q --manifest-path "$root/Cargo.toml" --workspace --lib --tests \
        --features offshoot-python/convert
    wheel=$("$folder/pack.py" "$target/debug/lib_offshoot.so" "$work/wheels")
elif [[ $sdist ]]; then
    sources=$("$folder/sdist.py" "$work/sources")
    # In the profile of the tests; `locked` of the project file stays. Otherwise all is as for `pip install`.
    MATURIN_PEP517_ARGS='--profile dev' "$env/pip" wheel -q --no-build-isolation --no-deps -w "$work/wheels" "$sources"
    wheel=$(find "$work/wheels" -name '*.whl')
else
    wheel=$(MATURIN=$env/maturin "$folder/build.sh" --runtime --dev --out "$work/wheels")
fi
tested "$wheel" "$@"
