#!/usr/bin/env bash
# Makes all that is downloaded, in one folder: targets/release.sh [--only PART,...] [OUT]
# PARTs, all if none is named:
#   command  the command for x86-64 and 64-bit ARM, with manual pages and completions
#   wheels   offshoot-sdk and offshoot-runtime for both
#   board    the on-board program for 64-bit and 32-bit ARM, static, with both packages
#   c        liboffshoot for x86-64 and 64-bit ARM
#   page     the page that teaches from a webcam, and the npm package
#   deb      Debian packages of the command and of the on-board program
#   sbom     a list of all that is inside (CycloneDX)
# OUT is target/release-VERSION if it is not named. The bytes are the same when the same commit is built
# again in the same folder. Programs need glibc 2.28 (Debian 10, Ubuntu 18.10, RHEL 8) or later; those for
# boards need none. From nothing it takes an hour of processor time, most of it for tract, twice.
# It installs into target/tools what it wants: zig as a linker for older systems, by pip; cargo-deb,
# cargo-cyclonedx and wasm-bindgen, by cargo.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

parts=command,wheels,board,c,page,deb,sbom
out=
while (($#)); do
    case $1 in
    --only)
        (($# > 1)) || die 2 '--only needs names of parts, such as command,wheels'
        parts=$2
        shift
        ;;
    -h | --help)
        sed -n '2,17s/^# //p' "$0"
        exit
        ;;
    -*) die 2 "no option '$1'; there is --only" ;;
    *) out=$(realpath -m "$1") ;;
    esac
    shift
