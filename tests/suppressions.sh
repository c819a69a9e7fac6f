#!/usr/bin/env bash
# Known leaks: POOLBUF_LEAK_SUPPRESSIONS in real programs, `poolbuf leaks --suppressions` and `--gen-suppressions`.
# shellcheck source=lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

leaky=$POOLBUF_EXAMPLES/leaky
clean=$POOLBUF_EXAMPLES/clean

# leak_with RULES [PROGRAM...]: at paranoid, with an exit code for leaks.
leak_with() {
    printf '%s\n' "$1" >known.supp
    shift
    run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SUPPRESSIONS=known.supp "${@:-$leaky}"
}

note "what is suppressed is no leak: not for the exit code, not in the counts"
leak_with 'leak:keep_request
leak:send_reply  # reason=the peer may be gone'
expect_status 0
expect_stderr_lacks LEAK
expect_stderr_has 'Suppressions of known.supp: 2 call stacks suppressed'
expect_stderr_has 'line 1, "leak:keep_request": 1 call stack, 70 tracked, 17,920 bytes'
expect_stderr_has 'line 2, "leak:send_reply": 1 call stack, 30 tracked, 30,720 bytes; the peer may be gone'
leak_with 'leak:keep_request
leak:nowhere'
expect_status 9
expect_stderr_has 'LEAK: 30 buffers never released, holding 30,720 bytes'
expect_stderr_lacks '#2'
expect_stderr_has 'matched nothing: line 2, "leak:nowhere"'
leak_with 'leak:nowhere' "$clean"
expect_status 0
expect_stderr_empty

note "by function, file and module, anchored or not; by a block of Valgrind's"
for rule in leak:leaky.c 'leak:/leaky$' 'leak:^main$' 'leak:^s*e$' '{
  all that serve() does
  Memcheck:Leak
  match-leak-kinds: definite
  ...
  fun:serve
  fun:main
}'; do
    leak_with "$rule"
    expect_status 0
    expect_stderr_has '2 call stacks suppressed'
done
leak_with 'leak:^eep_request$'
expect_status 9
leak_with '{
  as Memcheck writes it, from calloc() on
  Memcheck:Leak
  fun:calloc
  fun:handle_new
  fun:poolbuf_allocate
  fun:read_request
  fun:keep_request
}
{
  of another tool
  Memcheck:Cond
  fun:read_request
}'
expect_status 9
expect_stderr_has 'LEAK: 30 buffers'
expect_stderr_has '1 rule not about leaks passed over'

# Memcheck as it is, if it can run here: clang's debug information is more than Debian 12's can read.
if [ -z "$POOLBUF_SANITIZE" ] && command -v valgrind >/dev/null && "$CC" --version | grep -q 'Free Software'; then
    note "what Memcheck generates suppresses here, and it takes settings for comments"
    run env POOLBUF_LEAK_LEVEL=disabled valgrind -q --leak-check=full --gen-suppressions=all "$leaky"
    sed -n '/^{/,/^}/p' .stderr | sed 's/^{/#: limit=100\n{\n#: until=9999-12-31/' >generated.supp
    expect_equal "blocks" 2 "$(grep -c '^}' generated.supp)"
    leak_with "$(cat generated.supp)"
    expect_status 0
    expect_stderr_has '2 call stacks suppressed'
    run env POOLBUF_LEAK_LEVEL=disabled valgrind -q --leak-check=full --error-exitcode=7 --suppressions=generated.supp "$leaky"
    expect_status 0
fi

note "a limit that is passed, and a day that is over, give everything back, and say so"
leak_with 'leak:keep_request  # limit=70
leak:send_reply  # bytes=30k'
expect_status 0
leak_with 'leak:keep_request  # limit=69'
expect_status 9
expect_stderr_has 'LEAK: 100 buffers'
expect_stderr_has 'not suppressed: known.supp, line 1, "leak:keep_request", has passed its limit: limit=69, found 70'
leak_with '#: bytes=29k
leak:send_reply'
expect_status 9
expect_stderr_has 'has passed its limit: bytes=29,696, found 30,720 bytes'
leak_with 'leak:serve  # until=2020-01-31'
expect_status 9
expect_stderr_has 'not suppressed: known.supp, line 1, "leak:serve", has expired: until=2020-01-31'
leak_with 'leak:serve  # until=9999-12-31'
expect_status 0

