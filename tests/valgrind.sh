#!/usr/bin/env bash
# `poolbuf leaks --tool valgrind`: Memcheck finds the call sites that the built-in detector finds, with the same counts.
source "$(dirname "$0")/lib.sh"

# "COUNT FUNCTION:LINE FUNCTION:LINE ..." of each group, by count; what lies above main is not the program's.
sites() {
    local groups group frames frame line function
    groups=$(json "$1" 'groups.#')
    for ((group = 0; group < groups; group++)); do
        frames=$(json "$1" "groups.$group.allocation_stack.#")
        line=$(json "$1" "groups.$group.count")
        for ((frame = 0; frame < frames; frame++)); do
            function=$(json "$1" "groups.$group.allocation_stack.$frame.function")
            line+=" $function:$(json "$1" "groups.$group.allocation_stack.$frame.line")"
            [ "$function" != main ] || break
        done
        echo "$line"
    done | sort -n
}

# A % in the folder's name is no % of Valgrind's.
mkdir "a%p%q"
run env TMPDIR="$work/a%p%q" "$POOLBUF_BIN" leaks --tool valgrind -- sh -c 'cd / && exec "$0"' "$POOLBUF_EXAMPLES/leaky"
expect_status 4
expect_stderr_has keep_request

for program in leaky leaky_static; do
    run poolbuf leaks -o builtin.json -- "$POOLBUF_EXAMPLES/$program"
    expect_status 4
    run poolbuf leaks --tool valgrind -o valgrind.json -- "$POOLBUF_EXAMPLES/$program"
    expect_status 4
    expect_stderr_has keep_request
    expect_stderr_has "definitely lost"
    expect_equal "tool" valgrind "$(json valgrind.json tool)"
    expect_equal "addresses that the schema refuses" "" \
        "$(grep -o '"address": *"[^"]*"' valgrind.json | grep -vE '"0x[0-9a-f]+"$')"
    expect_equal "call sites of $program" "$(sites builtin.json)" "$(sites valgrind.json)"
    expect_equal "counts of $program" "30 70" "$(sites valgrind.json | cut -d' ' -f1 | tr '\n' ' ' | sed 's/ $//')"
done

run poolbuf leaks --tool valgrind -- "$POOLBUF_EXAMPLES/clean" -v
expect_status 0
expect_equal "stdout" "1000 buffers allocated, all of them released" "$(cat .stdout)"
expect_stderr_has "no leak: 1000 buffers"
run poolbuf leaks --tool valgrind -- true
expect_status 6
run poolbuf leaks --tool valgrind -- ./nowhere
expect_status 2
expect_stderr_has ./nowhere

# A baseline of Memcheck's own: the same leaks are known, whichever kinds it calls them.
run poolbuf leaks --tool valgrind --baseline valgrind.json -- "$POOLBUF_EXAMPLES/leaky_static"
expect_status 0
expect_stderr_has "against valgrind.json: 0 new, 0 grown"
run poolbuf leaks --baseline valgrind.json -- "$POOLBUF_EXAMPLES/leaky_static"
expect_one_line_refusal valgrind.json "is a report of --tool valgrind"

# Errors of use are findings too: a read after the release, a write past the capacity.
cat >misuse.c <<'END'
#include <poolbuf/poolbuf.h>
#include <stdlib.h>
static volatile uint8_t sink;
static void read_late(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 64, 64);
    uint8_t *memory = poolbuf_memory(buffer);
    memory[0] = 1;
    poolbuf_release(buffer);
    sink = memory[0];
}
static void write_past(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 64, 64);
    poolbuf_memory(buffer)[64] = 1;
    poolbuf_release(buffer);
}
int main(int argc, char **argv) {
    (void)argv;
    argc > 1 ? write_past() : read_late();
    return 0;
}
END
read -ra library <<<"-I$POOLBUF_SOURCE/allocator/include -I$POOLBUF_SOURCE/leakdetect/include -L$POOLBUF_BUILD/lib -Wl,-rpath,$POOLBUF_BUILD/lib"
run "${CC:-cc}" -gdwarf-4 misuse.c -o misuse "${library[@]}" -lpoolbuf
expect_status 0
run poolbuf leaks --tool valgrind -- ./misuse
expect_status 4
expect_stderr_has "invalid read"
expect_stderr_has read_late
run poolbuf leaks --tool valgrind -- ./misuse past
expect_status 4
expect_stderr_has "invalid write"
expect_stderr_has write_past

# What is clean stays so, whatever the run itself costs: a thread that sleeps when the program exits has its own storage,
# and a report of misuse loads libdw. A leak of the same thread's is found.
cat >sleeper.c <<'END'
#include <poolbuf/poolbuf.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static int ready[2];
static void *sleeper(void *leaks) {
    poolbuf_release(poolbuf_allocate(NULL, 100, 100));
    if (leaks != NULL) {
        *(void *volatile *)&leaks = malloc(40);
        leaks = NULL;
    }
    close(ready[1]);
    pause();
    return NULL;
}
int main(int argc, char **argv) {
    char byte;
    pthread_t thread;
    if (pipe(ready) != 0 || pthread_create(&thread, NULL, sleeper, argc > 1 ? argv : NULL) != 0 ||
        read(ready[0], &byte, 1) != 0) {
        return 1;
    }
    exit(0);
}
END
run "${CC:-cc}" -gdwarf-4 sleeper.c -o sleeper "${library[@]}" -lpoolbuf -pthread
expect_status 0
run poolbuf leaks --tool valgrind -- ./sleeper
expect_status 0
expect_stderr_has "no leak: 1 buffer"
run poolbuf leaks --tool valgrind -- ./sleeper leaks
expect_status 4
expect_stderr_has "1 leaking call stack: 1 (40 B)"
expect_stderr_has sleeper
cat >late.c <<'END'
#include <poolbuf/poolbuf.h>
int main(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
    poolbuf_release(buffer);
    return poolbuf_write_u8(buffer, 1) == POOLBUF_OK;
}
END
run "${CC:-cc}" -gdwarf-4 late.c -o late "${library[@]}" -lpoolbuf
expect_status 0
run poolbuf leaks --tool valgrind -- ./late
expect_status 4
expect_stderr_has "invalid read"
expect_stderr_lacks "lost"
expect_stderr_lacks dlopen
expect_stderr_lacks "processes"
finish
