#!/usr/bin/env bash
# Is access to buffers as fast as what it is made of? Builds Release where that is needed, and prints each row beside its target:
# integers against a bounds-checked array, bytes against memcpy, search against memchr, slices in nanoseconds.
#
#   ci/buffers.sh [--rounds N] [--build DIR]     default 25 rounds, about half a minute; DIR: this build folder as it is
#
# Exit codes: 0 every target is met; 1 one is missed, or not separated from its bound; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=25
build=
while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --build)
        [ $# -ge 2 ] || { echo "ci/buffers.sh: $1 needs a value; see the head of the file" >&2; exit 2; }
        if [ "$1" = --rounds ]; then rounds=$2; else build=$2; fi
        shift 2
        ;;
    *)
        echo "ci/buffers.sh: unknown argument $1; see the head of the file" >&2
        exit 2
        ;;
    esac
done
if [ -z "$build" ]; then
    build=build/release
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { ci/setup.sh bench && cmake --preset release && cmake --build --preset release -j "$(nproc)" --target buffer-speed; } \
        >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
program=$build/bin/buffer-speed
[ -x "$program" ] || { echo "ci/buffers.sh: there is no $program; --build takes a build folder" >&2; exit 2; }
# What sampling costs is not asked here.
POOLBUF_LEAK_LEVEL=disabled "$program" --rounds "$rounds"
