#!/usr/bin/env bash
# `poolbuf report --binaries`: a report of a stripped program says with its binaries what the same program says that is not
# stripped: functions, files, lines and inlined functions, of every stack, and the same fingerprints.
source "$(dirname "$0")/lib.sh"

cat >server.c <<'END'
#include <stdlib.h>
#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

#define OWN_FRAME __attribute__((noinline))

static inline __attribute__((always_inline)) poolbuf *make(size_t size) {
    poolbuf *buffer = poolbuf_allocate(NULL, size, size);
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

OWN_FRAME static poolbuf *open_session(void) {
    poolbuf *buffer = make(100);
    poolbuf_retain(buffer);
    return buffer;
}

OWN_FRAME static void close_session(poolbuf *buffer) {
    (void)poolbuf_release(buffer);
    __asm__ volatile("");
}

OWN_FRAME static void over_release(void) {
    poolbuf *buffer = make(200);
    close_session(buffer);
    close_session(buffer);
}

OWN_FRAME static void lose_two(void) {
    (void)make(300);
    (void)make(400);
}

int main(void) {
    close_session(open_session());
    lose_two();
    over_release();
    return 0;
}
END

# build_as COMPILER STANDARD SOURCE NAME OPTIONS...
build_as() {
    local compiler=$1 standard=$2 source=$3 name=$4
    shift 4
    "$compiler" "$standard" -Wl,--build-id=sha1 "$@" -I"$POOLBUF_SOURCE/allocator/include" \
        -I"$POOLBUF_SOURCE/leakdetect/include" -o "$name" "$source" -L"$POOLBUF_BUILD/lib" -lpoolbuf \
        "-Wl,-rpath,$POOLBUF_BUILD/lib" || fail "$name does not build"
}

# build NAME OPTIONS...
build() {
    build_as "$CC" -std=c11 server.c "$@"
}

# Every function of every stack, with its line, and what identifies the groups: what must be the same. Whose reference is
# open is not: lines are paired by their functions, where the report is written.
gist() {
    grep -oE '"(fingerprint|function|line|inlined|kind|offence)": [^,}]*' "$1"
}

export POOLBUF_MISUSE=count
mkdir plain bare debug
build plain/server -O2 -g
run poolbuf leaks -o named.json -- plain/server
expect_status 4
# Each a folder of its own: nothing leads from the stripped program to its debug file.
objcopy --only-keep-debug plain/server debug/server.debug
objcopy --strip-all plain/server bare/server
run poolbuf leaks -o nameless.json -- bare/server
expect_status 4
for name in open_session close_session over_release lose_two server.c; do
    checks=$((checks + 1))
    ! grep -q $name nameless.json || fail "the stripped program's report should not know $name"
    checks=$((checks + 1))
    grep -q $name named.json || fail "the report of the program with names should know $name"
done

note "a stripped program finds its debug file by its link, in the process itself; and without one loads no client of servers"
mkdir -p linked/.debug
cp debug/server.debug linked/.debug/
objcopy --add-gnu-debuglink=debug/server.debug bare/server linked/server
run env POOLBUF_LEAK_LEVEL=paranoid linked/server
expect_stderr_matches 'open_session  .*server\.c:17$'
run env POOLBUF_LEAK_LEVEL=paranoid LD_DEBUG=files bare/server
expect_stderr_has 'file=libdw.so.1'
expect_stderr_lacks 'file=libdebuginfod'

note "debug file, program, or a folder somewhere above: all say the same"
mkdir -p tree/deep/.build-id/ab
ln -s "$work/debug/server.debug" tree/deep/.build-id/ab/cdef.debug
ln -s "$work/tree" tree/deep/round
echo "no ELF" >tree/text
head -c 3000 debug/server.debug >tree/cut.debug
for place in debug/server.debug plain/server plain debug tree .; do
    run poolbuf report nameless.json --binaries $place -o "resolved.json"
    expect_status 0
    expect_equal "what $place says" "$(gist named.json)" "$(gist resolved.json)"
done
for way in zlib zlib-gnu; do # GNU's own way has sections of other names
    objcopy --compress-debug-sections=$way debug/server.debug packed.debug
    run poolbuf report nameless.json --binaries packed.debug -o resolved.json
    expect_equal "what a debug file says, compressed by $way" "$(gist named.json)" "$(gist resolved.json)"
done
rm packed.debug
run poolbuf report nameless.json --binaries bare --binaries debug -o resolved.json
expect_equal "a stripped program beside its debug file" "$(gist named.json)" "$(gist resolved.json)"

note "optimised when linked, functions merged across units; and functions in a file of their own: the same stacks"
functions() { # of the groups and the misuse, with their lines and what was inlined
    grep -oE '"(function|line|inlined|offence)": [^,}]*' "$1"
}
mkdir joined split
build joined/server -O2 -g -flto
build split/server -O2 -g -gsplit-dwarf
for kind in joined split; do
    run poolbuf leaks -o $kind.json -- $kind/server
    expect_equal "a $kind program's functions" "$(functions named.json)" "$(functions $kind.json)"
    objcopy --strip-all $kind/server bare/$kind
    run poolbuf leaks -o nameless-$kind.json -- bare/$kind
    run poolbuf report nameless-$kind.json --binaries $kind -o resolved.json
    expect_equal "what its binary says" "$(functions named.json)" "$(functions resolved.json)"
done

note "C++ functions in namespaces, which clang's debug information has inside them"
cat >spaces.cc <<'END'
#include <poolbuf/poolbuf.h>

namespace outer::inner {
__attribute__((always_inline)) static inline void merged() {
    const bool fine = poolbuf_allocate(nullptr, 100, 100) != nullptr;
    __asm__ volatile("" : : "r"(fine));
}
__attribute__((noinline)) void around() {
    merged();
    __asm__ volatile("");
}
} // namespace outer::inner

int main() {
    outer::inner::around();
    return 0;
}
END
build_as "$CXX" -std=c++17 spaces.cc plain/spaces -O2 -g
objcopy --strip-all plain/spaces bare/spaces
run poolbuf leaks -o spaces.json -- plain/spaces
run poolbuf leaks -o nameless-spaces.json -- bare/spaces
run poolbuf report nameless-spaces.json --binaries plain/spaces -o resolved.json
for file in spaces.json resolved.json; do
    expect_equal "the lines in $file" "5 9 15 " "$(grep -oE '"line": [0-9]+' $file | cut -d' ' -f2 | tr '\n' ' ')"
done

note "C++ with a runtime of its own, whose demangler the loader does not know"
cat >runtime.cc <<'END'
#include <poolbuf/poolbuf.h>
#include <stdexcept>

namespace outer {
template <typename T> __attribute__((noinline)) void lose(T size) {
    if (poolbuf_allocate(nullptr, size, size) == nullptr) {
        throw std::runtime_error("no memory");
    }
}
} // namespace outer

int main() {
    outer::lose<unsigned>(100);
    return 0;
}
END
build_as "$CXX" -std=c++17 runtime.cc plain/runtime -O2 -g
build_as "$CXX" -std=c++17 runtime.cc plain/own -O2 -g -static-libstdc++
run poolbuf leaks -o runtime.json -- plain/runtime
run poolbuf leaks -o own.json -- plain/own
expect_equal "the function" 'void outer::lose<unsigned int>(unsigned int)' "$(json own.json groups.0.allocation_stack.0.function)"
expect_equal "the fingerprint" "$(json runtime.json groups.0.fingerprint)" "$(json own.json groups.0.fingerprint)"

note "two copies of a library, side by side perhaps, which /proc/self/maps does not tell apart"
cat >copied.c <<'END'
#include <poolbuf/poolbuf.h>
poolbuf *(*copied_allocate)(poolbuf_allocator *, size_t, size_t);
poolbuf *copied_lose(void) {
    poolbuf *buffer = copied_allocate(NULL, 100, 100);
    __asm__ volatile("");
    return buffer;
}
END
cat >copies.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poolbuf/poolbuf.h>
#include <string.h>

static int lose_in(void *library) {
    poolbuf *(*function)(poolbuf_allocator *, size_t, size_t) = poolbuf_allocate;
    poolbuf *(*lose)(void) = NULL;
    void *there = library == NULL ? NULL : dlsym(library, "copied_lose");
    void *slot = library == NULL ? NULL : dlsym(library, "copied_allocate");
    if (there == NULL || slot == NULL) {
        return 1;
    }
    memcpy(slot, &function, sizeof function);
    memcpy(&lose, &there, sizeof there);
    return lose() == NULL;
}

int main(void) {
    return lose_in(dlopen("./copied.so", RTLD_NOW)) + lose_in(dlmopen(LM_ID_NEWLM, "./copied.so", RTLD_NOW));
}
END
build_as "$CC" -std=gnu11 copied.c copied.so -O2 -g -shared -fPIC
build_as "$CC" -std=gnu11 copies.c copies -O2 -g -ldl
run poolbuf leaks -o copies.json -- ./copies
expect_status 4
expect_equal "groups, buffers, function and line" "1 2 copied_lose 4" "$(json copies.json groups.#) $(json copies.json groups.0.count) $(
    json copies.json groups.0.allocation_stack.0.function) $(json copies.json groups.0.allocation_stack.0.line)"

