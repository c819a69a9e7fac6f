#!/usr/bin/env bash
# Scans on an interval: a report follows when two of them agree, and nothing else does.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

scanned=$POOLBUF_PROGRAMS/scanned
export POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_SCAN_INTERVAL_S=1

if grep -q __tsan_init "$scanned"; then
    note "ThreadSanitizer's memory cannot be searched: one line says that there is no scan"
    run env TSAN_OPTIONS=die_after_fork=0 "$scanned" keep 3
    expect_status 0
    expect_stderr_lines 1
    expect_stderr_has 'POOLBUF_LEAK_SCAN_INTERVAL_S: a scan failed'
    finish
fi

if grep -q __asan_init "$scanned"; then
    note "AddressSanitizer keeps words of finished calls, so that what is lost may be missed: only that nobody is accused"
    run "$scanned" keep 4
    expect_status 0
    expect_stderr_empty
    finish
fi

note "what nothing refers to is reported after two scans, while the program runs; what is kept is not lost"
run env POOLBUF_LEAK_REPORT="$work/lost-%n.json" "$scanned" lose "$work/lost-1.json"
expect_status 0
expect_equal "reason" "scan, 1 lost" "$(json "$work/lost-1.json" reason)"
expect_equal "groups" 2 "$(json "$work/lost-1.json" groups.#)"
lost=$(json "$work/lost-1.json" groups.0.lost)$(json "$work/lost-1.json" groups.1.lost)
expect_equal "lost of the two groups, in any order" 1 "$(tr -d 0 <<<"$lost")"
expect_equal "reason of the next" "process exit" "$(json "$work/lost-2.json" reason)"
[ ! -e "$work/lost-3.json" ] || fail "what was lost already was reported again"

note "in text, it says which, and accuses nobody"
run "$scanned" lose "$work/.stderr"
expect_status 0
expect_stderr_matches '^poolbuf: 2 tracked and alive; scan, 1 lost, process [0-9]+, level paranoid$'
expect_stderr_has '1 of them lost'
expect_stderr_has 'lose  '

"$scanned" change 2 2>"$work/changed" & # beside the next
changing=$!
note "nothing lost, nothing said; nor where the level is disabled"
run "$scanned" keep 4
expect_status 0
expect_stderr_empty
run env POOLBUF_LEAK_LEVEL=disabled "$scanned" keep 2
expect_status 0
expect_stderr_empty

note "a process that has changed its user is told what stands against a scan"
wait "$changing"
mv "$work/changed" .stderr
expect_stderr_has 'POOLBUF_LEAK_SCAN_INTERVAL_S: a scan failed: Permission denied; the process has changed its user'

if [ -n "$POOLBUF_TEST_MEMCHECK" ]; then
    note "under Valgrind, which refuses scans, one line says so"
    run valgrind --error-exitcode=99 "$scanned" keep 3
    expect_status 0
    expect_stderr_has 'POOLBUF_LEAK_SCAN_INTERVAL_S: a scan failed'
    [ "$(grep -c SCAN_INTERVAL_S .stderr)" = 1 ] || fail "said more than once"
fi

finish
