# shellcheck shell=bash
# Sourced by service/test.sh and device/test-api.sh: runs a server, the snippets of its page against it, and
# schemathesis on its contract. They set `page`, `contract`, `url`, `work`, and `serve`, the command as an array.

server=
stop() { [[ -z $server ]] || { kill "$server" && wait "$server" || true; } 2>/dev/null; }
trap 'stop; rm -rf "$work"' EXIT
unset OFFSHOOT_TOKEN

# start: starts with nothing taught, and waits until it answers.
start() {
    stop
    rm -f "$work/things.head" "$work/lessons.store"
    "${serve[@]}" >"$work/log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        ! grep -q '^listening' "$work/log" || return 0
        kill -0 "$server" || { cat "$work/log" >&2; exit 1; }
        sleep 0.1
    done
    echo 'error: it does not start' >&2
    exit 1
}

# snippet LANGUAGE: prints the code of the page's block in it.
snippet() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$page" | sed '1d;$d'
}

# run NAME LANGUAGE COMMAND...: runs a snippet; the answer names the mug.
run() {
    local name=$1 language=$2
    shift 2
    if ! command -v "$1" >/dev/null; then
        echo "skipped: the $name snippet of $page: no $1 here"
        return
    fi
    start
    snippet "$language" >"$work/snippet.$language"
    [[ -s $work/snippet.$language ]]
    "$@" "$work/snippet.$language" | tee "$work/said"
    echo
    grep -q mug "$work/said"
    echo "the $name snippet of $page runs"
}

# check_contract: a stream has no end that the tester could wait for; random bytes are no images, whatever their type.
check_contract() {
    local schemathesis=${OFFSHOOT_SCHEMATHESIS:-schemathesis}
    if ! command -v "$schemathesis" >/dev/null; then
        echo 'skipped: the contract by schemathesis: not installed'
        return
    fi
    start
    "$schemathesis" run "$contract" --url "$url" --exclude-path /events \
        --checks all --exclude-checks positive_data_acceptance --max-examples 20 --seed 1
    [[ $(curl --silent --output /dev/null --write-out '%{http_code}' "$url/") == 200 ]]
}
