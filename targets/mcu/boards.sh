# Emulated boards, for the scripts of this folder: source it.
# shellcheck shell=bash
mcu=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$mcu/../.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target-arm}/mcu

# skip REASON: nothing to do here.
skip() {
    echo "skipped: $1"
    exit 3
}

# describe CPU: sets its triple, QEMU's machine and the compiler's flags.
describe() {
    cpu=$1
    flags="-C target-cpu=$1"
    case $1 in
    cortex-m4) triple=thumbv7em-none-eabihf machine=mps2-an386 ;;
    cortex-m7) triple=thumbv7em-none-eabihf machine=mps2-an500 ;;
    cortex-m33) triple=thumbv8m.main-none-eabihf machine=mps2-an505 ;;
    # LLVM of Rust 1.95 ends with "Cannot select" where it vectorizes comparisons of floats.
    cortex-m55) triple=thumbv8m.main-none-eabihf machine=mps3-an547 flags+=' -C target-feature=-mve.fp' ;;
    *)
        echo "error: no processor '$1'; there are cortex-m4, cortex-m7, cortex-m33, cortex-m55" >&2
        exit 2
        ;;
    esac
}

# build PROGRAM: builds it for the processor and sets `firmware`.
build() {
    command -v qemu-system-arm >/dev/null ||
        skip 'microcontrollers: no qemu-system-arm here; apt-get install qemu-system-arm'
    rustup target add "$triple" >/dev/null 2>&1 || skip "microcontrollers: rustup has no $triple here"
    (
        cd "$mcu/qemu"
        RUSTFLAGS=$flags cargo build --quiet --locked --release --bin "$1" --target "$triple" --target-dir "$target_dir"
    )
    firmware=$target_dir/$triple/release/$1
}

# run: runs the firmware; instructions take a nanosecond each, so that the timer counts them.
run() {
    timeout 120 qemu-system-arm -M "$machine" -cpu "$cpu" -icount shift=0 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$firmware"
}
