/* Unit tests of tuning.c: which variables of the environment stand beside whose results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "measure/tuning.h"

static results_model *model;

static int set_up(void **state) {
    (void)state;
    model = results_model_create();
    return model == NULL ? -1 : clearenv();
}

static int tear_down(void **state) {
    (void)state;
    results_model_destroy(model);
    return 0;
}

static void set(const char *name, const char *value) {
    assert_int_equal(setenv(name, value, 1), 0);
}

static void without_variables_there_is_no_note(void **state) {
    (void)state;
    set("MALLOC_CONF_OTHER", "1");
    set("MALLOC_PERTURB", "1");
    set("XMIMALLOC_A", "1");
    for (int i = 0; i <= (int)SUBJECT_PROVIDER_LIBRARY; i++) {
        assert_null(tuning_note(model->arena, (subject_provider)i));
    }
}

static void a_variable_is_noted_with_who_reads_it_and_nobody_else(void **state) {
    (void)state;
    set("MALLOC_PERTURB_", "85");
    set("MALLOC_CONF", "narenas:1");
    set("MIMALLOC_PURGE_DELAY", "0");
    set("mimalloc_verbose", "1");
    set("TCMALLOC_AGGRESSIVE_DECOMMIT", "t");
    set("GLIBC_TUNABLES", "glibc.malloc.check=3");
    set("MALLOC_ARENA_MAX", "1");
    assert_string_equal(tuning_note(model->arena, SUBJECT_PROVIDER_LIBC),
                        "tuned by GLIBC_TUNABLES=glibc.malloc.check=3 MALLOC_ARENA_MAX=1 MALLOC_PERTURB_=85");
    assert_string_equal(tuning_note(model->arena, SUBJECT_PROVIDER_JEMALLOC), "tuned by MALLOC_CONF=narenas:1");
    assert_string_equal(tuning_note(model->arena, SUBJECT_PROVIDER_MIMALLOC),
                        "tuned by MIMALLOC_PURGE_DELAY=0 mimalloc_verbose=1");
    assert_string_equal(tuning_note(model->arena, SUBJECT_PROVIDER_TCMALLOC),
                        "tuned by TCMALLOC_AGGRESSIVE_DECOMMIT=t");
    assert_null(tuning_note(model->arena, SUBJECT_PROVIDER_POOLBUF));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_variables_there_is_no_note, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_variable_is_noted_with_who_reads_it_and_nobody_else, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
