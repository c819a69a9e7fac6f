#!/usr/bin/env bash
# The leak detector at work in real programs: what each level prints, reports in files, exit codes, finalization.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

leaky=$POOLBUF_EXAMPLES/leaky
clean=$POOLBUF_EXAMPLES/clean
source_file=$POOLBUF_SOURCE/examples/leaky.c
line_of() {
    grep -nF -- "$1" "$source_file" | head -n 1 | cut -d: -f1
}
request_line=$(line_of 'poolbuf_allocate(NULL, 256')
reply_line=$(line_of 'poolbuf_allocate(NULL, 1024')

expect_both_stacks() {
    expect_stderr_matches "read_request  .*leaky\.c:$request_line\$"
    expect_stderr_matches "keep_request  .*leaky\.c:[0-9]+\$"
    expect_stderr_matches "format_reply  .*leaky\.c:$reply_line\$"
    expect_stderr_matches "send_reply  .*leaky\.c:[0-9]+\$"
    expect_stderr_matches 'main  .*leaky\.c:[0-9]+$'
    expect_stderr_lacks 'unwind_'
    expect_stderr_lacks 'poolbuf_allocate'
}

note "paranoid prints both stacks with exact counts, for the shared library and for the archive"
for program in "$leaky" "$POOLBUF_EXAMPLES/leaky_static"; do
    run env POOLBUF_LEAK_LEVEL=paranoid "$program"
    expect_status 0
    expect_stdout_empty
    expect_stderr_has 'LEAK: 100 buffers'
    expect_stderr_matches '^#[12]  70 buffers, 17,920 bytes; age'
    expect_stderr_matches '^#[12]  30 buffers, 30,720 bytes; age'
    expect_both_stacks
done

note "a program whose file is gone by now, as after an update, or has an odd name, says the same"
odd=$work/$'two words\nand lines'
cp "$leaky" "$odd"
run env POOLBUF_LEAK_LEVEL=paranoid "$odd"
expect_both_stacks
# shellcheck disable=SC2016 # for the inner shell
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/gone.txt" bash -c 'exec 3<"$1"; rm "$1"; exec /proc/self/fd/3' sh "$odd"
cp "$work/gone.txt" "$work/.stderr"
expect_both_stacks
cp "$leaky" "$work/gone"
# shellcheck disable=SC2016
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/gone.json" bash -c 'exec 3<"$1"; rm "$1"; exec /proc/self/fd/3' sh "$work/gone"
expect_equal "its name" "$work/gone" "$(json "$work/gone.json" program)"
expect_equal "its module" "$work/gone" "$(json "$work/gone.json" groups.0.allocation_stack.0.module)"

note "a program that the loader runs, called by hand, has its own name, and none of the loader's symbols"
if grep -q -e __tsan_init -e __asan_init "$leaky"; then
    note "not tried with sanitizers, which start themselves anew"
else
    loader=$(readelf -lW "$leaky" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
    run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/handed.json" "$loader" "$leaky"
    expect_equal "program and module" "$leaky $leaky" "$(json "$work/handed.json" program) $(
        json "$work/handed.json" groups.0.allocation_stack.0.module)"
    cp "$leaky" "$work/handed"
    # shellcheck disable=SC2016
    run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/handed.json" bash -c 'exec 3<"$2"; rm "$2"; exec "$1" /proc/self/fd/3' \
        sh "$loader" "$work/handed"
    expect_equal "groups, and the first one's function" "2 null" "$(json "$work/handed.json" groups.#) $(
        json "$work/handed.json" groups.0.allocation_stack.0.function)"
fi

note "names and ordinals, any case"
for level in 3 PARANOID Advanced 2 simple 1; do
    run env POOLBUF_LEAK_LEVEL=$level "$leaky"
    expect_status 0
    expect_stderr_matches '^#[12]  70 buffers' # the dense start covers so small a program
done

note "disabled prints nothing, and a clean program is never accused"
run env POOLBUF_LEAK_LEVEL=disabled "$leaky"
expect_status 0
expect_stdout_empty
expect_stderr_empty
run env POOLBUF_LEAK_LEVEL=0 POOLBUF_LEAK_REPORT="$work/none.json" POOLBUF_LEAK_EXIT_CODE=9 "$leaky"
expect_status 0
expect_stderr_empty
expect_no_file "$work/none.json"
for level in disabled simple advanced paranoid; do
    run env POOLBUF_LEAK_LEVEL=$level POOLBUF_LEAK_EXIT_CODE=9 "$clean"
    expect_status 0
    expect_stdout_empty
    expect_stderr_empty
