#!/usr/bin/env bash
# Record a program's allocations and replay them: the trace holds what the program did, and every subject does the same.
source "$(dirname "$0")/lib.sh"

cat >worker.c <<'END'
/* 2 threads x 500 blocks: malloc, calloc, realloc, aligned_alloc; each block freed by the other thread or its own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *left[1000];
static void *work(void *argument) {
    size_t first = *(size_t *)argument;
    for (size_t i = first; i < first + 500; i++) {
        left[i] = i % 3 == 0 ? malloc(100 + i) : i % 3 == 1 ? calloc(1, 200 + i) : aligned_alloc(64, 4096);
        memset(left[i], 1, 100);
        if (i % 5 == 0) {
            left[i] = realloc(left[i], 5000 + i);
        }
        if (i % 2 == 0) {
            free(left[i]);
            left[i] = NULL;
        }
    }
    return NULL;
}
int main(void) {
    pthread_t threads[2];
    size_t firsts[2] = {0, 500};
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, work, &firsts[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 1000; i++) {
        free(left[i]);
    }
    puts("done");
    return 0;
}
END
run "${CC:-cc}" -O1 -pthread worker.c -o worker
expect_status 0

run poolbuf record -o worker.pbtrace -- ./worker
expect_status 0
expect_equal "stdout" "done" "$(cat .stdout)"
expect_stderr_has worker.pbtrace
expect_file worker.pbtrace
allocations=$(grep -oE '[0-9]+ allocations' .stderr | grep -oE '[0-9]+')
if [ "$allocations" -lt 1000 ] || [ "$allocations" -gt 1200 ]; then
    fail "$allocations allocations were recorded, not 1000 and a few"
fi
expect_equal "names or paths in the trace" 0 "$(strings worker.pbtrace | grep -c "$work")"

run poolbuf run worker.pbtrace --quick --rounds 2 -o replay.json
expect_status 0
expect_equal "scenarios" 1 "$(json replay.json 'scenarios.#')"
expect_equal "allocations that are replayed" "$allocations" "$(json replay.json scenarios.0.allocations)"
results=$(json replay.json 'scenarios.0.results.#')
for ((i = 0; i < results; i++)); do
    at=scenarios.0.results.$i
    if [ "$(json replay.json $at.subject)" = malloc-threaded ]; then # it is for one thread, and this has three
        expect_equal "status of malloc-threaded" unsupported "$(json replay.json $at.status)"
        continue
    fi
    expect_equal "status of $at" ok "$(json replay.json $at.status)"
    expect_equal "live bytes of $at at the end" "$(json replay.json scenarios.0.results.0.samples.0.phases)" \
        "$(json replay.json $at.samples.1.phases)"
done

# Its shape: a text of a few KiB without a name of anything, which plays.
run poolbuf record --shape -o worker.pbshape -- ./worker
expect_status 0
expect_stderr_has "the shape of"
expect_equal "first line of the shape" "poolbuf-shape 1" "$(head -n 1 worker.pbshape)"
[ "$(stat -c %s worker.pbshape)" -lt 8192 ] || fail "the shape has $(stat -c %s worker.pbshape) bytes"
expect_equal "words of the shape that are none of its own" "" "$(sed '/^#/d' worker.pbshape | grep -oE '[a-z./-]+' |
    grep -vxE 'poolbuf-shape|threads|resizes|peak|buffers|bytes|kept|same|other' || true)"
buffers=$(awk '$1 == "buffers" { n += $5 } END { print n }' worker.pbshape)
if [ "$buffers" -lt 1000 ] || [ "$buffers" -gt 1200 ]; then
    fail "the shape has $buffers buffers, not 1000 and a few"
fi
run poolbuf run worker.pbshape --quick --rounds 1 --subject pooled,malloc -o shape.json
expect_status 0
expect_equal "buffers that are played" "$buffers" "$(json shape.json scenarios.0.allocations)"
expect_equal "status of a shape" ok "$(json shape.json scenarios.0.results.0.status)"
sed 's/^threads.*/threads none/' worker.pbshape >bad.pbshape
run poolbuf run bad.pbshape --quick
expect_status 2
expect_stderr_has 'bad.pbshape:3: "none" is not a whole number from 1 to '

