#!/usr/bin/env bash
# A scenario that is wrong ends with status 2 and one line: which file, which line, what is wrong and what would be right.
# Nothing is run, and nothing is written.
source "$(dirname "$0")/lib.sh"

# refuse NAME LINE TEXTS...: runs the scenario on stdin, which must be refused.
refuse() {
    local name=$1 line=$2
    shift 2
    cat >"$name.yaml"
    run poolbuf run "$name.yaml" --quick --rounds 1 --subject null -o "$name.json"
    expect_one_line_refusal "$name.yaml:$line" "$@"
    expect_no_file "$name.json"
}

refuse unknown-key 8 oprations operations <<'END'
name: unknown-key
asks: What is wrong here?
source: here
threads: 1
phases:
  - kind: pingpong
    live: 8
    oprations: 1000
    sizes: {fixed: 64}
END
refuse negative-size 8 -64 <<'END'
name: negative-size
asks: What is wrong here?
source: here
threads: 1
phases:
  - kind: pingpong
    operations: 1000
    sizes: {fixed: -64}
END
refuse huge-number 7 99999999999999999999 <<'END'
name: huge-number
asks: What is wrong here?
source: here
threads: 1
phases:
  - kind: pingpong
    operations: 99999999999999999999
    sizes: {fixed: 64}
END
refuse unknown-kind 6 pingpnog pingpong churn handoff <<'END'
name: unknown-kind
asks: What is wrong here?
source: here
threads: 1
phases:
  - kind: pingpnog
    operations: 1000
    sizes: {fixed: 64}
END
refuse no-phases 1 phases <<'END'
name: no-phases
asks: What is wrong here?
source: here
threads: 1
END
refuse not-yaml 3 YAML <<'END'
name: not-yaml
phases: [{kind: pingpong
END

# Names that do not exist, with the nearest that does.
run poolbuf run chrun --quick
expect_one_line_refusal '"chrun"' churn
run poolbuf run nowhere/nothing.yaml
expect_one_line_refusal nowhere/nothing.yaml "no such file"
# What is there and cannot be one is not said to be missing.
echo '{}' >results.json
run poolbuf run results.json
expect_one_line_refusal "results.json: is a file, but no scenario: the name of one ends in .yaml, .yml, .pbtrace, .pbshape"
mkdir folder.yaml
run poolbuf run folder.yaml
expect_one_line_refusal "folder.yaml: is no regular file"
run poolbuf run churn --subject mallok
expect_one_line_refusal '"mallok"' '"malloc"'
run poolbuf list subjcets
expect_one_line_refusal '"subjcets"' subjects
run poolbuf run --seed -1 churn
expect_one_line_refusal --seed
run poolbuf run --rounds 0 churn
expect_one_line_refusal --rounds

# A trace that was cut off anywhere, or damaged, or is no trace.
trace=$(find "$POOLBUF_SOURCE/scenarios/traces" -name '*.pbtrace' -size -512k | head -1)
if [ -n "$trace" ]; then
    bytes=$(stat -c %s "$trace")
    for keep in 0 4 8 20 $((bytes / 2)) $((bytes - 1)); do
        head -c "$keep" "$trace" >cut.pbtrace
        run poolbuf run cut.pbtrace --quick --rounds 1 --subject null -o cut.json
        expect_one_line_refusal cut.pbtrace
        expect_no_file cut.json
    done
    cp "$trace" damaged.pbtrace
    printf '\377\377\377\377' | dd of=damaged.pbtrace bs=1 seek=$((bytes / 3)) conv=notrunc status=none
    run poolbuf run damaged.pbtrace --quick --rounds 1 --subject null
    expect_one_line_refusal damaged.pbtrace
else
    fail "no recorded trace is shipped in scenarios/traces"
fi
echo "this is no trace" >text.pbtrace
run poolbuf run text.pbtrace --quick
expect_one_line_refusal text.pbtrace

# A recorder's output, too, appears whole or not at all.
run poolbuf record -o nowhere/x.pbtrace -- true
expect_one_line_refusal nowhere/x.pbtrace
run poolbuf record
expect_one_line_refusal "program is missing"
run poolbuf record -- ./nowhere
expect_status 2
expect_stderr_has ./nowhere
finish