note "a bad rule is one line, and the others hold; with POOLBUF_STRICT=1 the program does not start"
leak_with 'leak:serve
laek:main'
expect_status 0
expect_stderr_has 'known.supp:2: "laek:main" is no rule; write leak:PATTERN'
run env POOLBUF_STRICT=1 POOLBUF_LEAK_SUPPRESSIONS=known.supp "$leaky" -v
expect_one_line_refusal known.supp:2 laek:main
run env POOLBUF_LEAK_SUPPRESSIONS=nowhere.supp "$clean"
expect_status 0
expect_stderr_lines 1
expect_stderr_has 'nowhere.supp: No such file or directory'
run env POOLBUF_STRICT=1 POOLBUF_LEAK_SUPPRESSIONS=. "$clean" -v
expect_one_line_refusal 'Is a directory'

note "a sample: what it missed of a known leak is not held against the program"
printf 'leak:serve\n' >known.supp
for seed in 1 2 3; do
    run env POOLBUF_LEAK_SUPPRESSIONS=known.supp POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SEED=$seed "$leaky" 1000000 1000
    expect_status 0
    expect_stderr_lacks LEAK
done

note "an allocator that goes away first: suppressed there, and at the exit too"
printf 'leak:^take$\n' >known.supp
destroyed=$POOLBUF_BUILD/leakdetect/programs/destroyed
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SUPPRESSIONS=known.supp "$destroyed"
expect_status 0
expect_stderr_lacks LEAK
expect_stderr_has 'no leaks; allocator destroyed'
expect_stderr_lacks 'matched nothing'
printf 'leak:^nobody$\n' >known.supp
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SUPPRESSIONS=known.supp "$destroyed"
expect_status 9
printf 'leak:^main$  # limit=4\n' >known.supp # three and two
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SUPPRESSIONS=known.supp "$destroyed" late more
expect_status 0
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SUPPRESSIONS=known.supp "$destroyed" kept more
expect_status 9
expect_stderr_has 'no leaks; allocator destroyed'
expect_stderr_has 'LEAK: 5 buffers never released, holding 2,384 bytes; process exit'
expect_stderr_has 'has passed its limit: limit=4, found 5'

note "a forked child counts what its own allocators' ends have named, not its parent's"
printf 'leak:^take$  # limit=3\n' >known.supp # twice three, each time within the limit
run env POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 POOLBUF_LEAK_SUPPRESSIONS=known.supp "$destroyed" child
expect_status 9
expect_stderr_has 'has passed its limit: limit=3, found 6'

note "in JSON: the counts stay what they are, and what is suppressed stands beside them"
printf 'leak:keep_request  # limit=100 reason=known\nleak:nowhere\n' >known.supp
run env POOLBUF_LEAK_SUPPRESSIONS=known.supp POOLBUF_LEAK_REPORT=leaks.json "$leaky"
expect_stderr_has 'LEAK: 30 never released'
for pair in exact.live_buffers=100 suppressed.groups=1 suppressed.live_buffers=70 suppressed.live_bytes=17920 \
    groups.#=1 groups.0.count=30 suppressions.#=2 suppressions.0.state=used suppressions.0.count=70 \
    suppressions.0.limit_count=100 suppressions.0.reason=known suppressions.1.state=unused; do
    expect_equal "${pair%=*}" "${pair#*=}" "$(json leaks.json "${pair%=*}")"
done

note "poolbuf leaks --suppressions"
run poolbuf leaks --suppressions known.supp -- "$leaky"
expect_status 4
expect_stderr_has format_reply
expect_stderr_lacks LEAK\ 2
expect_stderr_matches 'suppressions: line 1 of .*/known.supp, "leak:keep_request": suppresses 1 call stack, 70 tracked'
expect_stderr_matches 'rules that matched nothing: line 2 of .*/known.supp, "leak:nowhere"'
printf 'leak:serve\n' >known.supp
run poolbuf leaks --suppressions known.supp -- "$leaky"
expect_status 0
expect_stderr_has '"leak:serve": suppresses 2 call stacks, 100 tracked'
expect_stderr_has 'no leak: 1000 buffers allocated, and released, but for those that are suppressed'
run env POOLBUF_LEAK_SUPPRESSIONS=known.supp "$POOLBUF_BIN" leaks -- "$leaky"
expect_status 0
mkdir elsewhere
run poolbuf leaks --suppressions known.supp -o merged.json -- \
    sh -c 'cd elsewhere && "$0"; "$0" 10; "$1"' "$leaky" "$clean"
expect_status 0
expect_equal "rules of three processes" 1 "$(json merged.json 'suppressions.#')"
expect_equal "what they suppress" 110 "$(json merged.json suppressions.0.count)"
expect_equal "taken off the exact counts" 110 "$(json merged.json suppressed.live_buffers)"
for format in text markdown html; do
    run poolbuf report merged.json --format $format
    expect_status 0
    expect_stdout_has 'suppresses 4 call stacks, 110 tracked'
    expect_stdout_has 'no leak found'
