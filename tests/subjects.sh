#!/usr/bin/env bash
# Who can be measured: every subject says what served it, what is missing is named with its package, a pool that is not made
# for a scenario says so, and a user's own library is measured beside the others, or refused in one line.
source "$(dirname "$0")/lib.sh"

cat >tiny.yaml <<'END'
name: tiny
asks: Does one thread get an answer?
source: Made for this test.
threads: 1
phases:
  - kind: churn
    live: 32
    operations: 4000
    sizes: {fixed: 1100}
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
    sizes: {uniform: {low: 1, high: 5000}}
END
cat >large.yaml <<'END'
name: large
asks: And 2 MiB?
source: Made for this test.
threads: 1
phases:
  - kind: pingpong
    operations: 100
    sizes: {fixed: 2097152}
END

# A copy of the program alone, without the workers that should be beside it.
mkdir bare
cp "$POOLBUF_BIN" bare/poolbuf
run poolbuf list subjects
expect_status 0
for name in pooled pooled-inline pooled-nocache unpooled pooled-simple pooled-advanced \
    pooled-paranoid malloc malloc-threaded jemalloc mimalloc tcmalloc fixed dpdk boost null NAME=./library.so; do
    expect_equal "lines of $name" 1 "$(grep -c "^$name " .stdout)"
done
run bare/poolbuf list subjects
expect_status 0
expect_stdout_has "not available: poolbuf-worker-dpdk is not beside this program; it is built where Debian's package libdpdk-dev"
expect_stdout_has "not available: poolbuf-worker-boost is not beside this program; it is built where Debian's package libboost-dev"
expect_stdout_has "not available: poolbuf-worker-static is not beside this program"
for name in dpdk boost pooled-inline; do
    run bare/poolbuf run tiny.yaml --quick --rounds 1 -s null -s $name -o named.json
    expect_status 6
    expect_stdout_empty
    expect_stderr_lines 1
    expect_stderr_has "$name is not available: "
    expect_no_file named.json
done

# Without names: what there is, and one line about the rest.
if [ -z "$POOLBUF_SANITIZE" ]; then
    run bare/poolbuf run tiny.yaml --quick --rounds 1 -o default.json
    expect_status 0
    expect_equal "lines about what is left out" 1 "$(grep -c 'left out' .stderr)"
    expect_stderr_has "pooled-inline ("
    expect_stderr_has "dpdk (poolbuf-worker-dpdk"
    expect_stderr_has "boost (poolbuf-worker-boost"
    expect_stdout_has "dpdk: unavailable"
    expect_equal "available" false "$(json default.json subjects.10.available)"
    expect_equal "its package" libdpdk-dev "$(json default.json subjects.10.package)"
    expect_equal "its result" unavailable "$(json default.json scenarios.0.results.10.status)"
fi

# Peers: each says what served it. Those that this build or machine lacks have been looked at above.
is_available() {
    run poolbuf list subjects
    [ "$(grep -A1 "^$1 " .stdout | grep -c 'not available')" = 0 ]
}
check_peer() { # NAME VERSION LIBRARY
    is_available "$1" || {
        note "$1 is not available here"
        return
    }
    run poolbuf run tiny.yaml pair.yaml --quick --rounds 2 -s fixed -s "$1" -o "$1.json"
    expect_status 0
    expect_equal "version of $1" "$2" "$(json "$1.json" subjects.1.version | cut -d' ' -f1)"
    expect_equal "what served $1" "$3" "$(basename "$(json "$1.json" subjects.1.library)")"
    for scenario in 0 1; do
        expect_equal "$1 in scenario $scenario" ok "$(json "$1.json" scenarios.$scenario.results.1.status)"
    done
    expect_equal "live bytes of $1" "$(json "$1.json" scenarios.0.results.0.samples.0.phases)" \
        "$(json "$1.json" scenarios.0.results.1.samples.0.phases)"
}
check_peer dpdk DPDK poolbuf-worker-dpdk
check_peer boost Boost poolbuf-worker-boost
check_peer pooled-nocache poolbuf "$(basename "$(readlink -f "$POOLBUF_BUILD/lib/libpoolbuf.so")")"
check_peer unpooled poolbuf "$(basename "$(readlink -f "$POOLBUF_BUILD/lib/libpoolbuf.so")")"

