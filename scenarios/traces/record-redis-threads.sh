#!/usr/bin/env bash
# Records redis-server with threads for its sockets under redis-benchmark: they read and parse commands, the main thread runs
# them, so much of what one thread allocates another releases. Writes the trace to the path given, or to
# redis-threads.pbtrace beside this script. Playing the trace needs none of this.
#   record-redis-threads.sh [TRACE]
# Debian packages: redis-server, redis-tools. POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need redis-server redis-benchmark redis-cli
trace=${1:-$here/redis-threads.pbtrace}
port=$(free_port)

"$poolbuf" record -o "$trace" -- redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no \
    --daemonize no --io-threads 3 --io-threads-do-reads yes --loglevel warning --logfile "$work/log" &
recorder=$!
started+=("$recorder")
wait_for "$port"

# 32 connections at once: with fewer redis leaves its threads asleep.
for bytes in 64 1024 8192 256; do
    if ! redis-benchmark -h 127.0.0.1 -p "$port" -q -c 32 -P 8 -n 900 -r 500 -d "$bytes" -t set,get \
        >"$work/benchmark" 2>&1; then
        cat "$work/benchmark" >&2
        exit 1
    fi
done
redis-cli -h 127.0.0.1 -p "$port" shutdown nosave
wait "$recorder"
