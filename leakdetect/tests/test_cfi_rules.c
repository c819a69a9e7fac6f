/* Unit tests of cfi_rules.c, on call frame information that is made by hand: what it says is understood, and what it
 * says wrongly is refused without a byte read outside. The bytes end where a page without access begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include <valgrind/valgrind.h>

#include "arithmetic.h"
#include "cfi_rules.h"

enum {
    PAGE = 4096,
    FUNCTION_BYTES = 1000,
    RANDOM_ROUNDS = 200000
};

/* A section under construction. It ends at the page's end only when it is placed. */
typedef struct section {
    uint8_t bytes[PAGE];
    size_t size;
} section;

static uint8_t *page; /* behind it nothing can be read */

static const uintptr_t FUNCTION = 0x100000; /* where the code would be, behind the image */

static int map_page(void **state) {
    (void)state;
    uint8_t *pages = mmap(NULL, (size_t)2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) != 0) {
        return -1;
    }
    page = pages;
    return 0;
}

static void put(section *into, const void *bytes, size_t size) {
    assert_true(size <= sizeof into->bytes - into->size);
    if (size > 0) { /* else there may be no bytes */
        memcpy(into->bytes + into->size, bytes, size);
        into->size += size;
    }
}

static void put_u32(section *into, uint32_t value) {
    put(into, &value, sizeof value);
}

static void put_at(section *into, size_t at, uint32_t value) {
    memcpy(into->bytes + at, &value, sizeof value);
}

/* Ends an entry that began at `at`, padded as linkers do. */
static void close_entry(section *into, size_t at) {
    while ((into->size - at) % 8 != 0) {
        put(into, "", 1);
    }
    put_at(into, at, (uint32_t)(into->size - at - sizeof(uint32_t)));
}

/* Programs as arrays: BYTES(1, 2) is an address and a size. */
#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

/* Every compiler's beginning: CFA = rsp + 8, the return address at CFA - 8. */
static const uint8_t COMMON_PROGRAM[] = {0x0c, 7, 8, 0x90, 1};

static size_t put_common_of(section *into, const char *letters, const uint8_t *augmentation, size_t size) {
    const size_t at = into->size;
    put_u32(into, 0);
    put_u32(into, 0);
    put(into, BYTES(1));
    put(into, letters, strlen(letters) + 1);
    put(into, BYTES(1, 0x78, 16)); /* code alignment 1, data alignment -8 */
    if (letters[0] == 'z') {
        const uint8_t length = (uint8_t)size;
        put(into, &length, 1);
        put(into, augmentation, size);
    }
    put(into, COMMON_PROGRAM, sizeof COMMON_PROGRAM);
    close_entry(into, at);
    return at;
}

static size_t put_common(section *into) {
    return put_common_of(into, "zR", BYTES(0x1b));
}

/* An FDE for FUNCTION_BYTES at FUNCTION + offset, counted from the page's end, where the section will end: so the place
 * of the pointer is made good by place(). */
typedef struct built {
    section made;
    size_t entry;
    size_t pointer; /* of the FDE's start */
    uintptr_t start;
} built;

static void put_entry(built *into, size_t common, const uint8_t *augmentation, size_t augmentation_size,
                      const uint8_t *program, size_t program_size) {
    section *to = &into->made;
    const uint8_t length = (uint8_t)augmentation_size;
    into->entry = to->size;
    put_u32(to, 0);
    put_u32(to, (uint32_t)(to->size - common));
    into->pointer = to->size;
    put_u32(to, 0);
    put_u32(to, FUNCTION_BYTES);
    put(to, &length, 1);
    put(to, augmentation, augmentation_size);
    put(to, program, program_size);
    close_entry(to, into->entry);
}

/* Puts the section where its last byte is the page's; returns the image, with the FDE's pointer made good. */
static cfi_image place(built *what) {
    uint8_t *at = page + PAGE - what->made.size;
    what->start = (uintptr_t)page + FUNCTION;
    put_at(&what->made, what->pointer, (uint32_t)(what->start - (uintptr_t)(at + what->pointer)));
    memcpy(at, what->made.bytes, what->made.size);
    return (cfi_image){.start = (uintptr_t)at, .end = (uintptr_t)page + PAGE, .bytes = at};
}

static cfi_rule rule_at(built *what, uintptr_t offset) {
    const cfi_image image = place(what);
    return cfi_read_entry(&image, image.start + what->entry, what->start + offset);
}

static built build(const uint8_t *program, size_t size) {
    built what = {.entry = 0};
    const size_t common = put_common(&what.made);
    put_entry(&what, common, NULL, 0, program, size);
    return what;
}