done
run poolbuf leaks --suppressions nowhere.supp -- touch started
expect_one_line_refusal nowhere.supp 'No such file'
run poolbuf leaks --suppressions elsewhere -- touch started
expect_one_line_refusal elsewhere 'is no file'
run poolbuf leaks --suppressions known.supp --tool valgrind -- touch started
expect_one_line_refusal '--suppressions belongs to --tool builtin'
run poolbuf leaks --gen-suppressions --tool valgrind -- touch started
expect_one_line_refusal '--gen-suppressions belongs to --tool builtin'
run poolbuf leaks --gen-suppressions -o - -- touch started
expect_one_line_refusal 'give -o a file'
expect_no_file started

if [ -z "$POOLBUF_SANITIZE" ]; then
    note "C++: by the readable name, and by the mangled one that Valgrind's rules have"
    cat >cache.cc <<'END'
#include <string>
#include <poolbuf/poolbuf.h>
namespace net {
struct cache {
    __attribute__((noinline)) void fill(const std::string &text);
};
void cache::fill(const std::string &text) {
    poolbuf *lost = poolbuf_allocate(nullptr, text.size(), text.size());
    asm volatile("" : : "r"(lost) : "memory");
}
}
int main(int argc, char **argv) {
    net::cache().fill(std::string(100 + argc, *argv[0]));
    asm volatile("");
}
END
    run "$CXX" -std=c++17 -g -O1 -I"$POOLBUF_SOURCE/allocator/include" -o cache cache.cc \
        -L"$POOLBUF_BUILD/lib" -lpoolbuf -Wl,-rpath,"$POOLBUF_BUILD/lib"
    expect_status 0
    for rule in 'leak:^net::cache::fill(' 'leak:^_ZN3net5cache4fill' '{
  from Valgrind
  Memcheck:Leak
  fun:_ZN3net5cache4fill*
  fun:main
}'; do
        leak_with "$rule" ./cache
        expect_status 0
        expect_stderr_has '1 call stack suppressed'
    done
    leak_with 'leak:^net::fill' ./cache
    expect_status 9

    note "without debug information: by the function's name, and by that of the compiler's copy, which Valgrind's rules have"
    cat >copy.c <<'END'
#include <poolbuf/poolbuf.h>
void take(size_t size) __asm__("take.isra.0");
__attribute__((noinline)) void take(size_t size) {
    poolbuf *lost = poolbuf_allocate(NULL, size, size);
    __asm__ volatile("" : : "r"(lost) : "memory");
}
int main(void) {
    take(100);
    __asm__ volatile("");
    return 0;
}
END
    run "$CC" -std=gnu11 -O1 -I"$POOLBUF_SOURCE/allocator/include" -o copy copy.c -L"$POOLBUF_BUILD/lib" -lpoolbuf \
        -Wl,-rpath,"$POOLBUF_BUILD/lib"
    expect_status 0
    for rule in 'leak:^take$' 'leak:^take.isra.0$' '{
  from Valgrind
  Memcheck:Leak
  fun:take.isra.0
  fun:main
}'; do
        leak_with "$rule" ./copy
        expect_status 0
        expect_stderr_has '1 call stack suppressed'
    done
    leak_with 'leak:^take.isra$' ./copy
    expect_status 9
    expect_stderr_matches '^ +take  \('
fi

note "--gen-suppressions: the rules it prints suppress what it found"
run poolbuf leaks --gen-suppressions -- "$leaky"
expect_status 4
expect_equal "rules" 2 "$(grep -c '^{$' .stdout)"
expect_equal "frames" "format_reply send_reply serve main read_request keep_request serve main" \
    "$(sed -n 's/^ *fun://p' .stdout | tr '\n' ' ' | sed 's/ $//')"
expect_equal "limits" "limit=30 limit=70" "$(sed -n 's/^ *#: //p' .stdout | tr '\n' ' ' | sed 's/ $//')"
expect_equal "fingerprints" 2 "$(grep -cE '^# fingerprint [0-9a-f]{16}: ' .stdout)"
cp .stdout made.supp
run poolbuf leaks --suppressions made.supp -- "$leaky"
expect_status 0
run poolbuf leaks --suppressions made.supp -- "$leaky" 2000 200
expect_status 4
expect_stderr_has '140 tracked (35.0 KiB); limit passed, limit=70'
# A sample's limit is what there may be, so that another sample of the same leaks is silenced as well.
run poolbuf leaks --level simple --seed 1 --gen-suppressions -- "$leaky" 1000000 1000
expect_status 4
cp .stdout made.supp
for seed in 1 2 3; do
    run poolbuf leaks --level simple --seed $seed --suppressions made.supp -- "$leaky" 1000000 1000
    expect_status 0
