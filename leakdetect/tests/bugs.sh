#!/usr/bin/env bash
# The seeded bugs: each program of tests/bugs does what it does, and the report says what the file `expectations` asks
# for, at every level. That file's head has the format. A sample of its cases is then run with 200 seeds;
# ci/bugs_seeds.sh does that with all of them.
# shellcheck source=../../tests/lib.sh
source "$POOLBUF_SOURCE/tests/lib.sh"

bugs=$POOLBUF_SOURCE/leakdetect/tests/bugs
ulimit -c 0 # misuse ends in abort()

# What a sanitizer makes of a program is its affair; `asan` and `not-under` lines of the expectations say where.
sanitizer=
case ${POOLBUF_SANITIZED:-} in
*address*) sanitizer=asan ;;
*thread*) sanitizer=tsan ;;
esac

# Marks such as @make stand in the sources, and stand for the number of their line.
declare -A line_of
while IFS=: read -r file line text; do
    mark=${text##*@}
    mark=${mark%%[ :;]*}
    [ -z "${line_of[$mark]:-}" ] || fail "two lines are marked @$mark: ${line_of[$mark]}, and $line in $file"
    line_of[$mark]=$line
done < <(grep -noE '(/\*|//) @[a-z-]+' "$bugs"/*.c "$bugs"/*.cc)

# The case that is being read: its lines, as "LEVELS KEYWORD REST".
name=
lines=()
cases=0

# Fills got[] with the values at paths[] in a file.
read_values() {
    mapfile -t got < <("$POOLBUF_JSON_TOOL" get "$1" "${paths[@]}" 2>/dev/null)
}

# compare WHAT FILE: each of paths[] must match the pattern of values[].
compare() {
    local i wanted
    [ ${#paths[@]} -gt 0 ] || return 0
    checks=$((checks + ${#paths[@]}))
    if [ ! -s "$2" ]; then
        fail "$where: there is no report of $1"
        return
    fi
    read_values "$2"
    for i in "${!paths[@]}"; do
        wanted=${values[$i]}
        if [[ $wanted == @* ]]; then
            wanted=${line_of[${wanted#@}]:-"no such mark: $wanted"}
        fi
        # shellcheck disable=SC2053 # a pattern
        [[ ${got[$i]:-} == $wanted ]] || fail "$where: $1, ${paths[$i]}" "wanted:  $wanted" "got:     ${got[$i]:-}"
    done
}

# compare_all KEYWORD WHAT FILE: the lines of that keyword, "PATH VALUE".
compare_all() {
    local keyword=$1 entry path value
    paths=()
    values=()
    for entry in "${chosen[@]}"; do
        if [[ $entry == "$keyword "* ]]; then
            read -r _ path value <<<"$entry"
            paths+=("$path")
            values+=("$value")
        elif [[ $keyword == json && $entry == "exact "* && -z $text ]]; then
            read -r _ path value <<<"$entry"
            paths+=(exact.live_buffers exact.live_bytes)
            values+=("$path" "$value")
        fi
    done
    compare "$2" "$3"
}

# The first frame below a heading of a report of misuse: "HEADING | FUNCTION".
check_under() {
    local heading=${1% | *} function=${1#* | }
    checks=$((checks + 1))
    grep -F -A1 -- "  $heading" "$work/.stderr" | grep -qE "^ +$function  " ||
        fail "$where: below \"$heading\" there should be $function"
}

check_text() {
    local entry
    for entry in "${chosen[@]}"; do
        case $entry in
        "stderr "*) expect_stderr_has "${entry#stderr }" ;;
        "no-stderr "*) expect_stderr_lacks "${entry#no-stderr }" ;;
        "under "*) check_under "${entry#under }" ;;
        esac
    done
}

# run_case LEVEL: chosen[] has the lines that hold there.
run_case() {
    local level=$1 entry program="bugs" arguments=("$name") environment=() expected=0 text='' pid file child=
    local folder=$work/reports
    where="$name at $level"
    rm -rf "$folder" && mkdir "$folder"
    : >"$work/rules.supp"
    for entry in "${chosen[@]}"; do
        case $entry in
        "run "*) read -r program arguments <<<"${entry#run }" && read -ra arguments <<<"$arguments" ;;
        "set "*) environment+=("${entry#set }") ;;
        "suppress "*)
            echo "${entry#suppress }" >>"$work/rules.supp"
            environment+=("POOLBUF_LEAK_SUPPRESSIONS=$work/rules.supp")
            ;;
        "exit "*) expected=${entry#exit } ;;
        text) text=yes ;;
        esac
    done
    [ -n "$text" ] || environment+=("POOLBUF_LEAK_REPORT=$folder/%p.json" POOLBUF_LEAK_NOTICE=off)
    environment+=("POOLBUF_LEAK_LEVEL=$level" POOLBUF_LEAK_EXIT_CODE=9)
    last_command="env ${environment[*]} $POOLBUF_PROGRAMS/$program ${arguments[*]}"
    status=0
    {
        env "${environment[@]}" "$POOLBUF_PROGRAMS/$program" "${arguments[@]}" \
            >"$work/.stdout" 2>"$work/.stderr" </dev/null &
        pid=$!
        wait "$pid" || status=$?
    } 2>/dev/null # the shell's word about who was aborted
    expect_status "$expected"
    for file in "$folder"/*.json; do
        [ "$file" = "$folder/$pid.json" ] || child=$file
    done
    compare_all json "the process" "$folder/$pid.json"
    compare_all child "its child" "$child"
    compare_all asked "what it wrote itself" "$work/.stdout"
    check_text
}

# Under AddressSanitizer the write itself may be the end: "asan TEXT".
run_under_asan() {
    where="$name under AddressSanitizer"
    run env POOLBUF_LEAK_LEVEL=paranoid "$POOLBUF_PROGRAMS/bugs" "$name"
    expect_stderr_has "AddressSanitizer: $1"
}

# Runs the case that has been read, at each of its levels.
end_of_case() {
    local entry level levels="simple advanced paranoid" wanted asan='' before=$failures
    [ -n "$name" ] || return 0
    cases=$((cases + 1))
    for entry in "${lines[@]}"; do
        case $entry in
        "- levels "*) levels=${entry#- levels } ;;
        "- asan "*) asan=${entry#- asan } ;;
        "- not-under $sanitizer "*)
            if [ -n "$sanitizer" ]; then
                note "$name is left out: ${entry#- not-under "$sanitizer" }"
                return 0
            fi
            ;;
        esac
    done
    if [ -n "$asan" ] && [ "$sanitizer" = asan ]; then
        note "$name is AddressSanitizer's to find: $asan"
        run_under_asan "$asan"
        return 0
    fi
    for level in $levels; do
        chosen=()
        for entry in "${lines[@]}"; do
            wanted=${entry%% *}
            if [ "$wanted" = - ] || [[ ",$wanted," == *",$level,"* ]]; then
                chosen+=("${entry#* }")
            fi
        done
        run_case "$level"
    done
    [ "$failures" = "$before" ] || note "$name does not hold"
}

while read -r keyword rest; do
    case $keyword in
    '' | '#'*) ;;
    case)
        end_of_case
        name=$rest
        lines=()
        ;;
    *@*) lines+=("${keyword#*@} ${keyword%@*} $rest") ;;
    text) lines+=("- text") ;;
    *) lines+=("- $keyword $rest") ;;
    esac
done <"$bugs/expectations"
end_of_case
checks=$((checks + 1))
[ "$cases" -ge 40 ] || fail "there should be at least 40 cases, there are $cases"
note "$cases cases"

note "the sampled levels see what they say they see, over 200 seeds"
run "$POOLBUF_PROGRAMS/bugs_seeds" "$bugs/expectations" error-path composite-leaked slice-pins-root churn
expect_status 0
cat "$work/.stdout"

finish
