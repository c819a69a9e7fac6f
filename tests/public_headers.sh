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
        run "$compiler" -std=c11 -DPOOLBUF_INLINE=1 "${warnings[@]}" "${includes[@]}" -fsyntax-only alone.c
        [ "$status" = 0 ] || fail "$name does not compile alone as C11 with POOLBUF_INLINE with $compiler"
        checks=$((checks + 3))
    done
done
# Inline functions are judged in their callers, and by the optimiser: what a careful program writes draws no warning.
cat >use.c <<'END'
#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>
uint64_t use(const uint8_t *bytes, size_t length);
uint64_t use(const uint8_t *bytes, size_t length) {
    poolbuf *buffer = poolbuf_allocate(NULL, length, 4 * length);
    uint8_t kind = 0;
    uint16_t port = 0;
    uint32_t address = 0;
    uint64_t number;
    if (buffer == NULL) {
        return 0;
    }
    if (poolbuf_write_bytes(buffer, bytes, length) != POOLBUF_OK || poolbuf_write_u64_le(buffer, length) != POOLBUF_OK ||
        poolbuf_read_u8(buffer, &kind) != POOLBUF_OK || poolbuf_read_u16_be(buffer, &port) != POOLBUF_OK ||
        poolbuf_get_u32_be(buffer, 3, &address) != POOLBUF_OK || poolbuf_read_u64_le(buffer, &number) != POOLBUF_OK) {
        poolbuf_release(buffer);
        return 0;
    }
    poolbuf_release(buffer);
    return number + address + port + kind;
}
END
cp use.c use.cc
for compiler in gcc clang; do
    for level in "-O0 -DPOOLBUF_INLINE=0" "-O2 -DPOOLBUF_INLINE=0" "-O2 -DPOOLBUF_INLINE=1" "-O3 -DPOOLBUF_INLINE=1"; do
        read -ra flags <<<"$level"
        run "$compiler" -std=c11 "${flags[@]}" "${warnings[@]}" "${includes[@]}" -c use.c -o use.o
        [ "$status" = 0 ] || fail "a careful C program draws a warning with $compiler $level"
        run "$compiler" -x c++ -std=c++17 "${flags[@]}" "${warnings[@]}" "${includes[@]}" -c use.cc -o use.o
        [ "$status" = 0 ] || fail "a careful C++ program draws a warning with $compiler $level"
        checks=$((checks + 2))
    done
done
note "${#headers[@]} headers"
finish
