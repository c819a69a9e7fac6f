#!/usr/bin/env bash
# The README's program is examples/hello.c, it runs, and the files and commands that the README names exist.
source "$(dirname "$0")/lib.sh"
readme=$POOLBUF_SOURCE/README.md

awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$readme" >shown.c
sed 1d "$POOLBUF_SOURCE/examples/hello.c" >built.c
checks=$((checks + 1))
diff -u built.c shown.c >difference || fail "the README's program is not examples/hello.c" "$(cat difference)"

run "$POOLBUF_EXAMPLES/hello"
expect_status 0
expect_equal "output of hello" "read 42, 0 bytes left" "$(cat .stdout)"

note "links to files of the repository lead somewhere"
links=0
while IFS= read -r file; do
    links=$((links + 1))
    checks=$((checks + 1))
    [ -e "$POOLBUF_SOURCE/$file" ] || fail "the README links to $file, which does not exist"
done < <(grep -o '](\([^)#:]*\))' "$readme" | sed 's/](\(.*\))/\1/')
[ "$links" -ge 5 ] || fail "only $links links found in the README: the pattern above has rotted"

note "seeded bugs are as many as it says"
cases=$(grep -c '^case ' "$POOLBUF_SOURCE/leakdetect/tests/bugs/expectations")
expect_equal "in the README" "$cases" "$(grep -oE '[0-9]+ seeded bugs' "$readme" | cut -d' ' -f1)"
expect_equal "in docs/leak-detection.md" "$cases" \
    "$(sed -nE 's/.*holds ([0-9]+) small programs.*/\1/p' "$POOLBUF_SOURCE/docs/leak-detection.md")"

note "subcommands in the README are real"
while IFS= read -r name; do
    run poolbuf "$name" --help
    expect_status 0
done < <(grep -oE '(^| |`)poolbuf (run|list|compare|report|leaks|record|options)' "$readme" | awk '{ print $NF }' | sort -u)
finish
