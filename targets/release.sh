#!/usr/bin/env bash
# Makes all that is downloaded, in one folder: targets/release.sh [--only PART,...] [--machine MACHINE,...] [OUT]
# PARTs, all if none is named:
#   command  the command for x86-64 and 64-bit ARM, with manual pages and completions
#   wheels   offshoot-sdk and offshoot-runtime for both, and the source distribution
#   board    the on-board program for 64-bit and 32-bit ARM, static, with both packages
#   c        liboffshoot for x86-64 and 64-bit ARM
#   page     the page that teaches from a webcam, and the npm package
#   deb      Debian packages of the command and of the on-board program
#   sbom     a list of all that is inside (CycloneDX)
# MACHINEs of the command, wheels and libraries are x86_64 and aarch64, both if none is named. OUT is
# target/release-VERSION if it is not named. The bytes are the same when the same commit is built
# again in the same folder. Programs need glibc 2.28 (Debian 10, Ubuntu 18.10, RHEL 8) or later; those for
# boards need none. From nothing it takes an hour of processor time, most of it for tract, twice.
# It installs into target/tools what it wants: zig as a linker for older systems, by pip; wasm-bindgen, by cargo.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

parts=command,wheels,board,c,page,deb,sbom
machines=(x86_64 aarch64)
out=
while (($#)); do
    case $1 in
    --only)
        (($# > 1)) || die 2 '--only needs names of parts, such as command,wheels'
        parts=$2
        shift
        ;;
    --machine)
        (($# > 1)) || die 2 '--machine needs x86_64, aarch64 or both, with a comma'
        IFS=, read -ra machines <<<"$2"
        shift
        ;;
    -h | --help)
        sed -n '2,15s/^# //p' "$0"
        exit
        ;;
    -*) die 2 "no option '$1'; there are --only and --machine" ;;
    *) out=$(realpath -m "$1") ;;
    esac
    shift
done
for part in ${parts//,/ }; do
    [[ ,command,wheels,board,c,page,deb,sbom, == *,$part,* ]] ||
        die 2 "no part '$part'; there are command, wheels, board, c, page, deb and sbom"
done
for machine in "${machines[@]}"; do
    [[ $machine == x86_64 || $machine == aarch64 ]] || die 2 "no machine '$machine'; there are x86_64 and aarch64"
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
# The commit's time is for what packs only: compilers would build all anew for it, tract too, after each commit.
unset SOURCE_DATE_EPOCH
epoch=$(git log -1 --format=%ct)
export CARGO_INCREMENTAL=0 TZ=UTC LC_ALL=C
umask 022
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$root=/offshoot --remap-path-prefix=$target=/target"
export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$target=/target -g0"
command -v cargo >/dev/null || die 2 'no cargo here; install Rust from https://rustup.rs'

# archive NAME: packs the folder $work/NAME.
archive() {
    tar -C "$work" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -cf - "$1" |
        gzip -9n >"$out/$1.tar.gz"
    echo "$out/$1.tar.gz  $(stat -c %s "$out/$1.tar.gz") bytes"
}

PATH=$tools/python/bin:$tools/bin:$PATH
if wants command || wants wheels || wants c || wants deb; then
    if [[ ! -x $tools/python/bin/cargo-zigbuild ]]; then
        python3 -m venv "$tools/python" || die 2 'no python3-venv here; apt-get install python3-venv'
        "$tools/python/bin/pip" install -q 'ziglang==0.17.1' 'cargo-zigbuild==0.24.1' 'auditwheel==6.8.2' 'zopfli==0.4.3'
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
    for machine in "${machines[@]}"; do
        old_glibc $machine-unknown-linux-gnu build -p offshoot-cli -p offshoot-python \
            --features offshoot-python/convert --lib --bin offshoot
    done
    # Pages and completions are the same for all machines.
    command=("$target/$(uname -m)-unknown-linux-gnu/dist/offshoot")
    if [[ ! -x ${command[0]} ]]; then
        have qemu-aarch64 qemu-user
        command=(qemu-aarch64 -L /usr/aarch64-linux-gnu "$target/aarch64-unknown-linux-gnu/dist/offshoot")
    fi
    "${command[@]}" manual "$work/man" >/dev/null
    mkdir "$work/completions"
    for shell in bash zsh fish; do "${command[@]}" completions $shell >"$work/completions/offshoot.$shell"; done
    gzip -9n "$work"/man/*
fi

if wants command; then
    for machine in "${machines[@]}"; do
        name=offshoot-$version-$machine-linux
        mkdir -p "$work/$name/man"
        install -m 755 "$target/$machine-unknown-linux-gnu/dist/offshoot" "$work/$name/"
        cp "$work"/man/* "$work/$name/man/"
        cp -R "$work/completions" README.md LICENSE-MIT LICENSE-APACHE NOTICE "$work/$name/"
        archive "$name"
    done
fi

if wants wheels; then
    for machine in "${machines[@]}"; do
        triple=$machine-unknown-linux-gnu
        tag=manylinux_${glibc/./_}_$machine
        # By the Python of the tools, which comes first on PATH: it has zopfli.
        python3 sdk/python/pack.py --platform "$tag" "$target/$triple/dist/lib_offshoot.so" "$out"
        # Other features of the same crates: a folder of its own, or each would rebuild the other's.
        CARGO_TARGET_DIR=$target/runtime old_glibc $triple build -p offshoot-python --lib
        python3 sdk/python/pack.py --runtime --platform "$tag" "$target/runtime/$triple/dist/lib_offshoot.so" "$out"
    done
    sdk/python/sdist.py "$out"
    # By its symbols, not by its name.
    for wheel in "$out"/offshoot_*"manylinux_${glibc/./_}"_*.whl; do
        auditwheel show "$wheel" | tr '\n' ' ' | grep -q "manylinux_2_[0-9]*_" || die 1 "$wheel: no manylinux wheel"
        most=13500000
        [[ $wheel != */offshoot_runtime* ]] || most=2000000
        (($(stat -c %s "$wheel") <= most)) || die 1 "$wheel: $(stat -c %s "$wheel") bytes; at most $most are promised"
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
        cp models/{sharp/sharp,sprout/sprout,speech/speech}.offshoot models/speech/speech.head LICENSE-MIT LICENSE-APACHE NOTICE "$work/$name/"
        cp targets/README.md "$work/$name/README.md"
        archive "$name"
    done
