#!/usr/bin/env bash
# `poolbuf leaks -- PROGRAM`: its exit status, its report, and that the program does not notice.
source "$(dirname "$0")/lib.sh"

leaky=$POOLBUF_EXAMPLES/leaky
clean=$POOLBUF_EXAMPLES/clean

# A leak: 4, with both call sites and exact counts on stderr; stdout is the program's own.
run poolbuf leaks -- "$leaky" -v
expect_status 4
expect_equal "stdout" "1000 buffers allocated; never released: 70 by keep_request(), 30 by send_reply()" "$(cat .stdout)"
for name in read_request keep_request format_reply send_reply serve main; do
    expect_stderr_matches "$name.*leaky\.c:[0-9]+"
done
expect_stderr_matches '(^|[^0-9])70 x poolbuf'
expect_stderr_matches '(^|[^0-9])30 x poolbuf'
expect_stderr_has "  main ("
expect_stderr_lacks /tmp/poolbuf-

# No leak: 0, and one line that says what was checked.
run poolbuf leaks -- "$clean" -v
expect_status 0
expect_equal "stdout" "1000 buffers allocated, all of them released" "$(cat .stdout)"
expect_stderr_lines 1
expect_stderr_has "no leak: 1000 buffers"

# Wherever TMPDIR lies and the program goes, no report is lost: neither a relative folder nor a % in its name changes that.
mkdir -p "there/a%p b%n"
for folder in there "there/a%p b%n" "$work/there/a%p b%n"; do
    run env TMPDIR="$folder" "$POOLBUF_BIN" leaks -- sh -c '"$0"; cd /; "$1"' "$clean" "$leaky"
    expect_status 4
    expect_stderr_lacks "not written"
    expect_equal "what stays in $folder" "" "$(find there -type f)"
done

# Processes may have one id, as each first one of a container has: none takes the place of another's report.
if unshare -Urpf true 2>/dev/null; then
    for live in "" --signal=USR2; do
        run poolbuf leaks $live -- sh -c 'unshare -Urpf "$0"; unshare -Urpf "$1"' "$leaky" "$clean"
        expect_status 4
        expect_stderr_has "70 x poolbuf"
    done
else
    note "SKIPPED: two processes of one id, as no process may have ids of its own here"
fi

# A process that cannot write its report, here for a limit, makes a clean run one that was not checked, and hides no leak of
# others. One without buffers has nothing to report. (cat: its stderr may be a file, too.)
unreported=$POOLBUF_BUILD/tests/unreported
run poolbuf leaks -- bash -c '"$0"; ("$1" 10 0; "$1" 10 3) 2>&1 | cat >&2' "$clean" "$unreported"
expect_status 6
expect_stderr_has "leak report not written"
expect_stderr_has "no leak: 1000 buffers"
expect_stderr_matches "not all was checked: 2 processes, of which [0-9]+ was the first"
run poolbuf leaks --fail-on none -- bash -c '"$0"; "$1" 10 0' "$clean" "$unreported"
expect_status 6
run poolbuf leaks -- bash -c '"$0"; "$1" 10 0' "$leaky" "$unreported"
expect_status 4
expect_stderr_has "not all was checked: 1 process"
run poolbuf leaks -- bash -c '"$0"; "$1" 0 0' "$clean" "$unreported"
expect_status 0
expect_stderr_lacks "not all was checked"

# Nothing checked: 6, each with its reason.
run poolbuf leaks -- true
expect_status 6
expect_stderr_has "never loaded libpoolbuf"
run poolbuf leaks -- "$clean" 0
expect_status 6
expect_stderr_has "not one buffer was allocated"
run poolbuf leaks --level disabled -- "$leaky"
expect_status 6
expect_stderr_has "level disabled"

# So too where the program fails: that is no answer about leaks.
run poolbuf leaks -- sh -c 'exit 3'
expect_status 6
expect_stderr_has "ended with status 3"
expect_stderr_has "nothing was checked"
run poolbuf leaks -- sh -c 'kill -SEGV $$'
expect_status 6
expect_stderr_has "signal 11 (SEGV)"
expect_stderr_has "nothing was checked"
run poolbuf leaks -- sh -c '"$0" 0; exit 5' "$clean"
expect_status 6
expect_stderr_has "ended with status 5"
expect_stderr_has "not one buffer was allocated"
# One that has the library, allocates and then aborts: it was looked at by nobody.
cat >aborts.c <<'END'
#include <poolbuf/poolbuf.h>
#include <stdlib.h>
int main(void) {
    poolbuf_release(poolbuf_allocate(NULL, 16, 16));
    abort();
}
END
if [ -z "$POOLBUF_SANITIZE" ]; then
    run "$CC" aborts.c -o aborts -I"$POOLBUF_SOURCE/allocator/include" -L"$POOLBUF_BUILD/lib" \
        -Wl,-rpath,"$POOLBUF_BUILD/lib" -lpoolbuf
    expect_status 0
    run poolbuf leaks -- ./aborts
    expect_status 6
    expect_stderr_has "signal 6 (ABRT)"
    expect_stderr_has "ended without finalization"
