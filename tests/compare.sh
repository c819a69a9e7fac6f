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
run poolbuf compare base.json new.json -o compare.xml
expect_status 3
expect_equal "failures in JUnit's XML" 1 "$(grep -c '<failure .*type="regression">' compare.xml)"
run poolbuf compare base.json new.json --format sarif
expect_one_line_refusal '"sarif"' "text, markdown, json, junit"
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

# No run has so many rounds: what such a file says is not believed, and not cut to 32 bits either.
"$POOLBUF_JSON_TOOL" set new.json run.rounds 4294967297 >rounds.json
run poolbuf compare base.json rounds.json --confirm --relative-to fixed
expect_status 3
expect_stderr_has "playing it again, 10 rounds"

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
# None is a number, too: from none to many is a regression, back is none, and from none to none is nothing.
amount_of() { # KEY NUMBER TO: what pooled has of it in each round
    local from=new.json
    for i in 0 1 2 3 4 5; do
        "$POOLBUF_JSON_TOOL" set "$from" scenarios.0.results.0.samples.$i."$1" "$2" >"$3.$i"
        from=$3.$i
    done
    mv "$from" "$3"
}
for pair in page_faults_minor:faults:5000:5001 resident_growth_bytes:growth:409600:101; do
    IFS=: read -r key name many ratio <<<"$pair"
    amount_of "$key" 0 none.json
    amount_of "$key" "$many" many.json
    run poolbuf compare none.json many.json --threshold "time=1000,$name=50" --format json
    expect_status 3
    cp .stdout comparison.json
    expect_equal "ratio of none to many $name" "$ratio" "$(json comparison.json "rows.metric=$name.ratio.estimate" | sed 's/\.0*$//')"
    run poolbuf compare none.json many.json --threshold "time=1000,$name=50"
    expect_stdout_has "ratios of $name where some are 0 are taken with "
    run poolbuf compare many.json none.json --threshold "time=1000,$name=50"
    expect_status 0
    run poolbuf compare none.json none.json --threshold "time=1000,$name=50"
    expect_status 0
done
# What passes found is compared by interval where both files have it of several processes.
with() { # FROM PASS VALUE TO: pooled has this pass's numbers
    "$POOLBUF_JSON_TOOL" set "$1" "scenarios.0.results.0.$2" "$3" >"$4"
}
processes() { # NUMBER...: the quantiles of a process each
    printf '{"p99_ns": %s.0, "processes": [' "$1"
    printf '{"p99_ns": %s.0}\n' "$@" | paste -sd,
    printf ']}'
}
with new.json latency "$(processes 100 101 102 103 104 105)" steady.json
with new.json latency "$(processes 150 151 152 153 154 155)" risen.json
with new.json latency "$(processes 150 20 300 40 600 80)" noisy.json
with new.json latency '{"p99_ns": 150.0}' single.json
run poolbuf compare steady.json risen.json
expect_status 0
run poolbuf compare steady.json risen.json --threshold time=5,latency-p99=20%
expect_status 3
expect_stdout_has "pooled latency-p99"
expect_stdout_has "REGRESSION: slower"
run poolbuf compare steady.json risen.json --threshold latency-p99=60
expect_status 0
run poolbuf compare risen.json steady.json --threshold latency-p99=5
expect_status 0
expect_stdout_has "faster"
run poolbuf compare steady.json noisy.json --threshold latency-p99=5 --format json
expect_status 0
cp .stdout comparison.json
expect_equal "no interval above 1" "not separated" "$(json comparison.json rows.metric=latency-p99.ratio.verdict)"
expect_equal "unit" ns "$(json comparison.json rows.metric=latency-p99.unit)"

# One number on a side is judged by the threshold alone, and so is what is counted once a run.
run poolbuf compare steady.json single.json --threshold latency-p99=20
expect_status 3
expect_stdout_has "REGRESSION: more, by the threshold alone"
run poolbuf compare steady.json single.json --threshold latency-p99=60
expect_status 0
expect_stdout_has "within the threshold, which alone decides"
with new.json instructions '{"per_op": 40.0}' counted.json
with new.json instructions '{"per_op": 40.1}' near.json
with new.json instructions '{"per_op": 40.3}' far.json
run poolbuf compare counted.json near.json --threshold instructions=0.5
expect_status 0
expect_stdout_has "pooled instructions"
run poolbuf compare counted.json far.json --threshold instructions=0.5 --format json
expect_status 3
cp .stdout comparison.json
expect_equal "alone" true "$(json comparison.json rows.metric=instructions.by_threshold_alone)"
expect_equal "regression" true "$(json comparison.json rows.metric=instructions.regression)"
with new.json memory '{"drained_resident_bytes": 8000000, "idle_resident_bytes": 7000000}' kept.json
with new.json memory '{"drained_resident_bytes": 8100000, "idle_resident_bytes": 7900000}' stuck.json
run poolbuf compare kept.json stuck.json --threshold memory-drained=5,memory-idle=20
expect_status 0
run poolbuf compare kept.json stuck.json --threshold memory-drained=5,memory-idle=5
expect_status 3
expect_stdout_has "pooled memory-idle"
# Given twice, both count: no gate is dropped because another came after it.
run poolbuf compare kept.json stuck.json --threshold memory-idle=5 --threshold memory-drained=5
expect_status 3
expect_stdout_has "pooled memory-idle"
expect_stdout_has "pooled memory-drained"