done

note "simple finds both stacks of 1,000 leaks in 1,000,000 buffers, whatever the seed"
for seed in 0 1 2 3; do
    run env POOLBUF_LEAK_SEED=$seed "$leaky" 1000000 1000
    expect_status 0
    expect_stderr_has 'LEAK: 1,000 buffers'
    expect_stderr_matches 'sampled of about [0-9,]+ \(95 %: [0-9,]+ to [0-9,]+\)'
    expect_both_stacks
done
run env POOLBUF_LEAK_SEED=5 "$leaky" 100000 1000
grep '^#' "$work/.stderr" | sed 's/; age.*fingerprint/ fingerprint/' >"$work/first"
run env POOLBUF_LEAK_SEED=5 "$leaky" 100000 1000
grep '^#' "$work/.stderr" | sed 's/; age.*fingerprint/ fingerprint/' >"$work/second"
expect_equal "the same seed takes the same sample" "$(cat "$work/first")" "$(cat "$work/second")"

note "a leak that no sample saw is announced with the command to run next"
run env POOLBUF_LEAK_DENSE_START=0 POOLBUF_LEAK_SAMPLING_INTERVAL=1000000000 POOLBUF_LEAK_SEED=1 "$leaky" 1000 1
expect_status 0
expect_stderr_has 'LEAK: 1 buffer never released, holding 256 bytes'
expect_stderr_has "POOLBUF_LEAK_LEVEL=paranoid $leaky 1000 1"
expect_stderr_has "poolbuf leaks --level paranoid -- $leaky 1000 1"

run env POOLBUF_LEAK_DENSE_START=0 POOLBUF_LEAK_SAMPLING_INTERVAL=1000000000 POOLBUF_LEAK_SEED=1 \
    bash -c 'exec -a "$1" "$2" 1000 1' - $'it\'s\033[2J' "$leaky"
expect_stderr_has "POOLBUF_LEAK_LEVEL=paranoid \$'it\\'s\\033[2J' 1000 1" # as the shell reads it, not the terminal

note "reports in files"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/leaks.json" "$leaky"
expect_status 0
expect_stderr_lines 1
expect_stderr_has "LEAK: 100 never released; process exit"
expect_stderr_has "see $work/leaks.json"
expect_equal "schema" poolbuf.leaks/1 "$(json "$work/leaks.json" schema)"
expect_equal "exact count" 100 "$(json "$work/leaks.json" exact.live_buffers)"
expect_equal "groups" 2 "$(json "$work/leaks.json" groups.#)"
expect_equal "reason" "process exit" "$(json "$work/leaks.json" reason)"
first=$(json "$work/leaks.json" groups.0.fingerprint)
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/leaks.json" "$leaky"
expect_equal "the fingerprint is the same in every run" "$first" "$(json "$work/leaks.json" groups.0.fingerprint)"
run env POOLBUF_LEAK_REPORT="$work/clean-%p.json" "$clean"
expect_status 0
expect_stderr_empty
mv "$work"/clean-[0-9]*.json "$work/clean.json"
expect_equal "a clean program writes a report, too" 0 "$(json "$work/clean.json" groups.#)"
run env POOLBUF_LEAK_REPORT="$work/leaks.txt" "$leaky"
expect_stderr_lines 1
run cat "$work/leaks.txt"
checks=$((checks + 1))
grep -q '^#1  ' "$work/leaks.txt" || fail "a report whose name ends in .txt should be text"
run env POOLBUF_LEAK_REPORT=/nonexistent/leaks.json "$leaky"
expect_status 0
expect_stderr_lines 1
expect_stderr_has "leak report not written: /nonexistent/leaks.json: No such file or directory"

