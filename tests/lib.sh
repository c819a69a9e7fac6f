# What every end-to-end test here uses: run a command, then say what is expected of it. Sourced, not run.
#
#   run poolbuf compare a.json b.json     captures status, stdout and stderr
#   expect_status 3                       and says what differed, with all that was captured, when it is not so
#
# A failed expectation is counted and the test goes on, so that one run shows all that is wrong. The last line of a test is
# `finish`. Each test has a folder of its own in $work, removed at the end; CTest gives POOLBUF_BIN, POOLBUF_EXAMPLES,
# POOLBUF_BUILD, POOLBUF_SOURCE, POOLBUF_JSON_TOOL, POOLBUF_SANITIZE and the compilers (tests/CMakeLists.txt).
# shellcheck shell=bash
set -u -o pipefail

: "${POOLBUF_BIN:?run the tests by ctest}"
failures=0
checks=0
status=0
last_command=
work=$(mktemp -d "${TMPDIR:-/tmp}/poolbuf-e2e-XXXXXX")
trap 'rm -rf "$work"' EXIT
# Nothing that the caller's shell has set may decide what a test sees.
for name in $(compgen -e POOLBUF_LEAK_) POOLBUF_STRICT POOLBUF_SCENARIOS; do
    unset "$name"
done
# The tests' own variables stop here: to a program that uses the library, POOLBUF_ names that are no options are mistakes.
for name in $(compgen -e POOLBUF_); do
    export -n "${name?}"
done
export NO_COLOR=1 LC_ALL=C
cd "$work" || exit 1

# The program under test; so that tests read as a user types.
poolbuf() {
    "$POOLBUF_BIN" "$@"
}

run() {
    last_command="$*"
    status=0
    "$@" >"$work/.stdout" 2>"$work/.stderr" </dev/null || status=$?
}

note() {
    echo "-- $*"
}

fail() {
    failures=$((failures + 1))
    echo "FAILED: $1"
    shift
    printf '    %s\n' "$@"
    if [ -n "$last_command" ]; then
        echo "    command: $last_command"
        echo "    status:  $status"
        sed -n '1,40{s/^/    stdout:  /;p}' "$work/.stdout"
        sed -n '1,40{s/^/    stderr:  /;p}' "$work/.stderr"
    fi
}

expect_status() {
    checks=$((checks + 1))
    [ "$status" = "$1" ] || fail "status $1 was expected, got $status"
}

expect_stdout_has() {
    checks=$((checks + 1))
    grep -qF -- "$1" "$work/.stdout" || fail "stdout lacks: $1"
}

expect_stderr_has() {
    checks=$((checks + 1))
    grep -qF -- "$1" "$work/.stderr" || fail "stderr lacks: $1"
}

# An extended regular expression.
expect_stderr_matches() {
    checks=$((checks + 1))
    grep -qE -- "$1" "$work/.stderr" || fail "stderr has no match of: $1"
}

expect_stderr_lacks() {
    checks=$((checks + 1))
    ! grep -qF -- "$1" "$work/.stderr" || fail "stderr should not have: $1"
}

expect_stdout_empty() {
    checks=$((checks + 1))
    [ ! -s "$work/.stdout" ] || fail "stdout should be empty"
}

expect_stderr_empty() {
    checks=$((checks + 1))
    [ ! -s "$work/.stderr" ] || fail "stderr should be empty"
}

expect_stderr_lines() {
    checks=$((checks + 1))
    local lines
    lines=$(wc -l <"$work/.stderr")
    [ "$lines" = "$1" ] || fail "stderr should have $1 lines, has $lines"
}

expect_equal() { # WHAT WANTED GOT
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1" "wanted:  $2" "got:     $3"
}

expect_file() {
    checks=$((checks + 1))
    [ -s "$1" ] || fail "there should be a file $1, and not an empty one"
}

expect_no_file() {
    checks=$((checks + 1))
    [ ! -e "$1" ] || fail "there should be no file $1"
}

# Bad input or usage: status 2, nothing on stdout, one line on stderr that holds each of the texts.
expect_one_line_refusal() {
    expect_status 2
    expect_stdout_empty
    expect_stderr_lines 1
    local text
    for text in "$@"; do
        expect_stderr_has "$text"
    done
}

# json FILE PATH: the value at a path such as scenarios.0.results.#, in one line.
json() {
    "$POOLBUF_JSON_TOOL" get "$1" "$2"
}

finish() {
    if [ "$failures" -gt 0 ]; then
        echo "$failures of $checks expectations failed"
        exit 1
    fi
    echo "$checks expectations held"
    exit 0
}
