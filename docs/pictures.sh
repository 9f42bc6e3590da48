#!/usr/bin/env bash
# Draws the pictures of the documents anew, in docs/pictures: docs/pictures.sh
# Figures, a lesson on the small screen, and, by headless Chromium, the page and the report. Look at what changed
# before it is committed. The tests that write them here compare them elsewhere:
#   cli/tests/suite/pictures.rs, targets/device/tests/pictures.rs
# welcome, teach, mug and unknown are kept by cli/tests/suite/teach.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v chromedriver >/dev/null ||
    { echo 'error: no chromedriver; apt-get install chromium chromium-driver' >&2; exit 3; }
OFFSHOOT_BLESS=1 OFFSHOOT_BROWSER=1 cargo test --workspace -- --quiet the_documents
git status --short docs/pictures
