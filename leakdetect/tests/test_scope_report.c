/* Unit tests of scope_report.c: what a scope's result says in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <poolbuf/leakscope.h>

static void a_result_is_put_into_words(void **state) {
    (void)state;
    leakscope_result result = {.struct_size = sizeof result,
                               .name = "parser\n",
                               .left = 3,
                               .left_bytes = 1536,
                               .expected = 1,
                               .uncounted = 2,
                               .type_count = 2,
                               .types = {{"poolbuf", 2, 1024}, {"session", 1, 512}}};
    char text[LEAKSCOPE_TEXT_BYTES];
    assert_string_equal(
        leakscope_describe(&result, text, sizeof text),
        "scope \"parser?\" left 3 unreleased, 1,536 bytes, where 1 was expected: 2 buffers (1,024 bytes), "
        "1 session (512 bytes); 2 more could not be counted; POOLBUF_LEAK_SCOPE_STACKS=on shows where");
    result = (leakscope_result){.name = "x", .stacks_shown = true};
    assert_string_equal(leakscope_describe(&result, text, sizeof text), "scope \"x\" left 0 unreleased");
    assert_string_equal(leakscope_describe(&result, text, 8), "scope \"");
    assert_string_equal(leakscope_describe(&result, text, 1), "");
    memset(&result, 0xff, sizeof result); /* as long as it can get */
    memset(result.name, 'n', sizeof result.name - 1);
    result.name[sizeof result.name - 1] = '\0';
    result.type_count = LEAKSCOPE_TYPES_MAX;
    result.stacks_shown = false;
    for (size_t i = 0; i < LEAKSCOPE_TYPES_MAX; i++) {
        memset(result.types[i].name, 't', sizeof result.types[i].name - 1);
        result.types[i].name[sizeof result.types[i].name - 1] = '\0';
    }
    leakscope_describe(&result, text, sizeof text);
    assert_non_null(strstr(text, "=on shows where"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_put_into_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
