#!/usr/bin/env bash
# Holds the verdicts to their promise on this machine: the same subject twice under two names must hardly ever be called
# different, and one that is 5 % slower must be found.
#
#   ci/aa.sh 200               200 comparisons of malloc with malloc: at most 5 % called different
#   ci/aa.sh --slower 5 50     50 comparisons with a malloc that spins for 5 % of its time: at least 90 % called slower
#   ci/aa.sh --quick 200       shorter measurements, the same number of rounds
#   --scenario NAME            default pingpong; --subject NAME, default malloc; --rounds N; --seconds N ends after so long
#   --build FOLDER             default build/release, as `cmake --preset release` makes it
#
# Prints each figure beside its target. Exit status: 0 the target is met, 1 it is not, 2 usage or nothing was measured.
set -u -o pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=$source/build/release
scenario=pingpong
subject=malloc
rounds=16
slower=0
limit=0
quick=()
count=

usage() {
    echo "ci/aa.sh: $1; see the head of the script" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=(--quick) ;;
    --build | --scenario | --subject | --rounds | --slower | --seconds)
        [ $# -ge 2 ] || usage "$1 takes a value"
        case $1 in
        --build) build=$2 ;;
        --scenario) scenario=$2 ;;
        --subject) subject=$2 ;;
        --rounds) rounds=$2 ;;
        --slower) slower=$2 ;;
        --seconds) limit=$2 ;;
        esac
        shift
        ;;
    [0-9]*) count=$1 ;;
    *) usage "unknown argument $1" ;;
    esac
    shift
done
[[ $count =~ ^[1-9][0-9]{0,3}$ ]] || usage "how many comparisons, from 1 to 9999?"
[[ $slower =~ ^[0-9]{1,3}$ ]] || usage "--slower takes a whole number of percent"
poolbuf=$build/bin/poolbuf
[ -x "$poolbuf" ] || usage "there is no $poolbuf"

other=again=$subject
[ "$slower" = 0 ] || other=again=$subject+$slower
said_faster=0
said_slower=0
said_nothing=0
SECONDS=0
for ((i = 1; i <= count; i++)); do
    [ "$limit" = 0 ] || [ $SECONDS -lt "$limit" ] || break
    table=$("$poolbuf" run "$scenario" --subject "$subject,$other" --rounds "$rounds" --seed "$i" "${quick[@]}" --quiet \
        2>/dev/null) || usage "poolbuf run failed: $poolbuf run $scenario --subject $subject,$other"
    case $(grep -E '^  again ' <<<"$table" | head -1) in
    *faster*) said_faster=$((said_faster + 1)) ;;
    *slower*) said_slower=$((said_slower + 1)) ;;
    *"not separated"*) said_nothing=$((said_nothing + 1)) ;;
    *) usage "no verdict about $other" ;;
    esac
done
total=$((said_faster + said_slower + said_nothing))
[ $total -gt 0 ] || usage "nothing was measured"

echo "$scenario, $subject beside $other, at most $rounds rounds ${quick[*]:-}: $total comparisons in $SECONDS s"
echo "  faster $said_faster, slower $said_slower, not separated $said_nothing"
if [ "$slower" = 0 ]; then
    figure=$((said_faster + said_slower))
    awk -v n=$figure -v of=$total 'BEGIN { printf "  called different: %.1f %%   target: at most 5 %%\n", 100 * n / of }'
    [ $((figure * 20)) -le $total ]
else
    awk -v n=$said_slower -v of=$total 'BEGIN { printf "  found slower: %.1f %%   target: at least 90 %%\n", 100 * n / of }'
    [ $((said_slower * 10)) -ge $((total * 9)) ]
fi
