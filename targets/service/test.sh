#!/usr/bin/env bash
# Runs README's snippets against the service, and the contract against it by schemathesis.
#   targets/service/test.sh SERVE...    the command that serves, such as: target/debug/offshoot serve
# Programs that are absent are named and skipped.
set -euo pipefail
(($# > 0)) || { echo 'error: name the command that serves, such as target/debug/offshoot serve' >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
serve=("$(realpath "$1")" "${@:2}")
work=$(mktemp -d)
service=
stop() { [[ -z $service ]] || { kill "$service"; wait "$service" || true; } 2>/dev/null; }
trap 'stop; rm -rf "$work"' EXIT
cd "$work"

cp "$here/../../docs/pictures/mug.png" mug.png
cp "$here/../../docs/pictures/welcome.png" plant.png
unset OFFSHOOT_TOKEN

# start: starts with an empty head and waits until it answers.
start() {
    stop
    rm -f "$work/things.head"
    "${serve[@]}" --head "$work/things.head" --listen 8090 >"$work/log" 2>&1 &
    service=$!
    for _ in {1..100}; do
        ! grep -q '^listening' "$work/log" || return 0
        kill -0 "$service" || { cat "$work/log" >&2; exit 1; }
        sleep 0.1
    done
    echo 'error: the service does not start' >&2
    exit 1
}

# snippet LANGUAGE: prints the code of README's block in it.
snippet() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$here/README.md" | sed '1d;$d'
}

# run NAME LANGUAGE COMMAND...: runs a snippet; the answer names the mug.
run() {
    local name=$1 language=$2
    shift 2
    if ! command -v "$1" >/dev/null; then
        echo "skipped: README's $name snippet: no $1 here"
        return
    fi
    start
    snippet "$language" >"$work/snippet.$language"
    [[ -s $work/snippet.$language ]]
    "$@" "$work/snippet.$language" | tee "$work/said"
    echo
    grep -q mug "$work/said"
    [[ -s $work/things.head ]]
    echo "README's $name snippet runs"
}

if command -v curl >/dev/null; then run curl sh bash -e; else echo 'skipped: curl: not here'; fi
run Python python python3
run Node js node

schemathesis=${OFFSHOOT_SCHEMATHESIS:-schemathesis}
if command -v "$schemathesis" >/dev/null; then
    start
    # A stream has no end that the tester could wait for; random bytes are no images, whatever their type.
    "$schemathesis" run "$here/openapi.yaml" --url http://127.0.0.1:8090 --exclude-path /events \
        --checks all --exclude-checks positive_data_acceptance --max-examples 20 --seed 1
    [[ $(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:8090/) == 200 ]]
else
    echo 'skipped: the contract by schemathesis: not installed'
fi
