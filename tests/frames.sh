#!/usr/bin/env bash
# Frames over loopback TCP, as examples/frames.c cuts them out of a composite: it checks each byte itself, and here is
# checked that it had something to check: frames in one piece and in several, from pieces that have nothing to do with them.
source "$(dirname "$0")/lib.sh"

# check_frames [VARIABLE=VALUE...] SEED
check_frames() {
    run env POOLBUF_LEAK_EXIT_CODE=9 "${@:1:$#-1}" "$POOLBUF_EXAMPLES/frames" "${!#}"
    expect_status 0
    expect_stderr_empty
    expect_stdout_has "server: frame 2000 refused: 2147483647 bytes announced, 65536 is the limit"
    expect_stdout_has "0 buffers alive"
    expect_stdout_has "every byte of every frame was checked"
    local one several sent received
    read -r one several < <(
        sed -nE 's/^server: 2000 frames cut out: ([0-9]+) in one piece, ([0-9]+) in several; .*/\1 \2/p' .stdout
    )
    sent=$(sed -nE 's/^client: 2000 frames sent, ([0-9]+) bytes in [0-9]{4,} pieces$/\1/p' .stdout)
    received=$(sed -nE 's/^server: ([0-9]+) bytes received in [0-9]{4,} pieces$/\1/p' .stdout)
    expect_equal "frames in one piece and in several" 2000 "$((${one:-0} + ${several:-0}))"
    checks=$((checks + 1))
    if [ "${one:-0}" -le 100 ] || [ "${several:-0}" -le 100 ]; then
        fail "too few frames of one of the two sorts: $one, $several"
    fi
    expect_equal "what was received, but for the header that was refused" "${sent:-none}" "$((${received:-0} - 4))"
}

for seed in 1 2 20230405; do
    note "seed $seed"
    check_frames "$seed"
done
note "with a stack for each buffer"
check_frames POOLBUF_LEAK_LEVEL=paranoid 5
note "without a pool"
check_frames POOLBUF_POOLING=off 3
note "every buffer on the heap"
check_frames POOLBUF_PREFER_DIRECT=off 4

for arguments in "0" "x" "1 2"; do
    # shellcheck disable=SC2086 # they are words
    run "$POOLBUF_EXAMPLES/frames" $arguments
    expect_status 2
    expect_stdout_empty
    expect_stderr_has "usage: frames [SEED]"
done
finish
