#!/usr/bin/env bash
# Counts the instructions of one step of tuning on a cortex-a72 under QEMU: of 16 samples embedded, of one head taught and
# asked, of one batch of descent; 200 samples of ten classes. Prints the seconds at 1.5 GHz and one instruction a cycle.
#   targets/count-tuning.sh PACKAGE...
# The plug-in's source is not part of this repository; without ../shared there is nothing to do.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

(($#)) || die 2 'usage: targets/count-tuning.sh PACKAGE...'
source=$root/../shared/arm/icount.c
if [[ ! -f $source ]]; then
    echo "skipped: no instruction counter at $source"
    exit
fi
have cc gcc
triple=aarch64-unknown-linux-gnu
prepare "$triple"
have "$emulator" qemu-user
cd "$root"
cross "$triple" build --release -p offshoot-core --features alloc --example tuning_steps
program=$target_dir/$triple/release/examples/tuning_steps
plugin=$target_dir/libicount.so
cc -O2 -fPIC -shared -o "$plugin" "$source"

# run PACKAGE KIND STEPS: the log of the program and the plug-in.
run() {
    # Nothing of this machine may reach the program: neither its environment nor random addresses.
    env -i setarch -R "$emulator" -seed 1 -cpu cortex-a72 -plugin "$plugin" -L "$sysroot" "$program" "$@" 2>&1
}

# count PACKAGE KIND STEPS: instructions of the whole program.
count() { run "$@" | sed -n 's/^icount total //p'; }

# between PACKAGE KIND STEP: instructions of the step after STEP.
between() {
    local first second
    first=$(count "$1" "$2" "$3") second=$(count "$1" "$2" "$(($3 + 1))")
    [[ $first && $second ]] || die 1 "no count for $1"
    echo $((second - first))
}

# Of 200 samples: 13 steps embed, 3 teach heads, 9 measure, then descent begins. With three folds there are 4 times 13 of
# embedding, 6 heads and about 40 of measuring, which embed in float; what is left of all is descent.
for package in "$@"; do
    for kind in biases all; do
        all=$(run "$package" "$kind" 0 | sed -n 's/ steps, .*//p')
        embed=$(between "$package" "$kind" 2)
        head=$(between "$package" "$kind" 14)
        measure=$(between "$package" "$kind" 18)
        descent=$(between "$package" "$kind" 30)
        awk -v name="$(basename "$package")" -v kind="$kind" -v all="$all" -v embed="$embed" -v head="$head" \
            -v measure="$measure" -v descent="$descent" 'BEGIN {
            total = 52 * embed + 6 * head + 40 * measure + (all - 98) * descent
            printf "%-18s %-7s embed %6.1f M, head %6.1f M, descent %6.1f M; %d steps %6.2f G: %.1f s, a step %.0f ms\n",
                name, kind, embed / 1e6, head / 1e6, descent / 1e6, all, total / 1e9, total / 1.5e9, descent / 1.5e6 }'
    done
done
