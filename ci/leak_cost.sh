#!/usr/bin/env bash
# What does leak detection cost? Builds Release where that is needed, measures, and prints each figure beside its target. The
# targets stand in bench/leak_cost/rows.c; docs/leak-detection.md has the table as it was measured.
#
#   ci/leak_cost.sh [--rounds N] [--build DIR] [--output DIR]
#     --rounds N     rounds of each comparison; more make intervals narrower; default 25, about a minute on an idle machine
#     --build DIR    use the programs of this build folder as they are; default: build/release, brought up to date
#     --output DIR   where the series and the table are left; default out/leak-cost
#
# What is compared is measured in turns: inside one process where only the level differs, else in processes of their own.
# heaptrack and jemalloc come from packages (ci/setup.sh bench); without them their rows say so.
#
# Exit codes: 0 every target is met; 1 one is missed, not separated from its bound, or not measured; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

CHURN_STEPS=100000
CHURN_STEPS_SLOW=20000 # of tools that take microseconds a step
COUNTED_STEPS=200000
THROWS=10000 # short, and so eight times as often: processes differ more than throws do
TRACKED=500000

rounds=25
build=
output=out/leak-cost

usage() {
    echo "ci/leak_cost.sh: $1; see the head of the file" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --build | --output)
        [ $# -ge 2 ] || usage "$1 needs a value"
        case $1 in
        --rounds) rounds=$2 ;;
        --build) build=$2 ;;
        --output) output=$2 ;;
        esac
        shift 2
        ;;
    *) usage "unknown argument $1" ;;
    esac
done
# Captures are measured twenty times a round, and a series keeps 1,024 (SERIES_ROUNDS_MAX).
[[ $rounds =~ ^([1-9]|[1-4][0-9]|5[01])$ ]] || usage "--rounds takes a number from 1 to 51, not $rounds"

log=$(mktemp)
work=$(mktemp -d "${TMPDIR:-/tmp}/poolbuf-leak-cost-XXXXXX")
trap 'rm -rf "$log" "$work"' EXIT
if [ -z "$build" ]; then
    build=build/release
    if ! { ci/setup.sh bench && cmake --preset release &&
        cmake --build --preset release -j "$(nproc)" --target leak-cost-programs; } >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
bin=$build/bin
for program in leak-cost leak-churn leak-capture leak-throw leak-throw-bare; do
    [ -x "$bin/$program" ] || usage "there is no $bin/$program; --build takes a build folder"
done
mkdir -p "$output"
series=$output/series.txt
: >"$series"
say() {
    echo "ci/leak_cost.sh: $1" >&2
}

# Nothing but what is set here decides; and the sample is that of a program that has run for a while.
for name in $(compgen -e POOLBUF_); do
    unset "$name"
done
export POOLBUF_LEAK_DENSE_START=0 POOLBUF_LEAK_SAMPLING_INTERVAL=128

# ---- Instructions ----

# count SERIES PROGRAM SUBJECT FUNCTION: instructions a step inside the function, start-up and end left out.
count() {
    local out
    if ! command -v valgrind >/dev/null; then
        echo "$1 - package valgrind missing" >>"$series"
    elif [ ! -x "$bin/$2" ]; then
        echo "$1 - this build has no $2" >>"$series"
    else
        out=$(POOLBUF_LEAK_LEVEL=disabled POOLBUF_CACHE_TRIM_INTERVAL=0 valgrind --tool=callgrind \
            --callgrind-out-file=/dev/null --toggle-collect="$4" "$bin/$2" "$3" steps "$COUNTED_STEPS" 2>&1)
        awk -v series="$1" -v steps="$COUNTED_STEPS" '/Collected : / { print series, $NF / (steps * 1.1) }' \
            <<<"$out" >>"$series"
    fi
}

say "instructions at disabled, with and without the detector"
for way in churn:poolbuf:churn_poolbuf pair:pair:churn_pair; do
    IFS=: read -r name subject function <<<"$way"
    count "instructions.$name.disabled" leak-churn "$subject" "$function"
    count "instructions.$name.without" leak-churn-bare "$subject" "$function"
done

# ---- simple beside disabled ----

say "simple at 1 in 128 beside disabled"
{
    "$bin/leak-cost" scenario scenarios/redis.yaml "$((rounds * 2))"
    "$bin/leak-cost" scenario scenarios/nginx.yaml "$((rounds * 2))"
    "$bin/leak-cost" pairs pairs.default "$((rounds * 5))"
    POOLBUF_LEAK_UNWINDER=libunwind "$bin/leak-cost" pairs pairs.libunwind "$((rounds * 5))"
    POOLBUF_LEAK_UNWINDER=fp "$bin/leak-cost" pairs pairs.fp "$((rounds * 5))"
} >>"$series"

