#!/usr/bin/env bash
# Reports of programs that go on: on a signal, on an interval, in forked children, and amid everything else.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

signalled=$POOLBUF_PROGRAMS/signalled
export POOLBUF_LEAK_LEVEL=paranoid

# Under ThreadSanitizer: a child starts a thread of its own for signals; and what the loader maps for turmoil's plugin may be where the
# detector's reports had memory, which it takes for a race, as it does not see the loader's system calls.
echo "race:turmoil_plugin.c" >"$work/tsan"
export TSAN_OPTIONS="die_after_fork=0 suppressions=$work/tsan"

note "a signal asks for a report of what is alive; it accuses nobody and leaves the exit code alone"
run env POOLBUF_LEAK_SIGNAL=USR2 POOLBUF_LEAK_EXIT_CODE=9 "$signalled" once 12 "$work/.stderr"
expect_status 0
expect_stderr_matches '^poolbuf: 3 tracked and alive; signal 12, process [0-9]+, level paranoid$'
expect_stderr_matches '^#1  3 buffers, 300 bytes'
expect_stderr_has 'hold  '
expect_stderr_lacks LEAK

note "it goes where POOLBUF_LEAK_REPORT says, with a number in its name"
run env POOLBUF_LEAK_SIGNAL=sigusr1 POOLBUF_LEAK_REPORT="$work/live-%n.json" "$signalled" once 10 "$work/live-1.json"
expect_status 0
expect_stderr_empty
expect_equal "reason" "signal 10" "$(json "$work/live-1.json" reason)"
expect_equal "alive then" 3 "$(json "$work/live-1.json" groups.0.count)"
expect_equal "reason of the next" "process exit" "$(json "$work/live-2.json" reason)"
expect_equal "alive at the end" 0 "$(json "$work/live-2.json" groups.#)"

note "a program that has blocked every signal reports, too"
run env POOLBUF_LEAK_SIGNAL=USR2 POOLBUF_LEAK_REPORT="$work/masked-%n.json" "$signalled" masked 12 "$work/masked-1.json"
expect_status 0
expect_equal "reason" "signal 12" "$(json "$work/masked-1.json" reason)"

note "signals that come faster than reports are counted, every one of them"
number=$(kill -l RTMIN+3 2>/dev/null || echo 37)
run env POOLBUF_LEAK_SIGNAL=RTMIN+3 "$signalled" burst "$number" 1000
expect_status 0
times=$(sed -n -E "s/.*alive; signal $number, ([0-9]+) times.*/\1/p; s/.*alive; signal $number, process.*/1/p" \
    "$work/.stderr" | awk '{ sum += $1 } END { print sum }')
expect_equal "signals answered" 1000 "$times"

note "an interval"
run env POOLBUF_LEAK_INTERVAL_S=1 POOLBUF_LEAK_REPORT="$work/interval-%n.json" "$signalled" wait "$work/interval-2.json"
expect_status 0
expect_equal "reason" interval "$(json "$work/interval-1.json" reason)"
expect_equal "reason of the second" interval "$(json "$work/interval-2.json" reason)"

note "a forked child answers, too, from its first tracked buffer on"
run env POOLBUF_LEAK_SIGNAL=12 POOLBUF_LEAK_REPORT="$work/child-%p-%n.json" "$signalled" child 12 "$work/child-%-1.json"
expect_status 0
found=0
for file in "$work"/child-*-1.json; do
    [ "$(json "$file" reason)" = "signal 12" ] && found=$((found + 1))
done
expect_equal "reports on a signal" 1 "$found"

note "what its parent was asked for it does not answer"
run env POOLBUF_LEAK_SIGNAL=12 POOLBUF_LEAK_REPORT="$work/heir-%p-%n.json" "$signalled" inherit 12 "$work/heir-%-1.json"
expect_status 0
reasons=
for file in "$work"/heir-*-1.json; do
    reasons="$reasons $(json "$file" reason),"
done
expect_equal "first reports of both" " signal 12, signal 12," "$reasons"

note "disabled prints nothing, and still the signal does not end the program"
run env POOLBUF_LEAK_LEVEL=disabled POOLBUF_LEAK_SIGNAL=USR2 "$signalled" burst 12 3
expect_status 0
expect_stderr_empty

note "a signal that somebody has already is left alone"
run sh -c 'trap "" USR2; POOLBUF_LEAK_SIGNAL=USR2 exec "$0" burst 12 3' "$signalled"
expect_status 0
expect_stderr_lines 1
expect_stderr_has 'handles or ignores signal 12 already'

note "what is no signal, or one that nobody can take"
for text in USR3 KILL 9 SEGV 11 64x 99 RTMIN-1 RTMAX+1 -1; do
    run env POOLBUF_LEAK_SIGNAL=$text "$POOLBUF_EXAMPLES/clean"
    expect_status 0
    expect_stderr_lines 1
    expect_stderr_has "POOLBUF_LEAK_SIGNAL=$text is not legal"
    run env POOLBUF_LEAK_SIGNAL=$text POOLBUF_STRICT=1 "$POOLBUF_EXAMPLES/clean"
    expect_status 2
done

note "threads, forks, a library that comes and goes, and signals: nothing waits for ever"
for level in simple paranoid; do
    run env POOLBUF_LEAK_LEVEL=$level POOLBUF_LEAK_SIGNAL=USR2 POOLBUF_LEAK_INTERVAL_S=1 \
        POOLBUF_LEAK_REPORT="$work/turmoil-%p.json" \
        timeout -s ABRT 100 "$POOLBUF_PROGRAMS/turmoil" 12 "$POOLBUF_PROGRAMS/turmoil_plugin.so" 3
    expect_status 0
    expect_stdout_has forks
    expect_stderr_empty
    expect_equal "partial files" "" "$(find "$work" -name '*.partial')"
    rm -f "$work"/turmoil-*.json
done

note "an end amid forks of other threads: it comes, and by exit()"
for level in simple paranoid; do
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
        run env POOLBUF_LEAK_LEVEL=$level POOLBUF_LEAK_INTERVAL_S=1 POOLBUF_LEAK_REPORT=/dev/null \
            timeout -s ABRT 50 "$POOLBUF_PROGRAMS/exiting"
        expect_status 0
    done
done

if [ -z "$POOLBUF_SANITIZED" ]; then
    note "a plugin with the static library, closed: threads that end and forks find it still"
    for level in disabled paranoid; do
        run env POOLBUF_LEAK_LEVEL=$level "$POOLBUF_PROGRAMS/plugged" "$POOLBUF_PROGRAMS/static_plugin.so"
        expect_status 0
    done
fi

finish
