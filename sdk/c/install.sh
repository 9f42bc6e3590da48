#!/usr/bin/env bash
# Builds liboffshoot and installs it with its headers, a CMake package and a pkg-config file.
#   sdk/c/install.sh [--target TRIPLE [--glibc VERSION]] [--features FEATURES] [--profile PROFILE] PREFIX
# TRIPLE is one of targets/setup.sh, such as aarch64-unknown-linux-gnu; the default is this machine.
# --glibc 2.28 builds for systems with that version or a later one, by cargo-zigbuild (pip install
# cargo-zigbuild ziglang).
# --features tract adds float packages; --profile is `board` (small and fast) if not given.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../targets/toolchain.sh
. "$(dirname "$0")/../../targets/toolchain.sh"

triple=
glibc=
profile=board
features=()
while (($# > 1)); do
    case $1 in
    --target) triple=$2 ;;
    --glibc) glibc=$2 ;;
    --features) features=(--features "$2") ;;
    --profile) profile=$2 ;;
    *) die 2 "no option '$1'; there are --target, --glibc, --features and --profile" ;;
    esac
    shift 2
done
[[ $# == 1 && $1 != -* ]] || die 2 "usage: $0 [--target TRIPLE [--glibc VERSION]] [--features FEATURES] [--profile PROFILE] PREFIX"
[[ -z $glibc || $triple ]] || die 2 '--glibc needs --target'
command -v cargo >/dev/null || die 2 "no cargo here; install Rust from https://rustup.rs"
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
cd "$root"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
# As cargo takes versions: 0.1.1 goes where 0.1.0 was, 0.2.0 does not.
major=${version%%.*}
[[ $major != 0 ]] || major=${version%.*}
soname=liboffshoot.so.$major

build=(-p offshoot-c --lib --profile "$profile" --crate-type 'cdylib,staticlib' "${features[@]}")
build+=(-- -C "link-arg=-Wl,-soname,$soname")
if [[ ${features[*]} == *tract* ]]; then
    # tract under fat LTO takes a quarter of an hour and more memory than small machines have.
    export CARGO_PROFILE_BOARD_LTO=off CARGO_PROFILE_BOARD_CODEGEN_UNITS=16
fi
if [[ $glibc ]]; then
    command -v cargo-zigbuild >/dev/null || die 2 'no cargo-zigbuild here; pip install cargo-zigbuild ziglang'
    rustup_has "$triple" || die 2 "rustup has no $triple here"
    cargo-zigbuild rustc --locked --target "$triple.$glibc" "${build[@]}"
    built=${CARGO_TARGET_DIR:-target}/$triple
elif [[ $triple ]]; then
    prepare "$triple"
    cross "$triple" rustc "${build[@]}"
    built=$target_dir/$triple
else
    cargo rustc --locked "${build[@]}"
    built=${CARGO_TARGET_DIR:-target}
fi
folder=$profile
[[ $profile != dev ]] || folder=debug
built+=/$folder

lib=$prefix/lib
mkdir -p "$prefix/include" "$prefix/share/offshoot" "$lib/pkgconfig" "$lib/cmake/Offshoot" "$prefix/share/doc/offshoot"
install -m 644 sdk/c/include/offshoot.h sdk/c/include/offshoot.hpp "$prefix/include"
install -m 644 "$built/liboffshoot_c.a" "$lib/liboffshoot.a"
install -m 755 "$built/liboffshoot_c.so" "$lib/liboffshoot.so.$version"
ln -sf "liboffshoot.so.$version" "$lib/$soname"
ln -sf "$soname" "$lib/liboffshoot.so"
for file in OffshootConfig.cmake OffshootConfigVersion.cmake offshoot.pc; do
    at=$lib/cmake/Offshoot
    [[ $file != *.pc ]] || at=$lib/pkgconfig
    sed "s/@VERSION@/$version/g; s/@SONAME@/$soname/g; s/@COMPATIBLE@/$major/g" "sdk/c/cmake/$file.in" >"$at/$file"
done
install -m 644 models/sprout/sprout.offshoot "$prefix/share/offshoot"
install -m 644 sdk/c/README.md LICENSE-MIT LICENSE-APACHE NOTICE "$prefix/share/doc/offshoot"
echo "$prefix: liboffshoot $version, $(stat -c %s "$lib/liboffshoot.so.$version") bytes"
