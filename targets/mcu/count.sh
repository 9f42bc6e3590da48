#!/usr/bin/env bash
# Runs random layers and sprout's golden vectors on emulated microcontrollers, bit for bit, counts the instructions of
# one extraction and fails where a count is more than 1 % above the one recorded in docs/performance-mcu.md.
#   targets/mcu/count.sh [--write] [CPU...]     CPU: cortex-m4, m7, m33, m55, riscv32imac; without, those of the page
# --write puts the counts into the page. Exit status 3: none of them has an emulator and a target of rustup here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=boards.sh
. "$(dirname "${BASH_SOURCE[0]}")/boards.sh"

table=$root/docs/performance-mcu.md
write=
if [[ ${1:-} == --write ]]; then
    write=1
    shift
fi
processors=("$@")
((${#processors[@]})) || mapfile -t processors < <(sed -n 's/^| \(cortex-m[0-9]*\|riscv32imac\) |.*/\1/p' "$table" | uniq)

# value NAME: the number of the firmware's line of that name, from its output.
value() {
    sed -n "s/^$1\t//p" <<<"$output"
}

# grouped NUMBER: with commas.
grouped() {
    sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"
}

# row ISA: a line of the table.
row() {
    printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$cpu" "$machine" "$1" "$(grouped "$(value "$1.network")")" \
        "$(awk "BEGIN { printf \"%.2f\", $(value "$1.network") / 18594992 }")" "$(grouped "$(value "$1.input")")" \
        "$(grouped "$(value "$1.plan")")" "$(grouped "$(value "$1.arena")")" "$(grouped "$(value "$1.stack")")" \
        "$(grouped "$(value "$1.mobilenet")")" "$(grouped "$(value "$1.mobilenet.arena")")"
}

# compare ISA NAME COLUMN: notes a count that is above the one in the table.
compare() {
    local record
    record=$(awk -F ' *[|] *' -v cpu="$cpu" -v isa="$1" -v column="$3" \
        '$2 == cpu && $4 == isa { gsub(",", "", $column); print $column }' "$table")
    if [[ $record ]] && (($(value "$1.$2") * 100 > 101 * record)); then
        above+=" $cpu/$1 $2 ($record recorded)"
    fi
}

rows=()
above=
for cpu in "${processors[@]}"; do
    describe "$cpu"
    can_run || continue
    for program in kernels count; do
        build "$program" release
        output=$(run) || {
            echo "error: $cpu on $machine: $output" >&2
            exit 1
        }
    done
    for isa in $(sed -n 's/^\(.*\)\.goldens\t.*/\1/p' <<<"$output"); do
        rows+=("$(row "$isa")")
        echo "${rows[-1]}"
        [[ -z $write ]] || continue
        compare "$isa" network 5
        compare "$isa" input 7
        compare "$isa" mobilenet 11
    done
done
((${#rows[@]})) || exit 3
if [[ $write ]]; then
    printf '%s\n' "${rows[@]}" >"$target_dir/rows"
    awk -v rows="$target_dir/rows" '
        /^<!-- targets\/mcu\/count.sh writes from here -->/ {
            print; print ""
            print "| processor | QEMU machine | kernels | instructions | per product | input from a 64 x 48 frame | plan | arena, bytes | stack, bytes | MobileNetV1 | its arena |"
            print "|---|---|---|---|---|---|---|---|---|---|---|"
            while ((getline line < rows) > 0) print line
            print ""; skipping = 1; next
        }
        /^<!-- to here -->/ { skipping = 0 }
        !skipping' "$table" >"$target_dir/page"
    cp "$target_dir/page" "$table"
fi
[[ -z $above ]] || { echo "error: more than 1 % above the record:$above" >&2; exit 1; }