done
for part in ${parts//,/ }; do
    [[ ,command,wheels,board,c,page,deb,sbom, == *,$part,* ]] ||
        die 2 "no part '$part'; there are command, wheels, board, c, page, deb and sbom"
done
wants() { [[ ,$parts, == *,$1,* ]]; }

cd "$root"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
glibc=2.28
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=${out:-$target/release-$version}
tools=$target/tools
mkdir -p "$out" "$tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Nothing of this machine, user or hour goes in.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH CARGO_INCREMENTAL=0 TZ=UTC LC_ALL=C
umask 022
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$root=/offshoot"
export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$target=/target -g0"
command -v cargo >/dev/null || die 2 'no cargo here; install Rust from https://rustup.rs'

# archive NAME: packs the folder $work/NAME.
archive() {
    tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$1" |
        gzip -9n >"$out/$1.tar.gz"
    echo "$out/$1.tar.gz  $(stat -c %s "$out/$1.tar.gz") bytes"
}

# crate_tool PROGRAM CRATE [VERSION]: a program of crates.io, kept in $tools.
crate_tool() {
    [[ -x $tools/bin/$1 ]] || RUSTFLAGS='' cargo install -q --locked --debug --root "$tools" "$2" ${3:+--version "$3"}
}

PATH=$tools/python/bin:$tools/bin:$PATH
if wants command || wants wheels || wants c || wants deb; then
    if [[ ! -x $tools/python/bin/cargo-zigbuild ]]; then
        python3 -m venv "$tools/python" || die 2 'no python3-venv here; apt-get install python3-venv'
        "$tools/python/bin/pip" install -q 'ziglang==0.17.1' 'cargo-zigbuild==0.24.1' 'auditwheel==6.8.2'
    fi
fi

# old_glibc TRIPLE SUBCOMMAND ARGUMENTS...: cargo, for systems as old as $glibc.
old_glibc() {
    local triple=$1 subcommand=$2
    shift 2
    rustup_has "$triple" || die 2 "rustup has no $triple here"
    # The stable ABI of Python is the same for all: no interpreter is asked.
    PYO3_NO_PYTHON=1 cargo-zigbuild "$subcommand" --locked --profile dist --target "$triple.$glibc" "$@"
}

# The command and the module for Python together, so that tract is compiled once for both.
if wants command || wants wheels || wants deb; then
    for machine in x86_64 aarch64; do
        old_glibc $machine-unknown-linux-gnu build -p offshoot-cli -p offshoot-python \
            --features offshoot-python/convert --lib --bin offshoot
    done
    # Pages and completions are the same for all machines.
    command=$target/$(uname -m)-unknown-linux-gnu/dist/offshoot
    "$command" manual "$work/man" >/dev/null
    mkdir "$work/completions"
    for shell in bash zsh fish; do "$command" completions $shell >"$work/completions/offshoot.$shell"; done
    gzip -9n "$work"/man/*
fi

if wants command; then
    for machine in x86_64 aarch64; do
        name=offshoot-$version-$machine-linux
        mkdir -p "$work/$name/man"
        install -m 755 "$target/$machine-unknown-linux-gnu/dist/offshoot" "$work/$name/"
        cp "$work"/man/* "$work/$name/man/"
        cp -R "$work/completions" README.md LICENSE-MIT LICENSE-APACHE NOTICE "$work/$name/"
        archive "$name"
    done
fi

if wants wheels; then
    for machine in x86_64 aarch64; do
        triple=$machine-unknown-linux-gnu
        tag=manylinux_${glibc/./_}_$machine
        sdk/python/pack.py --platform "$tag" "$target/$triple/dist/lib_offshoot.so" "$out"
        # Other features of the same crates: a folder of its own, or each would rebuild the other's.
        CARGO_TARGET_DIR=$target/runtime old_glibc $triple build -p offshoot-python --lib
        sdk/python/pack.py --runtime --platform "$tag" "$target/runtime/$triple/dist/lib_offshoot.so" "$out"
    done
    # By its symbols, not by its name.
    for wheel in "$out"/offshoot_*"manylinux_${glibc/./_}"_*.whl; do
        auditwheel show "$wheel" | tr '\n' ' ' | grep -q "manylinux_2_[0-9]*_" || die 1 "$wheel: no manylinux wheel"
    done
fi

if wants board || wants deb; then
    for triple in "${triples[@]}"; do
        # Debian's linker knows no flags for zig.
        (unset CFLAGS && targets/build.sh "$triple" --static)
    done
fi
# board_program TRIPLE: what build.sh has made.
board_program() {
    local musl=${1/linux-gnu/linux-musl} folder
    for folder in "target-arm-static/$musl" "target-arm-static/$1"; do
        [[ ! -f $folder/board/offshoot-board ]] || { echo "$folder/board/offshoot-board"; return; }
    done
    die 1 "no on-board program for $1"
}
if wants board; then
    for triple in "${triples[@]}"; do
        name=offshoot-board-$version-${triple%%-*}-linux
        mkdir "$work/$name"
        install -m 755 "$(board_program "$triple")" "$work/$name/offshoot-board"
        cp models/sharp/sharp.offshoot models/sprout/sprout.offshoot LICENSE-MIT LICENSE-APACHE NOTICE "$work/$name/"
        cp targets/README.md "$work/$name/README.md"
        archive "$name"
    done
fi

if wants c; then
    for machine in x86_64 aarch64; do
        name=liboffshoot-$version-$machine-linux
        CARGO_TARGET_DIR=$target/c sdk/c/install.sh --target $machine-unknown-linux-gnu --glibc $glibc "$work/$name"
        archive "$name"
    done
fi

if wants page; then
    wasm_bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
    crate_tool wasm-bindgen wasm-bindgen-cli "$wasm_bindgen"
    rustup_has wasm32-unknown-unknown || die 2 'rustup has no wasm32-unknown-unknown here'
    CFLAGS='' sdk/wasm/build.sh "$work/offshoot-npm-$version"
    OFFSHOOT_NPM=$work/offshoot-npm-$version sdk/wasm/page.sh "$work/offshoot-page-$version"
    archive "offshoot-npm-$version"
    archive "offshoot-page-$version"
fi

if wants deb; then
    crate_tool cargo-deb cargo-deb
    # Read by the manifests: `package.metadata.deb`.
    mkdir -p "$target/deb"
    cp -R "$work/man" "$work/completions" "$target/deb/"
    for machine in x86_64 aarch64; do
        cargo deb -q -p offshoot-cli --no-build --no-strip --profile dist --target $machine-unknown-linux-gnu --output "$out"
    done
    for triple in "${triples[@]}"; do
        cp "$(board_program "$triple")" "$target/deb/offshoot-board"
        cargo deb -q -p offshoot-board --no-build --no-strip --target "$triple" --output "$out"
    done
fi

if wants sbom; then
    crate_tool cargo-cyclonedx cargo-cyclonedx
    for crate in cli targets/board sdk/c sdk/python sdk/wasm; do
        name=$(sed -n 's/^name = "\(offshoot[^"]*\)"$/\1/p' "$crate/Cargo.toml" | head -n 1)
        cargo cyclonedx -q --manifest-path "$crate/Cargo.toml" --format json --override-filename sbom --target all
        mv "$crate/sbom.json" "$out/$name-$version.cdx.json"
    done
    find . -name sbom.json -not -path './target*' -delete
fi

(cd "$out" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
cat "$out/SHA256SUMS"
