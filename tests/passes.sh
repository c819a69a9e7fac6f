#!/usr/bin/env bash
# What a run measures beside time: latency with a stall of a known size, memory over time, instructions twice the same;
# and malloc before and after its process had a second thread.
source "$(dirname "$0")/lib.sh"

cat >tiny.yaml <<'END'
name: tiny
asks: Does one thread get an answer?
source: Made for this test.
threads: 1
phases:
  - name: churn
    kind: churn
    live: 32
    operations: 40000
    sizes: {log_uniform: {low: 16, high: 16384}}
  - name: pingpong
    kind: pingpong
    operations: 40000
    sizes: {fixed: 256}
END
cat >pair.yaml <<'END'
name: pair
asks: Do two threads?
source: Made for this test.
threads: 2
phases:
  - kind: handoff
    live: 64
    burst: 8
    operations: 4000
    sizes: {fixed: 256}
END

# above A B: whether the first number is the larger one, or as large.
above() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'
}
expect_above() { # WHAT A B
    checks=$((checks + 1))
    above "$2" "$3" || fail "$1" "wanted at least: $3" "got:             $2"
}

# A stall of 1 ms in every 10,000th operation is in p99.99, and neither in the median nor in p99; the bounds are so
# wide that only a machine a thousand times too slow would cross them. At a rate the same is measured from the
# intended starts.
run poolbuf run tiny.yaml --quick -n 1 -s malloc -s stall=malloc~10000:1ms -m latency --rate 200000 -o latency.json
expect_status 0
for word in p50 p99.99 "latency at a fixed rate" "closed loop" "Clock: " "stalls for 1000 us in every 10000th operation"; do
    expect_stdout_has "$word"
done
for result in 0 1; do
    for pass in latency latency_at_rate; do
        at=scenarios.0.results.$result.$pass
        expect_above "operations of $at" "$(json latency.json $at.operations)" 10000
        expect_above "max of $at" "$(json latency.json $at.max_ns)" "$(json latency.json $at.p99_99_ns)"
        expect_above "p99.99 of $at" "$(json latency.json $at.p99_99_ns)" "$(json latency.json $at.p50_ns)"
    done
done
stalled=scenarios.0.results.1.latency
expect_above "p99.99 with the stall" "$(json latency.json $stalled.p99_99_ns)" 500000
expect_above "0.1 ms against the median" 100000 "$(json latency.json $stalled.p50_ns)"
expect_above "0.1 ms against p99" 100000 "$(json latency.json $stalled.p99_ns)"
expect_equal "rate" 200000 "$(json latency.json scenarios.0.results.1.latency_at_rate.rate_per_second | cut -d. -f1)"
expect_equal "rounds' samples" 1 "$(json latency.json 'scenarios.0.results.0.samples.#')"
run poolbuf report latency.json --format html
expect_stdout_has "p99.99"
run poolbuf report latency.json --format markdown
expect_stdout_has "p99.99"
run "$POOLBUF_JSON_TOOL" check latency.json
expect_status 0

# Several rounds give latency several processes, whose figures bound those of all together; two such files are compared
# by interval. One round gives one process, and a threshold that decides alone.
run poolbuf run tiny.yaml --quick -n 3 --all-rounds -s malloc -m latency -o thrice.json
expect_status 0
expect_stdout_has "3 processes together; below each figure the range"
at=scenarios.0.results.0.latency
expect_equal "processes" 3 "$(json thrice.json "$at.processes.#")"
for figure in p50_ns p99_ns max_ns; do
    expect_above "$figure above the least" "$(json thrice.json $at.$figure)" \
        "$(json thrice.json $at.spread.$figure.low | awk '{ print $1 * 0.99 }')"
    expect_above "$figure below the most" "$(json thrice.json $at.spread.$figure.high | awk '{ print $1 * 1.01 }')" \
        "$(json thrice.json $at.$figure)"
done
run poolbuf compare thrice.json thrice.json --threshold latency-p50=5
expect_status 0
expect_stdout_has "malloc latency-p50"
expect_stdout_has "not separated"
run "$POOLBUF_JSON_TOOL" get latency.json scenarios.0.results.0.latency.processes
expect_status 1
run poolbuf compare latency.json latency.json --threshold latency-p99.99=5,latency-at-rate-p99=5
expect_status 6
expect_stdout_has "within the threshold, which alone decides"

# Two threads are timed one by one, and the line's round trip stands beside each sample.
run poolbuf run pair.yaml --quick -n 1 -s malloc -m latency -o pair.json
expect_status 0
expect_equal "two threads" ok "$(json pair.json scenarios.0.results.0.status)"
expect_above "operations of both" "$(json pair.json scenarios.0.results.0.latency.operations)" 1000
expect_above "round trip" "$(json pair.json scenarios.0.results.0.samples.0.line_round_trip_ns)" 1
expect_above "voluntary switches" "$(json pair.json scenarios.0.results.0.samples.0.switches_voluntary)" 0
expect_above "involuntary switches" "$(json pair.json scenarios.0.results.0.samples.0.switches_involuntary)" 0
expect_equal "had threads" true "$(json pair.json scenarios.0.results.0.samples.0.had_threads)"