fi

# One that loses a buffer, destroys the allocator and becomes another program: what it has reported stays.
cat >becomes.c <<'END'
#include <poolbuf/poolbuf.h>
#include <unistd.h>
int main(int count, char **arguments) {
    poolbuf_allocator *own = NULL;
    if (count < 2 || poolbuf_allocator_create(NULL, &own) != POOLBUF_OK || poolbuf_allocate(own, 16, 16) == NULL) {
        return 1;
    }
    (void)poolbuf_allocator_destroy(own);
    execv(arguments[1], arguments + 1);
    return 1;
}
END
if [ -z "$POOLBUF_SANITIZE" ]; then
    run "$CC" becomes.c -o becomes -I"$POOLBUF_SOURCE/allocator/include" -L"$POOLBUF_BUILD/lib" \
        -Wl,-rpath,"$POOLBUF_BUILD/lib" -lpoolbuf
    expect_status 0
    run poolbuf leaks -- ./becomes "$clean"
    expect_status 4
    expect_stderr_has "1 x poolbuf"
fi

# A program that fails without a leak: 1. With one: 4, and both are said.
run poolbuf leaks -- sh -c '"$0"; exit 5' "$clean"
expect_status 1
expect_stderr_has "ended with status 5; no leak"
run poolbuf leaks -- sh -c '"$0"; exit 5' "$leaky"
expect_status 4
expect_stderr_has "ended with status 5"

# A program that cannot be started: 2, one line.
run poolbuf leaks -- ./nowhere
expect_one_line_refusal ./nowhere "No such file or directory"
run poolbuf leaks -- /etc/passwd
expect_one_line_refusal /etc/passwd "Permission denied"
run poolbuf leaks
expect_one_line_refusal "program is missing"
run poolbuf leaks --level paranoyd -- "$leaky"
expect_one_line_refusal '"paranoyd"' "simple, advanced, paranoid"
run poolbuf leaks --format html -- "$leaky"
expect_one_line_refusal "--format needs -o"
run poolbuf leaks --format hmtl -o x -- "$leaky"
expect_one_line_refusal '"hmtl"' html
run poolbuf leaks --tool valgrind --level simple -- "$leaky"
expect_one_line_refusal "--level belongs to --tool builtin"

# What a user has set already does not get in the way; the program's arguments are its own.
run env POOLBUF_LEAK_LEVEL=disabled POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_REPORT=mine.json "$POOLBUF_BIN" leaks "$leaky" -v
expect_status 4
expect_no_file mine.json

# --fail-on none reports, and lets pass; --level simple sees a sample.
run poolbuf leaks --fail-on none -- "$leaky"
expect_status 0
expect_stderr_has keep_request
run env POOLBUF_LEAK_SEED=1 "$POOLBUF_BIN" leaks --level simple -- "$leaky" 1000000 1000
expect_status 4
expect_stderr_has keep_request
expect_stderr_has send_reply
run env POOLBUF_LEAK_DENSE_START=0 POOLBUF_LEAK_SAMPLING_INTERVAL=1000000000 POOLBUF_LEAK_SEED=1 "$POOLBUF_BIN" leaks --level simple -- "$leaky" 100 2
expect_status 4
expect_stderr_has "2 buffers were never released"
expect_stderr_has "--level paranoid"

# Options for the program's detector: each is refused where it means nothing, and by the library's own rules.
run poolbuf leaks --level simple --sampling 1 --seed 7 --unwinder callsite --frames 4 --records 0 -- "$leaky" 1000
expect_status 4
expect_stderr_has "level simple, every buffer tracked"
expect_stderr_lacks "  main (" # as a frame; the folder may be called so
run poolbuf leaks --level simple --sampling-bytes 64k -o bytes.json -- "$leaky" 100000 1000
expect_equal "sampling by bytes" 65536 "$(json bytes.json sampling_bytes)"
run poolbuf leaks --sampling 10 -- touch started
expect_one_line_refusal "--sampling needs --level simple or advanced"
run poolbuf leaks --level simple --sampling 0 -- touch started
expect_one_line_refusal POOLBUF_LEAK_SAMPLING_INTERVAL=0 "1 to 1073741824"
run poolbuf leaks --unwinder libunwynd -- touch started
expect_one_line_refusal POOLBUF_LEAK_UNWINDER=libunwynd "cfi|libunwind|fp|callsite"
run poolbuf leaks --signal "US R2" -- touch started
expect_one_line_refusal '"US R2"' "USR2"
run poolbuf leaks --tool valgrind --seed 7 -- touch started
expect_one_line_refusal "--seed belongs to --tool builtin"
expect_no_file started

