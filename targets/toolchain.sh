# shellcheck shell=bash
# Sourced by setup.sh, build.sh and test-arm.sh: compiler, linker and emulator of a triple.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
triples=(aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf)

# die STATUS MESSAGE
die() {
    printf 'error: %s\n' "$2" >&2
    exit "$1"
}

# have PROGRAM, or stop and say which Debian packages bring it.
have() {
    command -v "$1" >/dev/null || die 2 "$1 is missing; run targets/setup.sh, or: apt-get install $2"
}

# Sets linker, linker_packages, emulator and sysroot for a triple.
describe() {
    case $1 in
    aarch64-unknown-linux-gnu)
        linker=aarch64-linux-gnu-gcc emulator=qemu-aarch64 sysroot=/usr/aarch64-linux-gnu
        linker_packages='gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
        ;;
    armv7-unknown-linux-gnueabihf | thumbv7neon-unknown-linux-gnueabihf)
        linker=arm-linux-gnueabihf-gcc emulator=qemu-arm sysroot=/usr/arm-linux-gnueabihf
        linker_packages='gcc-arm-linux-gnueabihf libc6-dev-armhf-cross'
        ;;
    # Static programs: rustup's standard library brings musl and its startup objects, rustc brings the linker.
    aarch64-unknown-linux-musl) linker=rust-lld emulator=qemu-aarch64 sysroot=/ ;;
    armv7-unknown-linux-musleabihf) linker=rust-lld emulator=qemu-arm sysroot=/ ;;
    *) die 2 "no triple '$1'; there are ${triples[*]}" ;;
    esac
}

# Whether rustup has the triple's standard library, or can fetch it.
rustup_has() {
    [[ -z ${OFFSHOOT_NO_RUSTUP:-} ]] && command -v rustup >/dev/null || return 1
    # Not `grep -q`: it would close the pipe while rustup still writes.
    rustup target list --installed 2>/dev/null | grep -x "$1" >/dev/null && return
    rustup target add "$1" >/dev/null 2>&1
}

# prepare TRIPLE: what `cross` needs is there, and `target_dir` is set. Compilers differ between
# the two ways, so each has its own folder.
prepare() {
    describe "$1"
    [[ $linker == rust-lld ]] || have "$linker" "$linker_packages"
    local name=${1//-/_}
    # In the environment, so that no .cargo/config is imposed on other builds.
    export "CARGO_TARGET_${name^^}_LINKER=$linker"
    export "CARGO_TARGET_${name^^}_RUNNER=$emulator -L $sysroot"
    if rustup_has "$1"; then
        way=rustup target_dir=$root/target-arm
    else
        have /usr/bin/cargo 'rustc-web cargo-web rust-web-src'
        way=build-std target_dir=$root/target-arm-std
    fi
    # Cameras on 32 bits: linuxvideo maps buffers by places of 64 bits. The bindings to glibc have them
    # under this name, which is theirs alone; times stay as they are, or nix would not compile.
    [[ $1 != armv7-*-gnu* ]] || export RUSTFLAGS="${RUSTFLAGS:-} --cfg=gnu_file_offset_bits64"
}

# cross TRIPLE SUBCOMMAND ARGS...: cargo for the triple, after `prepare TRIPLE`.
cross() {
    local triple=$1 subcommand=$2
    shift 2
    local place=(--locked --target "$triple" --target-dir "$target_dir")
    if [[ $way == rustup ]]; then
        cargo "$subcommand" "${place[@]}" "$@"
    else
        # Debian's compiler with the sources of its own standard library; -Z needs the bootstrap flag.
        PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            /usr/bin/cargo "$subcommand" "${place[@]}" -Zbuild-std=std,panic_unwind,panic_abort "$@"
    fi
}
