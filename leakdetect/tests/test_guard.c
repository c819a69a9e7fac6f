/* Unit tests of guard.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "guard.h"

static void the_first_changed_byte_is_found_wherever_it_is(void **state) {
    (void)state;
    uint8_t bytes[70];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        memset(bytes, GUARD_CANARY_BYTE, sizeof bytes);
        assert_int_equal(guard_find_change(bytes, size, GUARD_CANARY_BYTE), size);
        assert_int_equal(guard_find_change(bytes, size, GUARD_POISON_BYTE), 0);
        for (size_t at = size; at-- > 0;) {
            bytes[at] ^= 1; /* and those behind it are changed already */
            assert_int_equal(guard_find_change(bytes, size, GUARD_CANARY_BYTE), at);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_changed_byte_is_found_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
