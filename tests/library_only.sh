#!/usr/bin/env bash
# The library alone: without the tools it configures, tests and all, and needs none of the tools' libraries; and it stands
# the flags of distributions.
source "$(dirname "$0")/lib.sh"

run cmake -S "$POOLBUF_SOURCE" -B alone -G Ninja -DPOOLBUF_TOOLS=OFF -DCMAKE_BUILD_TYPE=Debug
expect_status 0
run cmake --build alone -j 2 --target poolbuf example_clean
expect_status 0
run alone/examples/clean -v
expect_status 0
expect_stdout_has "1000 buffers"
run grep -iE '^(jansson|cyaml|zstd|libxml|yaml|sqlite)[a-z0-9_]*_(library|prefix)' alone/CMakeCache.txt
expect_stdout_empty
run ctest --test-dir alone --show-only
expect_stdout_has e2e.environment
expect_stdout_has allocator.
expect_equal "tests of the tools" 0 "$(grep -cE "e2e\.(run|usage)" .stdout)"

# With link-time optimisation, as distributions build, there is a static library that programs can link all the same.
run cmake -S "$POOLBUF_SOURCE" -B lto -G Ninja -DPOOLBUF_TOOLS=OFF -DPOOLBUF_TESTS=OFF -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS=-flto
expect_status 0
run cmake --build lto -j 2 --target example_leaky_static
expect_status 0
run env POOLBUF_LEAK_LEVEL=paranoid lto/examples/leaky_static
expect_status 0
expect_stderr_has "LEAK: 100 buffers never released"
finish
