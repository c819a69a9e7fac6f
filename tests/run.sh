#!/usr/bin/env bash
# From scenarios to an answer: run, report in every format, compare with itself and with a doctored slower copy.
source "$(dirname "$0")/lib.sh"

# All that this machine has: a subject that is named and not available ends a run. One is for a single thread
# (passes.sh).
run poolbuf list subjects
subjects=$(awk '/^ +not available:/ { name = ""; next } name ~ /^[a-z]/ { print name } { name = $1 }' .stdout |
    grep -vx malloc-threaded | paste -sd,)
if [ -n "$POOLBUF_SANITIZE" ]; then
    # Another malloc cannot be preloaded under a sanitizer, nor can malloc prove that it is glibc's.
    note "under -fsanitize=$POOLBUF_SANITIZE only the subjects without a preloaded library are run"
    subjects=pooled,fixed,null
fi
for name in pooled fixed null; do
    expect_equal "$name is listed" 1 "$(tr , '\n' <<<"$subjects" | grep -cx "$name")"
done

cat >tiny.yaml <<'END'
name: tiny
asks: Does one thread get an answer?
source: Made for this test.
threads: 1
phases:
  - name: churn
    kind: churn
    live: 32
    operations: 4000
    sizes: {log_uniform: {low: 16, high: 16384}}
  - name: pingpong
    kind: pingpong
    operations: 4000
    sizes: {fixed: 256}
END
cat >pair.yaml <<'END'
name: pair
asks: Do two threads?
source: Made for this test.
threads: 2
phases:
  - kind: handoff
    live: 64
    burst: 8
    operations: 4000
    sizes: {fixed: 256}
END

# All subjects, three rounds: a table on stdout, nothing but progress on stderr, and valid JSON.
run poolbuf run tiny.yaml pair.yaml --quick --rounds 3 --seed 7 --subject "$subjects" -o results.json
expect_status 0
cp .stdout table.txt
for word in tiny pair pooled fixed null "ns/op" "peak resident"; do
    expect_stdout_has "$word"
done
run "$POOLBUF_JSON_TOOL" check results.json
expect_status 0
expect_equal "schema" poolbuf.results/1 "$(json results.json schema)"
expect_equal "scenarios" 2 "$(json results.json 'scenarios.#')"
expect_equal "seed" 7 "$(json results.json run.seed)"
expect_equal "leak level of the workers" disabled "$(json results.json run.leak_level)"
count=$(tr , '\n' <<<"$subjects" | wc -l)
for scenario in 0 1; do
    expect_equal "results of scenario $scenario" "$count" "$(json results.json "scenarios.$scenario.results.#")"
    for ((i = 0; i < count; i++)); do
        at=scenarios.$scenario.results.$i
        expect_equal "status of $at" ok "$(json results.json $at.status)"
        expect_equal "samples of $at" 3 "$(json results.json "$at.samples.#")"
        # Live bytes at the end of each phase are the same for every subject: they all did the same work.
        expect_equal "live bytes of $at" "$(json results.json scenarios.$scenario.results.0.samples.0.phases)" \
            "$(json results.json $at.samples.2.phases)"
    done
done

# One subject wins nothing; few rounds are mentioned; a terminal that cannot erase a line gets no bar.
run poolbuf run tiny.yaml --quick --rounds 2 -s fixed
expect_status 0
expect_stdout_has "fixed alone was measured"
expect_stdout_has "Only 2 rounds"
run env TERM=dumb script -qec "'$POOLBUF_BIN' run tiny.yaml --quick --rounds 1 -s null" /dev/null
expect_status 0
expect_equal "escape sequences on a dumb terminal" 0 "$(grep -c $'\e' .stdout)"

# Standard descriptors that the caller closed are not given to workers; that the table reached nobody is said once.
for closed in '>&-' '<&- >&-' '<&- >&- 2>&-' '<&- 2>&-'; do
    run bash -c "\"\$0\" run tiny.yaml --quick --rounds 1 -s null -o closed.json $closed" "$POOLBUF_BIN"
    expect_equal "the result with $closed" ok "$(json closed.json scenarios.0.results.0.status)"
done
run bash -c '"$0" list >&-' "$POOLBUF_BIN"
expect_status 1
expect_stderr_lines 1
run bash -c '"$0" report results.json >&-' "$POOLBUF_BIN"
expect_status 1
expect_stderr_lines 1

