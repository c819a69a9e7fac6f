#!/usr/bin/env bash
# Overruns, writes after release, and stale handles at paranoid; and that nobody else is accused.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

guarded=$POOLBUF_PROGRAMS/guarded
export POOLBUF_LEAK_LEVEL=paranoid

if grep -q __asan_init "$guarded"; then
    note "AddressSanitizer sees to all of this itself, but for dead handles"
    run "$guarded" overrun
    expect_stderr_has 'AddressSanitizer: use-after-poison'
    run "$guarded" late
    expect_stderr_has 'AddressSanitizer: use-after-poison'
    run "$guarded" clean
    expect_status 0
    finish
fi

note "one byte behind the end is found at the release, with where the buffer came from"
run "$guarded" overrun
expect_status 134
expect_stderr_has 'MISUSE: a write behind the end of a buffer: the byte at 100 has changed, the capacity is 100; buffer 0x'
expect_stderr_has 'now at'
expect_stderr_has 'first_release  '
expect_stderr_has 'allocated at'
expect_stderr_has 'make  '
run "$guarded" grown
expect_status 134
expect_stderr_has 'the byte at 5000 has changed, the capacity is 5000'

note "a write after the release is found when the memory leaves the quarantine: pushed out, with its allocator, at exit"
for mode in pushed destroyed late; do
    run "$guarded" $mode
    expect_status 134
    expect_stderr_matches 'MISUSE: a write to a buffer whose last reference was gone: the byte at 7 has changed, of 1[0-9]+; buffer'
    expect_stderr_has 'found at'
    expect_stderr_has 'released before that, by thread guarded'
    expect_stderr_has 'first_release  '
    expect_stderr_has 'allocated at'
    expect_stderr_has 'make  '
done
run env POOLBUF_MISUSE=count "$guarded" pushed
expect_status 0
expect_stderr_has 'the byte at 7 has changed'
run env POOLBUF_LEAK_QUARANTINE_BYTES=0 "$guarded" pushed
expect_status 0
expect_stderr_empty

note "a stale handle is a dead one still, when others have been allocated since"
run "$guarded" stale
expect_status 134
expect_stderr_has 'MISUSE: use of a buffer whose last reference is gone'
expect_stderr_has 'stale  '
expect_stderr_has 'first_release  '
run "$guarded" twice
expect_status 134
expect_stderr_has 'MISUSE: release of a buffer whose last reference is gone'
expect_stderr_has 'second_release  '
expect_stderr_has 'first_release  '
run "$guarded" long
expect_status 134
expect_stderr_has 'stale_for_long  '
expect_stderr_has 'released before that, by thread guarded'
expect_stderr_has 'first_release  '
expect_stderr_has 'make  '
expect_stderr_lacks 'not in the sample'

note "so are those of slices and composites, which have no memory of their own"
run "$guarded" view
expect_status 134
expect_stderr_has 'MISUSE: release of a buffer whose last reference is gone'
expect_stderr_has 'second_release  '
expect_stderr_has 'first_release  '
expect_stderr_has 'make  '
run "$guarded" attached
expect_status 134
expect_stderr_has 'MISUSE: use of a buffer whose last reference is gone'
expect_stderr_has 'stale_attached  '
expect_stderr_has 'first_release  '
expect_stderr_has 'make  '
run "$guarded" whole
expect_status 134
expect_stderr_has 'MISUSE: release of a buffer whose last reference is gone'
expect_stderr_has 'second_release  '
expect_stderr_has 'first_release  '
expect_stderr_has 'compose  '
note "a JSON report has the same three stacks"
for mode in long view attached whole; do
    run env POOLBUF_LEAK_REPORT="$work/misuse.json" "$guarded" $mode
    expect_status 134
    stacks=$work/misuse.json
    expect_equal "$mode: released" first_release "$(json "$stacks" misuses.0.release_stack.0.function)"
    made_by="make"
    [ $mode != whole ] || made_by=compose
    expect_equal "$mode: allocated" $made_by "$(json "$stacks" misuses.0.allocation_stack.0.function)"
    expect_equal "$mode: its type" poolbuf "$(json "$stacks" misuses.0.type)"
    rm "$stacks"
done
for mode in view attached whole; do
    run env POOLBUF_LEAK_QUARANTINE_BYTES=0 POOLBUF_MISUSE=count "$guarded" $mode
    expect_stderr_lacks 'MISUSE: use'
done
run env POOLBUF_LEAK_EXIT_CODE=9 "$guarded" views
expect_status 0
expect_stderr_empty

note "what is allowed is not accused, and what is in the quarantine is no leak"
run env POOLBUF_LEAK_EXIT_CODE=9 "$guarded" clean
expect_status 0
expect_stderr_empty
run env POOLBUF_LEAK_QUARANTINE_BYTES=64m POOLBUF_LEAK_EXIT_CODE=9 "$guarded" clean
expect_status 0
expect_stderr_empty
run env POOLBUF_LEAK_QUARANTINE_BYTES=1g POOLBUF_MEMORY_LIMIT=4m POOLBUF_LEAK_EXIT_CODE=9 "$guarded" clean
expect_status 0
expect_stderr_empty

run "$guarded" shrunk
expect_status 0
expect_stderr_empty

note "the sampled levels guard nothing"
for mode in overrun late; do
    run env POOLBUF_LEAK_LEVEL=advanced "$guarded" $mode
    expect_status 0
    expect_stderr_lacks MISUSE
done

if [ -n "$POOLBUF_TEST_MEMCHECK" ]; then
    note "Memcheck is left alone to say it at the very write"
    run valgrind --error-exitcode=99 "$guarded" overrun
    expect_status 99
    expect_stderr_has 'Invalid write of size 1'
    expect_stderr_lacks MISUSE
fi

finish