# A program that fails, that allocates nothing, or that a recorder cannot see.
run poolbuf record -o failed.pbtrace -- sh -c 'exit 4'
expect_status 1
expect_stderr_has "ended with status 4"
expect_file failed.pbtrace
run poolbuf record -o none.pbtrace -- "$POOLBUF_EXAMPLES/nothing-here"
expect_status 2
expect_no_file none.pbtrace

# A signal that is sent to the recorder alone ends the program, and what it did until then is kept.
coproc { trap - INT && exec "$POOLBUF_BIN" record -o stopped.pbtrace -- sh -c 'echo ready; exec sleep 30' 2>stopped.err; }
read -r _ <&"${COPROC[0]}"
pid=$COPROC_PID
sleep 0.2
kill -INT "$pid"
wait "$pid"
ended=$?
last_command=
expect_equal "status after SIGINT was passed on" 1 "$ended"
expect_equal "how it ended" 1 "$(grep -c 'signal 2 (INT)' stopped.err)"
expect_file stopped.pbtrace

# A server that goes to the background is left while it works: what there is of it, is its beginning.
cat >daemon.c <<'END'
#include <stdlib.h>
#include <unistd.h>
int main(void) {
    free(malloc(100));
    if (fork() == 0) {
        close(1);
        close(2);
        for (int i = 0; i < 100; i++) {
            void *volatile block = malloc(200);
            free(block);
        }
        sleep(4);
    }
    return 0;
}
END
run "${CC:-cc}" -O0 daemon.c -o daemon
expect_status 0
run poolbuf record -o daemon.pbtrace -- ./daemon
expect_status 0
expect_stderr_has "daemon.pbtrace: the recording ends before the program did: it still runs"
expect_stderr_has "note: processes that ./daemon started still run"
run poolbuf run daemon.pbtrace --quick --rounds 1 --subject null
expect_status 0
expect_stdout_has "the recording ends before the program"

# A disk that is full, from one that has not even room for a header: the program goes on, what was recorded until then
# is written there, and nothing else is left. test_record_limits has the same without a disk of its own.
cat >forks.c <<'END'
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void work(void) {
    for (int i = 0; i < 700000; i++) {
        void *volatile block = malloc(100 + i % 50);
        free(block);
    }
}
int main(void) {
    work();
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            work();
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    return 0;
}
END
run "${CC:-cc}" -O1 forks.c -o forks
expect_status 0
mkdir disk
# shellcheck disable=SC2016 # the inner shell's
on_a_disk='mount -t tmpfs -o size="$1"k tmpfs disk && "$2" record -o disk/a.pbtrace -- ./forks
    status=$?
    ls -A disk
    exit $status'
if unshare -Urm mount -t tmpfs -o size=64k tmpfs disk 2>/dev/null; then
    for kib in 4 64 200 1000 1600; do
        run unshare -Urm sh -c "$on_a_disk" sh "$kib" "$POOLBUF_BIN"
        expect_stderr_matches "there (is|was) no room in disk"
        expect_equal "what is left on a disk of $kib KiB" "$([ "$kib" = 4 ] || echo a.pbtrace)" "$(cat .stdout)"
        expect_status "$([ "$kib" = 4 ] && echo 6 || echo 0)"
    done
else
    note "no disk may be mounted here, so none was filled"
fi

