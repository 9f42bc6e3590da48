#!/usr/bin/env bash
# Runs the tests of core and engine as ARM programs under QEMU. With a package, also verifies it
# there and compares the line with what `offshoot verify` printed on the host.
#   targets/test-arm.sh [--triple TRIPLE] [PACKAGE LINE]
# QEMU_CPU=cortex-a53 (a72, a76, ...) chooses the processor, as for every QEMU program.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

triple=aarch64-unknown-linux-gnu
if [[ ${1:-} == --triple ]]; then
    triple=${2:-}
    shift $(($# < 2 ? 1 : 2))
fi
(($# == 0 || $# == 2)) || die 2 'usage: targets/test-arm.sh [--triple TRIPLE] [PACKAGE LINE]'

prepare "$triple"
have "$emulator" qemu-user
[[ -z ${1:-} || -f $1 ]] || die 2 "no package '$1'"
package=${1:+$(realpath "$1")}
cd "$root"
cross "$triple" test -p offshoot-core -p offshoot-engine --features offshoot-core/alloc
[[ -n $package ]] || exit 0

targets/build.sh "$triple"
# A failed check prints its line too, which is what must be shown.
line=$("$emulator" -L "$sysroot" "$target_dir/$triple/board/offshoot-board" verify "$package") || true
if [[ $line != "$2" ]]; then
    printf 'the board differs from the host\n host: %s\nboard: %s\n' "$2" "$line" >&2
    exit 1
fi
printf '%s\n' "$line"
