#!/usr/bin/env bash
# Counts the instructions of one extraction of MobileNetV2 1.0/224 on ARM processors under QEMU and
# fails where a count is more than 1 % above the one recorded in docs/performance-arm.md.
#   targets/count-arm.sh [OPTIONS]     OPTIONS are the plug-in's: class=on, mn=20, hot=20
# The plug-in's source is not part of this repository; without ../shared there is nothing to do.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

table=$root/docs/performance-arm.md
source=$root/../shared/arm/icount.c
if [[ ! -f $source ]]; then
    echo "skipped: no instruction counter at $source"
    exit
fi
have cc gcc
cd "$root"

# count TRIPLE CPU ISA RECORD: counts, compares; false if the record is exceeded.
count() {
    local cpu=$2 isa=$3 record=$4 log count
    # Nothing of this machine may reach the program: neither its environment nor random addresses.
    log=$(env -i setarch -R "$emulator" -seed 1 -cpu "$cpu" -plugin "$plugin${options:+,$options}" \
        -L "$sysroot" "$target_dir/$1/release/examples/mobilenet_v2" count "$isa" 2>&1)
    count=$(sed -n 's/^icount region 1 .* insns //p' <<<"$log")
    [[ $count ]] || die 1 "no count for $cpu: $log"
    printf '%-20s %-10s %11d, recorded %11d: %+.2f %%\n' "$cpu" "$isa" "$count" "$record" \
        "$(awk "BEGIN { print 100 * ($count / $record - 1) }")"
    [[ -z $options ]] || sed -n '/^class region 1/p; /^mn/p; /^hot/p' <<<"$log"
    ((100 * count <= 101 * record))
}

options=${1:-}
above=
for triple in "${triples[@]}"; do
    prepare "$triple"
    have "$emulator" qemu-user
    cross "$triple" build --release -p offshoot-engine --features std --example mobilenet_v2
    plugin=$target_dir/libicount.so
    cc -O2 -fPIC -shared -o "$plugin" "$source"
    # Lines of the table: | processor | kernels | instructions | ...
    while IFS='|' read -r _ cpu isa record _; do
        cpu=${cpu// /} isa=${isa// /} record=${record//[ ,]/}
        # 32-bit kernels and 64-bit ones.
        [[ $triple == armv7-* ]] && of_triple=armv7-neon || of_triple='neon*'
        # shellcheck disable=SC2053 # a pattern
        [[ $isa == $of_triple ]] || continue
        count "$triple" "$cpu" "$isa" "$record" || above+=" $cpu"
    done < <(sed -n '/^| cortex-/p; /^| max/p' "$table")
done
[[ -z $above ]] || die 1 "more than 1 % above the record:$above"