# The traces that are shipped are as small as was promised, and every subject holds at each of their checkpoints what the
# recorder counted: poolbuf run compares each phase's live buffers and bytes with the stream's, whose phases end at the
# checkpoints, and a result that differs there is not "ok". test_shipped compares the stream with the recorder's counts.
shopt -s nullglob
traces=("$POOLBUF_SOURCE"/scenarios/traces/*.pbtrace)
[ "${#traces[@]}" -ge 7 ] || fail "there are ${#traces[@]} traces"
for trace in "${traces[@]}"; do
    bytes=$(stat -c %s "$trace")
    [ "$bytes" -lt $((2 * 1024 * 1024)) ] || fail "$trace has $bytes bytes; the limit is 2 MiB"
    run poolbuf run "$trace" --quick --rounds 1 -o shipped.json
    expect_status 0
    results=$(json shipped.json 'scenarios.0.results.#')
    [ "$results" -ge 4 ] || fail "$trace was played by $results subjects"
    phases=$(json shipped.json 'scenarios.0.results.0.samples.0.phases.#')
    [ "$phases" -gt 10 ] || fail "$trace was compared at $phases points"
    threads=$(json shipped.json scenarios.0.threads)
    for ((i = 0; i < results; i++)); do
        at=scenarios.0.results.$i
        if [ "$threads" -gt 1 ] && [ "$(json shipped.json $at.subject)" = malloc-threaded ]; then
            expect_equal "status of malloc-threaded with $trace" unsupported "$(json shipped.json $at.status)"
            continue
        fi
        expect_equal "status of $(json shipped.json $at.subject) with $trace" ok "$(json shipped.json $at.status)"
        expect_equal "live curve of $(json shipped.json $at.subject) with $trace" \
            "$(json shipped.json scenarios.0.results.0.samples.0.phases)" "$(json shipped.json $at.samples.0.phases)"
    done
done
# ---- a name cannot break the line it is told in ----
name=$'odd\e[31m\nname'
cp "$(type -P ls)" "$name"
run poolbuf record -o odd.pbtrace -- "./$name"
expect_status 0
expect_stderr_has "odd.pbtrace: odd?[31m?name: "
run poolbuf record --shape -o odd.pbshape -- "./$name"
expect_status 0
expect_stderr_has "odd.pbshape: odd?[31m?name: the shape of "
# An empty part of PATH is the folder that one is in.
cp "$(type -P ls)" here-alone
run env PATH=":/usr/bin:/bin" "$POOLBUF_BIN" record -o here.pbtrace -- here-alone
expect_status 0

# ---- events wait where the output will be: of a link, where it leads to; of stdout, in TMPDIR ----
mkdir -p linked waiting
ln -s "$work/linked/to.pbtrace" link.pbtrace
# shellcheck disable=SC2016 # the inner shell's
tell_folder='echo "$LIBPOOLBUF_RECORD_FOLDER" >&2'
run poolbuf record -o link.pbtrace -- sh -c "$tell_folder"
expect_status 0
expect_stderr_has "$(realpath linked)/.poolbuf-record-"
for output in - /dev/stdout; do
    run env TMPDIR="$work/waiting" "$POOLBUF_BIN" record -o "$output" -- sh -c "echo hello; $tell_folder"
    expect_status 0
    expect_stderr_has "hello" # or it would be part of the trace
    expect_stderr_has "$(realpath waiting)/.poolbuf-record-"
    expect_equal "the trace on stdout" PBTRACE1 "$(head -c 8 .stdout)"
done

# ---- poolbuf may be installed where the loader splits names: it preloads through a link, which is gone afterwards ----
recorder=$(echo "${POOLBUF_BIN%/*}"/../lib*/libpoolbuf-record.so)
for place in "a b" "a:b" 'a$LIB'; do # shellcheck disable=SC2016
    mkdir -p "$place/bin" "$place/lib"
    cp "$POOLBUF_BIN" "$place/bin/poolbuf"
    cp "$recorder" "$place/lib/"
    run "$place/bin/poolbuf" record -o place.pbtrace -- ls
    expect_status 0
    expect_stderr_has "place.pbtrace: ls: "
    expect_equal "complaints of the loader in $place" 0 "$(grep -c preload .stderr)"
done
run poolbuf record -o preloaded.pbtrace -- sh -c 'echo "$LD_PRELOAD"'
expect_equal "what is preloaded usually" "$(realpath "$recorder")" "$(cat .stdout)"
run "a b/bin/poolbuf" record -o preloaded.pbtrace -- sh -c 'echo "$LD_PRELOAD"'
expect_equal "what is left of the link" "" "$(find "$(dirname "$(cat .stdout)")" 2>/dev/null)"

finish
