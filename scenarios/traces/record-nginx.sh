#!/usr/bin/env bash
# Records nginx serving files of 100 B to 256 KiB: keep-alive and one request a connection, plain and gzip.
# Writes the trace to the path given, or to nginx.pbtrace beside this script.
#   record-nginx.sh [TRACE]
# Debian packages: nginx, apache2-utils (ab). POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
PATH=$PATH:/usr/sbin
need nginx ab
trace=${1:-$here/nginx.pbtrace}
port=$(free_port)

# The files' bytes come from a fixed text, so that gzip has as much to do in each recording.
mkdir -p "$work/files/plain"
text=$(seq -s ' ' 20000)
for bytes in 100 1000 4000 16000 64000 100000; do
    head -c "$bytes" <<<"$text" >"$work/files/$bytes.html"
    cp "$work/files/$bytes.html" "$work/files/plain/$bytes.bin"
done
head -c 262144 /dev/zero >"$work/files/plain/262144.bin"
sed -e "s|PORT|$port|" -e "s|WORK|$work|g" "$here/nginx.conf" >"$work/nginx.conf"
chmod -R a+rX "$work"

"$poolbuf" record -o "$trace" -- nginx -p "$work" -e "$work/error.log" -c "$work/nginx.conf" &
recorder=$!
started+=("$recorder")
wait_for "$port"

get() { # get REQUESTS CONNECTIONS PATH [OPTION...]
    if ! ab -q -n "$1" -c "$2" "${@:4}" "http://127.0.0.1:$port/$3" >"$work/ab" 2>&1 ||
        ! grep -q 'Failed requests: *0$' "$work/ab" || grep -q 'Non-2xx' "$work/ab"; then
        cat "$work/ab" >&2
        exit 1
    fi
}
for connections in 16 128; do
    for path in plain/100.bin plain/1000.bin plain/4000.bin plain/16000.bin plain/64000.bin plain/262144.bin; do
        get 1500 $connections "$path"    # a connection for each request
        get 3000 $connections "$path" -k # keep-alive
    done
    for path in 1000.html 4000.html 16000.html 64000.html 100000.html; do
        get 700 $connections "$path" -H 'Accept-Encoding: gzip'
        get 1400 $connections "$path" -k -H 'Accept-Encoding: gzip'
    done
done
kill -QUIT "$(cat "$work/pid")"
wait "$recorder"
