/* Unit tests of recursion.c, over stacks that are written as letters: one letter is one place in the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "recursion.h"

static symbol_frame places[128];

static void fold(const char *stack, char *folded, size_t size) {
    const symbol_frame *items[64];
    report_frames frames = {.items = items, .count = strlen(stack)};
    assert_true(frames.count <= 64);
    for (size_t i = 0; i < frames.count; i++) {
        const size_t letter = (unsigned char)stack[i] & 127u;
        places[letter] = (symbol_frame){.function = "f", .file = "f.c", .line = (unsigned)letter};
        items[i] = &places[letter];
    }
    recursion_fold(&frames);
    assert_true(frames.count < size);
    for (size_t i = 0; i < frames.count; i++) {
        folded[i] = (char)items[i]->line;
    }
    folded[frames.count] = '\0';
}

static void expect(const char *stack, const char *expected) {
    char folded[65];
    fold(stack, folded, sizeof folded);
    assert_string_equal(folded, expected);
}

static void what_does_not_repeat_stays(void **state) {
    (void)state;
    expect("", "");
    expect("a", "a");
    expect("abcdefm", "abcdefm");
    expect("abam", "abam"); /* a is there twice, but not one upon the other */
}

static void a_function_that_calls_itself_counts_once(void **state) {
    (void)state;
    expect("abm", "abm");
    expect("abbm", "abm");
    expect("abbbbbbbbbbbbbm", "abm");
    expect("bbb", "b");
}

static void functions_that_call_each_other_count_once(void **state) {
    (void)state;
    expect("xbcbcbcm", "xbcm");
    expect("xabcdefghabcdefghm", "xabcdefghm");             /* eight in a ring */
    expect("xabcdefghiabcdefghim", "xabcdefghiabcdefghim"); /* nine are not looked for */
    expect("xbbcbbcm", "xbcm");                             /* a repeat within a repeat */
}

static void depth_makes_no_difference(void **state) {
    (void)state;
    char stack[64] = "x";
    for (size_t depth = 0; depth < 30; depth++) {
        strcat(stack, "bc"); // NOLINT(clang-analyzer-security.insecureAPI.strcpy) it has room for 30
        expect(stack, "xbc");
    }
}

static void places_differ_by_line_or_else_by_offset(void **state) {
    (void)state;
    const symbol_frame stripped = {.module = "m", .offset = 16};
    const symbol_frame further = {.module = "m", .offset = 32};
    const symbol_frame elsewhere = {.module = "n", .offset = 16};
    const symbol_frame *items[] = {&stripped, &further, &elsewhere, &elsewhere};
    report_frames frames = {.items = items, .count = 4};
    recursion_fold(&frames);
    assert_int_equal(frames.count, 3);
}

static void the_outer_frame_of_two_is_kept(void **state) {
    (void)state;
    const symbol_frame merged = {.function = "f", .line = 1, .inlined = true};
    const symbol_frame whole = {.function = "f", .line = 1};
    const symbol_frame *items[] = {&merged, &whole};
    report_frames frames = {.items = items, .count = 2};
    recursion_fold(&frames);
    assert_int_equal(frames.count, 1);
    assert_ptr_equal(items[0], &whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_repeat_stays),
        cmocka_unit_test(a_function_that_calls_itself_counts_once),
        cmocka_unit_test(functions_that_call_each_other_count_once),
        cmocka_unit_test(depth_makes_no_difference),
        cmocka_unit_test(places_differ_by_line_or_else_by_offset),
        cmocka_unit_test(the_outer_frame_of_two_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