for format in text markdown html json; do
    run poolbuf report results.json --format $format
    expect_status 0
    expect_stderr_empty
    expect_stdout_has pooled
    cp .stdout "by-stdout.$format"
    run poolbuf report results.json --format $format -o "by-file.$format"
    expect_status 0
    expect_stdout_empty
    expect_equal "$format in a file and on stdout" "$(cat "by-stdout.$format")" "$(cat "by-file.$format")"
done
checks=$((checks + 1))
diff table.txt by-stdout.text >difference || fail "the table of run and of report differ" "$(cat difference)"
run "$POOLBUF_JSON_TOOL" same results.json by-stdout.json
expect_status 0
expect_equal "addresses in the page" 0 "$(grep -cE '(src|href)="https?://' by-file.html)"
run poolbuf report results.json -o page.html
expect_equal "format by suffix" "$(cat by-file.html)" "$(cat page.html)"
run script -qec "'$POOLBUF_BIN' report results.json --format html" /dev/null
expect_status 2
expect_stdout_has "not for a terminal"

# Parts of one experiment become one file; what is not is refused for JSON, and shown one after the other elsewhere.
run poolbuf run tiny.yaml --quick --rounds 2 --seed 7 --subject pooled,null -o tiny.json
expect_status 0
run poolbuf run pair.yaml --quick --rounds 2 --seed 7 --subject pooled,null -o pair.json
expect_status 0
run poolbuf report tiny.json pair.json --format json -o both.json
expect_status 0
expect_equal "scenarios of the merged file" 2 "$(json both.json 'scenarios.#')"
# What spoilt the second part's host is not forgotten, and what spoilt both is said once.
"$POOLBUF_JSON_TOOL" set tiny.json run.spoilers '["load: 9 on 2 processors"]' >tiny-loaded.json
"$POOLBUF_JSON_TOOL" set pair.json run.spoilers '["load: 9 on 2 processors", "governor: powersave"]' >pair-loaded.json
run poolbuf report tiny-loaded.json pair-loaded.json --format json -o loaded.json
expect_equal "spoilers of both" 2 "$(json loaded.json 'run.spoilers.#')"
expect_equal "the second's own" "governor: powersave" "$(json loaded.json run.spoilers.1)"
# Another version of an allocator, or other settings, are another subject under its name, as compare says.
for change in 'version "poolbuf 99"' 'note "tuned otherwise"'; do
    "$POOLBUF_JSON_TOOL" set pair.json "subjects.0.${change%% *}" "${change#* }" >pair-other.json
    run poolbuf report tiny.json pair-other.json --format json -o refused.json
    expect_one_line_refusal "tiny.json" "different subjects under one name"
done
run poolbuf report tiny.json results.json --format json -o refused.json
expect_one_line_refusal "tiny.json" "different rounds"
expect_no_file refused.json
run poolbuf report tiny.json results.json --format markdown
expect_status 0

# Compared with itself: nothing changed. The doctored copies are of a result whose samples are known: what a slowdown of a
# third means must not hang on how noisy this machine was a moment ago.
run poolbuf compare results.json results.json
expect_status 0
expect_stdout_has "no regression"
known=$POOLBUF_SOURCE/reports/tests/golden/results.json
"$POOLBUF_JSON_TOOL" scale "$known" pooled 1.33 >slower.json
"$POOLBUF_JSON_TOOL" scale "$known" pooled 0.67 >faster.json
for format in text markdown json; do
    run poolbuf compare "$known" slower.json --format $format
    expect_status 3
    expect_stdout_has pooled
done
cp .stdout comparison.json
expect_equal "compare's schema" poolbuf.compare/1 "$(json comparison.json schema)"
rows=$(json comparison.json 'rows.#')
for ((i = 0; i < rows; i++)); do
    subject=$(json comparison.json "rows.$i.subject")
    wanted=false
    [ "$subject" != pooled ] || wanted=true
    expect_equal "regression of $subject" $wanted "$(json comparison.json "rows.$i.regression")"
