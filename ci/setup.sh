#!/usr/bin/env bash
# Install what is missing on a Debian 12 machine. Idempotent: with everything present it changes nothing and needs no
# root.
#
#   ci/setup.sh bench    what building and benchmarking need (the default)
#   ci/setup.sh test     that, and what every test needs: clang, valgrind, chromium, ...
#   ci/setup.sh record   that of bench, and the servers whose allocations scenarios/traces/ holds
#
# Exit codes: 0 all is there, 1 an installation failed, 2 usage, or not a machine that this script knows.
set -euo pipefail

build=(gcc g++ make cmake ninja-build pkg-config git ca-certificates
    libbenchmark-dev libcyaml-dev libyaml-dev libjansson-dev libxml2-dev libzstd-dev libsqlite3-dev libunwind-dev libdw-dev libcmocka-dev libgtest-dev liburing-dev
    systemtap-sdt-dev valgrind libc6-dbg)
# The first three are preloaded; Boost and DPDK are compiled into workers of their own, which are left out without them.
peers=(libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 libboost-dev libdpdk-dev heaptrack)
checks=(clang clang-format clang-tidy libclang-rt-14-dev llvm shellcheck chromium fonts-liberation gdb
    jq bpftrace python3-prometheus-client libnuma1)
servers=(redis-server redis-tools nginx-light apache2-utils)

group=${1:-bench}
case $group in
bench) wanted=("${build[@]}" "${peers[@]}") ;;
test) wanted=("${build[@]}" "${peers[@]}" "${checks[@]}") ;;
record) wanted=("${build[@]}" "${peers[@]}" "${servers[@]}") ;;
*)
    echo "ci/setup.sh: unknown group '$group'; the groups are bench, test and record" >&2
    exit 2
    ;;
esac

# The HTML report's page is bundled by esbuild. Any Node.js from 18 on will do; Debian's is taken where there is none.
command -v node >/dev/null || wanted+=(nodejs)
command -v npm >/dev/null || wanted+=(npm)

command -v dpkg-query >/dev/null || {
    echo "ci/setup.sh: this is not a Debian machine; install by hand what stands for: ${wanted[*]}" >&2
    exit 2
}

is_installed() {
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Either nginx flavour serves the recording.
is_provided() {
    is_installed "$1" || { [ "$1" = nginx-light ] && command -v nginx >/dev/null; }
}

missing=()
for package in "${wanted[@]}"; do
    is_provided "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "ci/setup.sh: not root, and no sudo; as root run: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "ci/setup.sh: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "ci/setup.sh: the installation failed" >&2
    exit 1
fi
