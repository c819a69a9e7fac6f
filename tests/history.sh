#!/usr/bin/env bash
# Results of many runs: what is added, how it is shown, and when the newest run is a regression.
source "$(dirname "$0")/lib.sh"

cat >tiny.yaml <<'END'
name: tiny
asks: How does it go?
source: Made for this test.
threads: 1
phases:
  - {kind: churn, live: 32, operations: 4000, sizes: {fixed: 256}}
END
run poolbuf run tiny.yaml --quick --rounds 3 --all-rounds -s pooled,fixed,null -o measured.json
expect_status 0

# The n-th day's run: of what was measured, all samples of a subject are set to one number, so nothing here depends on the machine.
day() { # N POOLED FIXED [FILE]
    local file=${4:-day-$1.json}
    "$POOLBUF_JSON_TOOL" level measured.json pooled "$2" >.pooled.json
    "$POOLBUF_JSON_TOOL" level .pooled.json fixed "$3" >.fixed.json
    "$POOLBUF_JSON_TOOL" set .fixed.json created "\"2026-01-$(printf %02d "$1")T08:00:00Z\"" >"$file"
}

# ---- before there is a database ----
run poolbuf history show
expect_one_line_refusal "poolbuf-history.sqlite" "poolbuf history add"
run poolbuf history check --db nowhere/h.sqlite
expect_one_line_refusal "nowhere/h.sqlite"
run poolbuf history add measured.json --db nowhere/h.sqlite
expect_one_line_refusal "nowhere/h.sqlite: unable to open database file: No such file or directory; --db names a file"
run poolbuf history
expect_one_line_refusal "add, show or check"
run poolbuf history ad
expect_one_line_refusal 'did you mean "add"'
expect_equal "a database that nothing was added to" no "$([ -e poolbuf-history.sqlite ] && echo yes || echo no)"

# ---- adding ----
values=(100 101 99 100.5 99.5 100)
for i in "${!values[@]}"; do
    day $((i + 1)) "${values[i]}" 50
done
run poolbuf history add day-2.json day-1.json --label first
expect_status 0
expect_stdout_has "day-1.json: "
expect_stdout_has "run 2 on this host, kernel and build"
run poolbuf history add day-1.json
expect_status 0
expect_stderr_has "day-1.json is in poolbuf-history.sqlite already"
run poolbuf history check
expect_status 6
expect_stdout_has "nothing could be checked"
expect_stderr_has "a series needs 6 runs"
run poolbuf history add day-3.json day-4.json day-5.json
expect_status 0

# One bad file, and nothing is added.
"$POOLBUF_JSON_TOOL" set day-6.json run.partial true >partial.json
run poolbuf history add day-6.json partial.json
expect_one_line_refusal "partial.json" "ended before its time"
echo '{"schema": "poolbuf.leaks/1"}' >leaks.json
run poolbuf history add day-6.json leaks.json
expect_status 2
run poolbuf history add day-6.json --label "two
lines"
expect_one_line_refusal "--label" "one line"
run poolbuf history add day-6.json --label $'no \xff\xfe'
expect_one_line_refusal "--label" "one line of UTF-8"
# Runs are in the order of these texts: what is no time would be the newest, or the oldest, for good.
for created in yesterday "" 2026-01-06 2026-01-06T08:00:00+01:00 2026-01-06T08:00:00Z0 99999-01-06T08:00:00Z; do
    "$POOLBUF_JSON_TOOL" set day-6.json created "\"$created\"" >when.json
    run poolbuf history add when.json
    expect_one_line_refusal "when.json: created: is \"$created\"; expected when it was measured, as 2026-01-31T23:59:59Z"
done
"$POOLBUF_JSON_TOOL" set day-6.json subjects.1.name '"pooled"' >twice.json
run poolbuf history add twice.json --db new.sqlite
expect_one_line_refusal 'twice.json: subjects[1].name: is "pooled", as in subjects[0]; expected each subject once'
expect_no_file new.sqlite
cp day-6.json none.json
for subject in pooled fixed null; do
    "$POOLBUF_JSON_TOOL" set none.json "scenarios.0.results.subject=$subject.samples" '[]' >.none.json
    mv .none.json none.json
done
run poolbuf history add none.json
expect_status 6
expect_stderr_has "nothing in it succeeded"
run poolbuf history show tiny --format json
expect_status 0
cp .stdout show.json
expect_equal "runs after what was refused" 5 "$(json show.json run_count)"
expect_equal "the order is that of measuring" 2026-01-01T08:00:00Z "$(json show.json series.0.points.0.created)"

# A pipe cannot be read twice: its digest was that of nothing, so the second one was "in it already".
cat day-6.json >pipe.json
for file in - /dev/fd/0; do
    run bash -c 'cat pipe.json | "$0" history add '$file' --db piped.sqlite' "$POOLBUF_BIN"
    expect_one_line_refusal "$file is no regular file"
done
expect_no_file piped.sqlite

