#!/usr/bin/env bash
# Runs sprout's golden vectors on emulated microcontrollers, counts the instructions of one extraction and fails
# where a count is more than 1 % above the one recorded in docs/performance-mcu.md.
#   targets/mcu/count.sh [--write] [CPU...]     CPU: cortex-m4, cortex-m7, cortex-m33, cortex-m55; without, those of the page
# --write puts the counts into the page. Exit status 3: no qemu-system-arm or no target of rustup here.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root/targets/mcu/qemu"

table=$root/docs/performance-mcu.md
target_dir=${CARGO_TARGET_DIR:-$root/target-arm}/mcu
write=
if [[ ${1:-} == --write ]]; then
    write=1
    shift
fi
processors=("$@")
((${#processors[@]})) || mapfile -t processors < <(sed -n 's/^| \(cortex-m[0-9]*\) |.*/\1/p' "$table" | uniq)

# skip REASON: nothing to do here.
skip() {
    echo "skipped: $1"
    exit 3
}
command -v qemu-system-arm >/dev/null || skip 'microcontrollers: no qemu-system-arm here; apt-get install qemu-system-arm'

# describe CPU: its triple and QEMU's machine.
describe() {
    case $1 in
    cortex-m4) triple=thumbv7em-none-eabihf machine=mps2-an386 ;;
    cortex-m7) triple=thumbv7em-none-eabihf machine=mps2-an500 ;;
    cortex-m33) triple=thumbv8m.main-none-eabihf machine=mps2-an505 ;;
    cortex-m55) triple=thumbv8m.main-none-eabihf machine=mps3-an547 ;;
    *)
        echo "error: no processor '$1'; there are cortex-m4, cortex-m7, cortex-m33, cortex-m55" >&2
        exit 2
        ;;
    esac
}

# value NAME: the number of the firmware's line of that name, from its output.
value() {
    sed -n "s/^$1\t//p" <<<"$output"
}

# grouped NUMBER: with commas.
grouped() {
    sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"
}

# run: runs the firmware; instructions take a nanosecond each, so that the timer counts them.
run() {
    timeout 120 qemu-system-arm -M "$machine" -cpu "$cpu" -icount shift=0 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$1"
}

# row ISA: a line of the table.
row() {
    printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$cpu" "$machine" "$1" "$(grouped "$(value "$1.network")")" \
        "$(awk "BEGIN { printf \"%.2f\", $(value "$1.network") / 18594992 }")" "$(grouped "$(value "$1.input")")" \
        "$(grouped "$(value "$1.plan")")" "$(grouped "$(value "$1.arena")")" "$(grouped "$(value "$1.stack")")"
}

rows=()
above=
for cpu in "${processors[@]}"; do
    describe "$cpu"
    rustup target add "$triple" >/dev/null 2>&1 || skip "microcontrollers: rustup has no $triple here"
    RUSTFLAGS="-C target-cpu=$cpu" cargo build --quiet --locked --release --target "$triple" --target-dir "$target_dir"
    output=$(run "$target_dir/$triple/release/offshoot-mcu-qemu") || {
        echo "error: $cpu on $machine: $output" >&2
        exit 1
    }
    for isa in $(sed -n 's/^\(.*\)\.goldens\t.*/\1/p' <<<"$output"); do
        rows+=("$(row "$isa")")
        echo "${rows[-1]}"
        record=$(awk -F ' *[|] *' -v cpu="$cpu" -v isa="$isa" '$2 == cpu && $4 == isa { gsub(",", "", $5); print $5 }' "$table")
        if [[ -z $write && $record ]] && (($(value "$isa.network") * 100 > 101 * record)); then
            above+=" $cpu/$isa ($record recorded)"
        fi
    done
done
if [[ $write ]]; then
    printf '%s\n' "${rows[@]}" >"$target_dir/rows"
    awk -v rows="$target_dir/rows" '
        /^<!-- targets\/mcu\/count.sh writes from here -->/ {
            print; print ""
            print "| processor | QEMU machine | kernels | instructions | per product | input from a 64 x 48 frame | plan | arena, bytes | stack, bytes |"
            print "|---|---|---|---|---|---|---|---|---|"
            while ((getline line < rows) > 0) print line
            print ""; skipping = 1; next
        }
        /^<!-- to here -->/ { skipping = 0 }
        !skipping' "$table" >"$target_dir/page"
    cp "$target_dir/page" "$table"
fi
[[ -z $above ]] || { echo "error: more than 1 % above the record:$above" >&2; exit 1; }
