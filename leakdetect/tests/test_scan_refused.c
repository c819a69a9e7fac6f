/* Where leakdetect_scan() is refused: under the tools whose own memory it would have to search. Elsewhere test_scan has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

#include "sanitizers.h"

static void it_is_refused_under_the_tools_that_it_would_search(void **state) {
    (void)state;
    leakdetect_scan_result result = {.struct_size = sizeof result, .lost = 7};
    if (UNDER_TSAN || RUNNING_ON_VALGRIND) {
        assert_int_equal(leakdetect_scan(NULL, &result), POOLBUF_ERROR_UNSUPPORTED);
        assert_int_equal(result.lost, 7);
    } else {
        assert_int_equal(leakdetect_scan(NULL, &result), POOLBUF_OK);
        assert_int_equal(result.lost, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_refused_under_the_tools_that_it_would_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