# Keys of a later version are passed over, and that is said, here and in compare.
sed 's|"poolbuf.results/1"|"poolbuf.results/1.3", "added_later": 1|' day-6.json >later.json
run poolbuf history add later.json --db later-keys.sqlite
expect_status 0
expect_stderr_has "note: later.json: has 1 key that this poolbuf does not know, first added_later: passed over"
run poolbuf compare day-5.json later.json --only-common
expect_stderr_has "note: later.json: has 1 key"
run poolbuf report later.json
expect_status 0
expect_stderr_has "note: later.json: has 1 key"

# The database is read: no report takes its place.
run poolbuf history show -o poolbuf-history.sqlite
expect_one_line_refusal "cannot write poolbuf-history.sqlite: it is what this command reads"
run poolbuf history show
expect_status 0

# ---- six runs: it can be judged ----
run poolbuf history add day-6.json
expect_status 0
run poolbuf history check
expect_status 0
expect_stdout_has "no regression: of 2 series 2 as usual"
run poolbuf history show
expect_status 0
expect_stdout_has "3 series, no change of level"
run poolbuf history show tiny -s pooled --metric memory
expect_status 0
expect_stdout_has "tiny, pooled, memory"

# The newest run is far off: a regression, by however little it is beyond the noise; below the threshold it is none.
cp poolbuf-history.sqlite usual.sqlite
cp poolbuf-history.sqlite six.sqlite
day 7 112 50
run poolbuf history add day-7.json --label slow
run poolbuf history check
expect_status 3
expect_stdout_has "REGRESSION: slower in the newest run"
expect_stdout_has "1 regression: of 2 series 1 as usual, 0 better, 1 worse"
run poolbuf history check --threshold 15
expect_status 0
run poolbuf history check -s fixed
expect_status 0
run poolbuf history check --format markdown -o check.md
expect_status 3
expect_equal "the answer in Markdown" 1 "$(grep -c '^\*\*1 regression' check.md)"

run poolbuf history check -o check.xml
expect_status 3
expect_equal "failures in JUnit's XML" 1 "$(grep -c '<failure .*type="regression"' check.xml)"
run poolbuf history show --format junit
expect_one_line_refusal "junit" "history check"

# Two more like it, and it is a level, which says where it began. The machine was slower by as much in one of them.
day 8 113 50
day 9 137 60
run poolbuf history add day-8.json day-9.json
run poolbuf history check --relative-to fixed
expect_status 3
expect_stdout_has "REGRESSION: slower since slow"
run poolbuf history show tiny -s pooled --relative-to fixed
expect_stdout_has "from here on"

# A level that is expected is no regression, and begins a series anew.
cp usual.sqlite accepted.sqlite
run poolbuf history add day-7.json day-8.json --db accepted.sqlite --accept "buffers are zeroed"
expect_status 0
run poolbuf history check --db accepted.sqlite
expect_status 6
run poolbuf history show tiny -s pooled --db accepted.sqlite
expect_stdout_has "accepted: buffers are zeroed"

# It is as good as news for ten runs, or as many as are asked for; then it is what is usual.
for i in 10 11 12; do
    day $i 112.5 50
done
cp usual.sqlite later.sqlite
run poolbuf history add day-7.json day-8.json day-10.json day-11.json day-12.json --db later.sqlite
run poolbuf history check --db later.sqlite
expect_status 3
run poolbuf history check --db later.sqlite --recent 4
expect_status 0

# Small steps, each below the threshold, together are none.
i=0
for level in 100 104 108; do
    for tenth in 0 1 2; do
        i=$((i + 1))
        day $i $level.$tenth 50 creep-$i.json
    done
done
run poolbuf history add creep-?.json --db creep.sqlite
run poolbuf history check --db creep.sqlite
expect_status 3
expect_stdout_has "REGRESSION: slower since"

# ---- what cannot be compared ----
day 13 300 50
"$POOLBUF_JSON_TOOL" set day-13.json host.kernel '"Linux 99"' >elsewhere.json
run poolbuf history add elsewhere.json
expect_status 0
expect_stdout_has "run 1 on this host"
run poolbuf history check
expect_status 6
expect_stdout_has "9 runs of other hosts, kernels or builds"
"$POOLBUF_JSON_TOOL" set day-13.json scenarios.0.stream_digest '"fnv1a64:0000000000000000"' >changed.json
run poolbuf history add changed.json --db usual.sqlite
run poolbuf history check --db usual.sqlite
expect_status 6
expect_stdout_has "tiny has changed what it plays"

# An allocator that is another one under its name: a note.
day 14 100 50
"$POOLBUF_JSON_TOOL" set day-14.json subjects.1.version '"fixed 9"' >upgraded.json
run poolbuf history add creep-1.json upgraded.json --label upgrade --db upgraded.sqlite
run poolbuf history show --db upgraded.sqlite
expect_stdout_has "fixed is not the same before upgrade: "
expect_stdout_has ", and then fixed 9"

