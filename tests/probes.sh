#!/usr/bin/env bash
# The probes are in the shared library as tracers expect them, and fire with the arguments that examples/poolbuf.bt
# documents. gdb stops at them; bpftrace runs the example as it is, where this machine lets it.
source "$(dirname "$0")/lib.sh"

# A copy, so that bpftrace sees no other test that runs meanwhile.
cp "$POOLBUF_BUILD/lib/libpoolbuf.so.0" libpoolbuf.so.0
library=$work/libpoolbuf.so.0
probed=$POOLBUF_BUILD/tests/probed

skip() {
    echo "SKIPPED: $1"
    exit 77
}

echo '#include <sys/sdt.h>' | "$CC" -E -x c - >/dev/null 2>&1 || skip "sys/sdt.h is not installed (systemtap-sdt-dev)"

# Each probe, and how many arguments it has; more than one place may have the same probe.
run readelf --wide --notes "$library"
expect_status 0
cp .stdout notes
arguments_of() {
    grep -A2 "^ *Name: $1\$" notes | sed -n 's/^ *Arguments: //p' | awk '{ print NF }' | sort -u
}
expect_equal "probes that are not poolbuf's" "" "$(sed -n 's/^ *Provider: //p' notes | grep -vx poolbuf)"
expect_equal "the probes" "allocate chunk_map chunk_unmap grow release" \
    "$(sed -n 's/^ *Name: //p' notes | sort -u | paste -sd ' ')"
expect_equal "arguments of allocate" 3 "$(arguments_of allocate)"
expect_equal "arguments of release" 2 "$(arguments_of release)"
expect_equal "arguments of grow" 3 "$(arguments_of grow)"
expect_equal "arguments of chunk_map" 3 "$(arguments_of chunk_map)"
expect_equal "arguments of chunk_unmap" 3 "$(arguments_of chunk_unmap)"
checks=$((checks + 1))
! grep -E '^ *Location:' notes | grep -v 'Semaphore: 0x0*$' || fail "a probe has a semaphore, which would cost a load"
run readelf --wide --notes "$POOLBUF_BUILD/lib/libpoolbuf.a"
expect_status 0
expect_equal "probes of the static library" "$(grep -c '^ *Provider: poolbuf$' notes)" \
    "$(grep -c '^ *Provider: poolbuf$' .stdout)"

# With gdb: what probed.c does, call by call, with the sizes; whether an allocator is named; whether buffers match.
stop_at() { # PROBE FORMAT ARGUMENTS
    printf 'break -probe-stap poolbuf:%s\ncommands\nsilent\nprintf "%s %s\\n", %s\ncontinue\nend\n' "$1" "$1" "$2" "$3"
}
{
    printf 'set pagination off\nset width 0\nstart\n'
    # shellcheck disable=SC2016 # gdb's variables
    {
        stop_at allocate '%lu %d' '$_probe_arg1, $_probe_arg2 != 0'
        stop_at release '%lu' '$_probe_arg1'
        stop_at grow '%lu %lu' '$_probe_arg1, $_probe_arg2'
        stop_at chunk_map '%lu' '$_probe_arg2'
        stop_at chunk_unmap '%lu' '$_probe_arg2'
    }
    echo continue
} >commands.gdb
cat >expected <<'END'
chunk_map 4194304
allocate 1000 0
release 1024
allocate 1001 0
release 1024
allocate 100 0
grow 100 3000
release 3072
allocate 250 0
allocate 250 0
allocate 250 0
release 256
release 256
release 256
allocate 250 0
allocate 250 0
allocate 250 0
release 256
release 256
release 256
chunk_map 5242880
allocate 5242880 0
release 5242880
chunk_unmap 5242880
chunk_map 4194304
allocate 77 1
release 80
chunk_unmap 4194304
END
export POOLBUF_LEAK_LEVEL=disabled
if ! command -v gdb >/dev/null; then
    note "SKIPPED: gdb is not installed, so that probes fire was not tested with it"
elif ! gdb -batch -nx -ex run --args true >gdb.log 2>&1 || ! grep -q 'exited normally' gdb.log; then
    note "SKIPPED: gdb cannot run a program here, so that probes fire was not tested with it: $(tail -n 1 gdb.log)"
else
    run gdb -batch -nx -x commands.gdb "$probed"
    expect_status 0
    expect_stdout_has "exited normally"
    grep -E '^(allocate|release|grow|chunk_map|chunk_unmap) ' .stdout >got
    checks=$((checks + 1))
    diff -u expected got >difference || fail "probes fired otherwise than expected" "$(cat difference)"
    note "gdb stopped at $(wc -l <got) probes"
fi

# With bpftrace: the example itself.
trace() {
    bpftrace "$POOLBUF_SOURCE/examples/poolbuf.bt" "$library" >traced 2>traced.err &
    tracer=$!
    for _ in $(seq 200); do
        grep -q '^tracing ' traced && return 0
        kill -0 "$tracer" 2>/dev/null || return 1
        sleep 0.1
    done
    kill "$tracer"
    return 1
}
if ! command -v bpftrace >/dev/null; then
    note "SKIPPED: bpftrace is not installed, so examples/poolbuf.bt was not run"
elif ! bpftrace -e "usdt:$library:poolbuf:grow { } BEGIN { exit(); }" >bpf.log 2>&1; then
    note "SKIPPED: bpftrace cannot trace here, so examples/poolbuf.bt was not run: $(grep -m 1 ERROR bpf.log)"
else
    # It says that it traces before it has attached to all: on a busy machine it may miss the program. So it gets time.
    missing="bpftrace could not run examples/poolbuf.bt"
    for settle in 0.2 2 8; do
        trace || break
        sleep "$settle"
        run env LD_LIBRARY_PATH="$work" "$probed"
        expect_status 0
        for _ in $(seq 50); do # it may not have read yet what the kernel has for it, and drops that when it is told to end
            grep -qF ": unmapped 4194304 bytes" traced && break
            sleep 0.1
        done
        kill -INT "$tracer"
        wait "$tracer"
        missing=
        for text in ": mapped 5242880 bytes at 0x" ": unmapped 4194304 bytes at 0x" "[64, 128)              2 |" \
            "[128, 256)             6 |" "[512, 1K)              2 |" "[2K, 4K)               1 |"; do
            grep -qF "$text" traced || missing="bpftrace did not print: $text"
        done
        [ -n "$missing" ] || break
    done
    checks=$((checks + 3))
    [ -z "$missing" ] || fail "$missing" "$(cat traced traced.err)"
    grep -q '^@chunk_bytes\[probed, [0-9]*\]: 4194304$' traced || fail "one chunk should be left" "$(cat traced)"
    ! grep -A12 '^@live' traced | grep -E '^\]: [^0]' || fail "bytes are left though all came back" "$(cat traced)"
    note "examples/poolbuf.bt was run"
fi
finish
