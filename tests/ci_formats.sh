#!/usr/bin/env bash
# Reports that other tools read: JUnit's XML, SARIF and collapsed stacks, of a real program, by suffix and by name, and what is
# refused.
source "$(dirname "$0")/lib.sh"

leaky=$POOLBUF_EXAMPLES/leaky
clean=$POOLBUF_EXAMPLES/clean
results=$POOLBUF_SOURCE/reports/tests/golden/results.json

run poolbuf leaks -o leaks.json -- "$leaky"
expect_status 4

note "SARIF: locations are files of the source root, wherever the report is written from"
run poolbuf report leaks.json -o leaks.sarif --source-root "$POOLBUF_SOURCE/"
expect_status 0
expect_stdout_empty
expect_equal "version" 2.1.0 "$(json leaks.sarif version)"
expect_equal "results" 2 "$(json leaks.sarif runs.0.results.#)"
expect_equal "file" examples/leaky.c "$(json leaks.sarif runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri)"
expect_equal "fingerprint" "$(json leaks.json groups.0.fingerprint)$(json leaks.json groups.1.fingerprint)" \
    "$(grep -o '"poolbufStack/v1": "[0-9a-f]*"' leaks.sarif | cut -d'"' -f4 | tr -d '\n')"
note "the same from the program itself, in one go, and from the folder it stands in"
(cd "$POOLBUF_SOURCE" && "$POOLBUF_BIN" report "$work/leaks.json" --format sarif) >same.sarif
expect_equal "by default the current folder" "$(cat leaks.sarif)" "$(cat same.sarif)"
run poolbuf leaks -o direct.sarif.json --source-root "$POOLBUF_SOURCE" -- "$leaky"
expect_status 4
expect_equal "file" examples/leaky.c "$(json direct.sarif.json runs.0.results.1.locations.0.physicalLocation.artifactLocation.uri)"
run poolbuf leaks --baseline leaks.json -o known.sarif -- "$leaky"
expect_status 0
expect_equal "standing" unchanged "$(json known.sarif runs.0.results.0.baselineState)"

note "JUnit: a failed case for each leak, none for a clean program, and a known leak is skipped"
run poolbuf report leaks.json -o leaks.xml
expect_status 0
expect_file leaks.xml
expect_equal "counts" 'tests="4" failures="2" errors="0" skipped="0"' \
    "$(sed -n 's/^<testsuites name="poolbuf" \(.*\) time=.*/\1/p' leaks.xml)"
grep -q '<testcase classname="leaky" name="poolbuf allocated by format_reply, [0-9a-f]\{16\}">' leaks.xml ||
    fail "no case for format_reply"
run poolbuf leaks --format junit -o - -- "$clean"
expect_status 0
expect_stdout_has 'tests="2" failures="0" errors="0" skipped="0"'
run poolbuf leaks --baseline leaks.json -o known.xml -- "$leaky"
expect_status 0
grep -q 'tests="4" failures="0" errors="0" skipped="2"' known.xml || fail "known leaks should be skipped"
run poolbuf report "$results" leaks.json --format junit
expect_status 0
expect_stdout_has '<testsuite name="leaks of leaky"'
expect_stdout_has '<testsuite name="pingpong"'

note "what one process's sample missed is a failure beside what another one saw, and known where a baseline has it"
golden=$POOLBUF_SOURCE/leakdetect/tests/golden
run poolbuf report "$golden/paranoid.json" "$golden/unseen.json" -o merged.json
expect_equal "unseen, of each and of all" "0 1 1" "$(json merged.json processes.0.unseen_buffers) $(
    json merged.json processes.1.unseen_buffers) $(json merged.json unseen_buffers)"
for files in "$golden/paranoid.json $golden/unseen.json" merged.json; do
    # shellcheck disable=SC2086 # names without blanks
    run poolbuf report $files --format junit
    expect_stdout_has '<testcase classname="server" name="no buffer leaked that no sample saw">'
    expect_stdout_has 'message="1 buffer leaked, not sampled: run again with POOLBUF_LEAK_LEVEL=paranoid to see where"'
    # shellcheck disable=SC2086
    run poolbuf report $files
    expect_stdout_has '; and 1 buffer, not sampled: run again'
    # shellcheck disable=SC2086
    run poolbuf report $files --format sarif
    expect_stdout_has '"ruleId": "unsampled-leak"'
