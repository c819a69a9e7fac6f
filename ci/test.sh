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
tests_at_once=$((jobs + 1)) # they wait for children and clocks a fifth of their time
started=$SECONDS
export TEST_STATES=20000

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
# when it is given several. Of the targets that share a file only those count that read it differently once it is
# preprocessed. A file that passed is analysed again only when it, such a text, a header, the configuration or the tool
# changed; how many were taken from the last pass is printed. In tests, which the sanitizers see run, the analyzer looks at
# fewer states of a function than its 225,000: they took two fifths of the time.
check_tidy() {
    stage "clang-tidy; of a test's function the analyzer looks at $TEST_STATES states"
    configure_and_build dev-clang
    local stamps=build/tidy common file key fresh=0 todo=()
    mkdir -p "$stamps"
    distinct_compilations build/dev-clang/compile_commands.json "$stamps"
    common=$({ clang-tidy --version; echo "$TEST_STATES"; cat .clang-tidy; git ls-files -z '*.h' | sort -z | xargs -0 cat; } | sha256sum)
    while IFS= read -r file; do
        key=$({ echo "$common $file"; cat "$file"; grep -F " $PWD/$file" "$stamps/texts" || true; } | sha256sum | cut -c1-32)
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

# distinct_compilations DATABASE FOLDER: leaves the database without repetitions in the folder, and in its file `texts` a
# line "TEXT FILE" for each compilation that is left of a C file that has several. Comments count, as they may silence a check.
distinct_compilations() {
    local kept by_file
    by_file='[to_entries[] | select(.value.file | endswith(".c"))] | group_by(.value.file)[]'
    # shellcheck disable=SC2016 # for the inner shell
    {
        jq -r "$by_file"' | select(length == 1)[] | "\(.key) - \(.value.file)"' "$1"
        jq -r "$by_file"' | select(length > 1)[] |
               [.key, .value.directory, .value.file, .value.command] | @sh' "$1" |
            xargs -P "$jobs" -L 1 bash -o pipefail -ec 'preprocessed "$@"' _
    } | sort -k 2,3 -k 1,1n | sort -s -u -k 2,3 >"$2/compilations"
    kept=$(awk '{ print (NR > 1 ? "," : "") $1 }' "$2/compilations")
    jq "[.[${kept//$'\n'/}]]" "$1" >"$2/compile_commands.json"
    grep -v ' - ' "$2/compilations" | cut -d ' ' -f 2- >"$2/texts"
}

# preprocessed INDEX FOLDER FILE COMMAND: prints the index, what identifies the text, and the file.
preprocessed() {
    local text
    text=$(cd "$2" && eval "$4 -E -C -o -" | sha256sum | cut -c 1-32)
    echo "$1 $text $3"
}
export -f preprocessed

# tidy_one FILE:STAMP: analyse one file, and leave the stamp when it is clean.
tidy_one() {
    local out options=()
    [[ $1 != */tests/* ]] || options=(--extra-arg={-Xclang,-analyzer-config,-Xclang,"max-nodes=$TEST_STATES"})
    if ! out=$(clang-tidy -p build/tidy --quiet "${options[@]}" "${1%%:*}" 2>/dev/null); then
        printf '%s\n' "$out"
        return 1
    fi
    touch "${1#*:}"
}
export -f tidy_one

# run_preset PRESET TITLE [options of ctest]
run_preset() {
    local preset=$1 log
    stage "$1: $2"
    shift 2
    configure_and_build "$preset"
    log=$(mktemp)
    if ! ctest --preset "$preset" -j "$tests_at_once" "$@" >"$log" 2>&1; then
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
    local log
    log=$(mktemp -d)
    if ! { cmake --preset fuzz && cmake --build --preset fuzz -j "$jobs" --target fuzz_targets; } >"$log/build" 2>&1; then
        cat "$log/build" >&2
        return 1
    fi
    # shellcheck disable=SC2016 # for the inner shell
    printf '%s\n' build/fuzz/fuzz/fuzz_* | xargs -P "$jobs" -I{} bash -c 'fuzz_one "$1" "$2"' _ {} "$log"
    rm -rf "$log"
}

# fuzz_one TARGET FOLDER: what it finds is left in the folder, and said.
fuzz_one() {
    local name=${1##*/}
    if ! "$1" -max_total_time=10 -seed=1 -artifact_prefix="$2/$name-" >"$2/$name" 2>&1; then
        cat "$2/$name" >&2
        return 1
    fi
    echo "$name: $(tail -n 1 "$2/$name")"
}
export -f fuzz_one

all() {
    stage "dev: gcc, every test, unit tests also under Memcheck"
    configure_and_build dev -DPOOLBUF_MEMCHECK=ON
    ctest --preset dev -j "$tests_at_once"
}

run_stage() {
    case $1 in
    format) check_format ;;
    tidy) check_tidy ;;
    clang) run_preset dev-clang "clang, warnings as errors; what measures, and the browser, is tested in dev" -LE "measures|browser" ;;
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
