/* Unit tests of status.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poolbuf/status.h>

static void every_status_has_a_text_of_its_own(void **state) {
    (void)state;
    for (unsigned i = 0; i < POOLBUF_STATUS_COUNT; i++) {
        assert_non_null(poolbuf_status_text((poolbuf_status)i));
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(poolbuf_status_text((poolbuf_status)i), poolbuf_status_text((poolbuf_status)j));
        }
    }
}

static void an_unknown_status_has_a_text_too(void **state) {
    (void)state;
    assert_string_equal(poolbuf_status_text(POOLBUF_STATUS_COUNT), "unknown status");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(an_unknown_status_has_a_text_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