# glibc before and after.
run poolbuf run tiny.yaml pair.yaml --quick -n 1 -s malloc -s malloc-threaded -o both.json
expect_status 0
expect_stdout_has "malloc ran in a process that never had a second thread"
expect_equal "malloc-threaded had threads" true "$(json both.json scenarios.0.results.1.samples.0.had_threads)"
run json both.json scenarios.0.results.0.samples.0.had_threads
checks=$((checks + 1))
[ "$(cat .stdout)" != true ] || fail "malloc should not have had a second thread"
expect_equal "malloc-threaded with two threads" unsupported "$(json both.json scenarios.1.results.1.status)"

# Memory: from nothing live to nothing live, and 10 s later.
run poolbuf run tiny.yaml --quick -n 1 -s pooled -m memory -o memory.json
expect_status 0
expect_stdout_has "after idle"
at=scenarios.0.results.0.memory
points=$(json memory.json "$at.points.#")
expect_above "points" "$points" 12
expect_equal "live at the start" 0 "$(json memory.json $at.points.0.live_bytes)"
expect_equal "live at the end" 0 "$(json memory.json "$at.points.$((points - 1)).live_bytes")"
expect_equal "peak live" "$(json memory.json scenarios.0.results.0.samples.0.peak_live_bytes)" \
    "$(json memory.json $at.peak_live_bytes)"
expect_above "the curve's end" "$(json memory.json "$at.points.$((points - 1)).at_ms")" 10000
expect_equal "idle" 10 "$(json memory.json $at.idle_seconds | cut -d. -f1)"
run poolbuf report memory.json -o memory.html
expect_equal "curves of the page" 1 "$(grep -c '<figure class="curve">' memory.html)"

# Words that are wrong, and what is missing.
run poolbuf run tiny.yaml -m latencies
expect_one_line_refusal 'did you mean "latency"'
run poolbuf run tiny.yaml -m latency_at_rate
expect_one_line_refusal "legal are time, latency, memory, instructions"
run poolbuf run tiny.yaml --rate 1000
expect_one_line_refusal "add --measure latency"
run poolbuf run tiny.yaml -m latency --rate 1 -o slow.json
expect_status 2
expect_stdout_empty
expect_stderr_has "--rate must be 1335 at least"
expect_no_file slow.json
for stall in '~' '~10000' '~10000:' '~10000:5' '~0:5us' '~10000:5s' '~10000:2000ms' '~x:5us' '~10000:us'; do
    run poolbuf run tiny.yaml -s "stall=malloc$stall"
    expect_one_line_refusal "comes a stall, as 10000:50us"
done
mkdir empty
run env PATH="$work/empty" "$POOLBUF_BIN" run tiny.yaml -m instructions -o none.json
expect_status 6
expect_stdout_empty
expect_stderr_lines 1
expect_stderr_has "apt-get install valgrind"
expect_no_file none.json

# The same number twice, within 0.1 %, from another folder and with another environment; null's beside it.
if ! command -v valgrind >/dev/null; then
    note "valgrind is not installed: nothing is counted"
    finish
fi
mkdir -p deeper/still
for name in once twice; do
    [ $name = once ] || cd deeper/still || exit 1
    run env LONGER="$(printf '%0200d' $((${#name} * 7)))" "$POOLBUF_BIN" run "$work/tiny.yaml" --quick -n 1 \
        -s malloc,pooled,fixed -m instructions -o "$work/$name.json"
    expect_status 0
    cd "$work" || exit 1
done
expect_stdout_has "instructions/op"
for result in 0 1 2; do
    at=scenarios.0.results.$result.instructions
    one=$(json once.json $at.total)
    other=$(json twice.json $at.total)
    expect_above "0.1 % of $at, $one and $other" 0.001 \
        "$(awk -v a="$one" -v b="$other" 'BEGIN { print (a > b ? a - b : b - a) / a }')"
    expect_above "$at against null's" "$(json once.json $at.per_op)" "$(json once.json $at.null_per_op)"
    expect_above "null's of $at" "$(json once.json $at.null_per_op)" 1
done
note "compare: instructions are a gate of their own"
run poolbuf compare once.json twice.json --threshold time=5,instructions=0.5
expect_status 6
expect_stderr_has "no times could be compared"
run poolbuf compare once.json twice.json --threshold time=off,instructions=0.5
expect_status 0
expect_stdout_has "no regression beyond the thresholds in 3 comparisons, none of times"
expect_stdout_has "times are not judged: --threshold time=off"
run poolbuf compare once.json twice.json --threshold time=off,instructions=0.5 --format json
expect_equal "rows" 3 "$(json .stdout rows.#)"
expect_equal "the first one" instructions "$(json .stdout rows.0.metric)"
run poolbuf compare once.json twice.json --threshold time=off,instructions=0.5 --format junit
expect_status 0
expect_stdout_has 'name="something was compared"'
sed 's/"per_op": /"per_op": 1/' twice.json >more.json
run poolbuf compare once.json more.json --threshold time=off,instructions=0.5
expect_status 3
expect_stdout_has "3 regressions beyond the thresholds in 3 comparisons, none of times"
run poolbuf run tiny.yaml --quick -n 1 -s malloc -m instructions -o fewer.json
run poolbuf compare once.json fewer.json --threshold time=off,instructions=0.5
expect_status 1
expect_stderr_has "2 results of BASE missing in NEW: pooled (only in BASE) and 1 more on tiny"
expect_equal "files left behind" "" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'poolbuf-callgrind-*' -newer twice.json)"
finish