# Relative to another subject's, in the same process: what slowed both drops out.
with_fixed() { # FROM VALUE TO
    "$POOLBUF_JSON_TOOL" set "$1" scenarios.0.results.1.latency "$2" >"$3"
}
with_fixed steady.json "$(processes 50 51 52 53 54 55)" steady-both.json
with_fixed risen.json "$(processes 75 76 77 78 79 80)" risen-both.json
run poolbuf compare steady-both.json risen-both.json --threshold time=1000,latency-p99=20 --relative-to fixed
expect_status 0
expect_stdout_has "pooled latency-p99"

# A latency is played again as a time is, once for all rows of a subject; bytes and instructions stand as they are.
quantiles() { # NUMBER...: p50 and p99 of a process each
    local processes='' one
    for one in "$@"; do
        processes+="${processes:+, }{\"p50_ns\": $one.0, \"p99_ns\": $one.0}"
    done
    printf '{"p50_ns": %s.0, "p99_ns": %s.0, "processes": [%s]}' "$1" "$1" "$processes"
}
with new.json latency "$(quantiles 1 2 3)" swift.json
with_fixed swift.json "$(quantiles 1000 1001 1002)" swift-both.json
with new.json latency "$(quantiles 9000 9001 9002)" slack.json
with_fixed slack.json "$(quantiles 1000 1001 1002)" slack-both.json
limits=time=100000,latency-p50=1000,latency-p99=1000
run poolbuf compare swift-both.json slack-both.json --threshold $limits
expect_status 3
run poolbuf compare swift-both.json slack-both.json --threshold $limits --confirm --base-binary "$POOLBUF_BIN"
expect_status 0
expect_stderr_has "latency-p50 of pooled on tiny is suspected; playing it again, in 6 processes"
expect_equal "plays" 1 "$(grep -c "playing it again" .stderr)"
expect_equal "rows" 2 "$(grep -c "not confirmed: .*both builds in the same rounds" .stdout)"
run poolbuf compare swift-both.json slack-both.json --threshold $limits --confirm --relative-to fixed
expect_status 3
expect_equal "confirmed rows" 2 "$(grep -c "; confirmed: .*relative to fixed" .stdout)"
run poolbuf compare counted.json far.json --threshold instructions=0.5 --confirm --base-binary "$POOLBUF_BIN"
expect_status 3
expect_stderr_empty

# A threshold that has nothing to judge must not look like one that is kept.
run poolbuf compare steady.json new.json --threshold latency-p99=20
expect_one_line_refusal "latency-p99: new.json has none of it; \`poolbuf run --measure latency\` measures it"
run poolbuf compare new.json new.json --threshold memory-idle=5
expect_one_line_refusal "--measure memory"
with_fixed single.json '{"p99_ns": 50.0}' base-two.json
with_fixed new.json '{"p99_ns": 50.0}' new-one.json
run poolbuf compare base-two.json new-one.json --threshold latency-p99=20
expect_status 1
expect_stdout_has "not measured in NEW"
with new.json latency_at_rate '{"p99_ns": 50.0, "rate_per_second": 1000.0}' slow-rate.json
with new.json latency_at_rate '{"p99_ns": 50.0, "rate_per_second": 2000.0}' fast-rate.json
run poolbuf compare slow-rate.json fast-rate.json --threshold latency-at-rate-p99=20
expect_one_line_refusal "1000 operations a second in slow-rate.json and 2000 in fast-rate.json"
run poolbuf compare slow-rate.json fast-rate.json --threshold latency-at-rate-p99=20 --force
expect_status 0
for bad in latency=5 latency-p98=5 latency-p99.=5 instructions=x latency-p99=20%%; do
    run poolbuf compare new.json new.json --threshold "$bad"
    expect_one_line_refusal "--threshold"
done

for bad in 5,10 5,time=6 time=5,time=5 memory=1,memory=2; do
    run poolbuf compare new.json new.json --threshold "$bad"
    expect_one_line_refusal "--threshold: " "has two of them"
done
run poolbuf compare new.json new.json --threshold 5 --threshold time=6
expect_one_line_refusal "--threshold: time has two of them"
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
