#!/usr/bin/env bash
# An hour of a threaded server with everything at once: sampling at levels that change, dlopen() and dlclose(), forks, signals and
# intervals that ask for reports and scans. Fails on a part that makes no progress for a minute, on a child that fails, and on
# memory that grows (leakdetect/tests/programs/soak.c says by how much it may).
#
#   ci/soak.sh [SECONDS] [--seed N] [--build DIR]     default 3600; DIR: this build folder as it is
#
# Exit codes: 0 fine; 1 something failed, which a line says; 2 usage; 134 no progress, after the stacks of all threads.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=3600
seed=0
build=
while [ $# -gt 0 ]; do
    case $1 in
    --seed | --build)
        [ $# -gt 1 ] || {
            echo "$1 needs a value" >&2
            exit 2
        }
        if [ "$1" = --seed ]; then seed=$2; else build=$2; fi
        shift
        ;;
    *[!0-9]* | "")
        echo "usage: ci/soak.sh [SECONDS] [--seed N] [--build DIR]" >&2
        exit 2
        ;;
    *) seconds=$1 ;;
    esac
    shift
done

log=$(mktemp)
folder=$(mktemp -d)
trap 'rm -rf "$log" "$folder"' EXIT
if [ -z "$build" ]; then
    build=build/dev
    if ! { cmake --preset dev && cmake --build --preset dev -j "$(nproc)" --target leakdetect_soak \
        --target leakdetect_turmoil_plugin; } >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
programs=$build/leakdetect/programs
plugin=$programs/turmoil_plugin.so

if grep -q __tsan_init "$programs/soak"; then
    echo "ci/soak.sh: not with ThreadSanitizer, whose own allocator may stay locked in a child of a program with threads" >&2
    exit 2
fi

# Every second of a short run, every minute of an hour.
interval=$((seconds / 60))
interval=$((interval < 1 ? 1 : interval > 60 ? 60 : interval))
export POOLBUF_LEAK_SIGNAL=USR2 POOLBUF_LEAK_INTERVAL_S=$interval POOLBUF_LEAK_SCAN_INTERVAL_S=$((interval + 1))
export POOLBUF_LEAK_REPORT=$folder/soak.json POOLBUF_LEAK_NOTICE=off
# Threads' caches of 16 MiB each take an hour to fill, which looks like a leak: after 48 minutes 391 live buffers of 1.3 MiB stood in
# 87 MiB, of which the heap had 0.3 in use and the detector 5. Small ones are full when the warm-up ends.
export POOLBUF_CACHE_LIMIT_BYTES=256k
# The C library raises these by itself when large blocks are freed, as libdw does after each report: its heap then keeps
# what the largest report of all has taken, and creeps up for hours, 6 MiB in the first.
export MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
status=0
timeout -s ABRT $((seconds + 300)) "$programs/soak" "$plugin" "$seconds" "$seed" || status=$?
[ -s "$folder/soak.json" ] || {
    echo "soak: no report was written" >&2
    exit 1
}
exit "$status"