note "reports go where they should, and spare what stands there"
victim=$work/victim
mkdir "$work/pub"
echo precious >"$victim"
# The name of the partial file holds the process id, so the program that plants the link becomes the one that reports.
# shellcheck disable=SC2016 # for the inner shell
run sh -c 'ln -s "$1" "$2.$$.partial" && POOLBUF_LEAK_REPORT="$2" exec "$3"' sh "$victim" "$work/pub/leaks.json" "$leaky"
expect_equal "a link in the partial file's place is not followed" precious "$(cat "$victim")"
expect_equal "and the report is written" 100 "$(json "$work/pub/leaks.json" exact.live_buffers)"
mkfifo "$work/fifo"
# A pipe without a reader is refused, so both ends are open before the program starts: 3 lets 4 open without a writer.
# shellcheck disable=SC2094 # both ends, on purpose
exec 3<>"$work/fifo" 4<"$work/fifo"
timeout 20 cat <&4 >"$work/through" 3>&- &
run env POOLBUF_LEAK_REPORT="$work/fifo" timeout 20 "$leaky"
exec 3>&- 4<&-
wait
checks=$((checks + 1))
[ -p "$work/fifo" ] || fail "a pipe was replaced by a file"
expect_equal "a report goes through a pipe" 100 "$(json "$work/through" exact.live_buffers)"
run env POOLBUF_LEAK_REPORT="$work/fifo" timeout 20 "$leaky"
expect_status 0
expect_stderr_has "leak report not written: $work/fifo: No such device or address"
run env POOLBUF_LEAK_REPORT=/dev/stdout "$leaky"
checks=$((checks + 1))
grep -q '"schema": "poolbuf.leaks/1"' "$work/.stdout" || fail "no report on /dev/stdout"
[ -L /dev/stdout ] || fail "/dev/stdout was replaced by a file"

note "a set-user-ID program takes nothing from the environment"
# Only root can make one. LeakSanitizer dies in a process that may not be traced.
if [ "$(id -u)" = 0 ] && ! grep -q __asan_init "$POOLBUF_EXAMPLES/leaky_static"; then
    chmod 711 "$work" && chmod 777 "$work/pub"
    cp "$POOLBUF_EXAMPLES/leaky_static" "$work/pub/privileged"
    chown nobody "$work/pub/privileged" && chmod 4755 "$work/pub/privileged"
    run env POOLBUF_LEAK_REPORT="$work/pub/evil.json" POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_LEVLE=1 POOLBUF_STRICT=1 \
        "$work/pub/privileged"
    expect_status 0
    expect_no_file "$work/pub/evil.json"
    expect_stderr_has 'LEAK: 100 buffers'
    expect_stderr_lacks LEVLE
fi

note "exit codes"
run env POOLBUF_LEAK_EXIT_CODE=9 "$leaky" -v
expect_status 9
expect_stdout_has 'never released: 70 by keep_request(), 30 by send_reply()'
run env POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_REPORT="$work/leaks.json" "$leaky"
expect_status 9

# shellcheck disable=SC2016 # for the inner shell: standard input that never has anything, nor ends
run env POOLBUF_LEAK_EXIT_CODE=9 timeout 20 sh -c 'exec "$1" <>"$2"' sh "$POOLBUF_PROGRAMS/reading" "$work/fifo"
expect_status 9
expect_stdout_has 'never flushed by hand'

note "an unknown level is one loud line; with POOLBUF_STRICT=1 it ends the program"
run env POOLBUF_LEAK_LEVEL=paranoyd "$clean"
expect_status 0
expect_stderr_lines 1
for text in POOLBUF_LEAK_LEVEL paranoyd disabled simple advanced paranoid; do
    expect_stderr_has "$text"
done
run env POOLBUF_LEAK_LEVEL=paranoyd POOLBUF_STRICT=1 "$clean"
expect_status 2
expect_stderr_lines 1

note "the report comes after the program's own last words"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 "$POOLBUF_PROGRAMS/late_release"
expect_status 0
expect_stderr_empty