# What a pool of powers of two wastes on 1,100 bytes is in the file and in the text.
run poolbuf run tiny.yaml --quick --rounds 1 -s fixed -o waste.json
expect_status 0
expect_stdout_has "fixed 46 % (29.6 KiB of 64.0 KiB)"
expect_equal "room in fixed" $((32 * 2048)) "$(json waste.json scenarios.0.results.0.samples.0.peak_usable_bytes)"
expect_equal "asked for" $((32 * 1100)) "$(json waste.json scenarios.0.results.0.samples.0.peak_live_bytes)"

# ---- A library of one's own ----

own=$POOLBUF_EXAMPLES/subject/free_lists.so
expect_file "$own"
run poolbuf run tiny.yaml pair.yaml --quick --rounds 2 -s fixed -s "mine=$own" -s "twin=$own" -o own.json
expect_status 0
expect_stdout_has "free lists 1.0"
for at in 1 2; do
    expect_equal "version of the library" "free lists 1.0" "$(json own.json subjects.$at.version)"
    expect_equal "path of the library" "$(readlink -f "$own")" "$(json own.json subjects.$at.library)"
    for scenario in 0 1; do
        expect_equal "library $at in scenario $scenario" ok "$(json own.json scenarios.$scenario.results.$at.status)"
    done
done
expect_equal "names" "mine twin" "$(json own.json subjects.1.name) $(json own.json subjects.2.name)"
expect_equal "room in the library" $((32 * 2048)) "$(json own.json scenarios.0.results.1.samples.0.peak_usable_bytes)"

# It has no buffer of 2 MiB: no failure of the run, but a result that says so; alone there is nothing to show.
run poolbuf run large.yaml tiny.yaml --quick --rounds 2 -s fixed -s "mine=$own" -o large.json
expect_status 0
expect_stdout_has "mine: unsupported: its largest buffer has 1048576 bytes, and 2097152 are asked for"
expect_equal "the result" unsupported "$(json large.json scenarios.0.results.1.status)"
expect_equal "in the other scenario" ok "$(json large.json scenarios.1.results.1.status)"
run poolbuf report large.json --format markdown
expect_stdout_has "mine: unsupported: its largest buffer"
run poolbuf run large.yaml --quick --rounds 2 -s "mine=$own" -o alone.json
expect_status 6
expect_stderr_has "nothing was measured: mine on large: its largest buffer has 1048576 bytes"
expect_no_file alone.json

# Names.
run poolbuf run tiny.yaml -s "malloc=$own"
expect_one_line_refusal '"malloc" is taken'
# A path with a comma is one where there is such a file; a list is a list otherwise.
mkdir "a,b"
cp "$own" "a,b/c,d.so"
run poolbuf run tiny.yaml --quick --rounds 1 -s "null,mine=./a,b/c,d.so,fixed" -o comma.json
expect_status 0
expect_equal "subjects beside a path with a comma" "null mine fixed" \
    "$(json comma.json subjects.0.name) $(json comma.json subjects.1.name) $(json comma.json subjects.2.name)"
run poolbuf run tiny.yaml -s "mine=./a,nothing.so"
expect_one_line_refusal "./a: No such file"
run poolbuf run tiny.yaml -s "mine=$own" -s "mine=$own"
expect_one_line_refusal '"mine" is given twice'
for name in '' Mine 'two words' "$(printf 'x%.0s' {1..33})"; do
    run poolbuf run tiny.yaml -s "$name=$own"
    expect_one_line_refusal "is no name for a subject"
done
run poolbuf run tiny.yaml -s mine=
expect_one_line_refusal "lacks a path"
run poolbuf run tiny.yaml -s mine
expect_one_line_refusal 'unknown subject "mine"' "NAME=./library.so"

