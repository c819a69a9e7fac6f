#!/usr/bin/env bash
# Every test: formatting, static analysis, gcc and clang with warnings as errors, ASan+UBSan, TSan, Memcheck, and end to
# end through the command line. Stops at the first stage that fails. CTest's own summary closes it.
#
#   ci/test.sh              everything
#   ci/test.sh STAGE...     only these: format clang tidy asan tsan fuzz dev
#
# Exit codes: 0 all passed, 1 something failed, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
started=$SECONDS

stage() {
    printf '\n== %s  (%d s so far)\n' "$1" "$((SECONDS - started))"
}

# configure_and_build PRESET [cmake options]: quiet when it works, the whole log when it does not.
configure_and_build() {
    local preset=$1 log
    shift
    log=$(mktemp)
    if ! { cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$jobs"; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

check_format() {
    stage "formatting of C, C++ and shell"
    git ls-files -z '*.c' '*.h' '*.cc' '*.hpp' | xargs -0 clang-format --dry-run -Werror
    git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -x
}

# With clang's flags, since clang-tidy refuses some of gcc's. One file a run: version 14 reports false faults on va_list
# when it is given several. A file that passed is analysed again only when it, a header, the configuration or the tool changed; how many were
# taken from the last pass is printed.
check_tidy() {
    stage "clang-tidy"
    configure_and_build dev-clang
    local stamps=build/tidy common file key fresh=0 todo=()
    mkdir -p "$stamps"
    common=$({ clang-tidy --version; cat .clang-tidy; git ls-files -z '*.h' | sort -z | xargs -0 cat; } | sha256sum)
    while IFS= read -r file; do
        key=$({ echo "$common $file"; cat "$file"; } | sha256sum | cut -c1-32)
        if [ -e "$stamps/$key" ]; then
            fresh=$((fresh + 1))
        else
            todo+=("$file:$stamps/$key")
        fi
    done < <(git ls-files '*.c' | grep -v '/fuzz_[^/]*$') # those exist in the fuzz preset alone, and its stage runs them
    echo "${#todo[@]} files to analyse, $fresh unchanged since they passed"
    # shellcheck disable=SC2016 # $1 is for the inner shell
    [ ${#todo[@]} -eq 0 ] || printf '%s\n' "${todo[@]}" | xargs -P "$jobs" -I{} bash -c 'tidy_one "$1"' _ {}
}

# tidy_one FILE:STAMP: analyse one file, and leave the stamp when it is clean.
tidy_one() {
    local out
    if ! out=$(clang-tidy -p build/dev-clang --quiet "${1%%:*}" 2>/dev/null); then
        printf '%s\n' "$out"
        return 1
    fi
    touch "${1#*:}"
}
export -f tidy_one

run_preset() {
    stage "$1: $2"
    configure_and_build "$1"
    local log
    log=$(mktemp)
    if ! ctest --preset "$1" -j "$jobs" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    grep -E '^[0-9]+% tests passed' "$log"
    rm -f "$log"
}

# Each target for a short time, from its own seed: enough to notice that one has rotted, not enough to hunt with.
fuzz() {
    stage "fuzz: each libFuzzer target for 10 s"
    local log target
    log=$(mktemp -d)
    if ! { cmake --preset fuzz && cmake --build --preset fuzz -j "$jobs" --target fuzz_targets; } >"$log/build" 2>&1; then
        cat "$log/build" >&2
        return 1
    fi
    for target in build/fuzz/fuzz/fuzz_*; do
        if ! "$target" -max_total_time=10 -seed=1 -artifact_prefix="$log/" >"$log/run" 2>&1; then
            cat "$log/run" >&2
            return 1
        fi
        echo "$(basename "$target"): $(tail -n 1 "$log/run")"
    done
    rm -rf "$log"
}

all() {
    stage "dev: gcc, every test, unit tests also under Memcheck"
    configure_and_build dev -DPOOLBUF_MEMCHECK=ON
    ctest --preset dev -j "$jobs"
}

run_stage() {
    case $1 in
    format) check_format ;;
    tidy) check_tidy ;;
    clang) run_preset dev-clang "clang, warnings as errors" ;;
    asan) run_preset asan-ubsan "AddressSanitizer and UBSan" ;;
    tsan) run_preset tsan "ThreadSanitizer" ;;
    fuzz) fuzz ;;
    dev) all ;;
    *)
        echo "ci/test.sh: unknown stage '$1'; the stages are format, clang, tidy, asan, tsan, fuzz and dev" >&2
        exit 2
        ;;
    esac
}

ci/setup.sh test
[ $# -gt 0 ] || set -- format clang tidy asan tsan fuzz dev
for name; do
    run_stage "$name"
done
