#!/usr/bin/env bash
# Chunks are registered with io_uring, and real bytes go through READ_FIXED and WRITE_FIXED: examples/uring_echo checks each
# byte itself. Where the kernel offers no io_uring this test is skipped, and says so.
source "$(dirname "$0")/lib.sh"

run "$POOLBUF_EXAMPLES/uring_echo"
if [ "$status" = 77 ]; then
    cat .stderr
    echo "SKIPPED: this kernel offers no io_uring, or an old one"
    exit 77
fi
expect_status 0
expect_stderr_empty
expect_stdout_has "every byte came back"
checks=$((checks + 2))
# More than one chunk at once, more than are there at once over time, and none in the end.
grep -qE '^client: [0-9]{8,} bytes received, [0-9]{2,} chunks registered, ([2-9]|[0-9]{2,}) of them at once at most, 0 now$' \
    .stdout || fail "the client registered less than was to be expected"
grep -qE '^server: [0-9]{8,} bytes received, [1-9][0-9]* chunks registered, [0-9]+ of them at once at most, 0 now$' .stdout ||
    fail "the server registered less than was to be expected"
finish
