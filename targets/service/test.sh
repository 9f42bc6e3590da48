#!/usr/bin/env bash
# Runs README's snippets against the service, and the contract against it by schemathesis.
#   targets/service/test.sh SERVE...    the command that serves, such as: target/debug/offshoot serve
# Programs that are absent are named and skipped.
set -euo pipefail
(($# > 0)) || { echo 'error: name the command that serves, such as target/debug/offshoot serve' >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
serve=("$(realpath "$1")" "${@:2}" --head "$work/things.head" --listen 8090)
page=$here/README.md
contract=$here/openapi.yaml
url=http://127.0.0.1:8090
# shellcheck source-path=SCRIPTDIR/.. source=snippets.sh
. "$here/../snippets.sh"
cd "$work"

cp "$here/../../docs/pictures/mug.png" mug.png
cp "$here/../../docs/pictures/welcome.png" plant.png
run curl sh bash -e
[[ -s things.head ]]
run Python python python3
[[ -s things.head ]]
run Node js node
[[ -s things.head ]]
check_contract
