#!/usr/bin/env bash
# The command line itself: help, version, and every kind of usage error, each in one line that helps.
source "$(dirname "$0")/lib.sh"

run poolbuf --version
expect_status 0
expect_equal "the version line" "poolbuf 0.1.0" "$(cat .stdout)"
expect_stderr_empty

run poolbuf --help
expect_status 0
expect_stderr_empty
expect_equal "help begins with an example" "  poolbuf run" "$(head -c 13 .stdout)"
for text in "Exit status:" "Usage:" "NO_COLOR" "nothing could be checked"; do
    expect_stdout_has "$text"
done
expect_equal "the hidden subcommand in the help" 0 "$(grep -c worker .stdout)"
run poolbuf help
expect_status 0
run poolbuf help --help
expect_status 0

run poolbuf
expect_one_line_refusal "a subcommand is missing" "poolbuf --help"
run poolbuf rnu
expect_one_line_refusal 'unknown subcommand "rnu"' 'did you mean "run"?'
run poolbuf frobnicate
expect_one_line_refusal 'unknown subcommand "frobnicate"'
run poolbuf --frobnicate
expect_one_line_refusal 'unknown option "--frobnicate"'
run poolbuf help rnu
expect_one_line_refusal 'did you mean "run"?'

# Every subcommand explains itself, examples first, and refuses what it does not know, by name.
for name in run list compare report leaks record doctor options; do
    run poolbuf "$name" --help
    expect_status 0
    expect_stderr_empty
    expect_equal "help of $name begins with an example" "  poolbuf $name" "$(head -1 .stdout | cut -c "1-$((10 + ${#name}))")"
    cp .stdout help.txt
    run poolbuf help "$name"
    expect_equal "help $name and $name --help" "$(cat help.txt)" "$(cat .stdout)"
    run poolbuf "$name" --frobnicate
    expect_one_line_refusal "poolbuf $name:" "--frobnicate" "poolbuf $name --help"
done

run poolbuf report
expect_one_line_refusal "input file is missing"
run poolbuf compare a.json
expect_one_line_refusal "another results file is missing"
run poolbuf compare a.json b.json c.json
expect_one_line_refusal 'one results file too many: "c.json"'
run poolbuf options spare
expect_one_line_refusal 'takes no operands, got "spare"'
run poolbuf options --fromat json
expect_one_line_refusal "unknown option --fromat" "did you mean --format?"
run poolbuf options --format jsno
expect_one_line_refusal 'unknown value "jsno"' 'did you mean "json"?' "text, markdown, json, man"
run poolbuf options --format
expect_one_line_refusal "--format needs a value"
run poolbuf compare --force=yes a.json b.json
expect_one_line_refusal "--force takes no value"
run poolbuf compare --threshold= a.json b.json
expect_one_line_refusal "--threshold" "empty"
for value in -1 1e3 nan 5x 1e999 100001; do
    run poolbuf compare "--threshold=$value" a.json b.json
    expect_one_line_refusal "--threshold" "is not a number from 0 to 100000, or off"
done
for value in off time=off time=off,faults=off; do
    run poolbuf compare "--threshold=$value" a.json b.json
    expect_one_line_refusal "--threshold: nothing is left to be judged"
done
for value in -1 0 18446744073709551616 1.5 5x ""; do
    run poolbuf run --rounds "$value"
    expect_one_line_refusal "rounds"
done

# A name cannot break the line it is quoted in.
run poolbuf run $'a\nb\e[31m'
expect_one_line_refusal 'no scenario "a?b?[31m"'
run poolbuf run --subject $'a\nb'
expect_one_line_refusal 'unknown subject "a?b"'

run poolbuf $'a\nb\e[31m'
expect_one_line_refusal 'unknown subcommand "a?b?[31m"'
run poolbuf leaks -- $'./a\nb'
expect_one_line_refusal 'poolbuf leaks: ./a?b could not be started'
# Nor can one of Unicode's controls, as U+009B, which begins what ESC [ does, and U+202E, which turns what follows.
run poolbuf run $'a\xc2\x9b31mb\xe2\x80\xaec'
expect_one_line_refusal 'no scenario "a?31mb?c"'

# Missing and broken files; the file is named, and so is what would be right.
run poolbuf report nowhere.json
expect_one_line_refusal nowhere.json "No such file"
run poolbuf compare nowhere.json nowhere.json
expect_one_line_refusal nowhere.json
mkdir folder
run poolbuf report folder
expect_one_line_refusal folder
: >empty.json
run poolbuf report empty.json
expect_one_line_refusal empty.json
printf '{\n  "schema": "poolbuf.results/1",\n  "created": nonsense\n}\n' >broken.json
run poolbuf report broken.json
expect_one_line_refusal broken.json:3
run poolbuf compare broken.json broken.json
expect_one_line_refusal broken.json:3
echo '{"schema": "somebody.elses/1"}' >other.json
run poolbuf report other.json
expect_one_line_refusal other.json "somebody.elses/1" "poolbuf.results/1"
echo '{"schema": "poolbuf.leaks/1", "pid": -4}' >negative.json
run poolbuf report negative.json
expect_one_line_refusal negative.json

# The environment of the library reaches the tool as any other program: it is linked to it.
run env POOLBUF_LEAK_LEVLE=simple "$POOLBUF_BIN" options
expect_status 0
finish
