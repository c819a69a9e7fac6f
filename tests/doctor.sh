#!/usr/bin/env bash
# What would spoil a result: said in text and JSON, a failure only when that is asked for, and kept with the results.
source "$(dirname "$0")/lib.sh"

mkdir -p quiet/proc quiet/sys/devices/system/cpu/cpu0/cpufreq
echo "0.00 0.00 0.00 1/100 4242" >quiet/proc/loadavg
echo performance >quiet/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor
cp -r quiet noisy
echo powersave >noisy/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor

# shellcheck disable=SC2317 # by run, which calls it
doctor() { # FOLDER ARGUMENTS...
    env TEST_DOCTOR_ROOT="$work/$1" "$POOLBUF_BIN" doctor "${@:2}"
}

run doctor noisy
expect_status 0
expect_stderr_empty
for word in "spoils   governor      powersave" "why:" "do:" "fine     load" "unknown  SMT"; do
    expect_stdout_has "$word"
done
run doctor noisy --strict
expect_status 1
run doctor noisy --format json
expect_status 0
cp .stdout doctor.json
run "$POOLBUF_JSON_TOOL" check doctor.json
expect_status 0
expect_equal "schema" poolbuf.doctor/1 "$(json doctor.json schema)"
expect_equal "the first finding" governor "$(json doctor.json findings.0.name)"
expect_equal "its level" spoils "$(json doctor.json findings.0.level)"

# An optimised build on a quiet host passes; another build is a spoiler of its own.
run doctor quiet
if grep -q "fine     our build" .stdout && grep -q "fine     clock " .stdout; then
    expect_stdout_has "nothing here spoils results"
    run doctor quiet --strict
    expect_status 0
else
    expect_stdout_has "here"
    run doctor quiet --strict
    expect_status 1
fi
run poolbuf doctor
expect_status 0
run poolbuf doctor --format xml
expect_one_line_refusal "xml"

# A run says it in one line, and keeps it.
cat >tiny.yaml <<'END'
name: tiny
asks: Is the host remembered?
source: Made for this test.
threads: 1
phases:
  - {kind: pingpong, operations: 1000, sizes: {fixed: 64}}
END
run env TEST_DOCTOR_ROOT="$work/noisy" "$POOLBUF_BIN" run tiny.yaml --quick --rounds 1 -s null -o results.json
expect_stdout_has "null alone was measured: what the harness costs"
expect_status 0
expect_stderr_lines 1
expect_stderr_has "this host spoils results: governor: powersave"
expect_equal "the spoiler in the file" "governor: powersave" "$(json results.json run.spoilers.0)"
run poolbuf report results.json --format markdown
expect_stdout_has "This host spoils results: governor: powersave"
finish