# A process that is killed leaves no report; what it said on a signal or an interval before is shown, and is no leak.
run poolbuf leaks --signal USR2 -o alive.json -- sh -c '"$0" once 12 nowhere & sleep 1; kill -KILL $!; wait $!; exit 0' \
    "$POOLBUF_BUILD/leakdetect/programs/signalled"
expect_status 6
expect_stderr_has "1 process ended without finalization"
expect_stderr_has "ALIVE 1 of 1  3 x poolbuf"
expect_stderr_has "1 call stack with what was alive: 3 (300 B)"
expect_stderr_has "nothing was checked"
expect_equal "reason" "signal 12" "$(json alive.json reason)"
run poolbuf leaks --signal USR2 -- "$POOLBUF_BUILD/leakdetect/programs/signalled" burst 12 1
expect_status 0
expect_stderr_has "no leak: 3 buffers"

# Misuse fails, whether it ends the program or is counted, and is in every output with its three stacks.
misused=$POOLBUF_BUILD/leakdetect/programs/over_release
run poolbuf leaks -o misuse.json -- "$misused"
expect_status 4
expect_stderr_has "1 misuse, which ended the program before leaks could be looked for"
expect_equal "offence" "release of a buffer whose last reference is gone" "$(json misuse.json misuses.0.offence)"
expect_equal "where" second_release "$(json misuse.json misuses.0.stack.0.function)"
expect_equal "released" first_release "$(json misuse.json misuses.0.release_stack.0.function)"
expect_equal "allocated" make "$(json misuse.json misuses.0.allocation_stack.0.function)"
run env POOLBUF_MISUSE=count "$POOLBUF_BIN" leaks --fail-on any -- sh -c '"$0"; exit 0' "$misused"
expect_status 4
expect_stderr_has "1 misuse and no leak found"
for format in text markdown html; do
    run poolbuf report misuse.json --format $format
    expect_status 0
    for name in second_release first_release make; do
        expect_stdout_has $name
    done
done

