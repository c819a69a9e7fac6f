#!/usr/bin/env bash
# Scopes in the test frameworks that they were made for: cmocka, GoogleTest, CTest; and where a scope's leaks came from.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

left_by_three='left 3 unreleased, 1,536 bytes: 2 buffers (1,024 bytes), 1 session (512 bytes); POOLBUF_LEAK_SCOPE_STACKS='

note "cmocka: a test fails with what it left, at every level"
for level in disabled simple advanced paranoid; do
    run env POOLBUF_LEAK_LEVEL=$level POOLBUF_LEAK_REPORT="$work/%p.json" "$POOLBUF_PROGRAMS/scope_cmocka"
    cat .stdout .stderr >output
    for test in leaves_two_buffers_and_a_session leaves_less_than_it_may closes_its_scope_itself; do
        expect_equal "failures of $test at $level" 1 "$(grep -cE "^\[ +(FAILED|ERROR) +\] $test\$" output)"
    done
    expect_equal "tests that passed" 3 "$(grep -cE '^\[ +OK \] (releases_everything|leaves_what_it_may)$' output)"
    expect_equal "messages" 1 "$(grep -cF "scope \"test\" $left_by_three" output)"
    expect_equal "messages of too few" 1 "$(grep -cF 'scope "test" left 0 unreleased, where 1 was expected' output)"
    expect_equal "messages of a closed scope" 1 "$(grep -cF 'the scope of the test was closed already' output)"
    [ "$status" != 0 ] || fail "a program with failed tests ends with 0"
done

if [ -x "$POOLBUF_PROGRAMS/scope_gtest" ]; then
    note "GoogleTest: a listener, a fixture, a guard"
    for level in disabled simple paranoid; do
        run env POOLBUF_LEAK_LEVEL=$level POOLBUF_LEAK_REPORT="$work/%p.json" "$POOLBUF_PROGRAMS/scope_gtest"
        expect_status 1
        expect_stdout_has "scope \"listened.leaves_two_buffers_and_a_session\" $left_by_three"
        expect_stdout_has 'scope "leaves_one" left 1 unreleased, 300 bytes: 1 buffer (300 bytes)'
        expect_stdout_has 'scope "by hand" left 1 unreleased, 40 bytes: 1 buffer (40 bytes)'
        expect_stdout_has '[  PASSED  ] 4 tests.'
        for test in listened.leaves_two_buffers_and_a_session listened.closes_its_scope_itself fixture.leaves_one \
            guarded.fails_once_though_closed_twice; do
            expect_equal "verdicts on $test" 1 "$(grep -cE "^\[  FAILED  \] $test \(" .stdout)"
        done
        expect_equal "failures" 4 "$(grep -c ': Failure$' .stdout)"
    done
    run env POOLBUF_LEAK_LEVEL=disabled "$POOLBUF_PROGRAMS/scope_gtest" \
        '--gtest_filter=*releases_everything:*what_it_may'
    expect_status 0
    for test in listened.leaves_two_buffers_and_a_session fixture.leaves_one; do
        run "$POOLBUF_PROGRAMS/scope_gtest" --gtest_throw_on_failure --gtest_filter=$test
        expect_status 7
    done
else
    note "GoogleTest is not installed: left out"
fi

note "where: by flag, and by option"
for level in disabled paranoid; do
    for stacks in off on; do
        run env POOLBUF_LEAK_LEVEL=$level POOLBUF_LEAK_SCOPE_STACKS=$stacks POOLBUF_LEAK_REPORT="$work/%p.json" \
            POOLBUF_LEAK_NOTICE=off "$POOLBUF_PROGRAMS/scope_where"
        expect_status 0
        expect_stderr_has 'poolbuf: SCOPE: scope "shown" left 3 unreleased, 900 bytes: 3 buffers (900 bytes)'
        expect_stderr_has '#1  3 buffers (900 bytes), allocated at'
        expect_stderr_matches '^ +lose  .*scope_where\.c:[0-9]+$'
        expect_stderr_matches '^ +leave  .*scope_where\.c:[0-9]+( +\[inlined\])?$'
        expect_stdout_has 'scope "shown" left 3 unreleased, 900 bytes: 3 buffers (900 bytes)'
        shown=$([ $stacks = on ] && echo 2 || echo 1)
        expect_equal "scopes shown with stacks $stacks" "$shown" \
            "$(grep -c '^poolbuf: SCOPE' .stderr)"
        expect_equal "advice with stacks $stacks" $((2 - shown)) \
            "$(grep -c 'POOLBUF_LEAK_SCOPE_STACKS=on shows where' .stdout)"
    done
done

note "CTest: a checked test fails when its program leaks, and says so"
mkdir checked
cat >checked/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(checked NONE)
enable_testing()
include($POOLBUF_SOURCE/cmake/PoolbufLeakTest.cmake)
poolbuf_leak_checked_test(NAME clean COMMAND $POOLBUF_EXAMPLES/clean)
poolbuf_leak_checked_test(NAME leaky COMMAND $POOLBUF_EXAMPLES/leaky)
poolbuf_leak_checked_test(NAME sampled COMMAND $POOLBUF_EXAMPLES/leaky 1000 10 LEVEL simple EXIT_CODE 7)
poolbuf_leak_checked_test(NAME in_a_file COMMAND $POOLBUF_EXAMPLES/leaky REPORT $work/leaky.json)
poolbuf_leak_checked_test(NAME child COMMAND sh -c "$POOLBUF_EXAMPLES/leaky; true")
poolbuf_leak_checked_test(NAME misusing_child COMMAND sh -c "$POOLBUF_PROGRAMS/over_release; true")
poolbuf_leak_checked_test(NAME environment COMMAND $POOLBUF_EXAMPLES/leaky)
set_tests_properties(environment PROPERTIES ENVIRONMENT "OTHER=1;POOLBUF_LEAK_LEVEL=disabled")
END
run cmake -S checked -B checked/built
expect_status 0
run ctest --test-dir checked/built --output-on-failure
expect_status 8
expect_stdout_has '14% tests passed, 6 tests failed out of 7'
expect_stdout_has 'LEAK: 100 buffers never released'
expect_stdout_has "see $work/leaky.json"
expect_equal "groups in the file" 2 "$(json "$work/leaky.json" groups.#)"
run env POOLBUF_LEAK_LEVEL=disabled POOLBUF_LEAK_REPORT="$work/hidden.txt" \
    ctest --test-dir checked/built -R '^leaky$' -V
expect_status 8
expect_stdout_has 'LEAK: 100 buffers never released'
expect_no_file "$work/hidden.txt"

note "CTest: what would check nothing is refused"
for mistake in "NAME x COMMAND true LEVEL disabled" "NAME x COMMAND true EXIT_CODE 0" \
    "NAME x COMMAND true EXIT_CODE 256" "COMMAND true"; do
    printf 'cmake_minimum_required(VERSION 3.25)\nproject(refused NONE)\nenable_testing()\n' >checked/CMakeLists.txt
    printf 'include(%s/cmake/PoolbufLeakTest.cmake)\npoolbuf_leak_checked_test(%s)\n' "$POOLBUF_SOURCE" "$mistake" \
        >>checked/CMakeLists.txt
    run cmake -S checked -B refused
    expect_status 1
    expect_stderr_has "poolbuf_leak_checked_test: "
done
finish
