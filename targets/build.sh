#!/usr/bin/env bash
# Builds the on-board program and prints its path and size.
#   targets/build.sh [--board NAME | TRIPLE] [--features FEATURES] [--static] [--small]
# NAME is a file of targets/boards; the default triple is aarch64-unknown-linux-gnu.
# --static links the C library in, for systems with an older one than this machine: musl where rustup
# has it, else glibc.
# --small leaves out what makes it a device: camera, buttons, screen, page (`run` and `doctor`).
# OFFSHOOT_NO_RUSTUP=1 builds with Debian's compiler even where rustup has the target.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

triple=aarch64-unknown-linux-gnu
features=()
static=
small=
while (($#)); do
    case $1 in
    --board)
        profile=$root/targets/boards/${2:-}.toml
        [[ -f $profile ]] || die 2 "no board '${2:-}'; there are $(cd "$root/targets/boards" && echo *.toml | sed 's/\.toml//g')"
        triple=$(sed -n 's/^triple = "\(.*\)"$/\1/p' "$profile")
        shift
        ;;
    --features)
        (($# > 1)) || die 2 '--features needs a list'
        features=(--features "$2")
        shift
        ;;
    --static) static=1 ;;
    --small) small=1 ;;
    -h | --help)
        sed -n '2,8s/^# //p' "$0"
        exit
        ;;
    -*) die 2 "no option '$1'; there are --board, --features, --static and --small" ;;
    *) triple=$1 ;;
    esac
    shift
done

musl=${triple/linux-gnu/linux-musl}
if [[ $static ]] && rustup_has "$musl"; then
    # A third of the size of glibc, and no part of it is looked for at run time.
    triple=$musl
    # What became the same instructions is kept once: no part compares the addresses of functions.
    export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=--icf=all"
fi
prepare "$triple"
if [[ $static ]]; then
    # A folder of its own: other flags would rebuild everything in turns.
    export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
    target_dir+=-static
fi
if [[ $small ]]; then
    features+=(--no-default-features --features small)
    # There is no screen to paint a panic on, and nothing to unwind.
    export CARGO_PROFILE_BOARD_PANIC=abort
    export RUSTFLAGS="${RUSTFLAGS:-} -C force-unwind-tables=no"
    # Heads learn in milliseconds all the same, and kernels are written in vectors: an extraction takes some 4 % longer.
    features+=(--config 'profile.board.package.offshoot-core.opt-level="s"')
    features+=(--config 'profile.board.package.offshoot-engine.opt-level="s"')
fi
if [[ ${features[*]} == *tract* ]]; then
    # tract under fat LTO takes a quarter of an hour and more memory than small machines have.
    export CARGO_PROFILE_BOARD_LTO=off CARGO_PROFILE_BOARD_CODEGEN_UNITS=16
fi
cd "$root"
cross "$triple" build --profile board -p offshoot-board "${features[@]}"
program=$target_dir/$triple/board/offshoot-board
echo "$program  $(stat -c %s "$program") bytes  ($way)"
