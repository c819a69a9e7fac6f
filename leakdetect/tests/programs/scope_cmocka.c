/* Tests with scopes around them: what cmocka makes of those that leak. */
#include <poolbuf/leakscope_cmocka.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

static poolbuf *take(size_t size) {
    poolbuf *buffer = poolbuf_allocate(NULL, size, size);
    assert_non_null(buffer);
    return buffer;
}

static void releases_everything(void **state) {
    (void)state;
    assert_true(poolbuf_release(take(100)));
}

static void leaves_two_buffers_and_a_session(void **state) {
    static char session;
    (void)state;
    assert_int_equal(poolbuf_capacity(take(1000)) + poolbuf_capacity(take(24)), 1024);
    leakdetect_track(&session, 512, "session");
}

static void leaves_what_it_may(void **state) {
    (void)state;
    assert_int_equal(poolbuf_capacity(take(64)), 64);
    assert_int_equal(leakscope_expect(leakscope_current(), 1), POOLBUF_OK);
}

static void leaves_less_than_it_may(void **state) {
    (void)state;
    assert_int_equal(leakscope_expect(leakscope_current(), 1), POOLBUF_OK);
}

static void closes_its_scope_itself(void **state) {
    (void)state;
    assert_int_equal(leakscope_close(leakscope_current(), NULL), POOLBUF_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        leakscope_cmocka_test(releases_everything),     leakscope_cmocka_test(leaves_two_buffers_and_a_session),
        leakscope_cmocka_test(leaves_what_it_may),      leakscope_cmocka_test(leaves_less_than_it_may),
        leakscope_cmocka_test(closes_its_scope_itself), leakscope_cmocka_test(releases_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