#define ASSERT_RULE(rule, kind_, offset_, slot_)                                                                       \
    do {                                                                                                               \
        const cfi_rule found_ = (rule);                                                                                \
        assert_int_equal(found_.kind, (kind_));                                                                        \
        assert_int_equal(found_.offset, (offset_));                                                                    \
        assert_int_equal(found_.bp_slot, (slot_));                                                                     \
    } while (0)

/* --- what is understood ------------------------------------------------------------------------------------------ */

static void a_leaf_has_its_return_address_on_top(void **state) {
    (void)state;
    built leaf = build(BYTES(0));
    ASSERT_RULE(rule_at(&leaf, 0), CFI_FROM_SP, 1, 0);
    ASSERT_RULE(rule_at(&leaf, FUNCTION_BYTES - 1), CFI_FROM_SP, 1, 0);
}

static void each_row_holds_from_its_address_on(void **state) {
    (void)state;
    /* push rbp; sub rsp, 0x100; ...; add; pop; ret */
    built what = build(BYTES(0x41, 0x0e, 16, 0x86, 2, 0x02, 7, 0x0e, 0x90, 0x02, 0x03, 0x00, 0x01, 0x0e, 16, 0x04, 1, 0,
                             0, 0, 0xc6, 0x0e, 8));
    ASSERT_RULE(rule_at(&what, 0), CFI_FROM_SP, 1, 0);
    ASSERT_RULE(rule_at(&what, 1), CFI_FROM_SP, 2, 2);
    ASSERT_RULE(rule_at(&what, 7), CFI_FROM_SP, 2, 2);
    ASSERT_RULE(rule_at(&what, 8), CFI_FROM_SP, 34, 2);
    ASSERT_RULE(rule_at(&what, 8 + 255), CFI_FROM_SP, 34, 2);
    ASSERT_RULE(rule_at(&what, 8 + 256), CFI_FROM_SP, 2, 2);
    ASSERT_RULE(rule_at(&what, 8 + 257), CFI_FROM_SP, 1, 0);
}

static void a_frame_pointer_is_followed(void **state) {
    (void)state;
    built what = build(BYTES(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x60, 0x0c, 7, 8));
    ASSERT_RULE(rule_at(&what, 3), CFI_FROM_SP, 2, 2);
    ASSERT_RULE(rule_at(&what, 4), CFI_FROM_BP, 2, 2);
    ASSERT_RULE(rule_at(&what, 35), CFI_FROM_BP, 2, 2);
    assert_int_equal(rule_at(&what, 36).kind,
                     CFI_CANNOT); /* after leave: the slot is below the stack, and nothing calls */
}

static void a_remembered_row_comes_back(void **state) {
    (void)state;
    built what = build(BYTES(0x41, 0x0e, 48, 0x0a, 0x41, 0x0e, 8, 0x41, 0x0b, 0x41, 0x0e, 16));
    ASSERT_RULE(rule_at(&what, 1), CFI_FROM_SP, 6, 0);
    ASSERT_RULE(rule_at(&what, 2), CFI_FROM_SP, 1, 0);
    ASSERT_RULE(rule_at(&what, 3), CFI_FROM_SP, 6, 0);
    ASSERT_RULE(rule_at(&what, 4), CFI_FROM_SP, 2, 0);
}

static void the_rare_spellings_say_the_same(void **state) {
    (void)state;
    /* def_cfa_sf rsp -2; offset_extended_sf rbp +2; args_size; restore_extended; def_cfa_offset_sf; same_value */
    built what = build(
        BYTES(0x12, 7, 0x7e, 0x11, 6, 2, 0x2e, 0x90, 1, 0x41, 0x06, 6, 0x13, 0x7d, 0x41, 0x05, 6, 3, 0x41, 0x08, 6));
    ASSERT_RULE(rule_at(&what, 0), CFI_FROM_SP, 2, 2);
    ASSERT_RULE(rule_at(&what, 1), CFI_FROM_SP, 3, 0);
    ASSERT_RULE(rule_at(&what, 2), CFI_FROM_SP, 3, 3);
    ASSERT_RULE(rule_at(&what, 3), CFI_FROM_SP, 3, 0);
}

static void other_registers_do_not_matter(void **state) {
    (void)state;
    built what = build(BYTES(0x83, 2, 0x8c, 3, 0x05, 15, 4, 0x09, 12, 3, 0x16, 14, 2, 0x77, 8, 0x10, 13, 2, 0x76, 8,
                             0x07, 3, 0xc3, 0x0e, 40));
    ASSERT_RULE(rule_at(&what, 0), CFI_FROM_SP, 5, 0);
}

