#!/usr/bin/env bash
# Counts the instructions of the fast paths with callgrind, and fails where one has grown by more than 2 % over the number
# in docs/performance.md. The counts are exact and the same on every run: the difference between a long run and a short
# one, so that what happens once is not in it, with trims turned off; or with one in each allocation, for what a trim costs.
#
#   instructions.sh DRIVER PERFORMANCE_MD COMPILER VERSION FLAGS
#
# Numbers of one compiler say nothing about another's: then the test is skipped (77), and says why.
set -euo pipefail

driver=$1 record=$2 compiler=$3 version=$4 flags=$5
short=2000
long=12000

skip() {
    echo "SKIPPED: $1"
    exit 77
}

wanted=$(sed -n 's/^Recorded with: \(.*\)\.$/\1/p' "$record")
[ -n "$wanted" ] || { echo "$record has no line 'Recorded with: COMPILER VERSION, MACHINE.'"; exit 1; }
have="$compiler $version, $(uname -m)"
[ "$have" = "$wanted" ] || skip "the numbers are of $wanted, this is $have"
[ -z "$flags" ] || skip "the numbers are of a build without CMAKE_C_FLAGS, this one has '$flags'"
command -v valgrind >/dev/null || skip "valgrind is not installed"

work=$(mktemp -d "${TMPDIR:-/tmp}/poolbuf-instructions-XXXXXX")
trap 'rm -rf "$work"' EXIT
for name in $(compgen -e POOLBUF_); do
    unset "$name"
done
export POOLBUF_CACHE_TRIM_INTERVAL=0
export POOLBUF_DIRECT_ARENAS=4 POOLBUF_HEAP_ARENAS=4 # a trim looks at each, and there are as many as the machine has CPUs

# inclusive WAY TURNS FUNCTION: instructions spent in calls of a function, with all that it calls: in callgrind's file each
# callee (cfn=) is followed by its number of calls and a line with their place and cost.
inclusive() {
    local out=$work/$1.$2
    if [ ! -e "$out" ]; then
        valgrind --quiet --tool=callgrind --compress-strings=no --compress-pos=no --callgrind-out-file="$out" \
            "$driver" "$1" "$2" >"$out.log" 2>&1 || { cat "$out.log" >&2; return 1; }
    fi
    awk -v wanted="cfn=$3" '/^cfn=/ { is_wanted = $0 == wanted }
        /^calls=/ { is_cost = is_wanted; next }
        is_cost { sum += $2; is_cost = 0 }
        END { print sum + 0 }' "$out"
}

failed=0
checked=0
# check WAY FUNCTION [ROW]: against the row "| `FUNCTION` | instructions | ..." of the record, or "| ROW | ...".
check() {
    local most least count recorded row=${3:-\`$2\`}
    recorded=$(sed -n "s/^| $row | \([0-9]*\) |.*/\1/p" "$record")
    [[ $recorded =~ ^[0-9]+$ ]] || { echo "$record has not one row for $row"; failed=1; return; }
    most=$(inclusive "$1" "$long" "$2")
    least=$(inclusive "$1" "$short" "$2")
    count=$(((most - least + (long - short) / 2) / (long - short)))
    checked=$((checked + 1))
    pair=$((pair + count))
    pair_recorded=$((pair_recorded + recorded))
    printf '%-32s %5d instructions, recorded %d\n' "${row//\`/}" "$count" "$recorded"
    [ "$count" -gt 0 ] || { echo "nothing was counted for $2"; failed=1; }
}

# The two calls of a way together are what must not grow: what moves from one to the other costs nobody anything.
judge() {
    printf '%-32s %5d instructions, recorded %d\n' "$1" "$pair" "$pair_recorded"
    if [ $((pair * 100)) -gt $((pair_recorded * 102)) ]; then
        echo "GROWN by more than 2 %: make it cheaper, or record the new numbers in docs/performance.md and say why"
        failed=1
    elif [ $((pair * 102)) -lt $((pair_recorded * 100)) ]; then
        echo "it has become cheaper: record the new numbers in docs/performance.md, so that it stays so"
    fi
    pair=0
    pair_recorded=0
}

pair=0
pair_recorded=0
check pair poolbuf_allocate
check pair poolbuf_release
judge "a pair"
check bulk poolbuf_allocate_many
check bulk poolbuf_release_many
judge "32 in bulk"
export POOLBUF_CACHE_TRIM_INTERVAL=1
check trim poolbuf_allocate '`poolbuf_allocate` and a trim'
judge "an allocation with its trim"
[ "$checked" = 5 ] || failed=1
exit "$failed"
