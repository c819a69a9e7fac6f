#!/usr/bin/env bash
# docs/netty-differences.md cannot rot: every row has a verdict and names tests, and each test it names is a function of the
# allocator's unit tests that its program runs, in a program that CTest runs.
source "$(dirname "$0")/lib.sh"

page=$POOLBUF_SOURCE/docs/netty-differences.md
tests=$POOLBUF_SOURCE/allocator/tests

# A row without its header and ruler; cells are parted by " | ".
grep -E '^\| ' "$page" | grep -vE '^\| Netty \|' >rows || fail "$page has no rows"
grep -cE '^## ' "$page" >sections
expect_equal "sections" 5 "$(cat sections)"
rows=$(wc -l <rows)
checks=$((checks + 1))
[ "$rows" -ge 50 ] || fail "only $rows rows in $page"

# The programs that this build registers with CTest.
ctest --test-dir "$POOLBUF_BUILD" -N -R '^allocator\.test_' >programs || fail "ctest cannot list the tests"

while IFS= read -r row; do
    rest=${row#| }
    fact=${rest%% | *}
    rest=${rest#* | }
    verdict=${rest%% | *}
    proofs=${rest#* | }
    checks=$((checks + 2))
    [[ $verdict == holds* || $verdict == "differs: "?* ]] || fail "no verdict, or a difference without a reason: $fact"
    mapfile -t named < <(grep -oE '`[a-z_]+\.[a-z0-9_]+`' <<<"$proofs" | tr -d '`')
    [ "${#named[@]}" -gt 0 ] || fail "no test is named for: $fact"
    for test in "${named[@]}"; do
        module=${test%%.*}
        name=${test#*.}
        file=$tests/test_$module.c
        checks=$((checks + 3))
        grep -q "^static void $name(void \*\*state) {" "$file" || fail "$file has no test $name"
        grep -qE "^ +[A-Za-z_]+\(${name}[,)]" "$file" || fail "$file does not run its test $name"
        grep -qE " allocator\.test_$module$" programs || fail "ctest does not run allocator.test_$module"
    done
done <rows
finish