# What is no library, or none of ours.
refuse() { # PATH TEXTS...
    run poolbuf run tiny.yaml --quick --rounds 1 -s null -s "bad=$1" -o bad.json
    shift
    expect_one_line_refusal "bad: " "$@"
    expect_no_file bad.json
}
echo "not an object" >text.so
refuse ./missing.so "./missing.so: No such file or directory"
refuse ./text.so "cannot be loaded: file too short"
refuse . "cannot be loaded: "
# A sanitized program loads no library that was not made for it.
if [ -z "$POOLBUF_SANITIZE" ]; then
    source_of() { # SED, on the example
        sed "$1" "$POOLBUF_SOURCE/examples/subject/free_lists.c"
    }
    # The build line of the example, as it stands there.
    line=$(sed -n 's/^ \*     cc \(.*\)$/\1/p' "$POOLBUF_SOURCE/examples/subject/free_lists.c")
    cp "$POOLBUF_SOURCE/examples/subject/free_lists.c" .
    run bash -c "'$CC' ${line//INCLUDES/$POOLBUF_SOURCE/bench}"
    expect_status 0
    run poolbuf run tiny.yaml --quick --rounds 1 -s mine=./free_lists.so -o line.json
    expect_status 0
    expect_equal "as built by its line" ok "$(json line.json scenarios.0.results.0.status)"

    echo 'int x;' >nothing.c
    run "$CC" -fPIC -shared nothing.c -o nothing.so
    refuse ./nothing.so "has no symbol poolbuf_subject"
    version=$(sed -n 's/^#define SUBJECT_LIBRARY_VERSION UINT32_C(\([0-9]*\))$/\1/p' "$POOLBUF_SOURCE/bench/subjects/library.h")
    echo 'const unsigned poolbuf_subject[16] = {1, 64};' >version.c
    run "$CC" -fPIC -shared version.c -o version.so
    refuse ./version.so "was made for version 1 of subjects/plugin.h, this program has version $version: compile it again"
    echo "const unsigned poolbuf_subject[16] = {$version, 64};" >headers.c
    run "$CC" -fPIC -shared headers.c -o headers.so
    refuse ./headers.so "was compiled with other headers than this program's"
    source_of 's/prepare, finish);/prepare, NULL);/' >hook.c # without prepare() it would not compile
    run "$CC" -O2 -fPIC -shared -Wno-unused-function -I "$POOLBUF_SOURCE/bench" hook.c -o hook.so
    refuse ./hook.so "has a kernel without finish()"
    source_of 's/"1.0"/""/' >nameless.c
    run "$CC" -O2 -fPIC -shared -I "$POOLBUF_SOURCE/bench" nameless.c -o nameless.so
    refuse ./nameless.so "has no name or no version"
    echo 'extern int nobody_has_this(void); int x(void) { return nobody_has_this(); }' >undefined.c
    run "$CC" -fPIC -shared undefined.c -o undefined.so
    refuse ./undefined.so "cannot be loaded: undefined symbol: nobody_has_this"
    # Another library's kernel under this one's name.
    run "$CC" -fPIC -shared nothing.c -o front.so -Wl,--no-as-needed ./free_lists.so -Wl,-rpath,"$work"
    refuse ./front.so "its code is in $work/free_lists.so, not in $work/front.so"
    # Code that runs when the library is loaded: it may crash, end the process, or print.
    add_constructor() { # NAME BODY
        { cat free_lists.c && printf '__attribute__((constructor)) static void at_load(void) { %s }\n' "$2"; } >"$1.c"
        run "$CC" -O2 -fPIC -shared -I "$POOLBUF_SOURCE/bench" "$1.c" -o "$1.so"
        expect_status 0
    }
    add_constructor crash '__builtin_trap();'
    refuse ./crash.so "$work/crash.so cannot be loaded; the process that tried: killed by signal 4"
    add_constructor leave 'exit(0);'
    refuse ./leave.so "$work/leave.so cannot be loaded; the process that tried: exited with status 0"
    add_constructor print 'puts("hello");'
    run poolbuf run tiny.yaml --quick --rounds 1 -s mine=./print.so -o print.json
    expect_status 0
    expect_equal "one that prints" ok "$(json print.json scenarios.0.results.0.status)"
    # One that is gone when it is to be measured: what would be measured is not what was named.
    add_constructor vanish 'remove("vanish.so");'
    run poolbuf run tiny.yaml --quick --rounds 1 -s null -s mine=./vanish.so -o vanish.json
    expect_status 6
    expect_stdout_empty
    expect_stderr_has "mine: $work/vanish.so cannot be loaded"
    expect_no_file vanish.json

    # C++17 does as well as C11.
    cat >own.cc <<'END'
