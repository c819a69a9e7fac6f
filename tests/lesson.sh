#!/usr/bin/env bash
# The first lesson, as examples/lesson.c tells it: a released buffer comes back with its handle, and its use after the last
# release is caught, whether that ends the process or is counted.
source "$(dirname "$0")/lib.sh"

# The two rounds; prints the handle of each.
handles() {
    sed -n 's/^round [12]: buffer \(0x[0-9a-f]*\)$/\1/p' .stdout
}

# check_rounds WHAT: two rounds, one handle, ten values each time.
check_rounds() {
    expect_status 0
    mapfile -t handle < <(handles)
    expect_equal "$1: two rounds" 2 "${#handle[@]}"
    expect_equal "$1: the handle of the second round" "${handle[0]-none}" "${handle[1]-another}"
    expect_equal "$1: values written" 2 "$(grep -c '^  wrote 10 values: 40 bytes to read' .stdout)"
    expect_equal "$1: values read" 2 "$(grep -c '^  read 10 values: 0 bytes to read$' .stdout)"
    expect_stdout_has "the same buffer came back"
    expect_stderr_matches "^poolbuf: MISUSE: use of a buffer whose last reference is gone; buffer 0x[0-9a-f]+"
}

note "by default the process that writes after release is stopped"
run "$POOLBUF_EXAMPLES/lesson"
check_rounds abort
expect_stdout_has "it was caught, and the process was stopped"
expect_stderr_matches "^poolbuf: buffer 0x[0-9a-f]+ used after its last release"
checks=$((checks + 1))
grep -qF "the write said" .stdout && fail "the write returned, although it was to end the process"

note "POOLBUF_MISUSE=count lets it go on, and the write fails"
run env POOLBUF_MISUSE=count "$POOLBUF_EXAMPLES/lesson"
check_rounds count
expect_stdout_has "the write said: index or length out of bounds"
expect_stdout_has "it was caught, and the process went on"
expect_stderr_lacks "used after its last release"

note "paranoid leak detection has nothing to add: nothing leaks (its quarantine would keep the handle back)"
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_QUARANTINE_BYTES=0 POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_MISUSE=count \
    "$POOLBUF_EXAMPLES/lesson"
check_rounds paranoid
expect_stderr_lacks "LEAK"
finish