done
run poolbuf compare "$known" faster.json
expect_status 0
expect_stdout_has "faster"
run poolbuf compare "$known" slower.json --threshold 40
expect_status 0
run poolbuf compare "$known" slower.json --relative-to fixed
expect_status 3
"$POOLBUF_JSON_TOOL" scale "$known" null 3 >slower-harness.json
run poolbuf compare "$known" slower-harness.json
expect_status 0
run poolbuf compare "$known" "$known" --relative-to nobody
expect_one_line_refusal '"nobody"'

# What cannot be compared is refused with the reason, unless forced; what is missing is listed; nothing in common is 6.
"$POOLBUF_JSON_TOOL" set results.json host.cpu '"Another CPU"' >other-host.json
run poolbuf compare results.json other-host.json
expect_one_line_refusal "different processors" "Another CPU" "--force"
run poolbuf compare results.json other-host.json --force
expect_status 0
expect_stdout_has "Another CPU"
"$POOLBUF_JSON_TOOL" set results.json build.type '"Debug-ish"' >other-build.json
run poolbuf compare results.json other-build.json
expect_one_line_refusal "different build types" "Debug-ish"
"$POOLBUF_JSON_TOOL" set results.json scenarios.0.operations 12345 >other-scenario.json
run poolbuf compare results.json other-scenario.json
expect_one_line_refusal "different scenarios under one name: tiny"
run poolbuf compare results.json tiny.json --threshold 100000 # a time of this machine is to decide nothing
expect_status 1
expect_stdout_has "only in BASE"
expect_stderr_has "missing in NEW"
run poolbuf compare results.json tiny.json --threshold 100000 --only-common
expect_status 0
expect_stdout_has "only in BASE"
run poolbuf compare tiny.json pair.json
expect_status 6
expect_stdout_has "only in NEW"
"$POOLBUF_JSON_TOOL" set results.json scenarios.0.results.0.status '"failed"' >failed.json
run poolbuf compare results.json failed.json
expect_status 1
expect_stderr_has "failed in NEW"

# Output that cannot be written is refused, and leaves what was there.
for target in nowhere/results.json /proc/results.json .; do
    run poolbuf run tiny.yaml --quick --rounds 1 --subject pooled -o $target
    expect_one_line_refusal "$target"
    run poolbuf report results.json -o $target
    expect_one_line_refusal "$target"
done
run poolbuf report results.json -o $'no\nwhere/results.json'
expect_one_line_refusal "cannot write no?where/results.json"
echo before >kept.json
run poolbuf report broken.json -o kept.json
expect_status 2
expect_equal "the file that a failed report should have replaced" before "$(cat kept.json)"
run bash -c "'$POOLBUF_BIN' report results.json >/dev/full"
expect_status 1
expect_stderr_has "No space left"

# What is read is not replaced by what is made of it, whatever it is called; but JSON has all of it, so it may be.
cp results.json input.json
ln -s input.json link.json
cp tiny.yaml input.yaml
for target in input.json link.json "$work/input.json"; do
    run poolbuf report input.json --format text -o "$target"
    expect_one_line_refusal "cannot write $target: it is what this command reads"
    run poolbuf compare results.json link.json -o "$target"
    expect_one_line_refusal "cannot write $target: it is what this command reads"
done
run poolbuf run input.yaml --quick --rounds 1 --subject null -o input.yaml
expect_one_line_refusal "cannot write input.yaml: it is what this command reads"
expect_equal "the scenario" "$(cat tiny.yaml)" "$(cat input.yaml)"
cp "$POOLBUF_SOURCE/scenarios/traces/redis.pbtrace" recorded.pbtrace
printf 'name: replay\nasks: Is the trace kept?\nsource: Made.\nthreads: 1\nphases:\n  - {trace: recorded.pbtrace}\n' >replay.yaml
run poolbuf run replay.yaml --quick --rounds 1 --subject null -o recorded.pbtrace
expect_one_line_refusal "cannot write recorded.pbtrace: it is what this command reads"
expect_equal "the results" "$(cat results.json)" "$(cat input.json)"
run poolbuf report input.json -o input.json
expect_status 0

# run writes JSON, also where another suffix would have another subcommand write a page.
for name in other.html other.md other.xml other.txt; do
    run poolbuf run tiny.yaml --quick --rounds 1 --subject null -o $name
    expect_one_line_refusal "--output $name: run writes JSON there; give -o results.json"
    expect_no_file $name
done