#include "subjects/plugin.h"
#include <cstdlib>
#include <new>
namespace {
struct pool {};
struct buffer {
    std::atomic<uint32_t> references;
    uint32_t size;
};
}
#define KERNEL_STATE         pool
#define KERNEL_SHARES_MEMORY 0
static void *buffer_allocate(pool *, uint32_t size) {
    void *memory = std::malloc(sizeof(buffer) + size);
    return memory == nullptr ? nullptr : new (memory) buffer{{1}, size};
}
static void buffer_release(pool *, void *handle) {
    if (static_cast<buffer *>(handle)->references.fetch_sub(1) == 1) {
        std::free(handle);
    }
}
static void *buffer_resize(pool *, void *handle, uint32_t size) {
    auto *moved = static_cast<buffer *>(std::realloc(handle, sizeof(buffer) + size));
    if (moved != nullptr) {
        moved->size = size;
    }
    return moved;
}
static uint8_t *buffer_memory(pool *, void *handle) {
    return reinterpret_cast<uint8_t *>(static_cast<buffer *>(handle) + 1);
}
static uint32_t buffer_size(const void *handle) {
    return static_cast<const buffer *>(handle)->size;
}
#include "subjects/kernel.h"
static bool prepare(subject_run *) {
    return true;
}
SUBJECT_PLUGIN("in C++", "17", prepare, prepare);
END
    run "$CXX" -std=c++17 -O2 -fPIC -shared -Wall -Wextra -I "$POOLBUF_SOURCE/bench" own.cc -o own_cxx.so
    expect_status 0
    expect_stderr_lacks warning
    run poolbuf run tiny.yaml pair.yaml --quick --rounds 1 -s own=./own_cxx.so -o cxx.json
    expect_status 0
    expect_equal "version in C++" "in C++ 17" "$(json cxx.json subjects.0.version)"
    expect_equal "threads in C++" ok "$(json cxx.json scenarios.1.results.0.status)"

    # What throws ends its worker, with what it says, and is no fault of the harness.
    sed -e 's/^#include <new>/&\n#include <stdexcept>/' \
        -e 's/^    void \*memory = std::malloc/    static int calls;\n    if (++calls > 500) {\n        throw std::runtime_error("my pool is empty");\n    }\n&/' \
        own.cc >own_throws.cc
    run "$CXX" -std=c++17 -O2 -fPIC -shared -Wall -Wextra -I "$POOLBUF_SOURCE/bench" own_throws.cc -o own_throws.so
    expect_status 0
    expect_stderr_lacks warning
    run poolbuf run tiny.yaml --quick --rounds 1 -s null -s own=./own_throws.so -o throws.json
    expect_status 1
    expect_stderr_has "own on tiny failed: round 1: killed by signal 6 (Aborted):   what():  my pool is empty"

    # Scenarios that share buffers need one line more, and say so.
    cat >shared.yaml <<'END'
name: shared
asks: Are buffers shared?
source: made
phases:
  - {name: fan, kind: fanout, live: 4, share: view, operations: 900, sizes: {fixed: 300}}
  - {name: made, kind: assemble, burst: 3, operations: 900, sizes: {fixed: 300}}
  - {name: grown, kind: append, buffer: 900, operations: 900, sizes: {fixed: 300}}
END
    run poolbuf run shared.yaml --quick --rounds 1 -s malloc -s own=./own_cxx.so -o unshared.json
    expect_status 0
    expect_equal "status without KERNEL_COUNT" unsupported "$(json unshared.json scenarios.0.results.1.status)"
    expect_stdout_has "this subject defines neither KERNEL_COUNT nor KERNEL_HAS_VIEWS"
    sed 's/^#define KERNEL_SHARES_MEMORY 0/&\n#define KERNEL_COUNT(handle) (\&static_cast<buffer *>(handle)->references)/' \
        own.cc >own_shared.cc
    run "$CXX" -std=c++17 -O2 -fPIC -shared -Wall -Wextra -I "$POOLBUF_SOURCE/bench" own_shared.cc -o own_shared.so
    expect_status 0
    expect_stderr_lacks warning
    run poolbuf run shared.yaml --quick --rounds 1 -s malloc -s own=./own_shared.so -o shared.json
    expect_status 0
    expect_equal "status with KERNEL_COUNT" ok "$(json shared.json scenarios.0.results.1.status)"
fi
finish
