#!/usr/bin/env bash
# ci/targets.sh from end to end, at a size that says nothing about speed: that it measures what a row needs, that the table
# has the rows that were asked for, and that its status is what its last line says. No verdict decides this test.
source "$(dirname "$0")/lib.sh"
targets=$POOLBUF_SOURCE/ci/targets.sh
judge=$POOLBUF_BUILD/bin/poolbuf-targets

run "$targets" --build "$POOLBUF_BUILD" --output "$work/out" --quick --rounds 2 bulk-32 handoff-single
expect_stdout_has "must be"
for text in bulk-32 handoff-single "  256 B " "  2.00 KiB " "line round trip" "host  " "build  "; do
    expect_stdout_has "$text"
done
sed -n '/^target /,/^$/p' .stdout | sed '1d; $d' >rows.txt
expect_equal "lines of the table: two rows, and two sizes" 4 "$(wc -l <rows.txt)"
expect_equal "lines without a verdict" "" "$(grep -vE ' (met|MISSED by [0-9.]+ %|not separated|not measured) ' rows.txt)"
said=$(grep -oE '^[0-9]+ of [0-9]+ targets met' .stdout)
expect_equal "how many targets the last line speaks of" 2 "$(cut -d' ' -f3 <<<"$said")"
wanted=1
[ "$(cut -d' ' -f1 <<<"$said")" != 2 ] || wanted=0
expect_status "$wanted"
expect_equal "the table is also left in a file" "$(cat .stdout)" "$(cat out/table.txt)"

note "each size was run alone, each row on the subjects that it needs"
expect_equal "scenarios of bulk-32" 2 "$(json out/bulk-32.json 'scenarios.#')"
expect_equal "the first of them" bulk-32-256 "$(json out/bulk-32.json scenarios.0.name)"
expect_equal "its results" 6 "$(json out/bulk-32.json 'scenarios.0.results.#')"
expect_equal "the scenario of handoff-single" handoff-single-256 "$(json out/handoff-single.json scenarios.0.name)"
expect_equal "its results" 5 "$(json out/handoff-single.json 'scenarios.0.results.#')"

note "what cannot be measured is said, and is not met"
run "$judge" pingpong=-:why give-back=4.9:as-told
expect_status 1
expect_stdout_has "not measured"
expect_stdout_has why
expect_stdout_has "1 of 2 targets met; not measured: pingpong"
run "$judge" give-back=4.9
expect_status 0
run "$judge" bulk-32=out/handoff-single.json
expect_status 1
expect_stdout_has "bulk-32 was not run"

note "usage"
run "$targets" --build "$POOLBUF_BUILD" --output "$work/none" no-such-row
expect_one_line_refusal "no row no-such-row" give-back
run "$targets" --build "$work"
expect_one_line_refusal "there is no $work/bin/poolbuf"
run "$targets" --rounds 0
expect_one_line_refusal --rounds
run "$targets" --rounds
expect_one_line_refusal --rounds
run "$targets" --fast
expect_one_line_refusal --fast
expect_no_file none
for wrong in no-row=1 give-back=many bulk-32=nowhere.json bulk-32 bulk-32=3; do
    run "$judge" $wrong
    expect_one_line_refusal "${wrong%%=*}"
done
finish
