#!/usr/bin/env bash
# Runs the snippets of api.md against a running device with the simulated camera, and its contract by schemathesis.
#   targets/device/test-api.sh RUN...    such as: target/debug/offshoot-board run models/sprout/sprout.offshoot
# Programs that are absent are named and skipped.
set -euo pipefail
(($# > 0)) || { echo 'error: name the command, such as target/debug/offshoot-board run PACKAGE' >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
command=("$(realpath "$1")" "${@:2}")
last=$((${#command[@]} - 1))
[[ ! -f ${command[last]} ]] || command[last]=$(realpath "${command[last]}")
serve=("${command[@]}" --camera sim --buttons none --screen png:"$work/screens" --memory "$work/lessons.store" --api 8091)
page=$here/api.md
contract=$here/openapi.yaml
url=http://127.0.0.1:8091
# shellcheck source-path=SCRIPTDIR/.. source=snippets.sh
. "$here/../snippets.sh"
cd "$work"

run curl sh bash -e
[[ -s things.head && -s frame.jpg ]]
run Python python python3
run Node js node
check_contract
