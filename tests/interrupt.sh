#!/usr/bin/env bash
# Progress on a terminal and nowhere else; an interrupted run keeps what it measured, marked as partial.
source "$(dirname "$0")/lib.sh"

cat >long.yaml <<'END'
name: long
asks: What remains of a run that is ended?
source: Made for this test.
threads: 1
phases:
  - {kind: churn, live: 32, operations: 20000, sizes: {fixed: 256}}
END
cat >two.yaml <<'END'
name: two
asks: Who follows?
source: Made for this test.
threads: 1
phases:
  - {kind: pingpong, operations: 1000, sizes: {fixed: 256}}
END

# A pty: script(1). What is drawn ends with an erased line.
run env -u CI TERM=xterm script -qec "'$POOLBUF_BIN' run two.yaml --quick --rounds 2 -s fixed,null" /dev/null
expect_status 0
for word in "generating the operations of two, 1 of 1" "round 1 of 2" "two, fixed" "two, null" " left, " "] "; do
    expect_stdout_has "$word"
done
# A narrow terminal does without the bar, and no line is longer than it is wide.
for columns in 1 12 50; do
    run env -u CI TERM=xterm script -qec \
        "stty cols $columns; '$POOLBUF_BIN' run two.yaml --quick --rounds 2 -s fixed,null >table" /dev/null
    expect_status 0
    tr '\r' '\n' <.stdout | sed -n 's/\x1b\[K$//p' >drawn
    [ -s drawn ] || fail "nothing was drawn on $columns columns"
    [ -z "$(awk -v most="$columns" 'length($0) >= most' drawn)" ] || fail "a line fills $columns columns"
done
grep -q '^ *[0-9]*%  .*round 2 of 2, two, ' drawn || fail "50 columns have room for what runs: $(cat drawn)"

# A pass is no round: its word is shown, and which of its processes it is. It is looked at in the end, as one waits for ten
# seconds.
env -u CI TERM=xterm script -qec \
    "'$POOLBUF_BIN' run two.yaml --quick --rounds 2 -s fixed -m latency -m memory --rate 1000000" /dev/null \
    >passes.out </dev/null &
passes=$!
for how in "env CI=true TERM=xterm" "env -u CI TERM=dumb"; do
    run $how script -qec "'$POOLBUF_BIN' run two.yaml --quick --rounds 2 -s fixed,null" /dev/null
    expect_status 0
    expect_equal "progress with $how" 0 "$(grep -c 'round 1 of 2' .stdout)"
done
run env -u CI TERM=xterm script -qec "'$POOLBUF_BIN' run two.yaml --quiet --quick --rounds 2 -s fixed,null" /dev/null
expect_equal "progress with --quiet" 0 "$(grep -c 'round 1 of 2' .stdout)"
run env -u CI "$POOLBUF_BIN" run two.yaml --quick --rounds 2 -s fixed,null
expect_stderr_lacks "round 1"

# wait_until SECONDS COMMAND...
wait_until() {
    local tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}
# shellcheck disable=SC2317 # by run, which calls it
has_worker() { pgrep -P "$1" >/dev/null; }
# shellcheck disable=SC2317
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# A signal to the program alone: it ends its worker, writes, and dies of the signal, which a shell shows as 128 + its number.
for signal in INT:130 TERM:143 HUP:129; do
    rm -f partial.json
    # A shell without job control has its background jobs ignore SIGINT: `env` gives the default back.
    env --default-signal=INT,HUP "$POOLBUF_BIN" run long.yaml --rounds 1000 -s fixed,null -o partial.json \
        >.stdout 2>.stderr </dev/null &
    pid=$!
    last_command="poolbuf run, SIG${signal%:*}"
    wait_until 30 has_worker $pid || fail "there should be a worker"
    sleep 1.5
    worker=$(pgrep -P $pid | head -1)
    kill -"${signal%:*}" $pid
    status=0
    wait $pid || status=$?
    expect_status "${signal#*:}"
    expect_stderr_has "interrupted: the results are partial"
    expect_stdout_has "A partial run"
    [ -z "$worker" ] || wait_until 10 is_gone "$worker" || fail "the worker $worker should be gone"
    run "$POOLBUF_JSON_TOOL" check partial.json
    expect_status 0
    expect_equal "the mark" true "$(json partial.json run.partial)"
    expect_equal "status" ok "$(json partial.json scenarios.0.results.0.status)"
    for format in text markdown html; do
        run poolbuf report partial.json --format $format
        expect_status 0
        expect_stdout_has "partial run"
    done
done

# compare says so, too.
run poolbuf run long.yaml --quick --rounds 3 -s fixed,null -o whole.json
expect_status 0
expect_equal "no mark on a whole run" "" "$(json whole.json run.partial 2>/dev/null || true)"
"$POOLBUF_JSON_TOOL" set whole.json run.partial true >half.json
run poolbuf compare whole.json half.json
expect_status 0
expect_stdout_has "NEW is partial"

# Ctrl-C on a terminal goes to the worker as well: that is no failure of the subject.
run env -u CI TERM=xterm timeout -s KILL 60 script -qec \
    "(sleep 2; kill -INT 0) & exec '$POOLBUF_BIN' run long.yaml --rounds 1000 -s fixed,null -o typed.json" /dev/null
expect_file typed.json
expect_equal "the mark after Ctrl-C" true "$(json typed.json run.partial)"
expect_equal "status after Ctrl-C" ok "$(json typed.json scenarios.0.results.0.status)"

note "passes on a terminal"
wait "$passes"
expect_equal "status with passes" 0 $?
for word in "round 2 of 2, two, fixed" "latency 1 of 2, two, fixed" "latency 2 of 2" "latency at that rate 1 of 2" \
    "memory 1 of 1"; do
    checks=$((checks + 1))
    grep -qF "$word" passes.out || fail "the terminal should have shown: $word"
done
finish
