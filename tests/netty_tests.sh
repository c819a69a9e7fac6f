#!/usr/bin/env bash
# docs/netty-tests.md cannot rot: it has a row for each of the 958 test methods of Netty's buffers, each row names tests of ours
# or a reason why there is none, and each test that it names is a function that its program runs, in a program that CTest runs.
source "$(dirname "$0")/lib.sh"

page=$POOLBUF_SOURCE/docs/netty-tests.md
METHODS=958

# A row: | `Class#method` | `module.test` `module.test` | or | `Class#method` | none: reason |
grep -E '^\| `' "$page" >rows || fail "$page has no rows"
sed -E 's/^\| `([^`]*)` \| .*/\1/' rows | sort >methods
expect_equal "rows" "$METHODS" "$(wc -l <methods)"
expect_equal "methods that have two rows" "" "$(uniq -d <methods)"
expect_equal "rows without a class and a method" "" "$(grep -vE '^[A-Za-z0-9]+#[A-Za-z0-9_]+$' methods)"

grep -vE '^\| `[^`]+` \| (none: [^`|]{8,}|`[a-z0-9_.]+`( `[a-z0-9_.]+`)*) \|$' rows >malformed
expect_equal "rows that name neither tests nor a reason" "" "$(cat malformed)"

# What the build runs: programs as CTest knows them, and the functions that each one's source both has and runs.
ctest --test-dir "$POOLBUF_BUILD" -N >listed || fail "ctest cannot list the tests"
sed -nE 's/^ +Test +#[0-9]+: //p' listed | sort -u >programs
: >known
for file in "$POOLBUF_SOURCE"/{allocator,leakdetect}/tests/test_*.{c,cc}; do
    [ -e "$file" ] || continue
    folder=$(basename "$(dirname "$(dirname "$file")")")
    program=$(basename "${file%.*}")
    grep -qxF "$folder.$program" programs || continue
    prefix=${program#test_}
    [ "$folder" = allocator ] || prefix=$folder.$prefix
    awk -v prefix="$prefix" '
        match($0, /^static void [a-z0-9_]+\(void \*\*state\) \{/) {
            name = $3; sub(/\(.*/, "", name); has[name] = 1; next }
        match($0, /([A-Z_]+_TEST|cmocka_unit_test[a-z_]*)\([a-z0-9_]+[,)]/) {
            name = substr($0, RSTART, RLENGTH); sub(/.*\(/, "", name); sub(/[,)]$/, "", name); runs[name] = 1 }
        END { for (name in has) if (name in runs) print prefix "." name }' "$file" >>known
done
cat programs >>known # tests that are scripts are named as CTest has them
sort -u known -o known
checks=$((checks + 1))
[ "$(wc -l <known)" -ge 300 ] || fail "only $(wc -l <known) tests were found: the patterns above have rotted"

grep -v '| none: ' rows | sed -E 's/^\| `[^`]*` \| //' | grep -oE '`[a-z0-9_.]+`' | tr -d '`' | sort -u >named
comm -23 named known >missing
expect_equal "tests that are named and are not run" "" "$(cat missing)"
note "$(grep -cv '| none: ' rows) methods have tests, $(wc -l <named) of ours; $(grep -c '| none: ' rows) have a reason"
finish
