#!/usr/bin/env bash
# The templates of ci/github and ci/gitlab: each line that begins with "poolbuf" is run as it stands, for a program that
# leaks and for one that does not; and each command of ours that a template names is one of those lines. And the exports of
# ci/export.
source "$(dirname "$0")/lib.sh"

mkdir -p path change
cat >path/poolbuf <<END
#!/usr/bin/env bash
# A run is short here.
if [ "\$1" = run ]; then
    set -- "\$@" --quick --rounds 3
fi
exec "$POOLBUF_BIN" "\$@"
END
chmod +x path/poolbuf
cat >scenario.yaml <<'END'
name: tiny
asks: Is it slower?
source: Made for this test.
threads: 1
phases:
  - {kind: churn, live: 32, operations: 4000, sizes: {fixed: 256}}
END
cp scenario.yaml change/
cp "$POOLBUF_EXAMPLES/subject/free_lists.so" base.so
cp base.so change.so
cp base.so mine.so
export BASELINE='' SCENARIO=scenario.yaml GITHUB_SHA=0123abc CI_COMMIT_SHORT_SHA=4567def
export PATH=$work/path:$PATH GITHUB_STEP_SUMMARY=$work/summary.md

# play FILE WANTED...: runs the lines of a template in their order, and holds their statuses against what is wanted.
play() {
    local file=$1 line statuses=()
    shift
    while IFS= read -r line; do
        run bash -c "$line"
        # Which of two runs was faster is the machine's affair.
        [[ $line != "poolbuf compare"* || $status != 3 ]] || status=0
        statuses+=("$status")
        [ "$status" != 2 ] || fail "a line of $file is refused: $line"
    done < <(sed -nE 's/^ *(- )?(poolbuf .*)/\2/p' "$file")
    expect_equal "statuses of $file" "$*" "${statuses[*]}"
}

github=$POOLBUF_SOURCE/ci/github/poolbuf.yml
gitlab=$POOLBUF_SOURCE/ci/gitlab/poolbuf.yml
for file in "$github" "$gitlab"; do
    # Not "name: poolbuf", nor what is said of it in comments.
    expect_equal "commands of $file" "$(grep -cE '^ *(- )?poolbuf ' "$file")" \
        "$(grep -vE '^ *#' "$file" | grep -cE '\bpoolbuf (leaks|report|run|compare|doctor|history)\b')"
done

note "a program that leaks: the job fails, and what is uploaded is there"
TESTS=$POOLBUF_EXAMPLES/leaky play "$github" 4 0 0 0 0 0 0 0 0 0 0 0
expect_equal "findings" 2 "$(json leaks.sarif runs.0.results.#)"
grep -q 'leaking call stack' summary.md || fail "the summary lacks the answer"
TESTS=$POOLBUF_EXAMPLES/leaky play "$gitlab" 4 0 0 0 0 0 0 0 0 0
expect_file leaks.html
grep -q '<failure' leaks.xml || fail "no failed case"
expect_equal "runs in the history" 2 "$(sed -n 's/.*history.sqlite, \([0-9]*\) runs.*/\1/p' history.md history.xml | tail -n 1)"

note "what other dashboards take of results, with jq: of those that succeeded, whatever was measured"
golden=$POOLBUF_SOURCE/reports/tests/golden/results.json
succeeded='[.scenarios[].results[] | select(.status == "ok" and .subject != "null")] | length'
jq -f "$POOLBUF_SOURCE/ci/export/bencher.jq" "$golden" >bmf.json
jq -f "$POOLBUF_SOURCE/ci/export/github-action-benchmark.jq" "$golden" >benchmarks.json
expect_equal "benchmarks" "$(jq "$succeeded" "$golden")" "$(jq length bmf.json)"
expect_equal "latency" '{"value":4.215,"lower_value":4.178,"upper_value":4.272}' "$(jq -c '."pingpong/pooled".latency' bmf.json)"
expect_equal "not a number" 0 "$(jq '[.[][][] | select(type != "number")] | length' bmf.json)"
expect_equal "entries" "$(jq '[.[] | length] | add' bmf.json)" "$(jq length benchmarks.json)"
expect_equal "an entry" '{"name":"pingpong/pooled time","unit":"ns/op","value":4.215,"range":"± 0.047","extra":"interval 4.178 to 4.272"}' \
    "$(jq -c '.[0]' benchmarks.json)"
run "$POOLBUF_BIN" run scenario.yaml --quick --rounds 3 -s pooled,fixed,null -o plain.json
expect_status 0
expect_equal "a run without passes" '{"tiny/fixed":["latency","peak-resident-bytes"],"tiny/pooled":["latency","peak-resident-bytes"]}' \
    "$(jq -f "$POOLBUF_SOURCE/ci/export/bencher.jq" plain.json | jq -cS 'map_values(keys)')"
expect_equal "its entries" 4 "$(jq -f "$POOLBUF_SOURCE/ci/export/github-action-benchmark.jq" plain.json | jq length)"

finish
