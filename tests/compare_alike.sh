#!/usr/bin/env bash
# Two results files that are not of the same work, or of which one lacks what the other has: neither is compared in silence.
source "$(dirname "$0")/lib.sh"

churn() { # LOW HIGH: one name and one count of operations, whatever the sizes
    printf 'name: t\nasks: q?\nsource: s\nphases:\n'
    printf '  - {kind: churn, live: 10, operations: 1000, sizes: {uniform: {low: %s, high: %s}}}\n' "$1" "$2"
}
measure() { # FILE OPTION...
    local file=$1
    shift
    run poolbuf run t.yaml --quick -n 4 --all-rounds -o "$file" "$@"
    expect_status 0
}
without() { # KEY FROM TO: as a file of an older program, which did not know the key
    "$POOLBUF_JSON_TOOL" set "$2" "$1" null >"$3"
}
digest=scenarios.0.stream_digest

note "other work under one name"
churn 8000 10000 >t.yaml
measure large.json -s fixed,pooled
churn 8 100 >t.yaml
measure small.json -s fixed,pooled
measure again.json -s fixed,pooled
measure seed.json -s fixed,pooled --seed 2
run grep -cE 'fnv1a64:[0-9a-f]{16}"' small.json
expect_status 0
expect_equal "operations are as many" "$(json small.json scenarios.0.operations)" "$(json large.json scenarios.0.operations)"
expect_equal "one work, one digest" "$(json small.json $digest)" "$(json again.json $digest)"
for other in large.json seed.json; do
    run poolbuf compare small.json $other
    expect_one_line_refusal "different scenarios under one name: t has as many operations, but others" "--force"
    run poolbuf compare small.json $other --threshold 100000 --force
    expect_status 0
    expect_stdout_has "different scenarios under one name"
done
run poolbuf compare small.json again.json --threshold 100000
expect_status 0

note "an allocator that is another, or otherwise tuned, under one name: that may be what is asked, and is said"
expect_equal "who is first" fixed "$(json again.json subjects.0.name)"
"$POOLBUF_JSON_TOOL" set again.json subjects.0.note '"tuned by X=1"' >tuned.json
"$POOLBUF_JSON_TOOL" set again.json subjects.0.version '"pool 7"' >other.json
run poolbuf compare again.json tuned.json --threshold 100000
expect_status 0
expect_stdout_has "fixed is not the same: poolbuf $(json again.json tool_version) in BASE, "
expect_stdout_has " (tuned by X=1) in NEW"
run poolbuf compare again.json other.json --threshold 100000
expect_status 0
expect_stdout_has " in BASE, pool 7 in NEW"
# Ours change with the program, which the two sides name.
"$POOLBUF_JSON_TOOL" set again.json tool_version '"9.9"' >tool.json
for i in 0 1; do
    "$POOLBUF_JSON_TOOL" set tool.json subjects.$i.version '"poolbuf 9.9"' >newer.json
    mv newer.json tool.json
done
run poolbuf compare again.json tool.json --threshold 100000
expect_status 0
expect_equal "notes of the same program's subjects" 0 "$(grep -c 'is not the same' .stdout)"

note "files without a digest: the counts and the seed are what there is"
without $digest small.json old.json
without $digest seed.json old-seed.json
without run.seed old-seed.json old-unknown.json
run poolbuf compare old.json again.json --threshold 100000
expect_status 0
run poolbuf compare old.json old-seed.json
expect_one_line_refusal "different seeds: 1 in BASE, 2 in NEW"
run poolbuf compare old.json seed.json
expect_one_line_refusal "different seeds: 1 in BASE, 2 in NEW"
run poolbuf compare old.json old-unknown.json --threshold 100000
expect_status 0
"$POOLBUF_JSON_TOOL" set old.json scenarios.0.allocations 7 >old-counts.json
run poolbuf compare old-counts.json old.json
expect_one_line_refusal "other threads, operations or allocations"

note "a seed that decides nothing is no difference"
printf 'name: t\nasks: q?\nsource: s\nphases:\n  - {kind: pingpong, operations: 1000, sizes: {fixed: 64}}\n' >t.yaml
measure one.json -s fixed,null
measure two.json -s fixed,null --seed 2
run poolbuf compare one.json two.json --threshold 100000
expect_status 0

note "a scenario that was edited is not played as if it were the same"
churn 8 100 >t.yaml
"$POOLBUF_JSON_TOOL" scale small.json pooled 0.01 >fast.json
for side in "--relative-to fixed" "--base-binary $POOLBUF_BIN"; do
    churn 8000 10000 >t.yaml
    # shellcheck disable=SC2086 # an option and its value
    run poolbuf compare fast.json small.json --confirm $side
    expect_status 3
    expect_stdout_has "could not be played again: t.yaml: the scenario is no longer what NEW was measured with"
    churn 8 100 >t.yaml
    # shellcheck disable=SC2086
    run poolbuf compare fast.json small.json --confirm --threshold 100 $side
    expect_stdout_has "confirmed: "
