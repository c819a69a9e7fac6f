#!/usr/bin/env bash
# Does the build keep its promises of speed and memory? Builds Release where that is needed, measures, and prints each
# target beside what was measured, with what is missed said plainly. The targets stand in bench/targets/targets.c.
#
#   ci/targets.sh                        every row, in about ten minutes on two cores
#   ci/targets.sh ROW...                 only these; an unknown word lists them
#     --rounds N                         rounds of each run; more make intervals narrower; default 9, quick 3
#     --quick                            an eighth of the work: a first impression
#     --build DIR                        use the programs of this build folder as they are; default: build/release, brought
#                                        up to date
#     --output DIR                       where results are left; default out/targets
#
# Exit codes: 0 every target is met; 1 one is missed, not separated from its bound, or not measured; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

GIVE_BACK_MIB=1024
GIVE_BACK_SECONDS=10

rounds=
quick=()
build=
output=out/targets
rows=()

usage() {
    echo "ci/targets.sh: $1; see the head of the file" >&2
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
        shift
        ;;
    --quick) quick=(--quick) ;;
    -*) usage "unknown option $1" ;;
    *) rows+=("$1") ;;
    esac
    shift
done
if [ -z "$rounds" ]; then
    rounds=9
    [ ${#quick[@]} -eq 0 ] || rounds=3
fi
[[ $rounds =~ ^[1-9][0-9]{0,2}$ ]] || usage "--rounds takes a number from 1 to 999, not $rounds"

log=$(mktemp)
work=$(mktemp -d "${TMPDIR:-/tmp}/poolbuf-targets-XXXXXX")
trap 'rm -rf "$log" "$work"' EXIT

# ---- The programs ----

has_target() {
    cmake --build "$1" --target help 2>/dev/null | grep -qE "(^|[ /])$2(:|$)"
}

build_release() {
    ci/setup.sh bench
    local wanted=(poolbuf-cli poolbuf-targets instructions)
    cmake --preset release
    if has_target build/release give_back; then
        wanted+=(give_back)
    fi
    cmake --build --preset release -j "$(nproc)" --target "${wanted[@]}"
}

if [ -z "$build" ]; then
    build=build/release
    if ! build_release >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
poolbuf=$build/bin/poolbuf
judge=$build/bin/poolbuf-targets
for program in "$poolbuf" "$judge"; do
    [ -x "$program" ] || usage "there is no $program; --build takes a build folder"
done

# ---- What is asked for ----

declare -A scenario_of other_of subjects_of
known=()
while IFS=$'\t' read -r name scenario other subjects about; do
    : "$about"
    known+=("$name")
    scenario_of[$name]=$scenario
    other_of[$name]=$other
    subjects_of[$name]=$subjects
done < <("$judge" --rows)
[ ${#rows[@]} -gt 0 ] || rows=("${known[@]}")
for row in "${rows[@]}"; do
    [ -n "${scenario_of[$row]:-}" ] || usage "there is no row $row; legal: ${known[*]}"
done
mkdir -p "$output"

# ---- Rows that are scenarios ----

# split_sizes SCENARIO: a scenario file in $work for each size of its `each`, so that each size has processes of its own;
# without one, the shipped file. Prints the paths.
split_sizes() {
    local file=scenarios/$1.yaml size sizes
    sizes=$(sed -n 's/^ *each: \[\(.*\)\]$/\1/p' "$file" | tr -d ',')
    if [ -z "$sizes" ]; then
        echo "$file"
        return
    fi
    for size in $sizes; do
        sed -e "s/^name: .*/name: $1-$size/" -e "s/each: \[.*\]$/fixed: $size/" "$file" >"$work/$1-$size.yaml"
        echo "$work/$1-$size.yaml"
    done
}

# Rows of the same scenarios share a run, named after the first of them.
declare -A run_of run_subjects run_scenarios
runs=()
# What is named and not available ends a run; the judge says which row lacks it.
listed=$("$poolbuf" list subjects | awk '/^ +not available:/ { name = ""; next }
    name != "" { print name } { name = $1 } END { if (name != "") print name }')
for row in "${rows[@]}"; do
    [ "${scenario_of[$row]}" != - ] || continue
    key="${scenario_of[$row]} ${other_of[$row]}"
    if [ -z "${run_scenarios[$key]:-}" ]; then
        runs+=("$key")
        run_scenarios[$key]=$row
        run_subjects[$key]=
    fi
    run_of[$row]=${run_scenarios[$key]}
    for subject in ${subjects_of[$row]//,/ }; do
        if grep -qE "^ *$subject( |$)" <<<"$listed" && [[ ,${run_subjects[$key]}, != *,$subject,* ]]; then
            run_subjects[$key]+=${run_subjects[$key]:+,}$subject
        fi
    done
done

declare -A has_results
for key in "${runs[@]}"; do
    name=${run_scenarios[$key]}
    files=()
    for scenario in $key; do
        [ "$scenario" != - ] || continue
        while IFS= read -r file; do
            files+=("$file")
        done < <(split_sizes "$scenario")
    done
    echo "ci/targets.sh: $name: ${#files[@]} scenarios, ${run_subjects[$key]}" >&2
    rm -f "$output/$name.json"
    # A run in which a subject failed has results all the same; the table says which row lacks its figure.
    "$poolbuf" run "${files[@]}" --subject "${run_subjects[$key]}" --rounds "$rounds" --all-rounds "${quick[@]}" \
        -o "$output/$name.json" >"$output/$name.txt" || echo "ci/targets.sh: $name: poolbuf run ended with status $?" >&2
    [ ! -s "$output/$name.json" ] || has_results[$name]=1
done

# ---- Rows that are not ----

# Prints PERCENT:DETAIL, or -:WHY. The program says what is resident above what was before, in percent of what it freed.
measure_give_back() {
    local program percent
    program=$(find "$build" -type f -name give_back -perm -u+x -print -quit)
    if [ -z "$program" ]; then
        echo "-:this build has no program give_back"
        return
    fi
    echo "ci/targets.sh: give-back: $GIVE_BACK_MIB MiB freed, then $GIVE_BACK_SECONDS s idle" >&2
    if ! "$program" --background on --mib "$GIVE_BACK_MIB" --seconds "$GIVE_BACK_SECONDS" >"$output/give-back.txt"; then
        echo "-:give_back failed"
        return
    fi
    percent=$(sed -nE 's/^resident_idle_percent ([0-9.]+)$/\1/p' "$output/give-back.txt")
    if [ -z "$percent" ]; then
        echo "-:give_back did not say resident_idle_percent"
        return
    fi
    echo "$percent:of $GIVE_BACK_MIB MiB; at once $(sed -nE 's/^resident_released_percent //p' "$output/give-back.txt") %"
}

# The most that any way through the fast paths has grown by; the test that guards it says how it counts.
measure_instructions() {
    echo "ci/targets.sh: instructions: counting under callgrind" >&2
    ctest --test-dir "$build" -R '^allocator\.fast_path_instructions$' -V >"$output/instructions.txt" 2>&1 || true
    # "50: 32 in bulk     1008 instructions, recorded 1008"; the lines of single functions have underscores.
    sed -nE 's/^[0-9]+: ([a-z0-9 ,-]*[a-z]) +([0-9]+) instructions, recorded ([0-9]+)$/\1|\2|\3/p' \
        "$output/instructions.txt" | awk -F'|' '{
            grown = 100 * ($2 / $3 - 1)
            if (NR == 1 || grown > most) most = grown
            detail = detail (NR == 1 ? "" : ", ") $1 " " $2 ", recorded " $3 }
        END { if (NR > 0) printf "%.4f:%s\n", most, detail }' >"$work/instructions"
    if [ -s "$work/instructions" ]; then
        cat "$work/instructions"
    else
        echo "-:$(grep -oE 'SKIPPED: .*' "$output/instructions.txt" || echo "the test gave no counts")"
    fi
}

# ---- The table ----

arguments=()
for row in "${rows[@]}"; do
    case $row in
    give-back) arguments+=("$row=$(measure_give_back)") ;;
    instructions) arguments+=("$row=$(measure_instructions)") ;;
    *)
        if [ -n "${has_results[${run_of[$row]}]:-}" ]; then
            arguments+=("$row=$output/${run_of[$row]}.json")
        else
            arguments+=("$row=-:poolbuf run left no results")
        fi
        ;;
    esac
done
# The machine and the build, as the first run tells them; then the table.
show() {
    if [ ${#runs[@]} -gt 0 ]; then
        grep -E '^(host|build) ' "$output/${run_scenarios[${runs[0]}]}.txt" || true
        echo
    fi
    "$judge" "${arguments[@]}"
}

status=0
show | tee "$output/table.txt" || status=$?
exit "$status"
