# Emulated boards, for the scripts of this folder: source it.
# shellcheck shell=bash
mcu=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$mcu/../.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target-arm}/mcu

# describe CPU: sets its triple, QEMU's program and machine, and the compiler's flags.
describe() {
    cpu=$1
    flags="-C target-cpu=$1"
    emulator=(qemu-system-arm -cpu "$1")
    case $1 in
    cortex-m4) triple=thumbv7em-none-eabihf machine=mps2-an386 ;;
    cortex-m7) triple=thumbv7em-none-eabihf machine=mps2-an500 ;;
    cortex-m33) triple=thumbv8m.main-none-eabihf machine=mps2-an505 ;;
    # LLVM of Rust 1.95 ends with "Cannot select" where it vectorizes comparisons of floats.
    cortex-m55) triple=thumbv8m.main-none-eabihf machine=mps3-an547 flags+=' -C target-feature=-mve.fp' ;;
    riscv32imac) triple=riscv32imac-unknown-none-elf machine=virt flags='' emulator=(qemu-system-riscv32 -bios none) ;;
    *)
        echo "error: no processor '$1'; there are cortex-m4, cortex-m7, cortex-m33, cortex-m55, riscv32imac" >&2
        exit 2
        ;;
    esac
}

# can_run: true if the processor can be built for and emulated here; says why not.
can_run() {
    if ! command -v "${emulator[0]}" >/dev/null; then
        echo "skipped: $cpu: no ${emulator[0]} here; apt-get install qemu-system-arm qemu-system-misc"
        return 1
    fi
    if ! rustup target add "$triple" >/dev/null 2>&1; then
        echo "skipped: $cpu: rustup has no $triple here"
        return 1
    fi
}

# build PROGRAM PROFILE: builds it for the processor and sets `firmware`.
build() {
    (
        cd "$mcu/qemu"
        RUSTFLAGS=$flags cargo build --quiet --locked --profile "$2" --bin "$1" --target "$triple" --target-dir "$target_dir"
    )
    firmware=$target_dir/$triple/$2/$1
}

# run: runs the firmware; instructions take a nanosecond each, so that the timer counts them.
run() {
    timeout 120 "${emulator[@]}" -M "$machine" -icount shift=0 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$firmware"
}
