#!/usr/bin/env bash
# What leaked is told to the program's own function: each leak once, as values and as text, and never what is no leak.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

told=$POOLBUF_PROGRAMS/told
export POOLBUF_LEAK_LEVEL=paranoid

told_line() {
    echo "$1 poolbuf, $2 bytes, about $1 ($1 to $1), ${3-0} lost"
}

note "at the end of the process: count, bytes, site and fingerprint, as the report has them"
run "$told" leave exit 3
expect_status 0
expect_stdout_has 'process exit: 3 leaked, 1 groups, a context'
expect_stdout_has "  $(told_line 3 300), forget (told.c:"
expect_stderr_has 'poolbuf: LEAK: 3 buffers never released, holding 336 bytes'
expect_equal "fingerprints" "$(grep -o 'fingerprint [0-9a-f]*' "$work/.stderr" | cut -d' ' -f2)" "$(grep -o '[0-9a-f]\{16\}$' "$work/.stdout")"

note "it is handed the text that stderr has, and takes it from there if it says so"
TOLD_TEXT=$work/text.txt run "$told" take exit 3
expect_status 0
expect_stderr_empty
grep -q '^poolbuf: LEAK: 3 buffers never released, holding 336 bytes; process exit' "$work/text.txt" || fail "no heading in the text"
grep -q '      leak  .*told.c:' "$work/text.txt" || fail "no stack in the text"

note "a report file is written all the same, and the exit code rules; the line that names the file is taken, too"
run env POOLBUF_LEAK_REPORT="$work/file.json" POOLBUF_LEAK_EXIT_CODE=9 "$told" take exit 3
expect_status 9
expect_stderr_empty
expect_equal "count in the file" 3 "$(json "$work/file.json" groups.0.count)"
run env POOLBUF_LEAK_REPORT="$work/file.json" "$told" leave exit 3
expect_stderr_matches 'LEAK: 3 never released; process exit, process [0-9]+: see .*file\.json$'

for report in "" "$work/destroy-%n.json"; do
    note "what an allocator's end has named is not told again when the process ends ${report:+(with a report file)}"
    run env ${report:+POOLBUF_LEAK_REPORT="$report"} "$told" take destroy
    expect_status 0
    expect_stderr_empty
    expect_equal "calls" "allocator destroyed: 2 leaked, 2 groups, a context
process exit: 1 leaked, 1 groups, a context" "$(grep -v '^ ' "$work/.stdout")"
    expect_equal "groups" "  $(told_line 1 2000)
  $(told_line 1 100)
  $(told_line 1 100)" "$(grep '^ ' "$work/.stdout" | sed 's/, forget.*//' | sort -r)"
done
expect_equal "the file at exit names all" 3 "$(json "$work/destroy-2.json" groups.#)"

note "of a sample, what it stands for and the interval, as the report estimates them"
run env POOLBUF_LEAK_REPORT="$work/sample.json" POOLBUF_LEAK_LEVEL=simple POOLBUF_LEAK_DENSE_START=0 \
    POOLBUF_LEAK_SAMPLING_INTERVAL=10 POOLBUF_LEAK_SEED=6 "$told" leave exit 5000
expect_stdout_has 'process exit: 5000 leaked, 1 groups'
estimate=groups.0.estimated_count
expect_stdout_has ", about $(json "$work/sample.json" $estimate.value) ($(json "$work/sample.json" $estimate.low) to $(
    json "$work/sample.json" $estimate.high)), "
[ "$(json "$work/sample.json" groups.0.count)" -lt 1000 ] || fail "more than a sample was tracked"

note "what no sample saw, but the exact counter knows, is told without groups"
run env POOLBUF_LEAK_LEVEL=simple POOLBUF_LEAK_DENSE_START=0 POOLBUF_LEAK_SAMPLING_INTERVAL=1000000 POOLBUF_LEAK_SEED=5 "$told" leave exit 2
expect_stdout_has 'process exit: 2 leaked, 0 groups'

note "what is suppressed is not told, and what is left is"
printf 'leak:forget_other\n' >"$work/rules.txt"
run env POOLBUF_LEAK_SUPPRESSIONS="$work/rules.txt" "$told" leave destroy
expect_equal "calls" "allocator destroyed: 1 leaked, 1 groups, a context
process exit: 1 leaked, 1 groups, a context" "$(grep -v '^ ' "$work/.stdout")"
printf 'leak:forget\n' >"$work/rules.txt"
run env POOLBUF_LEAK_SUPPRESSIONS="$work/rules.txt" "$told" leave destroy
expect_stdout_empty

note "a site is told with its line, however long its function's name is"
run "$told" leave long
checks=$((checks + 1))
grep -qE ', forget_in_a_function_with.*_the_line_that_matter \(told\.c:[0-9]+\), [0-9a-f]{16}$' "$work/.stdout" ||
    fail "the site is cut"

note "clean, disabled, or without a listener: nothing"
run "$told" leave exit 0
expect_stdout_empty
run env POOLBUF_LEAK_LEVEL=disabled "$told" leave exit 3
expect_stdout_empty
run "$told" leave nobody
expect_stdout_empty
expect_stderr_has 'LEAK: 1 buffer'

note "reports that somebody asked for, by call, signal or interval, are of what is alive, and not told"
run env POOLBUF_LEAK_SIGNAL=USR2 POOLBUF_LEAK_INTERVAL_S=1 "$told" leave asked
expect_status 0
expect_stdout_empty
expect_stderr_has 'signal 12'

note "a listener may use the library, make a report, fork, start threads and take itself out"
run "$told" leave busy
expect_status 0
expect_stdout_has 'busy: good'
expect_equal "calls" 1 "$(grep -c . "$work/.stdout")"
expect_stderr_has 'process exit'

if grep -q -e __tsan_init -e __asan_init "$told"; then
    note "scans see too little under sanitizers: not tried"
    finish
fi
note "what a scan has found lost is told, and not what it has not"
run env POOLBUF_LEAK_SCAN_INTERVAL_S=1 POOLBUF_LEAK_REPORT="$work/lost-%n.json" "$told" leave lose "$work/lost-1.json"
expect_status 0
expect_stdout_has 'scan, 1 lost: 1 leaked, 1 groups, a context'
expect_stdout_has "  $(told_line 1 2000 1), forget (told.c:"
expect_stdout_has 'process exit: 1 leaked, 1 groups, a context'

finish
