#!/usr/bin/env bash
# The gate: thresholds by metric, and a suspicion that is played again before it fails.
source "$(dirname "$0")/lib.sh"

cat >tiny.yaml <<'END'
name: tiny
asks: Is it slower?
source: Made for this test.
threads: 1
phases:
  - {kind: churn, live: 32, operations: 4000, sizes: {fixed: 256}}
END
subjects=pooled,fixed,null
run poolbuf run tiny.yaml --quick --rounds 6 --all-rounds -s $subjects -o new.json
expect_status 0

# BASE is NEW, but a hundred times as fast: whatever the machine does, NEW looks slower, and a rerun against such a base
# confirms it; both builds in turn do not, since they are one.
doctored() { # FROM FACTOR TO: every sample of pooled takes FACTOR times as long
    cp "$1" "$3"
    "$POOLBUF_JSON_TOOL" scale "$1" pooled "$2" >"$3"
}
doctored new.json 0.01 base.json

run poolbuf compare base.json new.json
expect_status 3
run poolbuf compare base.json new.json --confirm --relative-to fixed
expect_status 3
expect_stderr_has "pooled on tiny is suspected; playing it again, 10 rounds"
expect_stdout_has "; confirmed: "
expect_stdout_has "relative to fixed"
run poolbuf compare base.json new.json --confirm --base-binary "$POOLBUF_BIN" --rounds 12 --threshold 50 --format json
expect_status 0
cp .stdout comparison.json
expect_equal "suspected" true "$(json comparison.json rows.0.suspected)"
expect_equal "still a regression" false "$(json comparison.json rows.0.regression)"
run poolbuf compare base.json new.json --confirm --base-binary "$POOLBUF_BIN" --threshold 50 --format markdown
expect_status 0
expect_stdout_has "not confirmed: "
expect_stdout_has "both builds in the same rounds"

# What cannot be played again stays a regression, and says why.
run poolbuf compare base.json new.json --confirm --relative-to pooled --force
expect_stdout_has "no regression"
"$POOLBUF_JSON_TOOL" scale base.json fixed 0.01 >both.json
"$POOLBUF_JSON_TOOL" set both.json run.baseline_subject '"fixed"' >both-base.json
"$POOLBUF_JSON_TOOL" set new.json run.baseline_subject '"fixed"' >both-new.json
run poolbuf compare both-base.json both-new.json --confirm
expect_status 3
expect_stdout_has "could not be played again: it is the reference itself"
mv tiny.yaml moved.yaml
run poolbuf compare base.json new.json --confirm --relative-to fixed
expect_status 3
expect_stdout_has "could not be played again"
sed 's/4000/5000/' moved.yaml >tiny.yaml
run poolbuf compare base.json new.json --confirm --relative-to fixed
expect_status 3
expect_stdout_has "no longer what NEW was measured with"
mv moved.yaml tiny.yaml

# The wrong program cannot confirm anything.
"$POOLBUF_JSON_TOOL" set base.json build.flags '"-O9"' >base-flags.json
"$POOLBUF_JSON_TOOL" set new.json build.flags '"-O9"' >new-flags.json
run poolbuf compare base-flags.json new-flags.json --confirm
expect_one_line_refusal "another build than this program"
run poolbuf compare base.json new.json --confirm --base-binary /bin/true
expect_one_line_refusal "/bin/true is not the program that made BASE"
run poolbuf compare base.json new.json --confirm --base-binary /nowhere/poolbuf
expect_one_line_refusal "could not be started"
run poolbuf compare base.json new.json --base-binary "$POOLBUF_BIN"
expect_one_line_refusal "--base-binary is for --confirm"

# Without a suspicion nothing is played.
run poolbuf compare new.json new.json --confirm
expect_status 0
expect_stderr_empty

# Memory has a threshold of its own, and is judged only when it is given one.
run poolbuf compare new.json new.json --threshold time=5,memory=10
expect_status 0
expect_stdout_has "pooled memory"
for i in 0 1 2 3 4 5; do
    cp "$([ $i = 0 ] && echo new.json || echo more.json)" less.json
    "$POOLBUF_JSON_TOOL" set less.json scenarios.0.results.0.samples.$i.peak_resident_bytes 900000000 >more.json
done
run poolbuf compare new.json more.json --threshold 1000
expect_status 0
run poolbuf compare new.json more.json --threshold time=1000,memory=10
expect_status 3
expect_stdout_has "REGRESSION: more"
for bad in time= memory "5," time=5,speed=2 =5 "5,,6" time=-1 1e3; do
    run poolbuf compare new.json new.json --threshold "$bad"
    expect_one_line_refusal "--threshold"
done

# The same subject twice under two names; names that are taken or unknown are refused.
run poolbuf run tiny.yaml --quick --rounds 2 -s fixed,again=fixed,slow=fixed+50,null -o twice.json
expect_status 0
expect_equal "the note" "plays fixed" "$(json twice.json subjects.1.note)"
expect_equal "the slow one's" "plays fixed, and spins for 50 % of its time after each play" \
    "$(json twice.json subjects.2.note)"
for bad in fixed=pooled again=fxed =fixed slow=fixed+ slow=fixed+x again=fixed,again=pooled; do
    run poolbuf run tiny.yaml --quick --rounds 1 -s "$bad"
    expect_one_line_refusal poolbuf
done
finish
