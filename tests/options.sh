#!/usr/bin/env bash
# `poolbuf options` says what the library understands, in four forms, and docs/options.md is one of them.
source "$(dirname "$0")/lib.sh"

run poolbuf options
expect_status 0
expect_stderr_empty
for name in POOLBUF_LEAK_LEVEL POOLBUF_LEAK_REPORT POOLBUF_LEAK_EXIT_CODE POOLBUF_LEAK_SAMPLING_INTERVAL POOLBUF_STRICT; do
    expect_stdout_has "$name"
done

run poolbuf options --format json
expect_status 0
cp .stdout options.json
run "$POOLBUF_JSON_TOOL" check options.json
expect_status 0
count=$(json options.json 'options.#')
[ "$count" -ge 10 ] || fail "only $count options"

run poolbuf options --format markdown
expect_status 0
expect_equal "rows of the table" "$count" "$(grep -c '^| `POOLBUF_' .stdout)"
checks=$((checks + 1))
diff -u "$POOLBUF_SOURCE/docs/options.md" .stdout >difference ||
    fail "docs/options.md is not in step: poolbuf options --format markdown >docs/options.md" "$(cat difference)"

run poolbuf options --format man
expect_status 0
expect_equal "entries of the man page" "$count" "$(grep -c '^\.B POOLBUF_' .stdout)"
expect_stdout_has ".TH POOLBUF-OPTIONS 7"
finish