done
# Without names there is the module, and one rule for all stacks of a depth.
strip -o stripped "$leaky"
run poolbuf leaks --gen-suppressions -- ./stripped
expect_status 4
expect_equal "places" 'obj:*/stripped' "$(grep -E '^ *(fun|obj|src):' .stdout | tr -d ' ' | sort -u)"
expect_equal "limits" "limit=100" "$(sed -n 's/^ *#: //p' .stdout)"
expect_equal "fingerprints" 2 "$(grep -c '^# fingerprint' .stdout)"
cp .stdout made.supp
run poolbuf leaks --suppressions made.supp -- ./stripped
expect_status 0

# generated_hides_that_run_only COMMAND...: the rules silence the same command, and none of 1,000 new leaks, which it
# has with the word "more" behind.
generated_hides_that_run_only() {
    run poolbuf leaks --gen-suppressions -- "$@"
    expect_status 4
    cp .stdout made.supp
    run poolbuf leaks --suppressions made.supp -- "$@"
    expect_status 0
    expect_stderr_lacks 'matched nothing'
    run poolbuf leaks --suppressions made.supp -- "$@" more
    expect_status 4
    expect_stderr_matches '1,?000 x poolbuf'
    expect_stderr_lacks 'limit passed'
}

if [ -z "$POOLBUF_SANITIZE" ]; then
    note "--gen-suppressions: a leak in main, which every stack passes through"
    cat >known.c <<'END'
#include <poolbuf/poolbuf.h>
__attribute__((noinline)) static void worker(void) {
    poolbuf *lost = poolbuf_allocate(NULL, 500, 500);
    __asm__ volatile("" : : "r"(lost) : "memory");
}
__attribute__((noinline)) static void poolbuf_like(int depth) {
    poolbuf *lost = depth == 0 ? poolbuf_allocate(NULL, 8, 8) : NULL;
    __asm__ volatile("" : : "r"(lost) : "memory");
    if (depth > 0) {
        poolbuf_like(depth - 1);
    }
    __asm__ volatile("");
}
int main(int argc, char **argv) {
    (void)argv;
    poolbuf *known = poolbuf_allocate(NULL, 16, 16);
    __asm__ volatile("" : : "r"(known) : "memory");
    poolbuf_like(3);
    for (int i = 0; argc > 1 && i < 1000; i++) {
        worker();
    }
    return 0;
}
END
    run "$CC" -g -O1 -I"$POOLBUF_SOURCE/allocator/include" -o known known.c \
        -L"$POOLBUF_BUILD/lib" -lpoolbuf -Wl,-rpath,"$POOLBUF_BUILD/lib"
    expect_status 0
    generated_hides_that_run_only ./known

    note "--gen-suppressions, C++: lambdas, overloads and pointers in names"
    cat >lambdas.cc <<'END'
#include <functional>
#include <poolbuf/poolbuf.h>
#define APART __attribute__((noinline))
namespace net {
template <typename T> APART void keep(T, int size) {
    poolbuf *lost = poolbuf_allocate(nullptr, size, size);
    asm volatile("" : : "r"(lost) : "memory");
}
}
int main(int argc, char **argv) {
    std::function<poolbuf *()> known = [] {
        poolbuf *lost = poolbuf_allocate(nullptr, 16, 16);
        asm volatile("" : : "r"(lost) : "memory");
        return lost;
    };
    std::function<poolbuf *()> fresh = [] {
        poolbuf *lost = poolbuf_allocate(nullptr, 500, 500);
        asm volatile("" : : "r"(lost) : "memory");
        return lost;
    };
    known();
    net::keep(argv, 24);
    net::keep(*argv, 24);
    for (int i = 0; argc > 1 && i < 1000; i++) {
        fresh();
    }
    asm volatile("");
}
END
    for level in -O0 -O1; do
        run "$CXX" -std=c++17 -g $level -I"$POOLBUF_SOURCE/allocator/include" -o lambdas lambdas.cc \
            -L"$POOLBUF_BUILD/lib" -lpoolbuf -Wl,-rpath,"$POOLBUF_BUILD/lib"
        expect_status 0
        generated_hides_that_run_only ./lambdas
    done
fi
run poolbuf leaks --gen-suppressions -- "$clean"
expect_status 0
expect_stdout_empty

finish
