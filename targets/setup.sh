#!/usr/bin/env bash
# Installs from Debian bookworm what build.sh and test-arm.sh need and what is not there yet.
#   targets/setup.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

need=(qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross)
for triple in "${triples[@]}"; do
    if ! rustup_has "$triple"; then
        # Debian's second Rust: compiler and the sources of exactly its standard library.
        need+=(rustc-web cargo-web rust-web-src)
        break
    fi
done

missing=()
for package in "${need[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    echo 'nothing to install'
    exit
fi
as_root=()
((EUID == 0)) || as_root=(sudo)
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