done

note "what BASE has and NEW has not"
measure both.json -s fixed,pooled,null
measure fewer.json -s fixed,null
# The threshold is one that no time of this machine decides.
lacks() { # FILE TEXT...: against both.json it is no success, says so, and is one without what it lacks
    local file=$1
    shift
    run poolbuf compare both.json "$file" --threshold 100000
    expect_status 1
    expect_stderr_lines 1
    expect_stderr_has "--only-common"
    expect_stdout_has "measured in base and not in new"
    local text
    for text in "$@"; do
        expect_stderr_has "$text"
    done
    run poolbuf compare both.json "$file" --threshold 100000 --only-common
    expect_status 0
    expect_stderr_empty
}
run poolbuf compare both.json both.json --threshold 100000
expect_status 0
run poolbuf compare fewer.json both.json --threshold 100000
expect_status 0
expect_stdout_has "only in NEW"
lacks fewer.json "1 result of BASE missing in NEW: pooled (only in BASE) on t;"
"$POOLBUF_JSON_TOOL" set fewer.json scenarios.0.name '"a\nb"' >odd-fewer.json
"$POOLBUF_JSON_TOOL" set both.json scenarios.0.name '"a\nb"' >odd-both.json
run poolbuf compare odd-both.json odd-fewer.json --threshold 100000
expect_status 1
expect_stderr_lines 1
for status in unavailable unsupported; do
    "$POOLBUF_JSON_TOOL" set both.json scenarios.0.results.subject=pooled.status "\"$status\"" >now.json
    lacks now.json "pooled (ok in BASE, $status in NEW) on t;"
done
"$POOLBUF_JSON_TOOL" set both.json scenarios.0.results.subject=pooled.samples '[]' >empty.json
lacks empty.json "pooled (no samples in NEW) on t;"
"$POOLBUF_JSON_TOOL" set empty.json run.partial true >partial.json
lacks partial.json "missing in NEW, whose run was ended before its time: pooled (no samples in NEW) on t;"
sample=$(json both.json scenarios.0.results.subject=pooled.samples.0)
"$POOLBUF_JSON_TOOL" set both.json scenarios.0.results.subject=pooled.samples "[$sample]" >one.json
lacks one.json "pooled (too few samples" "on t;"
# A time of 0 has no ratio: what was measured in BASE is then no more judged than without samples.
"$POOLBUF_JSON_TOOL" level both.json pooled 0 >zero.json
lacks zero.json "pooled (too few samples" "with times above 0) on t;"
run poolbuf compare zero.json both.json --threshold 100000
expect_status 0
sed 's/^name: t/name: u/' t.yaml >u.yaml
run poolbuf run t.yaml u.yaml --quick -n 4 --all-rounds -s fixed,pooled,null -o both.json
expect_status 0
measure t-alone.json -s fixed,pooled,null
lacks t-alone.json "3 results of BASE missing in NEW: fixed (only in BASE) and 2 more on u;"
run poolbuf compare both.json t-alone.json --threshold 100000 --format json
cp .stdout comparison.json
expect_equal "the loss of a row" missing "$(json comparison.json rows.scenario=u.loss)"

note "a failure is not forgiven, a regression is still one, and nothing in common is still 6"
"$POOLBUF_JSON_TOOL" set both.json scenarios.0.results.subject=pooled.status '"failed"' >failed.json
run poolbuf compare both.json failed.json --threshold 100000 --only-common
expect_status 1
expect_stderr_has "1 result of BASE failed in NEW: pooled (ok in BASE, failed in NEW) on t"
"$POOLBUF_JSON_TOOL" set failed.json scenarios.0.results.subject=pooled.message '"killed by signal 11"' >killed.json
run poolbuf compare both.json killed.json --threshold 100000 -o killed.xml
expect_status 1
expect_stderr_has "pooled (ok in BASE, failed in NEW: killed by signal 11) on t"
expect_equal "the reason in JUnit's XML" 1 "$(grep -c '<error message="ok in BASE, failed in NEW: killed by signal 11"' killed.xml)"
"$POOLBUF_JSON_TOOL" set failed.json scenarios.0.results.subject=pooled.message '"two\nlines\u001b[31m"' >lines.json
run poolbuf compare both.json lines.json --threshold 100000
expect_status 1
expect_stderr_lines 1
expect_stderr_has "failed in NEW: two?lines?[31m) on t"
"$POOLBUF_JSON_TOOL" scale both.json pooled 0.01 >fast.json
run poolbuf compare fast.json t-alone.json
expect_status 3
expect_stderr_has "missing in NEW"
run poolbuf run u.yaml --quick -n 4 --all-rounds -s fixed -o u-alone.json
for options in "" --only-common; do
    # shellcheck disable=SC2086
    run poolbuf compare t-alone.json u-alone.json $options
    expect_status 6
    expect_stderr_has "nothing could be compared"
done
finish