# ---- Tools that see every allocation ----

# Finds where a preloaded library is; empty: nowhere.
library() {
    ldconfig -p | sed -n "s/^[[:space:]]*$1 .*=> //p" | head -n 1
}

has_heaptrack=$(command -v heaptrack || true)
if [ -z "$has_heaptrack" ]; then
    for name in churn crowd; do
        echo "$name.heaptrack - package heaptrack missing" >>"$series"
    done
fi
jemalloc=$(library 'libjemalloc\.so\.2')
every=prof:true,prof_active:true,lg_prof_sample:0
profiled=yes
if [ -z "$jemalloc" ]; then
    profiled=
    echo "churn.jemalloc - package libjemalloc2 missing" >>"$series"
    echo "churn.jemalloc_prof - package libjemalloc2 missing" >>"$series"
elif [ -n "$(LD_PRELOAD=$jemalloc MALLOC_CONF=$every "$bin/leak-churn" malloc x 10 2>&1 >/dev/null)" ]; then
    profiled= # it said on stderr that it knows no such option, and went on
    echo "churn.jemalloc_prof - this jemalloc was built without profiling" >>"$series"
fi

# under_heaptrack SERIES [THREADS]
under_heaptrack() {
    # Its output is for people, but for the line of the program.
    heaptrack -o "$work/heaptrack" "$bin/leak-churn" malloc "$1" "$CHURN_STEPS" "${@:2}" 2>/dev/null |
        grep "^${1//./\\.} " || { say "heaptrack failed"; return 1; }
    rm -f "$work"/heaptrack*
}

say "churn, 20 frames deep"
for ((round = 0; round < rounds; round++)); do
    "$bin/leak-churn" malloc churn.malloc "$CHURN_STEPS"
    [ -z "$has_heaptrack" ] || under_heaptrack churn.heaptrack
    POOLBUF_LEAK_LEVEL=disabled "$bin/leak-churn" poolbuf churn.disabled "$CHURN_STEPS"
    POOLBUF_LEAK_LEVEL=paranoid "$bin/leak-churn" poolbuf churn.paranoid "$CHURN_STEPS"
    POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_UNWINDER=libunwind "$bin/leak-churn" poolbuf churn.libunwind "$CHURN_STEPS"
    POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_QUARANTINE_BYTES=0 "$bin/leak-churn" poolbuf churn.unguarded "$CHURN_STEPS"
    if [ -n "$jemalloc" ]; then
        LD_PRELOAD=$jemalloc "$bin/leak-churn" malloc churn.jemalloc "$CHURN_STEPS"
    fi
    if [ -n "$profiled" ]; then
        LD_PRELOAD=$jemalloc MALLOC_CONF=$every "$bin/leak-churn" malloc churn.jemalloc_prof "$CHURN_STEPS_SLOW"
    fi
done >>"$series"

say "the same, two threads at once"
if "$bin/leak-churn" malloc crowd.malloc 10 2 >/dev/null; then
    for ((round = 0; round < rounds; round++)); do
        "$bin/leak-churn" malloc crowd.malloc "$CHURN_STEPS" 2
        [ -z "$has_heaptrack" ] || under_heaptrack crowd.heaptrack 2
        POOLBUF_LEAK_LEVEL=disabled "$bin/leak-churn" poolbuf crowd.disabled "$CHURN_STEPS" 2
        POOLBUF_LEAK_LEVEL=paranoid "$bin/leak-churn" poolbuf crowd.paranoid "$CHURN_STEPS" 2
    done >>"$series"
else
    for name in malloc heaptrack disabled paranoid; do
        echo "crowd.$name - there is one processor" >>"$series"
    done
fi

# ---- Captures, exceptions, memory ----

say "captures"
"$bin/leak-capture" "$((rounds * 20))" >>"$series"
"$bin/leak-capture" "$((rounds * 20))" libunwind >>"$series"

say "C++ exceptions, with the library and without"
for ((round = 0; round < rounds * 4; round++)); do
    POOLBUF_LEAK_UNWINDER=libunwind "$bin/leak-throw" throw.with "$THROWS"
    "$bin/leak-throw-bare" throw.without "$THROWS"
    "$bin/leak-throw-bare" throw.without "$THROWS"
    POOLBUF_LEAK_UNWINDER=libunwind "$bin/leak-throw" throw.with "$THROWS"
done >>"$series"

say "memory at paranoid"
for ((round = 0; round < 3; round++)); do
    POOLBUF_LEAK_LEVEL=paranoid "$bin/leak-churn" memory "$TRACKED"
done >>"$series"

# ---- The table ----

status=0
"$bin/leak-cost" table "$series" | tee "$output/table.txt" || status=$?
exit "$status"
