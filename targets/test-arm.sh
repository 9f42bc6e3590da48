#!/usr/bin/env bash
# Runs the tests of core and engine, and on 64 bits the device's scripted session, as ARM programs under QEMU.
# With a package, also verifies it there and compares the line with what `offshoot verify` printed on the host.
#   targets/test-arm.sh [--triple TRIPLE] [--tract] [PACKAGE LINE]
# --tract adds the floats that a converter calibrates on: tract-core takes some minutes to compile.
# The engine's kernels run on a processor of each kind; QEMU_CPU=cortex-a53 (a57, ...) chooses one.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

triple=aarch64-unknown-linux-gnu
tract=
if [[ ${1:-} == --triple ]]; then
    triple=${2:-}
    shift $(($# < 2 ? 1 : 2))
fi
if [[ ${1:-} == --tract ]]; then
    tract=1
    shift
fi
(($# == 0 || $# == 2)) || die 2 'usage: targets/test-arm.sh [--triple TRIPLE] [--tract] [PACKAGE LINE]'

prepare "$triple"
have "$emulator" qemu-user
[[ -z ${1:-} || -f $1 ]] || die 2 "no package '$1'"
package=${1:+$(realpath "$1")}
cd "$root"
processors=("${QEMU_CPU:-}")
if [[ -z ${QEMU_CPU:-} && $triple == aarch64-* ]]; then
    # Without dot products, with them, with matrix multiplication too.
    processors=(cortex-a72 cortex-a76 max,sve=off,sme=off)
fi
# Without two that take minutes here: they compare with definitions in floats, and the bits are compared by digests.
cross "$triple" test -p offshoot-core --features offshoot-core/alloc -- \
    --skip bytes_are_those_of_the_definition --skip hard_problems_converge
if [[ $triple == aarch64-* ]]; then
    # Simulated camera, buttons from a file, PNG screens: the decisions that were written down on x86.
    cross "$triple" test -p offshoot-device --no-default-features --test script
fi
if [[ $tract ]]; then
    # The bits, too, are those of x86.
    cross "$triple" test -p offshoot-tract --lib --test bits
fi
for processor in "${processors[@]}"; do
    # An empty name is none.
    [[ -z $processor ]] || export QEMU_CPU=$processor
    cross "$triple" test -p offshoot-engine --features offshoot-engine/std
done
[[ ${#processors[@]} == 1 ]] || unset QEMU_CPU
[[ -n $package ]] || exit 0

targets/build.sh "$triple"
# A failed check prints its line too, which is what must be shown.
line=$("$emulator" -L "$sysroot" "$target_dir/$triple/board/offshoot-board" verify "$package") || true
if [[ $line != "$2" ]]; then
    printf 'the board differs from the host\n host: %s\nboard: %s\n' "$2" "$line" >&2
    exit 1
fi
printf '%s\n' "$line"