# A baseline: what it has is known, more of it has grown, everything else is new.
run poolbuf leaks -o base.json -- "$leaky" 500 50
expect_status 4
run poolbuf leaks --baseline base.json -o same.json -- "$leaky" 500 50
expect_status 0
expect_stderr_has "against base.json: 0 new, 0 grown, 2 known call stacks; 0 of its 2 no longer leak"
expect_equal "standing" known "$(json same.json groups.0.baseline.standing)"
run poolbuf leaks --baseline base.json -- "$leaky" 1000
expect_status 4
expect_stderr_has "0 new, 2 grown, 0 known"
expect_stderr_matches '70 x poolbuf, .*  grown: 35 in the baseline'
run poolbuf leaks --baseline base.json --fail-on new -- "$leaky" 1000
expect_status 0
run poolbuf leaks --baseline base.json --fail-on any -- "$leaky" 500 50
expect_status 4
run poolbuf leaks --baseline base.json --fail-on none -- "$leaky" 1000
expect_status 0
run poolbuf leaks --baseline base.json --fail-on new -- sh -c '"$0" 500 50; exit 5' "$leaky"
expect_status 1
run poolbuf leaks --baseline base.json -- "$clean"
expect_status 0
expect_stderr_has "2 of its 2 no longer leak"
run poolbuf leaks --baseline base.json -- true
expect_status 6
run poolbuf leaks -o none.json -- "$clean"
run poolbuf leaks --baseline none.json --fail-on new -- "$misused"
expect_status 4
run poolbuf leaks --baseline none.json --fail-on new -- "$leaky" 500 50
expect_status 4
expect_stderr_has "2 new, 0 grown"
run env POOLBUF_LEAK_DENSE_START=0 "$POOLBUF_BIN" leaks --level simple --sampling 1000000000 --seed 1 --baseline none.json -- "$leaky" 100 2
expect_status 4
expect_stderr_has "2 buffers were never released"
# So too beside a leak of something else that the baseline knows: its stack says nothing of the buffers.
cat >beside.c <<'END'
#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void lose_in_child(void) {
    if (fork() == 0) {
        leakdetect_set_level(LEAKDETECT_PARANOID);
        exit(poolbuf_allocate(NULL, 32, 32) == NULL);
    }
    wait(NULL);
}
int main(int count, char **arguments) {
    static char session;
    leakdetect_type type;
    const leakdetect_type_options every_one = {.struct_size = sizeof every_one, .sampling_interval = 1};
    (void)arguments;
    if (leakdetect_register_type("session", &every_one, &type) != POOLBUF_OK) {
        return 1;
    }
    leakdetect_track_as(&session, 1, type);
    poolbuf *buffer = poolbuf_allocate(NULL, 16, 16);
    if (count == 1) {
        poolbuf_release(buffer);
    }
    if (count != 2) {
        lose_in_child();
    }
    return 0;
}
END
if [ -z "$POOLBUF_SANITIZE" ]; then
    run "$CC" beside.c -o beside -I"$POOLBUF_SOURCE/allocator/include" -I"$POOLBUF_SOURCE/leakdetect/include" \
        -L"$POOLBUF_BUILD/lib" -Wl,-rpath,"$POOLBUF_BUILD/lib" -lpoolbuf
    expect_status 0
    thin=(env POOLBUF_LEAK_DENSE_START=0 "$POOLBUF_BIN" leaks --level simple --sampling 1000000000 --seed 1)
    run "${thin[@]}" --fail-on none -o beside.json -- ./beside
    expect_status 0
    run "${thin[@]}" --baseline beside.json --fail-on new -- ./beside
    expect_status 0
    expect_stderr_has "2 known call stacks"
    run "${thin[@]}" --baseline beside.json --fail-on new -- ./beside one more # which the child's stack does not explain
    expect_status 4
    expect_stderr_has "2 known call stacks"
    expect_stderr_has "1 buffer was never released, but the sample has none of them"
    run "${thin[@]}" --baseline beside.json --fail-on new -- ./beside too
    expect_status 4
    expect_stderr_has "1 x session"
    expect_stderr_has "1 buffer was never released, but the sample has none of them"
    expect_stderr_has "and 1 buffer, not sampled"
fi
run poolbuf leaks --baseline nowhere.json -- touch started
expect_one_line_refusal nowhere.json "No such file" "-o FILE makes a baseline"
echo '{"schema": "poolbuf.leaks/2"}' >later.json
run poolbuf leaks --baseline later.json -- touch started
expect_one_line_refusal later.json "newer than this poolbuf can read"
head -c 300 base.json >cut.json
run poolbuf leaks --baseline cut.json -- touch started
expect_one_line_refusal cut.json "not JSON"
run poolbuf leaks --tool valgrind --baseline base.json -- touch started
expect_one_line_refusal base.json "is a report of --tool builtin"
run poolbuf leaks --fail-on new -- touch started
expect_one_line_refusal "--fail-on new needs --baseline"
expect_no_file started

# Several processes: their reports are merged by fingerprint.
run poolbuf leaks -o leaks.json -- sh -c '"$0" & "$0" & "$1"; wait' "$leaky" "$clean"
expect_status 4
expect_equal "groups" 2 "$(json leaks.json 'groups.#')"
expect_equal "counts, by bytes" "60 140" "$(json leaks.json groups.0.count) $(json leaks.json groups.1.count)"
expect_equal "processes" 3 "$(json leaks.json 'processes.#')"
expect_equal "tool" builtin "$(json leaks.json tool)"

# Numbers that a program makes as large as it likes do not spoil its report.
if [ -z "$POOLBUF_SANITIZE" ]; then
    cat >huge.c <<'END'
#include <poolbuf/leakdetect.h>
static char resources[4];
int main(void) {
    leakdetect_track(&resources[0], SIZE_MAX, "map");
    uint64_t before = leakdetect_checkpoint();
    for (int i = 1; i < 4; i++) {
        leakdetect_track(&resources[i], SIZE_MAX - 1, "map");
    }
    FILE *out = fopen("since.json", "w");
    if (out == NULL || leakdetect_report_since(out, LEAKDETECT_JSON, before) != POOLBUF_OK || fclose(out) != 0) {
        return 1;
    }
    out = fopen("older.json", "w");
    if (out == NULL || leakdetect_report_older_than(out, LEAKDETECT_JSON, UINT64_MAX) != POOLBUF_OK ||
        fclose(out) != 0) {
        return 1;
    }
    return 0;
}
END
    run "$CC" -g huge.c -o huge -I"$POOLBUF_SOURCE/allocator/include" -I"$POOLBUF_SOURCE/leakdetect/include" \
        -L"$POOLBUF_BUILD/lib" -Wl,-rpath,"$POOLBUF_BUILD/lib" -lpoolbuf
    expect_status 0
    printf 'leak:nowhere  # bytes=9999999999g\n' >huge.supp
    run poolbuf leaks --suppressions huge.supp -o huge.json -- ./huge
    expect_status 4
    expect_equal "groups" 2 "$(json huge.json 'groups.#')"
    for group in 0 1; do
        expect_equal "bytes" 9223372036854775807 "$(json huge.json groups.$group.bytes)"
        expect_equal "greatest" 9223372036854775807 "$(json huge.json groups.$group.sizes.greatest)"
    done
    expect_equal "counts" 4 "$(($(json huge.json groups.0.count) + $(json huge.json groups.1.count)))"
    for file in huge.json since.json older.json; do
        run poolbuf report $file
        expect_status 0
    done
    run poolbuf report huge.json huge.json
    expect_status 0