fi

if wants c; then
    for machine in "${machines[@]}"; do
        name=liboffshoot-$version-$machine-linux
        CARGO_TARGET_DIR=$target/c sdk/c/install.sh --target $machine-unknown-linux-gnu --glibc $glibc "$work/$name"
        archive "$name"
    done
fi

if wants page; then
    wasm_bindgen=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
    [[ -x $tools/bin/wasm-bindgen && $("$tools/bin/wasm-bindgen" --version) == "wasm-bindgen $wasm_bindgen" ]] ||
        RUSTFLAGS='' cargo install -q --locked --debug --force --root "$tools" wasm-bindgen-cli --version "$wasm_bindgen"
    rustup_has wasm32-unknown-unknown || die 2 'rustup has no wasm32-unknown-unknown here'
    CFLAGS='' sdk/wasm/build.sh "$work/offshoot-npm-$version"
    OFFSHOOT_NPM=$work/offshoot-npm-$version sdk/wasm/page.sh "$work/offshoot-page-$version"
    archive "offshoot-npm-$version"
    archive "offshoot-page-$version"
fi

# documented TREE NAME FILE...: what every Debian package says of itself.
documented() {
    local folder=$1/usr/share/doc/$2
    mkdir -p "$folder"
    cat LICENSE-MIT NOTICE >"$folder/copyright"
    install -m 644 "${@:3}" "$folder/"
}
if wants deb; then
    for machine in "${machines[@]}"; do
        tree=$work/deb-$machine
        share=$tree/usr/share
        mkdir -p "$tree/usr/bin" "$share"/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
        install -m 755 "$target/$machine-unknown-linux-gnu/dist/offshoot" "$tree/usr/bin/"
        cp "$work"/man/* "$share/man/man1/"
        cp "$work/completions/offshoot.bash" "$share/bash-completion/completions/offshoot"
        cp "$work/completions/offshoot.zsh" "$share/zsh/vendor-completions/_offshoot"
        cp "$work/completions/offshoot.fish" "$share/fish/vendor_completions.d/"
        documented "$tree" offshoot README.md
        architecture=${machine/x86_64/amd64}
        SOURCE_DATE_EPOCH=$epoch targets/deb.sh cli/debian "${architecture/aarch64/arm64}" "$version" "$tree" "$out"
    done
    for triple in "${triples[@]}"; do
        tree=$work/deb-board-${triple%%-*}
        mkdir -p "$tree/usr/bin" "$tree/usr/share/offshoot" "$tree/etc/default" "$tree/usr/lib/systemd/system"
        install -m 755 "$(board_program "$triple")" "$tree/usr/bin/offshoot-board"
        cp models/{sharp/sharp,sprout/sprout,speech/speech}.offshoot models/speech/speech.head "$tree/usr/share/offshoot/"
        cp targets/board/debian/default "$tree/etc/default/offshoot-board"
        cp targets/board/debian/service "$tree/usr/lib/systemd/system/offshoot-board.service"
        documented "$tree" offshoot-board targets/README.md
        architecture=${triple%%-*}
        architecture=${architecture/aarch64/arm64}
        SOURCE_DATE_EPOCH=$epoch targets/deb.sh targets/board/debian "${architecture/armv7/armhf}" "$version" "$tree" "$out"
    done
fi

if wants sbom; then
    SOURCE_DATE_EPOCH=$epoch targets/sbom.py "$out"
fi

(cd "$out" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
cat "$out/SHA256SUMS"