static void who_has_no_caller_is_outermost(void **state) {
    (void)state;
    built what = build(BYTES(0x07, 16));
    ASSERT_RULE(rule_at(&what, 0), CFI_OUTERMOST, 0, 0);
}

/* lea 8(%rsp), %r10; and $-32, %rsp; push -8(%r10); push %rbp; mov %rsp, %rbp; push %r10 */
static void a_function_that_aligns_its_stack_is_understood(void **state) {
    (void)state;
    built what =
        build(BYTES(0x45, 0x0c, 10, 0, 0x49, 0x10, 6, 2, 0x76, 0, 0x42, 0x0f, 3, 0x76, 0x78, 0x06, 0x50, 0x0c, 10, 0));
    ASSERT_RULE(rule_at(&what, 4), CFI_FROM_SP, 1, 0);
    assert_int_equal(rule_at(&what, 5).kind, CFI_CANNOT);
    ASSERT_RULE(rule_at(&what, 16), CFI_REALIGNED, 1, 0);
    assert_int_equal(rule_at(&what, 32).kind, CFI_CANNOT);
}

static void personalities_and_tables_of_exceptions_are_passed_over(void **state) {
    (void)state;
    built what = {.entry = 0};
    const size_t common = put_common_of(&what.made, "zPLR", BYTES(0x9b, 1, 2, 3, 4, 0x1b, 0x1b));
    put_entry(&what, common, BYTES(9, 9, 9, 9), BYTES(0x0e, 24));
    ASSERT_RULE(rule_at(&what, 0), CFI_FROM_SP, 3, 0);
}

/* --- the sorted table -------------------------------------------------------------------------------------------- */

enum {
    FUNCTIONS = 5,
    GAP = 24 /* between functions, of which nothing is known */
};

/* Function i begins at i * (FUNCTION_BYTES + GAP), and its frame has i + 2 words. Returns the header's address. */
static uintptr_t place_table(cfi_image *image) {
    section all = {.size = 0};
    size_t entries[FUNCTIONS];
    size_t pointers[FUNCTIONS];
    const size_t common = put_common(&all);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        built one = {.made = all};
        put_entry(&one, common, NULL, 0, BYTES(0x0e, (uint8_t)(8 * (i + 2))));
        all = one.made;
        entries[i] = one.entry;
        pointers[i] = one.pointer;
    }
    const size_t header = all.size;
    put(&all, BYTES(1, 0x1b, 0x03, 0x3b));
    put_u32(&all, 0);
    put_u32(&all, FUNCTIONS);
    const size_t bytes = all.size + sizeof(uint32_t[FUNCTIONS][2]);
    uint8_t *at = page + PAGE - bytes;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const uintptr_t start = (uintptr_t)page + FUNCTION + i * (FUNCTION_BYTES + GAP);
        put_at(&all, pointers[i], (uint32_t)(start - (uintptr_t)(at + pointers[i])));
        put_u32(&all, (uint32_t)(start - (uintptr_t)(at + header)));
        put_u32(&all, (uint32_t)(entries[i] - header));
    }
    memcpy(at, all.bytes, bytes);
    *image = (cfi_image){.start = (uintptr_t)at, .end = (uintptr_t)page + PAGE, .bytes = at};
    return (uintptr_t)at + header;
}

static void the_table_finds_each_function(void **state) {
    (void)state;
    cfi_image image;
    const uintptr_t header = place_table(&image);
    const uintptr_t first = (uintptr_t)page + FUNCTION;
    assert_int_equal(cfi_find_rule(&image, header, first - 1).kind, CFI_NOTHING);
    assert_int_equal(cfi_find_rule(&image, header, 0).kind, CFI_NOTHING);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        const uintptr_t start = first + (uintptr_t)i * (FUNCTION_BYTES + GAP);
        ASSERT_RULE(cfi_find_rule(&image, header, start), CFI_FROM_SP, i + 2, 0);
        ASSERT_RULE(cfi_find_rule(&image, header, start + FUNCTION_BYTES - 1), CFI_FROM_SP, i + 2, 0);
        assert_int_equal(cfi_find_rule(&image, header, start + FUNCTION_BYTES).kind, CFI_NOTHING);
    }
}

