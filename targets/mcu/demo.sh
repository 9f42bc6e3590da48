#!/usr/bin/env bash
# Runs the demo of docs/mcu.md on an emulated microcontroller: two classes are taught from frames in flash, asked and
# saved; the device restarts and is asked again. Answers must be those of the host, bit for bit, and limits are kept.
#   targets/mcu/demo.sh [CPU...]     CPU: cortex-m4, m7, m33, m55, riscv32imac; without, cortex-m7
# Exit status 3: none of them has an emulator and a target of rustup here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=boards.sh
. "$(dirname "${BASH_SOURCE[0]}")/boards.sh"

# Instructions of adding a sample and of the first answer of a full head; bytes of stack of its fit, and of flash
# besides the package.
most_add=10000 most_first=10500000 most_stack=5000 most_code=225000

# most NAME: the largest number among the lines KIND.NAME of the output.
most() {
    awk -F '\t' -v name="$1" '$1 ~ "[.]" name "$" && $2 > most { most = $2 } END { print most + 0 }' <<<"$output"
}

# limit WHAT FOUND MOST: an error if it is more, or none was found.
limit() {
    (($2 > 0 && $2 <= $3)) || {
        echo "error: $cpu: $1: $2, at most $3" >&2
        exit 1
    }
}

(($#)) || set -- cortex-m7
tried=
for cpu; do
    describe "$cpu"
    can_run || continue
    tried=1
    build teach small
    output=$(run) || {
        echo "error: $cpu on $machine: $output" >&2
        exit 1
    }
    echo "$output"
    # What is in flash but for package and frames.
    code=0
    while read -r bytes; do
        ((code += 0x$bytes))
    done < <(readelf -SW "$firmware" | sed -nE 's/^ *\[ *[0-9]+\] \.(vector_table|text|rodata|data) +[A-Z]+ +([0-9a-f]+ +){2}([0-9a-f]+) .*/\3/p')
    printf 'code\t%s bytes\n' "$code"
    limit 'bytes of code' "$code" $most_code
    if grep -qa '__rust_alloc' "$firmware"; then
        echo "error: $cpu: an allocator is linked" >&2
        exit 1
    fi
    [[ $(grep -c "is$(printf '\t')" <<<"$output") == 8 && $output == *remembered* ]] || {
        echo "error: $cpu: the device was not asked before and after its restart" >&2
        exit 1
    }
    limit 'bytes of stack' "$(most stack)" $most_stack
    # Software computes floats on RISC-V, six to ten times as many instructions.
    [[ $cpu != riscv* ]] || continue
    limit 'instructions of adding a sample' "$(most add)" $most_add
    limit 'instructions of the first answer' "$(most first)" $most_first
done
[[ $tried ]] || exit 3
