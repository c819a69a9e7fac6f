#!/usr/bin/env bash
# Every public header compiles alone, as C11 and as C++17, with gcc and with clang, without a warning. Alone means: as the
# only include of a file, so that whatever it needs it brings itself.
source "$(dirname "$0")/lib.sh"

shopt -s nullglob
headers=("$POOLBUF_SOURCE"/allocator/include/poolbuf/*.h "$POOLBUF_SOURCE"/leakdetect/include/poolbuf/*.h)
if [ "${#headers[@]}" -lt 8 ]; then
    fail "only ${#headers[@]} public headers were found"
fi
includes=(-I"$POOLBUF_SOURCE/allocator/include" -I"$POOLBUF_SOURCE/leakdetect/include")
warnings=(-Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef)

for header in "${headers[@]}"; do
    name=poolbuf/$(basename "$header")
    # The second include proves the guard; the function that the file is not an empty translation unit.
    printf '#include <%s>\n#include <%s>\nint used(void);\nint used(void) { return 0; }\n' "$name" "$name" >alone.c
    cp alone.c alone.cc
    for compiler in gcc clang; do
        run "$compiler" -std=c11 "${warnings[@]}" -Wstrict-prototypes "${includes[@]}" -fsyntax-only alone.c
        [ "$status" = 0 ] || fail "$name does not compile alone as C11 with $compiler"
        run "$compiler" -x c++ -std=c++17 "${warnings[@]}" "${includes[@]}" -fsyntax-only alone.cc
        [ "$status" = 0 ] || fail "$name does not compile alone as C++17 with $compiler"
        checks=$((checks + 2))
    done
done
note "${#headers[@]} headers"
finish