static void a_table_of_another_shape_is_not_searched(void **state) {
    (void)state;
    cfi_image image;
    for (size_t i = 0; i < 4; i++) {
        const uintptr_t header = place_table(&image);
        page[header - (uintptr_t)page + i] ^= 0x40;
        assert_int_equal(cfi_find_rule(&image, header, (uintptr_t)page + FUNCTION).kind, CFI_CANNOT);
    }
    const uintptr_t header = place_table(&image);
    memcpy(page + (header - (uintptr_t)page) + 8, &(uint32_t){FUNCTIONS + 1}, sizeof(uint32_t));
    assert_int_equal(cfi_find_rule(&image, header, (uintptr_t)page + FUNCTION).kind, CFI_CANNOT);
    assert_int_equal(cfi_find_rule(&image, image.end, 0).kind, CFI_CANNOT);
    assert_int_equal(cfi_find_rule(&image, UINTPTR_MAX - 4, 0).kind, CFI_CANNOT);
    assert_int_equal(cfi_find_rule(&image, image.start - 1, 0).kind, CFI_CANNOT);
}

/* --- what is refused --------------------------------------------------------------------------------------------- */

static void nothing_is_said_of_addresses_of_another_function(void **state) {
    (void)state;
    built what = build(BYTES(0));
    assert_int_equal(rule_at(&what, FUNCTION_BYTES).kind, CFI_NOTHING);
    assert_int_equal(rule_at(&what, (uintptr_t)-1).kind, CFI_NOTHING);
}

static void the_frame_of_a_signal_handler_is_refused(void **state) {
    (void)state;
    built what = {.entry = 0};
    const size_t common = put_common_of(&what.made, "zRS", BYTES(0x1b));
    put_entry(&what, common, NULL, 0, BYTES(0));
    assert_int_equal(rule_at(&what, 0).kind, CFI_CANNOT);
}

static void programs_that_say_what_a_walk_cannot_use_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint8_t program[12];
        size_t size;
    } CASES[] = {
        {"a CFA by another register", {0x0d, 3}, 2},
        {"a CFA that is no whole word", {0x0e, 12}, 2},
        {"a CFA at the stack pointer itself", {0x0e, 0}, 2},
        {"a CFA below it", {0x13, 1}, 2},
        {"a frame beyond what a rule can hold", {0x0e, 0x80, 0x80, 0x08}, 4},
        {"a CFA by an expression, as in a PLT", {0x0f, 5, 0x77, 8, 0x80, 0, 0x22}, 7},
        {"a return address elsewhere", {0x90, 2}, 2},
        {"one in a register", {0x09, 16, 3}, 3},
        {"one that stayed", {0x08, 16}, 2},
        {"a frame pointer above the CFA", {0x11, 6, 0x7f}, 3},
        {"one where the return address is", {0x86, 1}, 2},
        {"one below the frame", {0x0e, 16, 0x86, 3}, 4},
        {"one too far below", {0x0e, 0x80, 4, 0x86, 32}, 5},
        {"one in a register", {0x09, 6, 3}, 3},
        {"one by an expression without the CFA's", {0x10, 6, 2, 0x76, 0}, 5},
        {"one that is lost", {0x07, 6}, 2},
        {"a stack pointer elsewhere", {0x87, 2}, 2},
        {"more restored than remembered", {0x0b}, 1},
        {"more remembered than anyone does", {0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}, 9},
        {"an unknown instruction", {0x3f}, 1},
        {"a number without an end", {0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 11},
        {"a block longer than the entry", {0x0f, 0x7f, 0x76}, 3},
        {"another one", {0x16, 3, 0xff, 0x7f}, 4},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        built what = build(CASES[i].program, CASES[i].size);
        if (rule_at(&what, 0).kind != CFI_CANNOT) {
            fail_msg("accepted: %s", CASES[i].what);
        }
    }
}

static void common_entries_that_are_not_known_are_refused(void **state) {
    (void)state;
    static const char *const LETTERS[] = {"eh", "R", "zRX", "zzzzzzzzzz"};
    for (size_t i = 0; i < sizeof LETTERS / sizeof LETTERS[0]; i++) {
        built what = {.entry = 0};
        const size_t common = put_common_of(&what.made, LETTERS[i], BYTES(0x1b));
        put_entry(&what, common, NULL, 0, BYTES(0));
        assert_int_equal(rule_at(&what, 0).kind, CFI_CANNOT);
    }
    static const uint8_t ENCODINGS[] = {0x01, 0x2b, 0x3b, 0x50, 0x9b, 0xff};
    for (size_t i = 0; i < sizeof ENCODINGS; i++) {
        built what = {.entry = 0};
        const size_t common = put_common_of(&what.made, "zR", &ENCODINGS[i], 1);
        put_entry(&what, common, NULL, 0, BYTES(0));
        assert_int_equal(rule_at(&what, 0).kind, CFI_CANNOT);
    }
}

