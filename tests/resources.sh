#!/usr/bin/env bash
# Resources of a program's own, as examples/resources.c tracks them: counted in their unit, described, in every report.
source "$(dirname "$0")/lib.sh"
resources=$POOLBUF_EXAMPLES/resources

echo text >full
: >empty
: >void

note "the default level tracks every one, since their type says so"
run "$resources" full empty void
expect_status 0
expect_equal "stdout" text "$(cat .stdout)"
expect_stderr_has "LEAK: 2 resources never released"
expect_stderr_has "2 readers, 2 descriptors; age"
expect_stderr_matches '^  such as: (empty|void), descriptor [0-9]+$'
expect_stderr_matches '^      and: (empty|void), descriptor [0-9]+$'
expect_stderr_matches "reader_open .*resources\.c:[0-9]+"
run "$resources" full
expect_status 0
expect_stderr_empty

note "poolbuf leaks keeps unit and descriptions, through merging and in every format"
if [ -x "$POOLBUF_BIN" ]; then
    run poolbuf leaks -o leaks.json -- sh -c '"$0" full empty & "$0" full void; wait' "$resources"
    expect_status 4
    expect_stderr_has "2 x reader, 2 descriptors"
    expect_equal "unit" descriptors "$(json leaks.json groups.0.unit)"
    expect_equal "descriptions" 2 "$(json leaks.json 'groups.0.descriptions.#')"
    for format in text markdown html; do
        run poolbuf report leaks.json --format $format
        expect_status 0
        expect_stdout_has "empty, descriptor"
        expect_stdout_has "void, descriptor"
    done
fi
finish
