#!/usr/bin/env bash
# Records redis-server under redis-benchmark: pipelined SET and GET with values of 64 B to 16 KiB. Writes the trace to
# the path given, or to redis.pbtrace beside this script.
#   record-redis.sh [TRACE]
# Debian packages: redis-server, redis-tools. POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need redis-server redis-benchmark redis-cli
trace=${1:-$here/redis.pbtrace}
port=$(free_port)

"$poolbuf" record -o "$trace" -- redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no \
    --daemonize no --loglevel warning --logfile "$work/log" &
recorder=$!
started+=("$recorder")
wait_for "$port"

# 16 connections that send 16 commands at a time. Values go up and come down again, over keys that overlap, so that
# objects of all sizes live side by side and replace each other.
for bytes in 64 256 1024 4096 16384 2048 512 128; do
    if ! redis-benchmark -h 127.0.0.1 -p "$port" -q -c 16 -P 16 -n 6000 -r 4000 -d "$bytes" -t set,get \
        >"$work/benchmark" 2>&1; then
        cat "$work/benchmark" >&2
        exit 1
    fi
done
redis-cli -h 127.0.0.1 -p "$port" shutdown nosave
wait "$recorder"
