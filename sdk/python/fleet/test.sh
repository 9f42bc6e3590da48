#!/usr/bin/env bash
# Tests offshoot-fleet on Flower's simulation, and offshoot.ray and offshoot.parquet on Ray, in a fresh environment.
# Exit code 3, with a reason: what it wants is not here.
#   test.sh [--module lib_offshoot.so] [--python PYTHON] [PYTEST ARGUMENTS]
# --module: what cargo has built already; else the module is built, without the converter.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$folder/../../.." && pwd)
python=python3
module=
while (($#)); do
    case $1 in
    --module) module=$2; shift ;;
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
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || lacks 'Flower wants Python 3.11 to 3.14'
"$python" -m venv "$work/env" || lacks 'no environment could be made'
env=$work/env/bin
# One version: the simulation is not part of Flower's stable interface.
"$env/pip" install -q --no-compile 'flwr[simulation]==1.42.0' 'ray[data]' pyarrow numpy pillow scikit-learn pytest mypy hatchling ||
    lacks 'no Flower and Ray from PyPI for this Python'

if [[ -z $module ]]; then
    target=${CARGO_TARGET_DIR:-$root/target}
    PYO3_NO_PYTHON=1 cargo build -q --manifest-path "$root/Cargo.toml" -p offshoot-python --lib
    module=$target/debug/lib_offshoot.so
fi
wheel=$("$env/python" "$folder/../pack.py" "$module" "$work/wheels")
# Outside the repository: the build back end leaves nothing behind there.
cp -RL "$folder" "$work/fleet"
"$env/pip" install -q --no-deps --no-build-isolation "$wheel" "$work/fleet"

# Nothing is sent to Flower's or Ray's makers.
export FLWR_TELEMETRY_ENABLED=0 RAY_USAGE_STATS_ENABLED=0
cd "$work"
"$env/python" -m pytest -q -p no:cacheprovider "$folder/tests" "$@"
tests=$folder/../tests
"$env/python" -m pytest -q -p no:cacheprovider "$tests/test_ray.py" "$tests/test_parquet.py" "$@"
# Those that want pyarrow, which the module's own test.sh does not install.
"$env/python" -m pytest -q -p no:cacheprovider "$tests/test_docs.py" -k 'examples or readme'
