#!/usr/bin/env bash
# From a clone to an answer: install what is missing, build Release, run the default suite, print the table, and leave
# results.json, report.md and report.html in out/.
#
#   ci/bench.sh [arguments for poolbuf run]      such as --rounds 11, or a scenario of your own
#
# Exit codes: those of poolbuf run (0 fine, 1 a run failed, 2 usage, 6 nothing could be checked).
set -euo pipefail
cd "$(dirname "$0")/.."

ci/setup.sh bench
log=$(mktemp)
trap 'rm -f "$log"' EXIT
targets=(poolbuf-cli poolbuf poolbuf_static poolbuf_record poolbuf-examples)
if ! { cmake --preset release && cmake --build --preset release -j "$(nproc)" --target "${targets[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
poolbuf=build/release/bin/poolbuf

mkdir -p out
status=0
"$poolbuf" run "${@:-default}" -o out/results.json || status=$?
# A run in which something failed still has results worth reading. One that was refused has none, and leaves alone what an
# earlier run has left here.
if [ out/results.json -nt "$log" ]; then
    "$poolbuf" report out/results.json --format markdown -o out/report.md
    "$poolbuf" report out/results.json --format html -o out/report.html
    echo "out/results.json, out/report.md and out/report.html are written" >&2
fi
exit "$status"
