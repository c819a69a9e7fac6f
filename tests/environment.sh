#!/usr/bin/env bash
# Configuration by environment that is wrong must be loud: one line that names the variable, the value and what is legal.
# The program goes on, unless POOLBUF_STRICT=1. What the levels do is tested beside the detector.
source "$(dirname "$0")/lib.sh"

clean=$POOLBUF_EXAMPLES/clean

# complain VARIABLE=VALUE TEXTS...
complain() {
    local setting=$1 text
    shift
    run env "$setting" "$clean" -v
    expect_status 0
    expect_stdout_has "1000 buffers"
    expect_stderr_lines 1
    for text in "${setting%%=*}" "$@"; do
        expect_stderr_has "$text"
    done
    run env POOLBUF_STRICT=1 "$setting" "$clean" -v
    expect_status 2
    expect_stdout_empty
    expect_stderr_lines 1
    expect_stderr_has "${setting%%=*}"
}

complain POOLBUF_LEAK_LEVEL=paranoyd paranoyd disabled simple advanced paranoid
complain POOLBUF_LEAK_LEVEL=4 disabled paranoid
complain POOLBUF_LEAK_LEVLE=paranoid POOLBUF_LEAK_LEVEL
complain POOLBUF_leak_level=paranoid POOLBUF_LEAK_LEVEL
complain POOLBUF_MEMORY_LIMIT=1m "at least the chunk size" "using the default"
complain POOLBUF_LEAK_SAMPLING_INTERVAL=-5 "-5" "1 to"
complain POOLBUF_LEAK_SAMPLING_INTERVAL=0 "1 to"
complain POOLBUF_LEAK_SAMPLING_INTERVAL=12x 12x
complain POOLBUF_LEAK_EXIT_CODE=256 "to 255"
complain POOLBUF_POOLING=maybe maybe "on|off"
complain POOLBUF_PAGE_SIZE=5000 5000 "power of two"
complain POOLBUF_CHUNK_SIZE=99999999999999999999 99999999999999999999

# What is right is silent, strict or not, and in any case; empty is the same as not set.
for setting in POOLBUF_LEAK_LEVEL= POOLBUF_LEAK_LEVEL=SIMPLE POOLBUF_LEAK_LEVEL=3 POOLBUF_POOLING=off POOLBUF_PAGE_SIZE=16k POOLBUF_LEAK_NOTICE=off; do
    run env POOLBUF_STRICT=1 "$setting" "$clean"
    expect_status 0
    expect_stderr_empty
done

# A leak in a file is said in one line, which can be switched off.
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_REPORT=leaks.json POOLBUF_LEAK_NOTICE=off "$POOLBUF_EXAMPLES/leaky"
expect_status 0
expect_stderr_empty
expect_file leaks.json
finish