# - is stdin, and is what the command reads, too.
run poolbuf report results.json --format markdown
cp .stdout from-file.md
run bash -c 'cat results.json | "$0" report - --format markdown' "$POOLBUF_BIN"
expect_status 0
expect_equal "a report of stdin" "$(cat from-file.md)" "$(cat .stdout)"
run bash -c '"$0" report - -o input.json --format text <input.json' "$POOLBUF_BIN"
expect_one_line_refusal "cannot write input.json: it is what this command reads"
run poolbuf report -
expect_one_line_refusal "stdin:1: not JSON"
run bash -c '"$0" compare results.json - --force <results.json' "$POOLBUF_BIN"
expect_status 0

# A link that leads nowhere yet is filled, not replaced; one that leads into no folder is refused.
ln -s later/report.txt dangling.txt
run poolbuf report results.json -o dangling.txt
expect_one_line_refusal "cannot write dangling.txt"
mkdir later
run poolbuf report results.json -o dangling.txt
expect_status 0
expect_file later/report.txt
expect_equal "what the link is now" later/report.txt "$(readlink dangling.txt)"

# What stands in the file that stdout goes to stays there.
for target in /dev/stdout kept.txt; do
    echo before >kept.txt
    run bash -c "'$POOLBUF_BIN' report results.json --format text -o $target >>kept.txt"
    expect_status 0
    expect_equal "the first line, before the report on $target" before "$(head -1 kept.txt)"
    expect_equal "the last line" "$(poolbuf report results.json | tail -1)" "$(tail -1 kept.txt)"
done

# Nobody waits for a confirmation that cannot be written.
run poolbuf compare results.json results.json --confirm -o nowhere/gate.xml
expect_one_line_refusal "cannot write nowhere/gate.xml"
expect_equal "temporary files left behind" "" "$(find . -name '*.json.??????')"

# Scenarios and suites by name, and from a folder of one's own.
mkdir -p mine/suites
cp tiny.yaml mine/tiny.yaml
printf 'name: few\nasks: Is this found?\nscenarios: [tiny]\n' >mine/suites/few.yaml
run env POOLBUF_SCENARIOS="$work/mine" "$POOLBUF_BIN" list
expect_status 0
expect_stderr_empty
expect_stdout_has tiny
expect_stdout_has few
run env POOLBUF_SCENARIOS="$work/mine" "$POOLBUF_BIN" run few --quick --rounds 1 --subject null
expect_status 0
# A suite and its scenarios travel together, as a scenario and its trace do.
mkdir -p far/away
cp tiny.yaml far/near.yaml
printf 'name: far\nasks: Is this found?\nscenarios: [../near.yaml]\n' >far/away/far.yaml
run poolbuf run far/away/far.yaml --quick --rounds 1 --subject null
expect_status 0
# A suite knows how many rounds its question takes, and is overruled by who asks for others, or for a first impression.
printf 'name: two\nasks: Is this obeyed?\nrounds: 2\nscenarios: [tiny]\n' >mine/suites/two.yaml
for rounds in 2: "1:--rounds 1" "3:--quick"; do
    # shellcheck disable=SC2086 # the option is words, or nothing
    run env POOLBUF_SCENARIOS="$work/mine" "$POOLBUF_BIN" run two ${rounds#*:} --subject null -o rounds.json
    expect_status 0
    expect_equal "rounds of a suite with \"${rounds#*:}\"" "${rounds%%:*}" "$(json rounds.json run.rounds)"
done
run poolbuf list scenarios
expect_status 0
for name in pingpong churn handoff; do
    expect_stdout_has $name
done
# Grouped by what they show; on a terminal in lines that fit, elsewhere one line each.
for heading in "recorded from programs" "one thread" "two threads and more"; do
    expect_stdout_has "-- $heading --"
done
expect_equal "names that are listed once, of all there are" "$(cd "$POOLBUF_SOURCE/scenarios" && printf '%s\n' ./*.yaml | wc -l)" \
    "$(grep -c '^[a-z].*[?]$' "$work/.stdout")"
run script -qec "stty cols 60; '$POOLBUF_BIN' list scenarios" /dev/null
expect_equal "lines of more than 60 columns" 0 "$(tr -d '\r' <"$work/.stdout" | grep -c '.\{61,\}')"
run poolbuf list suites
expect_stdout_has default
finish
