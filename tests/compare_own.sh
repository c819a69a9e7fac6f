#!/usr/bin/env bash
# A suspicion about a subject that is not one of the table as it stands: one under another name, slowed down or not, or a
# user's own library. It is put together from what the results say and played again; where that cannot be, they say why.
source "$(dirname "$0")/lib.sh"

cat >tiny.yaml <<'END'
name: tiny
asks: Is it slower?
source: Made for this test.
threads: 1
phases:
  - {kind: churn, live: 32, operations: 4000, sizes: {fixed: 256}}
END
cp "$POOLBUF_EXAMPLES/subject/free_lists.so" mine.so
run poolbuf run tiny.yaml --quick -n 6 --all-rounds -s fixed,again=fixed,slow=fixed+1000,stall=fixed~100:20us,null \
    -s mine=./mine.so -o new.json
expect_status 0
note "the results say what a subject was"
expect_equal "what slow plays" "fixed 1000" \
    "$(json new.json subjects.name=slow.plays) $(json new.json subjects.name=slow.spin_percent)"
expect_equal "how stall stalls" "100 20000" \
    "$(json new.json subjects.name=stall.stall_every) $(json new.json subjects.name=stall.stall_ns)"
expect_equal "one of the table plays nothing else" "" "$(json new.json subjects.name=fixed.plays 2>/dev/null)"
expect_equal "digests of libraries" 1 "$(grep -cE '"library_digest": "fnv1a64:[0-9a-f]{16}"' new.json)"

# BASE is NEW, but a hundred times as fast: relative to another subject a rerun confirms it, and both builds in turn do not,
# since they are one.
cp new.json base.json
for name in again slow stall mine; do
    "$POOLBUF_JSON_TOOL" scale base.json $name 0.01 >faster.json
    mv faster.json base.json
done
run poolbuf compare base.json new.json --confirm --relative-to fixed
expect_status 3
for name in again slow stall mine; do
    expect_stderr_has "$name on tiny is suspected; playing it again"
done
expect_equal "confirmed" 4 "$(grep -c "; confirmed: .*relative to fixed" .stdout)"
run poolbuf compare base.json new.json --confirm --base-binary "$POOLBUF_BIN" --threshold 100
expect_status 0
expect_equal "not confirmed" 4 "$(grep -c "not confirmed: .*both builds in the same rounds" .stdout)"

note "each side is played as its file has it"
run poolbuf run tiny.yaml --quick -n 6 --all-rounds -s fixed,slow=fixed,null -o plain.json
expect_status 0
for side in "--relative-to fixed" "--base-binary $POOLBUF_BIN"; do
    # shellcheck disable=SC2086 # an option and its value
    run poolbuf compare plain.json new.json --confirm --threshold 100 $side
    expect_status 3
    expect_equal "slow is slower again" 1 "$(grep -c "slow .*; confirmed: " .stdout)"
done
"$POOLBUF_JSON_TOOL" set base.json run.baseline_subject '"again"' >base-again.json
"$POOLBUF_JSON_TOOL" set new.json run.baseline_subject '"again"' >new-again.json
run poolbuf compare base-again.json new-again.json --confirm
expect_status 3
expect_equal "relative to one under another name" 3 "$(grep -c "confirmed: .*relative to again" .stdout)"
expect_stdout_has "could not be played again: it is the reference itself"

note "parts of one experiment have the same subjects"
sed 's/^name: tiny/name: other/' tiny.yaml >other.yaml
run poolbuf run tiny.yaml --quick -n 2 --all-rounds -s fixed,slow=fixed+10 -o part-1.json
for slow in slow=fixed+10 slow=fixed+20; do
    run poolbuf run other.yaml --quick -n 2 --all-rounds -s fixed,$slow -o part-2.json
    expect_status 0
    run poolbuf report part-1.json part-2.json --format json -o both.json
    [ $slow = slow=fixed+10 ] || expect_one_line_refusal "different subjects under one name"
    [ $slow = slow=fixed+20 ] || expect_status 0
done

note "what cannot be put together stays a regression and says why"
refuses() { # TEXT BASE NEW OPTION...
    local text=$1
    shift
    run poolbuf compare "$@"
    expect_status 3
    expect_stdout_has "could not be played again: $text"
}
"$POOLBUF_JSON_TOOL" scale new.json mine 0.01 >base-mine.json
"$POOLBUF_JSON_TOOL" scale new.json slow 0.01 >base-slow.json
here=$(readlink -f mine.so)
cp mine.so kept.so
cp mine.so new.so
"$POOLBUF_JSON_TOOL" set new.json subjects.name=mine.library "\"$(readlink -f new.so)\"" >new-path.json
printf x >>mine.so
refuses "its library $here has changed since NEW was measured" base-mine.json new.json --confirm --relative-to fixed
refuses "its library $here has changed since BASE was measured" base-mine.json new-path.json --confirm \
    --base-binary "$POOLBUF_BIN"
rm mine.so
refuses "its library in NEW, $here: No such file or directory" base-mine.json new.json --confirm --relative-to fixed
refuses "its library in BASE, $here: No such file or directory" base-mine.json new-path.json --confirm \
    --base-binary "$POOLBUF_BIN"
mv kept.so mine.so
for key in subjects.name=mine.library_digest subjects.name=mine.library; do
    "$POOLBUF_JSON_TOOL" set new.json $key null >old.json
    refuses "this program has no such subject, and NEW does not say what it is" base-mine.json old.json --confirm \
        --relative-to fixed
done
"$POOLBUF_JSON_TOOL" set new.json subjects.name=slow.plays null >old.json
refuses "this program has no such subject, and NEW does not say what it is" base-slow.json old.json --confirm \
    --relative-to fixed
"$POOLBUF_JSON_TOOL" set new.json subjects.name=slow.plays '"nobody"' >other.json
refuses "this program has no subject nobody, which it plays" base-slow.json other.json --confirm --relative-to fixed
for change in 'spin_percent 5000' 'stall_every 5000000000' 'stall_ns 5000000000'; do
    "$POOLBUF_JSON_TOOL" set new.json "subjects.name=slow.${change% *}" "${change#* }" >other.json
    refuses "its slowdown is beyond what a run takes" base-slow.json other.json --confirm --relative-to fixed
done
finish
