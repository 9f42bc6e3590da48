#!/usr/bin/env bash
# Counts the instructions from a frame of 640 x 480 to its embedding, of packages, on ARM processors under QEMU:
# cortex-a53 and cortex-a72 (neon), cortex-a76 (neon-dot).
#   targets/count-extractors.sh PACKAGE...
# It counts what the on-board program's `time` does for three runs and takes off what it does for two. The plug-in's
# source is not part of this repository; without ../shared there is nothing to do.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

(($#)) || die 2 'usage: targets/count-extractors.sh PACKAGE...'
source=$root/../shared/arm/icount.c
if [[ ! -f $source ]]; then
    echo "skipped: no instruction counter at $source"
    exit
fi
have cc gcc

# count CPU PACKAGE RUNS: instructions of the whole program.
count() {
    local log
    # Nothing of this machine may reach the program: neither its environment nor random addresses.
    log=$(env -i setarch -R "$emulator" -seed 1 -cpu "$1" -plugin "$plugin" -L "$sysroot" \
        "$program" time "$2" "$3" 2>&1)
    sed -n 's/^icount total //p' <<<"$log"
}

triple=aarch64-unknown-linux-gnu
# Its last line has the program's path.
program=$("$root/targets/build.sh" --small "$triple" | tail -n 1 | cut -d ' ' -f 1)
prepare "$triple"
have "$emulator" qemu-user
plugin=$target_dir/libicount.so
cc -O2 -fPIC -shared -o "$plugin" "$source"
for package in "$@"; do
    for cpu in cortex-a53 cortex-a72 cortex-a76; do
        two=$(count "$cpu" "$package" 2) three=$(count "$cpu" "$package" 3)
        [[ $two && $three ]] || die 1 "no count for $cpu: $package"
        printf '%-28s %-10s %6.1f M\n' "$(basename "$package")" "$cpu" \
            "$(awk "BEGIN { print ($three - $two) / 1e6 }")"
    done
done
