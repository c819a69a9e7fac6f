# shellcheck shell=bash
# What the recording scripts share: where poolbuf is, a folder of their own, a free port, and stopping what they
# started. Source it; it sets `set -euo pipefail`, $poolbuf, $here, $work, and defines need, free_port and wait_for.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
poolbuf=${POOLBUF:-$here/../../build/release/bin/poolbuf}
started=()
work=$(mktemp -d)

finish() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

need() {
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            echo "$0: $program is missing; install it from Debian's packages" >&2
            exit 1
        fi
    done
    [ -x "$poolbuf" ] || { echo "$0: $poolbuf is missing; build the release preset or set POOLBUF" >&2; exit 1; }
}

# A port that nobody listens on now. The server fails if somebody takes it first, and the script with it: run it again.
free_port() {
    local port
    while port=$(shuf -i 20000-59999 -n 1); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# wait_for PORT: until somebody listens there, at most 10 s.
wait_for() {
    local deadline=$((SECONDS + 10))
    while [ "$SECONDS" -lt "$deadline" ]; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
            return
        fi
        sleep 0.1
    done
    echo "$0: nothing listens on port $1 after 10 s" >&2
    exit 1
}