note "an allocator that goes away first is reported once, and not again at exit"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 "$POOLBUF_PROGRAMS/destroyed"
expect_status 9
expect_stderr_has 'LEAK: 3 buffers never released, holding 336 bytes; allocator destroyed'
expect_stderr_has 'take  '
expect_stderr_lacks 'process exit'
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/destroyed.json" "$POOLBUF_PROGRAMS/destroyed"
expect_equal "the file at exit has everything" 3 "$(json "$work/destroyed.json" groups.0.count)"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 "$POOLBUF_PROGRAMS/destroyed" late
expect_status 0
for start in 4096 0; do # all in the sample, or none
    run env POOLBUF_LEAK_DENSE_START=$start POOLBUF_LEAK_SAMPLING_INTERVAL=1000000000 POOLBUF_LEAK_SEED=1 \
        "$POOLBUF_PROGRAMS/destroyed" late more
    expect_stderr_has 'LEAK: 3 buffers never released, holding 336 bytes; allocator destroyed'
    expect_stderr_has 'LEAK: 2 buffers never released, holding 2,048 bytes; process exit'
done

note "a forked child reports what it lost itself"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/forked"
expect_status 0
expect_stderr_has 'LEAK: 1 buffer never released; process exit'
expect_stderr_has '#1  1 buffer, 300 bytes'
expect_stderr_has 'lose_one  '
expect_stderr_has '1 inherited from the parent process by fork are not listed'

note "threads that have ended, buffers released by others"
for level in simple paranoid; do
    run env POOLBUF_LEAK_LEVEL=$level "$POOLBUF_PROGRAMS/threads"
    expect_status 0
    expect_stderr_has 'LEAK: 20 buffers never released'
    expect_stderr_has 'thread several, first'
    expect_stderr_has 'lose  '
done
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_UNWINDER=callsite "$POOLBUF_PROGRAMS/threads"
expect_stderr_matches '^#1  20 buffers, 10,240 bytes'
expect_stderr_has 'lose  '
expect_stderr_lacks 'work  '

note "who still holds it: balances by call site, exact whatever the back-off drops"
holders_source=$POOLBUF_SOURCE/leakdetect/tests/programs/holders.c
# at LINE_OF_THIS FUNCTION: the place as a balance names it
at() {
    echo "$2 (holders.c:$(grep -nF -- "$1" "$holders_source" | head -n 1 | cut -d: -f1))"
}
open_site=$(at 'poolbuf_retain(buffer);' session_open)
close_site=$(at 'poolbuf_release(buffer);' session_close)
for level in advanced paranoid; do
    run env POOLBUF_LEAK_LEVEL=$level "$POOLBUF_PROGRAMS/holders" one-of-ten
    expect_status 0
    expect_stderr_has "retain at $open_site 10, release at $close_site 9, release at "
    expect_stderr_has "not given back: 1 of 10 taken by retain at $open_site; thread holders"
    expect_stderr_lacks 'counts do not tell'
done
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" one-too-many
expect_stderr_has "not given back: 1 of 11 taken by retain at $open_site"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" pinned
expect_stderr_has "not given back: 1 of 1 taken by retained slice at $(at 'poolbuf_retained_slice(' keep_header)"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" handed-over
expect_stderr_has "release at $close_site 8"
expect_stderr_has "not given back: 2 of 10 taken by retain at $open_site; thread holders"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT="$work/handed.json" "$POOLBUF_PROGRAMS/holders" handed-over
expect_equal "references open" 2 "$(json "$work/handed.json" groups.0.holders.open)"
expect_equal "who gave them back" consumer "$(json "$work/handed.json" groups.0.holders.sites.2.thread)"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" wrapper
expect_stderr_matches "not given back: 3 of 20 taken by retain at session_open .*, for on_timer \(holders.c:[0-9]+\), which took 10"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" owner-forgets
expect_stderr_has "not given back: 1 of 1 taken by allocation at $(at 'poolbuf_allocate(' make)"

note "a release that the released ones had, and the leaked ones lack, is named"
# The release below the early return; the balance alone, as without the stack of the last release, fits its owner, too.
parse_line=$(grep -nF 'input % 10 == 7' "$holders_source" | cut -d: -f1)
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" error-path
expect_stderr_has "unusual: release at parse (holders.c:$((parse_line + 3))), 0 for 5 that leaked, but 45 for 45 that were"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_TRACK_CLOSE=off "$POOLBUF_PROGRAMS/holders" error-path
expect_stderr_lacks 'unusual'
expect_stderr_has 'not given back: 5; the counts do not tell whose: allocation at make'
expect_stderr_has 'or retain at parse'

