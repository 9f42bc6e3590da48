#!/usr/bin/env bash
# Builds the runtime's wheel for 64-bit ARM, or takes the one that is named, imports it under qemu with Debian's Python, and compares
# embeddings, heads and golden vectors with those of this machine. Nothing is installed: packages of
# the other architecture are unpacked into a folder. Exit code 3, with a reason: something is not here.
#   test-arm.sh [--wheel WHEEL]
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR/../.. source=targets/toolchain.sh
. "$folder/../../targets/toolchain.sh"
triple=aarch64-unknown-linux-gnu
wheel=
if (($#)); then
    [[ $# == 2 && $1 == --wheel ]] || die 2 "usage: $0 [--wheel WHEEL]"
    [[ $2 == *_aarch64.whl && -f $2 ]] || die 2 "$2: no wheel for 64-bit ARM"
    wheel=$(realpath "$2")
fi
lacks() {
    echo "skipped: $1" >&2
    exit 3
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v qemu-aarch64 >/dev/null || lacks 'no qemu-aarch64 here; run targets/setup.sh'
if [[ ! $wheel ]]; then
    command -v aarch64-linux-gnu-gcc >/dev/null || lacks 'no aarch64-linux-gnu-gcc here; run targets/setup.sh'
    rustup_has $triple || lacks "rustup has no $triple here"
fi
python3 -m venv "$work/env" && "$work/env/bin/pip" install -q maturin numpy ||
    lacks 'no python3-venv, or no Python packages here'

# apt's lists and cache of its own, so that the system's stay as they are.
apt=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=root
    -o Dir::State::status=/dev/null)
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/root"
apt-get "${apt[@]}" update >/dev/null 2>&1 || true
version=$(apt-cache "${apt[@]}" depends python3-minimal 2>/dev/null |
    sed -n 's/.*Depends: python\(3\.[0-9]*\)-minimal.*/\1/p' | head -n 1)
[[ $version ]] || lacks 'no Debian packages for arm64 here'
(cd "$work/debs" && apt-get "${apt[@]}" download "python$version-minimal" "libpython$version-minimal" \
    "libpython$version-stdlib" libexpat1 zlib1g libc6 libgcc-s1 libstdc++6 libffi8 libssl3 >/dev/null 2>&1) ||
    lacks "no Python $version for arm64 here"
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/root"; done
"$work/env/bin/pip" download -q --no-deps --only-binary=:all: --platform manylinux2014_aarch64 \
    --platform manylinux_2_28_aarch64 --python-version "$version" -d "$work/numpy" numpy ||
    lacks 'no numpy for arm64 here'

if [[ ! $wheel ]]; then
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    wheel=$(MATURIN=$work/env/bin/maturin "$folder/build.sh" --runtime --dev --target $triple --out "$work/wheels")
fi
mkdir -p "$work/site"
for file in "$wheel" "$work"/numpy/*.whl; do
    python3 -m zipfile -e "$file" "$work/site"
done

# Python on ARM against Rust here.
cat >"$work/python" <<EOF
#!/bin/sh
PYTHONHOME=$work/root/usr PYTHONPATH=$work/site exec qemu-aarch64 -L "$work/root" "$work/root/usr/bin/python$version" -S "\$@"
EOF
chmod +x "$work/python"
"$root/tests/doors.sh" "python=$work/python"
