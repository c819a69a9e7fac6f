#!/usr/bin/env bash
# The line-based echo server, over real sockets: lines in parts, empty, longest and too long ones, several clients at once,
# one that does not read, and both ways to stop. bash is the client. Nothing here waits for a time: what is waited for is
# an event.
source "$(dirname "$0")/lib.sh"

server=
port=

# The server is started with its output in files; the port is known once it has said so.
start() { # ARGUMENTS...
    rm -f server.out server.err
    POOLBUF_LEAK_LEVEL=paranoid POOLBUF_LEAK_EXIT_CODE=9 "$POOLBUF_EXAMPLES/line_echo" "$@" >server.out 2>server.err &
    server=$!
    trap 'kill ${server:+"$server"} 2>/dev/null; rm -rf "$work"' EXIT
    wait_until "the port is printed" grep -qs '^listening on 127.0.0.1:[0-9]*$' server.out
    port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\)$/\1/p' server.out)
}

# Tries a command until it succeeds; gives up only where the test has failed anyway.
wait_until() { # WHAT COMMAND...
    local what=$1 turn
    shift
    for ((turn = 0; turn < 1200; turn++)); do
        if "$@"; then
            return 0
        fi
        sleep 0.05
    done
    fail "gave up waiting: $what"
    finish
}

expect_server() { # STATUS: of the server, which is ending
    status=0
    wait "$server" || status=$?
    server=
    last_command="line_echo"
    cp server.out .stdout
    cp server.err .stderr
    expect_status "$1"
    expect_stderr_lacks LEAK
}

expect_line() { # DESCRIPTOR WANTED
    local line=
    IFS= read -r -t 60 -u "$1" line || fail "no line came back"
    expect_equal "a line that came back" "$2" "$line"
}

start 0 6

note "lines, whole and in parts"
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'first\n' >&3
expect_line 3 first
printf 'in ' >&3
printf 'three ' >&3
printf 'parts\nand half of' >&3
expect_line 3 "in three parts"
printf ' another\n\n' >&3
expect_line 3 "and half of another"
expect_line 3 ""

note "a second client at the same time"
exec 4<>"/dev/tcp/127.0.0.1/$port"
printf 'of three: ' >&3
printf 'of four\n' >&4
expect_line 4 "of four"
printf 'done\n' >&3
expect_line 3 "of three: done"
exec 4>&-

note "the longest line"
longest=$(head -c 4095 /dev/zero | tr '\0' x)
printf '%s\n' "$longest" >&3
expect_line 3 "$longest"

note "what comes after the last newline is no line"
printf 'no end' >&3
exec 3>&-

note "a line that is too long: one error line, then the end, whatever else is sent"
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'short\n%s\n' "${longest}y" >&3
expect_equal "the answer to a line of 4,097 bytes" "short
ERROR: a line is longer than 4096 bytes" "$(timeout 60 cat <&3)"
exec 3>&-
exec 3<>"/dev/tcp/127.0.0.1/$port"
head -c 3000000 /dev/zero | tr '\0' z >&3
expect_equal "the answer to three million bytes" "ERROR: a line is longer than 4096 bytes" "$(timeout 60 cat <&3)"
exec 3>&-

note "a client that sends and does not read is not read from, and loses nothing"
seq 1 2000000 >numbers
size=$(wc -c <numbers)
exec 3<>"/dev/tcp/127.0.0.1/$port"
cat numbers >&3 &
writer=$!
wait_until "the server stops reading" grep -q 'a client does not read' server.err
exec 5<>"/dev/tcp/127.0.0.1/$port" # and nobody else waits for it
printf 'still there\n' >&5
expect_line 5 "still there"
exec 5>&-
timeout 60 head -c "$size" <&3 >echoed
wait "$writer" || fail "not all could be sent"
cmp -s numbers echoed || fail "what came back differs from what was sent"
checks=$((checks + 1))
exec 3>&-

note "after the sixth connection it ends by itself, and has released everything"
expect_server 0
lines=$((5 + 1 + 1 + 1 + 2000000 + 1))
said="^6 connections, $lines lines, [0-9]+ bytes sent, 2 too long, [1-9][0-9]* stalls, 0 buffers alive$"
expect_equal "what the server says" 1 "$(grep -cE "$said" .stdout)"

note "SIGTERM ends it in the middle of a line"
start
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'one\nhalf of' >&3
expect_line 3 one
kill -TERM "$server"
expect_server 0
expect_stdout_has "1 connections, 1 lines, 4 bytes sent, 0 too long, 0 stalls, 0 buffers alive"
expect_equal "what comes after the end" "" "$(timeout 60 cat <&3 2>/dev/null)"
exec 3>&-

note "wrong arguments"
for arguments in "70000" "x" "-1" "0 x" "0 1 2"; do
    # shellcheck disable=SC2086 # they are words
    run "$POOLBUF_EXAMPLES/line_echo" $arguments
    expect_status 2
    expect_stdout_empty
    expect_stderr_has "usage: line_echo [PORT [CONNECTIONS]]"
done
finish