note "every kind of stack has names, in every format"
run poolbuf report nameless.json --binaries tree
expect_status 0
expect_stdout_has "make ($work/server.c:8) [inlined]"
expect_stdout_has "the counts do not tell whose: allocation at make (server.c:8), or retain at open_session (server.c:17)"
expect_stdout_has "release at close_session (server.c:22) 1"
checks=$((checks + 1))
grep -A2 'found at' .stdout | grep -q 'close_session' || fail "the misuse should have a name"
run poolbuf report nameless.json --binaries tree --format html -o page.html
expect_status 0
for name in open_session close_session over_release lose_two; do
    checks=$((checks + 1))
    grep -q $name page.html || fail "the page should know $name"
done

note "a symbol table without lines gives functions"
build plain/lean -O2
run poolbuf leaks -o lean.json -- sh -c 'strip -o bare/lean plain/lean; exec bare/lean'
run poolbuf report lean.json --binaries plain/lean
expect_stdout_has "open_session ($work/bare/lean+0x"

note "other files of the same name are none of it"
build debug/other -O1 -g
mkdir wrong
mv debug/other wrong/server
run poolbuf report nameless.json --binaries wrong -o wrong.json
expect_status 0
expect_stderr_lines 1
expect_stderr_has "nameless.json: no file for"
expect_stderr_has "bare/server (build-id "
checks=$((checks + 1))
! grep -q open_session wrong.json || fail "a file with another build-id should be passed over"

note "a comma is a part of a path"
mkdir "a,b"
cp plain/server "a,b/"
run poolbuf report nameless.json --binaries bare --binaries "a,b" -o resolved.json
expect_status 0
expect_equal "what a,b says" "$(gist named.json)" "$(gist resolved.json)"
run poolbuf report nameless.json --binaries ""
expect_one_line_refusal "--binaries: its PATH is empty"

note "what cannot be read is one line"
run poolbuf report nameless.json --binaries nowhere
expect_one_line_refusal "nowhere: No such file or directory" "--binaries"
run poolbuf report nameless.json --binaries
expect_one_line_refusal "--binaries needs a value"
run poolbuf report none.json --binaries plain
expect_one_line_refusal none.json "No such file"
finish
