#!/usr/bin/env bash
# Every public header compiles alone, as C11, C99 and C++17, with gcc and with clang, without a warning. Alone means: as the
# only include of a file, so that whatever it needs it brings itself. The *.hpp are for C++ alone: 17 and 20, with
# exceptions and RTTI and without.
source "$(dirname "$0")/lib.sh"

shopt -s nullglob
headers=("$POOLBUF_SOURCE"/allocator/include/poolbuf/*.h "$POOLBUF_SOURCE"/leakdetect/include/poolbuf/*.h)
if [ "${#headers[@]}" -lt 8 ]; then
    fail "only ${#headers[@]} public headers were found"
fi
includes=(-I"$POOLBUF_SOURCE/allocator/include" -I"$POOLBUF_SOURCE/leakdetect/include")
warnings=(-Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef)
# What C cannot do and careful C++ programs ask for.
warnings_cxx=("${warnings[@]}" -Wold-style-cast -Wzero-as-null-pointer-constant -Wextra-semi -Woverloaded-virtual)

# stricter COMPILER: a warning that the other does not have.
stricter() {
    case $1 in
    g*) echo -Wuseless-cast ;;
    *) echo -Wcomma ;;
    esac
}

for header in "${headers[@]}"; do
    name=poolbuf/$(basename "$header")
    # The second include proves the guard; the function that the file is not an empty translation unit.
    printf '#include <%s>\n#include <%s>\nint used(void);\nint used(void) { return 0; }\n' "$name" "$name" >alone.c
    cp alone.c alone.cc
    for compiler in gcc clang; do
        run "$compiler" -std=c11 "${warnings[@]}" -Wstrict-prototypes "${includes[@]}" -fsyntax-only alone.c
        [ "$status" = 0 ] || fail "$name does not compile alone as C11 with $compiler"
        run "$compiler" -x c++ -std=c++17 "${warnings_cxx[@]}" "$(stricter "$compiler")" "${includes[@]}" -fsyntax-only alone.cc
        [ "$status" = 0 ] || fail "$name does not compile alone as C++17 with $compiler"
        run "$compiler" -std=c11 -DPOOLBUF_INLINE=1 "${warnings[@]}" "${includes[@]}" -fsyntax-only alone.c
        [ "$status" = 0 ] || fail "$name does not compile alone as C11 with POOLBUF_INLINE with $compiler"
        run "$compiler" -std=c99 -Werror -Wall -Wextra -Wpedantic "${includes[@]}" -fsyntax-only alone.c
        [ "$status" = 0 ] || fail "$name does not compile alone as C99 with $compiler"
        checks=$((checks + 4))
    done
done
wrappers=("$POOLBUF_SOURCE"/allocator/include/poolbuf/*.hpp)
if [ "${#wrappers[@]}" -lt 1 ]; then
    fail "no public header for C++ was found"
fi
for header in "${wrappers[@]}"; do
    name=poolbuf/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nint used();\nint used() { return 0; }\n' "$name" "$name" >alone.cc
    for compiler in g++ clang++; do
        for level in "-std=c++17" "-std=c++20 -DNDEBUG" "-std=c++17 -fno-exceptions -fno-rtti" \
            "-std=c++20 -fno-exceptions -fno-rtti -DPOOLBUF_INLINE=1"; do
            read -ra flags <<<"$level"
            run "$compiler" "${flags[@]}" "${warnings_cxx[@]}" "$(stricter "$compiler")" "${includes[@]}" -fsyntax-only alone.cc
            [ "$status" = 0 ] || fail "$name does not compile alone with $compiler $level"
            checks=$((checks + 1))
        done
        # To a C++ that is too old it says what it needs.
        run "$compiler" -std=c++14 "${includes[@]}" -fsyntax-only alone.cc
        [ "$status" != 0 ] || fail "$name compiles as C++14 with $compiler"
        expect_stderr_has "needs C++17"
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
# So are templates, which have to be used to be seen.
cat >owner.cc <<'END'
#include <poolbuf/poolbuf.h>
#include <poolbuf/poolbuf.hpp>
#include <memory>
std::uint64_t use(std::string_view bytes);
std::uint64_t use(std::string_view bytes) {
    auto array = std::make_unique<std::uint32_t[]>(64);
    std::uint64_t calls = 0;
    poolbuf_ref wrapped = poolbuf_ref::wrap(nullptr, std::move(array), 64);
    poolbuf_ref literal = poolbuf_ref::wrap_read_only(nullptr, "abc", 3, [](void *, std::size_t) {});
    poolbuf_ref told = poolbuf_ref::wrap_read_only(nullptr, "abc", 3, [&calls](void *, std::size_t) { calls++; });
    poolbuf_ref kept = poolbuf_ref::wrap_read_only(nullptr, "abc", 3, [own = told.share()](void *, std::size_t) {});
    poolbuf_ref buffer = poolbuf_ref::allocate(nullptr, bytes.size(), 4 * bytes.size());
    if (!buffer || !wrapped || literal == nullptr || kept == nullptr) {
        return 0;
    }
    if (buffer.write(bytes) != POOLBUF_OK || buffer.write<std::uint64_t>(bytes.size()) != POOLBUF_OK ||
        buffer.write<bool>(true) != POOLBUF_OK || buffer.set_at<double>(0, 1.5, poolbuf_order::little) != POOLBUF_OK) {
        return 0;
    }
    const auto kind = buffer.read<std::uint8_t>();
    const auto port = buffer.read<std::uint16_t>(poolbuf_order::little);
    const auto ratio = buffer.get_at<float>(3);
    if (!kind || !port || !ratio) {
        return 0;
    }
    poolbuf_ref whole = poolbuf_ref::composite(nullptr);
    if (!whole || whole.add_component(std::move(buffer)) != POOLBUF_OK) {
        return 0;
    }
    calls += poolbuf_index_of_any(whole.get(), 0, 1, POOLBUF_SET_CRLF) + POOLBUF_CAPACITY_LIMIT / POOLBUF_IOVEC_LIMIT +
             POOLBUF_RETAINED_SLICES_LIMIT + POOLBUF_COPY_BREAK_EVEN;
#ifdef __cpp_lib_span
    calls += poolbuf_readable_span(whole.get()).value.size();
#endif
    return calls + kind.value + port.value + static_cast<std::uint64_t>(ratio.value) + whole.view().value.size();
}
END
for compiler in g++ clang++; do
    for level in -O0 "-O2 -DPOOLBUF_INLINE=1" "-O3 -fno-exceptions -fno-rtti -DNDEBUG"; do
        read -ra flags <<<"$level"
        for standard in c++17 c++20; do
            run "$compiler" -std=$standard "${flags[@]}" "${warnings_cxx[@]}" "$(stricter "$compiler")" "${includes[@]}" -c owner.cc -o owner.o
            [ "$status" = 0 ] || fail "a careful $standard program draws a warning with $compiler $level"
            checks=$((checks + 1))
        done
    done
done
# What must not compile, one line at a time. The first is no mistake: it proves that the program around them compiles.
for mistake in ";" "poolbuf_ref second = ref;" "poolbuf_ref plain(ref.get());" "poolbuf_release(ref);" \
    "(void)ref.write(42);" \
    "(void)poolbuf_ref::adopt(nullptr).slice(0, 1);" "(void)poolbuf_ref::adopt(nullptr).read_slice(1);" \
    "(void)ref.read<long double>();" "(void)ref.read<const int>();" "(void)(ref == ref);" "ref.write<int>(42);" \
    "ref.share();" "(void)poolbuf_ref::wrap(nullptr, \"abc\", 3);"; do
    printf '#include <poolbuf/poolbuf.hpp>\nvoid use(poolbuf_ref &ref);\nvoid use(poolbuf_ref &ref) {\n' >mistake.cc
    printf '    (void)ref;\n    %s\n}\n' "$mistake" >>mistake.cc
    # The language decides, so one compiler will do.
    run g++ -std=c++17 "${warnings[@]}" "${includes[@]}" -Wno-error=unused-variable -fsyntax-only mistake.cc
    checks=$((checks + 1))
    if [ "$mistake" = ";" ]; then
        [ "$status" = 0 ] || fail "the program around the mistakes does not compile"
    else
        [ "$status" != 0 ] || fail "this compiles: $mistake"
    fi
done
note "${#headers[@]} headers, and ${#wrappers[@]} for C++"
finish