static void lengths_and_references_out_of_bounds_are_refused(void **state) {
    (void)state;
    static const uint32_t ABSURD[] = {0, 0x100, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    built what = build(BYTES(0x0e, 16));
    for (size_t i = 0; i < sizeof ABSURD / sizeof ABSURD[0]; i++) {
        const size_t fields[] = {0, what.entry, what.entry + 4}; /* both lengths, and the way to the common entry */
        for (size_t f = 0; f < 3; f++) {
            built broken = what;
            put_at(&broken.made, fields[f], ABSURD[i]);
            assert_int_equal(rule_at(&broken, 0).kind, CFI_CANNOT);
        }
    }
}

/* Each cut is at the page's end: one byte read too many is a fault. */
static void truncated_entries_are_refused(void **state) {
    (void)state;
    built what = build(BYTES(0x41, 0x0e, 16, 0x86, 2, 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0));
    cfi_image whole = place(&what);
    const size_t size = what.made.size;
    for (size_t kept = 0; kept < size; kept++) {
        memcpy(page + PAGE - kept, what.made.bytes, kept);
        const uintptr_t at = (uintptr_t)page + PAGE - kept;
        const cfi_image cut = {.start = at, .end = whole.end, .bytes = page + PAGE - kept};
        const cfi_kind kind = cfi_read_entry(&cut, at + what.entry, what.start + 1).kind;
        assert_true(kind == CFI_CANNOT || kind == CFI_NOTHING);
    }
    /* And the same with lengths that claim to fit. */
    for (size_t kept = what.entry + 8; kept < size; kept++) {
        built cut = what;
        cut.made.size = kept;
        put_at(&cut.made, what.entry, (uint32_t)(kept - what.entry - 4));
        const cfi_rule rule = rule_at(&cut, 1);
        assert_true(rule.offset <= CFI_OFFSET_MAX);
        assert_true(rule.bp_slot <= CFI_SLOT_MAX);
    }
}

/* Bytes of good information, some of them changed: the answer is a rule within its bounds, and nothing faults. */
static void no_bytes_lead_out_of_the_image(void **state) {
    (void)state;
    const int rounds = RUNNING_ON_VALGRIND ? RANDOM_ROUNDS / 20 : RANDOM_ROUNDS;
    uint64_t random = 20;
    cfi_image image;
    int found = 0;
    for (int i = 0; i < rounds; i++) {
        const uintptr_t header = place_table(&image);
        const size_t size = image.end - image.start;
        for (uint64_t changes = random_next(&random) % 4; changes > 0; changes--) {
            const uint64_t draw = random_next(&random);
            page[PAGE - 1 - draw % size] = (uint8_t)(draw >> 32);
        }
        const uintptr_t offset = random_next(&random) % ((uintptr_t)FUNCTIONS * (FUNCTION_BYTES + GAP));
        const cfi_rule rule = cfi_find_rule(&image, header, (uintptr_t)page + FUNCTION + offset);
        assert_true(rule.offset <= CFI_OFFSET_MAX);
        assert_true(rule.bp_slot <= CFI_SLOT_MAX && rule.bp_slot != 1);
        found += rule.kind == CFI_FROM_SP;
    }
    assert_true(found > rounds / 4); /* a table that is refused whole would prove nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_has_its_return_address_on_top),
        cmocka_unit_test(each_row_holds_from_its_address_on),
        cmocka_unit_test(a_frame_pointer_is_followed),
        cmocka_unit_test(a_remembered_row_comes_back),
        cmocka_unit_test(the_rare_spellings_say_the_same),
        cmocka_unit_test(other_registers_do_not_matter),
        cmocka_unit_test(who_has_no_caller_is_outermost),
        cmocka_unit_test(a_function_that_aligns_its_stack_is_understood),
        cmocka_unit_test(personalities_and_tables_of_exceptions_are_passed_over),
        cmocka_unit_test(the_table_finds_each_function),
        cmocka_unit_test(a_table_of_another_shape_is_not_searched),
        cmocka_unit_test(nothing_is_said_of_addresses_of_another_function),
        cmocka_unit_test(the_frame_of_a_signal_handler_is_refused),
        cmocka_unit_test(programs_that_say_what_a_walk_cannot_use_are_refused),
        cmocka_unit_test(common_entries_that_are_not_known_are_refused),
        cmocka_unit_test(lengths_and_references_out_of_bounds_are_refused),
        cmocka_unit_test(truncated_entries_are_refused),
        cmocka_unit_test(no_bytes_lead_out_of_the_image),
    };
    return cmocka_run_group_tests(tests, map_page, NULL);
}
