#!/usr/bin/env bash
# Measures how much slower redis-benchmark is while `poolbuf record` records redis-server, which is to stay below 30 %.
# Two servers run all the time, one plain and one recorded, and are asked in turn; each round changes which one is first.
# Prints each round's ratios, and the median of each with a 95 % interval (of the order statistics, without assumptions):
# of the time that the benchmark took, which is what is promised, and of the time that the server was on a processor, which
# others on the machine disturb less. The promise is judged by the first; where its interval has the limit inside and the
# second's has not, by the second, since a server that never waits is slowed down by no more than that.
#   ci/record_cost.sh [ROUNDS]     16 rounds unless told; each takes some 4 s
# Environment: POOLBUF (build/release/bin/poolbuf), REQUESTS (60000 a command and round), PIPELINE (1: a round trip for each
# command, as redis-benchmark does unless told; 16: the server is never idle), LIMIT (percent; 30).
# Debian packages: redis-server, redis-tools. Exit status: 0 below the limit; 1 above it, or a failure; 6 the interval has
# the limit inside, so that nothing is said.
# shellcheck source-path=SCRIPTDIR source=../scenarios/traces/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scenarios/traces/common.sh"
need redis-server redis-benchmark redis-cli
rounds=${1:-16}
requests=${REQUESTS:-60000}
pipeline=${PIPELINE:-1}
limit=${LIMIT:-30}
port_plain=$(free_port)
port_recorded=$(free_port)

serve() { # serve PORT [PROGRAM...]: redis-server, run by PROGRAM; it keeps nothing and leaves no core to the other one
    local port=$1
    shift
    mkdir -p "$work/$port"
    "$@" redis-server --port "$port" --bind 127.0.0.1 --dir "$work/$port" --save '' --appendonly no --daemonize no \
        --loglevel warning --logfile "$work/$port/log" >"$work/$port/out" 2>&1 &
    started+=($!)
    wait_for "$port"
}

# ask PORT PID: nanoseconds that the benchmark takes, and those of them that the server's one serving thread runs.
ask() {
    local before after ran_before ran_after
    read -r ran_before _ <"/proc/$2/schedstat"
    before=$(date +%s%N)
    if ! redis-benchmark -h 127.0.0.1 -p "$1" -q -c 16 -P "$pipeline" -n "$requests" -r 4000 -d 512 -t set,get \
        >"$work/benchmark" 2>&1; then
        cat "$work/benchmark" >&2
        exit 1
    fi
    after=$(date +%s%N)
    read -r ran_after _ <"/proc/$2/schedstat"
    echo $((after - before)) $((ran_after - ran_before))
}

server_of() { # server_of PORT: its process
    redis-cli -h 127.0.0.1 -p "$1" info server | tr -d '\r' | sed -n 's/^process_id://p'
}

serve "$port_plain"
serve "$port_recorded" "$poolbuf" record --max-events 60000000 -o "$work/trace.pbtrace" --
pid_plain=$(server_of "$port_plain")
pid_recorded=$(server_of "$port_recorded")
ask "$port_plain" "$pid_plain" >"$work/warm"
ask "$port_recorded" "$pid_recorded" >"$work/warm"
for ((i = 0; i < rounds; i++)); do
    if ((i % 2 == 0)); then
        plain=$(ask "$port_plain" "$pid_plain")
        recorded=$(ask "$port_recorded" "$pid_recorded")
    else
        recorded=$(ask "$port_recorded" "$pid_recorded")
        plain=$(ask "$port_plain" "$pid_plain")
    fi
    echo "$plain $recorded"
done | tee "$work/samples" | awk '{ printf "plain %.3f s  recorded %.3f s  ratio %.3f  of the server alone %.3f\n",
    $1 / 1e9, $3 / 1e9, $3 / $1, $4 / $2 }'

redis-cli -h 127.0.0.1 -p "$port_recorded" shutdown nosave >"$work/cli" 2>&1 || true
wait "${started[1]}" || true
if ! grep -q ' events ' "$work/$port_recorded/out" || grep -q 'ends before the program did' "$work/$port_recorded/out"; then
    cat "$work/$port_recorded/out" >&2
    echo "$0: not all of the run was recorded; fewer ROUNDS or REQUESTS are right" >&2
    exit 1
fi

# judge PLAIN RECORDED NAME: the ratio of two columns. The interval of the median: ranks l and n + 1 - l with l the largest
# whose two binomial tails stay below 5 %.
judge() {
    awk -v plain="$1" -v recorded="$2" '{ print $recorded / $plain }' "$work/samples" | sort -n |
        awk -v limit="$limit" -v name="$3" '
    { ratio[NR] = $1 }
    END {
        below = p = 0.5 ^ NR
        for (l = 0; below <= 0.025 && l < NR; below += p) {
            p *= (NR - l) / (l + 1)
            l++
        }
        if (l == 0) {
            print "too few rounds for an interval; 6 are the fewest"
            exit 6
        }
        median = NR % 2 ? ratio[(NR + 1) / 2] : (ratio[NR / 2] + ratio[NR / 2 + 1]) / 2
        low = (ratio[l] - 1) * 100
        high = (ratio[NR + 1 - l] - 1) * 100
        printf "recording costs %.1f %% of %s (95 %% interval %.1f to %.1f %%) over %d rounds; the limit is %s %%\n", \
            (median - 1) * 100, name, low, high, NR, limit
        exit high < limit ? 0 : low > limit ? 1 : 6
    }'
}

status=0
judge 1 3 "the time" || status=$?
status_server=0
judge 2 4 "the server's processor time" || status_server=$?
[ "$status" -ne 6 ] || status=$status_server
exit "$status"
