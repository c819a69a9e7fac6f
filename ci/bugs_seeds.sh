#!/usr/bin/env bash
# Do the sampled levels of the leak detector see what they say they see? Builds Release where that is
# needed, runs the seeded bugs of leakdetect/tests/bugs at the levels simple and advanced with 200 seeds each, and
# prints how often each leak was seen beside what was to be expected; clean programs may be accused by none of them.
# The test e2e.bugs does so with a few.
#
#   ci/bugs_seeds.sh [--seeds N] [--build DIR] [CASE...]     DIR: this build folder as it is
#
# That is some 27,000 runs, a few minutes on a core of one's own.
#
# Exit codes: 0 all of it holds; 1 something does not; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=200
build=
while [ $# -gt 0 ]; do
    case $1 in
    --seeds | --build)
        [ $# -ge 2 ] || { echo "ci/bugs_seeds.sh: $1 needs a value; see the head of the file" >&2; exit 2; }
        if [ "$1" = --seeds ]; then seeds=$2; else build=$2; fi
        shift 2
        ;;
    -*)
        echo "ci/bugs_seeds.sh: unknown option $1; see the head of the file" >&2
        exit 2
        ;;
    *) break ;;
    esac
done
if [ -z "$build" ]; then
    build=build/release
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { cmake --preset release && cmake --build --preset release -j "$(nproc)" --target leakdetect_bugs_all; } \
        >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
program=$build/leakdetect/programs/bugs_seeds
[ -x "$program" ] || { echo "ci/bugs_seeds.sh: there is no $program; --build takes a build folder" >&2; exit 2; }
for name in $(compgen -e POOLBUF_); do
    unset "$name"
done
ulimit -c 0 # misuse ends in abort()
"$program" --seeds "$seeds" leakdetect/tests/bugs/expectations "$@"