fi

# One report that is given twice is said to count twice; another process's is not, nor one whose id alone is the same.
run poolbuf leaks -o other.json -- "$leaky"
run poolbuf report leaks.json other.json
expect_status 0
expect_stderr_empty
"$POOLBUF_JSON_TOOL" set other.json processes.0.uptime_ms 123456 >later.json
run poolbuf report other.json later.json
expect_stderr_empty
cp leaks.json copy.json
run poolbuf report other.json leaks.json copy.json
expect_status 0
expect_stderr_lines 1
expect_stderr_has "note: copy.json: the same report of process $(json leaks.json processes.0.pid) is in a file before it"

# The file can be shown in every format, and be written in every one at once.
for format in text markdown html; do
    run poolbuf report leaks.json --format $format -o "by-report.$format"
    expect_status 0
    expect_stdout_empty
    expect_stderr_empty
    run poolbuf leaks --format $format -o "by-leaks.$format" -- "$leaky"
    expect_status 4
    for file in by-report.$format by-leaks.$format; do
        checks=$((checks + 1))
        grep -q keep_request "$file" || fail "$file lacks keep_request"
    done
done
run poolbuf leaks -o clean.json -- "$clean"
expect_status 0
expect_equal "groups of a clean program" 0 "$(json clean.json 'groups.#')"
run poolbuf leaks -o - --format json -- "$leaky"
expect_status 4
cp .stdout stdout.json
run "$POOLBUF_JSON_TOOL" check stdout.json
expect_status 0

# An output that cannot be written is refused before the program runs; nothing is left behind.
run poolbuf leaks -o nowhere/leaks.json -- touch started
expect_one_line_refusal nowhere/leaks.json
expect_no_file started
echo before >kept.json
run poolbuf leaks -o kept.json -- ./nowhere
expect_status 2
expect_equal "an output whose run never began" before "$(cat kept.json)"

# Standard input and signals reach the program.
run sh -c 'echo spoken | "$0" leaks -- sh -c "cat; \"$1\" 5"' "$POOLBUF_BIN" "$clean"
expect_equal "what came through" spoken "$(cat .stdout)"
cat >trapped.sh <<'END'
trap '"$1" 3; exit 0' TERM
echo ready
while true; do sleep 0.05; done
END
coproc { exec "$POOLBUF_BIN" leaks -- sh trapped.sh "$clean" 2>trapped.err; }
read -r _ <&"${COPROC[0]}"
pid=$COPROC_PID
kill -TERM "$pid"
wait "$pid"
ended=$?
last_command=
expect_equal "status after SIGTERM was passed on" 0 "$ended"

# A process that the program leaves behind is waited for, for a moment; one that stays is mentioned.
run poolbuf leaks -- sh -c '(sleep 0.3; "$0") & exec "$1"' "$leaky" "$clean"
expect_status 4
expect_stderr_has keep_request
run poolbuf leaks -- sh -c 'sleep 4 >/dev/null 2>&1 & exec "$0"' "$clean"
expect_status 0
expect_stderr_has "no leak"
expect_stderr_has "still run"

# A reader of the report that goes away does not change the verdict.
checks=$((checks + 1))
last_command=
"$POOLBUF_BIN" leaks -- sh -c 'sleep 0.2; exec "$0"' "$leaky" 2>&1 | true
[ "${PIPESTATUS[0]}" = 4 ] || fail "the status with a closed stderr should be 4"

# Nothing stays in the temporary folder.
mkdir private
run env TMPDIR="$work/private" "$POOLBUF_BIN" leaks -- "$leaky"
expect_equal "files left in TMPDIR" "" "$(ls -A private)"
finish