note "what the counts cannot tell is said, and no clean program is accused"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/holders" cannot-be-told
expect_stderr_has 'not given back: 1; the counts do not tell whose: allocation at make'
expect_stderr_has 'or retain at hold_a'
expect_stderr_has 'or retain at hold_b'
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 "$POOLBUF_PROGRAMS/holders" nothing-lost
expect_status 0
expect_stderr_empty
for settings in POOLBUF_LEAK_LEVEL=simple POOLBUF_LEAK_TARGET_RECORDS=0; do
    run env POOLBUF_LEAK_LEVEL=paranoid $settings "$POOLBUF_PROGRAMS/holders" one-of-ten
    expect_stderr_has 'LEAK: 1 buffer'
    expect_stderr_lacks 'holders:'
done

note "a sampled report says what it would have seen"
run env POOLBUF_LEAK_SEED=1 "$leaky" 1000000 1000
expect_stderr_has 'A site that leaked at least 588 buffers would have been seen with 99 % probability.'
run env POOLBUF_LEAK_LEVEL=paranoid "$leaky"
expect_stderr_lacks 'would have been seen'
run env POOLBUF_LEAK_SEED=1 POOLBUF_LEAK_REPORT="$work/seen.json" "$leaky" 1000000 1000
expect_equal "the same in JSON" "588 1" \
    "$(json "$work/seen.json" seen_with_99_percent.buffers) $(json "$work/seen.json" seen_with_99_percent.resources)"
note "frame pointers, where the program has them"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_UNWINDER=fp "$POOLBUF_PROGRAMS/framed"
expect_status 0
expect_stderr_matches '^#1  20 buffers, 10,240 bytes'
expect_stderr_has 'lose  '
expect_stderr_has 'work  '
expect_stderr_lacks 'no frame pointers'
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_UNWINDER=fp "$POOLBUF_PROGRAMS/frameless"
expect_status 0
expect_stderr_has 'LEAK: 20 buffers never released'
expect_stderr_has 'lose  '
if [ -z "$POOLBUF_SANITIZED" ]; then
    expect_equal "times that it says so" 1 "$(grep -c 'no frame pointers' .stderr)"
fi

note "a sample by bytes says so"
run env POOLBUF_LEAK_SAMPLING_BYTES=64k POOLBUF_LEAK_DENSE_START=0 POOLBUF_LEAK_SEED=1 "$POOLBUF_PROGRAMS/threads"
expect_status 0
expect_stderr_has 'level simple, 1 in 65,536 bytes'

note "an over-release tells where the buffer was allocated and released"
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/over_release"
expect_status 134
expect_stderr_has 'MISUSE: release of a buffer whose last reference is gone'
expect_stderr_has 'second_release  '
expect_stderr_has 'first_release  '
expect_stderr_has 'make  '
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_TRACK_CLOSE=off "$POOLBUF_PROGRAMS/over_release"
expect_status 134
expect_stderr_has 'make  '
expect_stderr_lacks 'first_release  '
run env POOLBUF_LEAK_LEVEL=disabled "$POOLBUF_PROGRAMS/over_release"
expect_status 134
expect_stderr_lacks 'MISUSE'

note "so it does in a thread whose stack has no room for a report"
small=32768
[ -z "$POOLBUF_SANITIZED" ] || small=65536
run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/over_release" $small
expect_status 134
expect_stderr_has 'second_release  '
expect_stderr_has 'first_release  '
expect_stderr_has 'offend  '

if [ -n "$POOLBUF_TEST_MEMCHECK" ]; then
    note "under Memcheck the detector hides no leak: each of the 100 handles is definitely lost, at the caller's lines"
    run env POOLBUF_LEAK_LEVEL=paranoid valgrind --leak-check=full "$leaky"
    expect_status 0
    expect_stderr_has 'definitely lost: 6,400 bytes in 100 blocks'
    expect_stderr_has "read_request (leaky.c:$request_line)"
    expect_stderr_has "format_reply (leaky.c:$reply_line)"
    expect_stderr_has 'LEAK: 100 buffers'
    run env POOLBUF_LEAK_LEVEL=paranoid valgrind --leak-check=full --error-exitcode=99 "$clean"
    expect_status 0
    expect_stderr_has 'ERROR SUMMARY: 0 errors'
fi

finish