done
run poolbuf report "$golden/simple.json" "$golden/disabled_simple.json"
expect_stdout_has 'In 1 of 2 processes the level was disabled for a part of the run'
checks=$((checks + 1))
! grep -q '99 %' "$work/.stdout" || fail "nothing is certain of a time without a sample"
export POOLBUF_LEAK_DENSE_START=0
unseen=(--level simple --sampling 1000000000 --seed 1)
run poolbuf leaks "${unseen[@]}" -o unseen.json -- "$leaky" 1000 1
expect_status 4
run poolbuf leaks "${unseen[@]}" -o known.xml --baseline unseen.json -- "$leaky" 1000 1
expect_status 0
grep -q 'tests="2" failures="0" errors="0" skipped="1"' known.xml || fail "what the baseline has should be skipped"
run poolbuf leaks "${unseen[@]}" -o grown.json --baseline unseen.json -- "$leaky" 1000 2
expect_status 4
run poolbuf report grown.json --format sarif
expect_stdout_has '"baselineState": "new"'
unset POOLBUF_LEAK_DENSE_START

note "that nothing was checked is an error there, too"
run poolbuf leaks -o unchecked.xml -- true
expect_status 6
grep -q 'tests="1" failures="0" errors="1"' unchecked.xml || fail "no error in the XML"
run poolbuf leaks -o unchecked.sarif -- true
expect_status 6
expect_equal "successful" false "$(json unchecked.sarif runs.0.invocations.0.executionSuccessful)"

note "collapsed stacks: outermost first, one line a group, and all of what leaked"
run poolbuf report leaks.json -o leaks.folded
expect_status 0
printf '%s\n' "main;serve;send_reply;format_reply 30" "main;serve;keep_request;read_request 70" >expected.folded
expect_equal "lines" "$(cat expected.folded)" "$(cat leaks.folded)"
expect_equal "buffers" "$(json leaks.json exact.live_buffers)" "$(awk '{ sum += $NF } END { print sum }' leaks.folded)"
run poolbuf report leaks.json --format collapsed --weight bytes
expect_status 0
expect_equal "bytes" "$(json leaks.json exact.live_bytes)" "$(awk '{ sum += $NF } END { print sum }' .stdout)"
run poolbuf leaks --format collapsed -o - -- "$leaky"
expect_status 4
expect_equal "from the program itself" "$(cat leaks.folded)" "$(cat .stdout)"

note "no schema says two things of one key, of which readers would take the last"
for schema in leakdetect/leaks.schema.json reports/results.schema.json scenarios/schema.json; do
    run json "$POOLBUF_SOURCE/$schema" title
    expect_status 0
done

note "what cannot be is refused, and nothing is written"
run poolbuf report "$results" -o results.sarif
expect_one_line_refusal "sarif describes leaks" junit
run poolbuf report "$results" leaks.json --format sarif -o results.sarif
expect_one_line_refusal "sarif describes leaks"
expect_no_file results.sarif
run poolbuf report "$results" -o results.folded
expect_one_line_refusal "collapsed describes leaks" junit
run poolbuf report leaks.json --format collapsed --weight blocks
expect_one_line_refusal '--weight' blocks "count, bytes"
expect_no_file results.folded
run poolbuf report leaks.json -o other.sarif --source-root nowhere
expect_one_line_refusal '--source-root: "nowhere"' "No such file"
run poolbuf report leaks.json -o other.sarif --source-root leaks.json
expect_one_line_refusal '--source-root: "leaks.json" is no folder'
expect_no_file other.sarif
run poolbuf report leaks.json --format sarfi
expect_one_line_refusal '"sarfi"' 'did you mean "sarif"' "junit, sarif"

finish
