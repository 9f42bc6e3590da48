#!/usr/bin/env bash
# The same images and the same lesson through every door: tests/doors.sh [DOOR=TOOL...]
# Compares each line of tests/doors/lesson.txt, with every kind of head, and what is said of places and signals, with that of the Rust
# crate. Doors:
#   python=PYTHON     an interpreter that has the module, or takes what the workspace has built
#   c=PREFIX          a folder of sdk/c/install.sh; the compiler is CC
#   cpp=PREFIX        the same by CXX; OFFSHOOT_RUN is an emulator for both
#   node=FOLDER       a folder of sdk/wasm/build.sh
#   service=PROGRAM   the on-board program, which serves HTTP
# Without arguments all of them by what earlier steps have built; what is absent is skipped with a word.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
package=models/sprout/sprout.offshoot
senses=(sdk/tests/tiny-cells.offshoot sdk/tests/tiny-signals.offshoot)
lesson=tests/doors/lesson.txt
kinds=(auto ncm softmax ridge slda knn)
work=$(mktemp -d)
service=
stop() { [[ -z $service ]] || { kill "$service" && wait "$service" || true; } 2>/dev/null; }
trap 'stop; rm -rf "$work"' EXIT
skip() { echo "skipped: $1"; }

# same DOOR WHAT WANTED: what it has printed is what Rust has.
same() {
    cmp -s "$3" "$work/found" && return
    # The first line that differs, or that one of both has not.
    local number wanted found
    number=$(paste -d '\n' "$3" "$work/found" | awk 'NR % 2 { wanted = $0; next } $0 != wanted && !found { print NR / 2; found = 1 }')
    wanted=$(sed -n "${number}p" "$3")
    found=$(sed -n "${number}p" "$work/found")
    printf 'error: %s with %s, line %d\n  Rust: %s\n  %s: %s\n' "$1" "$2" "$number" "$wanted" "$1" "$found" >&2
    return 1
}

# compare DOOR COMMAND...: for each kind the command's lines are those of Rust; KIND in it is the kind.
compare() {
    local door=$1 kind
    shift
    for kind in "${kinds[@]}"; do
        "${@//KIND/$kind}" >"$work/found" || { echo "error: $door with $kind: no answer after $(wc -l <"$work/found") lines" >&2; return 1; }
        same "$door" "$kind" "$work/$kind" || return
    done
    echo "$door: the same ${#kinds[@]} times $(wc -l <"$work/auto") lines"
}

# compare_places DOOR COMMAND...: with the packages of cells and for signals.
compare_places() {
    local door=$1
    "${@:2}" "${senses[@]}" >"$work/found" || { echo "error: $door: no answer about places and signals" >&2; return 1; }
    same "$door" 'places and signals' "$work/places" || return
    echo "$door: the same places and signals"
}

door_python() {
    local path=
    if ! "$1" -c 'import numpy' 2>/dev/null; then
        skip "Python: no numpy in $1"
        return
    fi
    if ! "$1" -c 'import offshoot' 2>/dev/null; then
        if [[ ! -f $target/debug/lib_offshoot.so ]]; then
            skip "Python: no module offshoot in $1, and none in $target/debug"
            return
        fi
        path=$work/module
        "$1" -m zipfile -e "$("$1" sdk/python/pack.py "$target/debug/lib_offshoot.so" "$work/wheels")" "$path"
    fi
    PYTHONPATH=$path compare Python "$1" sdk/python/tests/same_answers.py $package $lesson KIND
    PYTHONPATH=$path compare_places Python "$1" sdk/python/tests/same_places.py
}

# compiled LANGUAGE COMPILER STANDARD PREFIX
compiled() {
    local name=C
    [[ $1 == c ]] || name=C++
    # Under an emulator, which has the path of the library, or here.
    local run=(env "LD_LIBRARY_PATH=$4/lib") program
    [[ -z ${OFFSHOOT_RUN:-} ]] || read -ra run <<<"$OFFSHOOT_RUN"
    for program in same_answers same_places; do
        "$2" "-std=$3" -Wall -Wextra -Wpedantic -Werror -I"$4/include" "sdk/c/tests/programs/$program.$1" -o "$work/$program.$1" \
            -L"$4/lib" -loffshoot
    done
    compare $name "${run[@]}" "$work/same_answers.$1" $package $lesson KIND
    compare_places $name "${run[@]}" "$work/same_places.$1"
}

door_c() { compiled c "${CC:-cc}" c11 "$1"; }
door_cpp() { compiled cpp "${CXX:-c++}" c++17 "$1"; }

door_node() {
    OFFSHOOT_NPM=$1 compare Node node sdk/wasm/tests/same_answers.mjs $package $lesson KIND
    OFFSHOOT_NPM=$1 compare_places Node node sdk/wasm/tests/same_places.mjs
}

door_service() {
    "$1" serve $package "$work/things.head" 127.0.0.1:0 >"$work/log" 2>&1 &
    service=$!
    local url=
    for _ in {1..100}; do
        url=$(sed -n 's/^listening on //p' "$work/log")
        [[ -z $url ]] || break
        kill -0 "$service" || { cat "$work/log" >&2; exit 1; }
        sleep 0.1
    done
    compare 'the service' python3 targets/service/tests/same_answers.py "$url" $lesson "$work/KIND.head"
    stop
    service=
}

# all: the doors that earlier steps have built.
all() {
    local python=${OFFSHOOT_PYTHON:-python3}
    door_python "$python"
    if command -v "${CC:-cc}" >/dev/null; then
        sdk/c/install.sh --profile dev "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
        door_c "$work/prefix"
        if command -v "${CXX:-c++}" >/dev/null; then door_cpp "$work/prefix"; else skip 'C++: no compiler here'; fi
    else
        skip 'C and C++: no compiler here'
    fi
    if ! command -v node >/dev/null; then
        skip 'Node: not here'
    elif [[ ! -d ${OFFSHOOT_NPM:-} ]]; then
        skip 'Node: OFFSHOOT_NPM names no npm package'
    else
        door_node "$OFFSHOOT_NPM"
    fi
    if ! command -v python3 >/dev/null; then
        skip 'the service: its client wants python3'
    elif [[ ! -x $target/debug/offshoot-board ]]; then
        skip "the service: no $target/debug/offshoot-board"
    else
        door_service "$target/debug/offshoot-board"
    fi
}

answers=$target/debug/examples
[[ -x $answers/same_answers && -x $answers/same_places ]] ||
    cargo build -q -p offshoot --example same_answers --example same_places --no-default-features --features png
for kind in "${kinds[@]}"; do
    "$answers/same_answers" $package $lesson "$kind" "$work/$kind.head" >"$work/$kind"
done
"$answers/same_places" "${senses[@]}" >"$work/places"
(($#)) || { all; exit; }
for door; do
    case $door in
    python=* | c=* | cpp=* | node=* | service=*) "door_${door%%=*}" "${door#*=}" ;;
    *) echo "error: no door '$door'; there are python=, c=, cpp=, node= and service=" >&2; exit 2 ;;
    esac
done
