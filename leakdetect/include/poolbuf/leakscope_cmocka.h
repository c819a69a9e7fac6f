/* Scopes for cmocka: a test fails with what it left.
 *
 *     const struct CMUnitTest tests[] = {
 *         leakscope_cmocka_test(parses_a_header),
 *         cmocka_unit_test_setup_teardown(parses_a_body, leakscope_cmocka_setup, leakscope_cmocka_teardown),
 *     };
 *
 * A test with a setup and a teardown of its own calls these two from there: what setup allocates before the scope
 * opens, and teardown releases after it has closed, is not the test's. A test that may leave something calls
 * leakscope_expect(leakscope_current(), count).
 *
 * Header only, C; link cmocka and poolbuf. Include it in the file that has the tests: each file has a scope of its
 * own. */
#ifndef POOLBUF_LEAKSCOPE_CMOCKA_H
#define POOLBUF_LEAKSCOPE_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poolbuf/leakscope.h>

/* A test with a scope around it. */
#define leakscope_cmocka_test(test)                                                                                    \
    cmocka_unit_test_setup_teardown(test, leakscope_cmocka_setup, leakscope_cmocka_teardown)

/* The scope of the test that runs; cmocka runs one at a time. */
static inline leakscope *leakscope_cmocka_scope(void) {
    static leakscope scope;
    return &scope;
}

/* leakscope_cmocka_setup() opens the scope.
 *   state    not used; it stays the test's.
 *   returns  0, or -1 if there could be no scope, which cmocka reports as a failed setup. */
static inline int leakscope_cmocka_setup(void **state) {
    (void)state;
    return leakscope_open("test", 0, leakscope_cmocka_scope()) == POOLBUF_OK ? 0 : -1;
}

/* leakscope_cmocka_teardown() closes it.
 *   state    not used.
 *   returns  0, or -1, after a message that names what was left: cmocka says then that the teardown failed, and counts
 *            the test among those that did not pass. */
static inline int leakscope_cmocka_teardown(void **state) {
    leakscope_result left;
    char text[LEAKSCOPE_TEXT_BYTES];
    (void)state;
    left.struct_size = sizeof left;
    switch (leakscope_close(*leakscope_cmocka_scope(), &left)) {
    case POOLBUF_OK:
        return 0;
    case POOLBUF_ERROR_BAD_ARGUMENT:
        print_error("the scope of the test was closed already\n");
        return -1;
    default:
        print_error("%s\n", leakscope_describe(&left, text, sizeof text));
        return -1;
    }
}

#endif