# ---- what the newest run lacks ----
# As compare: a failure and a metric that was asked for end with 1, and so does what is gone, but for --only-common.
without() { # FILE SUBJECT TO: a results file in which the subject is another, so that it is not there
    "$POOLBUF_JSON_TOOL" set "$1" "scenarios.0.results.subject=$2.subject" '"other"' >.gone.json
    "$POOLBUF_JSON_TOOL" set .gone.json "subjects.name=$2.name" '"other"' >"$3"
}
failed() { # FILE SUBJECT TO
    "$POOLBUF_JSON_TOOL" set "$1" "scenarios.0.results.subject=$2.status" '"failed"' >.failed.json
    "$POOLBUF_JSON_TOOL" set .failed.json "scenarios.0.results.subject=$2.message" '"it hung"' >.told.json
    "$POOLBUF_JSON_TOOL" set .told.json "scenarios.0.results.subject=$2.samples" '[]' >"$3"
}
for i in 15 16 17; do
    day $i 100 50
done
without day-15.json pooled gone.json
cp six.sqlite gone.sqlite
run poolbuf history add gone.json --db gone.sqlite
expect_status 0
run poolbuf history check --db gone.sqlite
expect_status 1
expect_stdout_has "not in the newest run"
expect_stdout_has "1 measured before and not in the newest run"
expect_stderr_has "1 series missing in the newest run: tiny, pooled, time (not in the newest run); "
expect_stderr_has "--only-common"
run poolbuf history check --db gone.sqlite -o gone.xml
expect_status 1
expect_equal "errors in JUnit's XML" 1 "$(grep -c '<error .*type="missing"' gone.xml)"
run poolbuf history check --db gone.sqlite --only-common
expect_status 0
expect_stderr_empty
run poolbuf history check --db gone.sqlite -s fixed
expect_status 0
run poolbuf history check --db gone.sqlite --relative-to pooled
expect_one_line_refusal 'subject "pooled" has no times in the newest run of gone.sqlite'
run poolbuf history show --db gone.sqlite --relative-to pooled
expect_status 0
# It stays missing while it is among the last runs, and no longer.
without day-16.json pooled gone-2.json
run poolbuf history add gone-2.json --db gone.sqlite
run poolbuf history check --db gone.sqlite
expect_status 1
run poolbuf history check --db gone.sqlite --recent 1
expect_status 0
# To begin anew is to leave it out on purpose.
without day-17.json pooled gone-3.json
run poolbuf history add gone-3.json --db gone.sqlite --accept "pooled is measured elsewhere"
run poolbuf history check --db gone.sqlite
expect_status 6
expect_stderr_lacks "missing"

failed day-15.json pooled failed.json
cp six.sqlite failed.sqlite
run poolbuf history add failed.json --db failed.sqlite
run poolbuf history check --db failed.sqlite --only-common
expect_status 1
expect_stdout_has "failed in the newest run: it hung"
expect_stderr_has "1 series failed in the newest run: tiny, pooled, time (failed in the newest run: it hung)"
run poolbuf history check --db failed.sqlite --format json -o failed-check.json
expect_status 1
expect_equal "the loss in JSON" failed "$(json failed-check.json series.subject=pooled.loss)"
# A regression comes first.
day 15 100 80
failed day-15.json pooled failed-2.json
cp six.sqlite failed-2.sqlite
run poolbuf history add failed-2.json --db failed-2.sqlite
run poolbuf history check --db failed-2.sqlite
expect_status 3
expect_stderr_has "1 series failed in the newest run"
run poolbuf history check --db failed.sqlite --relative-to pooled
expect_one_line_refusal 'no times in the newest run'
# A database of a program before the table of absences: it gets one with the next run, and is read without one.
cp gone.sqlite before.sqlite
sqlite_has=$(command -v sqlite3 || true)
if [ -n "$sqlite_has" ]; then
    sqlite3 before.sqlite 'DROP TABLE absences'
    run poolbuf history check --db before.sqlite
    expect_status 6
    run poolbuf history add day-16.json --db before.sqlite
    expect_status 0
fi

# ---- bad input ----
run poolbuf history show tinny
expect_one_line_refusal '"tinny"' 'did you mean "tiny"'
run poolbuf history check --relative-to malloc
expect_one_line_refusal '"malloc"'
run poolbuf history show --metric speed
expect_one_line_refusal '"speed"' "latency-p99"
run poolbuf history check --threshold latency-p99=5
expect_one_line_refusal "no latency-p99" "--measure latency"
run poolbuf history show --format sarif
expect_one_line_refusal "sarif" "text, markdown, html, json"
run poolbuf history add day-1.json --db :memory:
expect_one_line_refusal "no file"
run poolbuf history show --db .
expect_one_line_refusal "no regular file"
echo "no database" >text.sqlite
run poolbuf history show --db text.sqlite
expect_one_line_refusal "text.sqlite"
run poolbuf history add day-1.json --db text.sqlite
expect_one_line_refusal "text.sqlite"
expect_equal "what is no database" "no database" "$(cat text.sqlite)"
finish
