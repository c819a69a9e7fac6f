/* Unit tests of the judge of the leak detector's cost, on series that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "leak_cost/rows.h"

static rows_samples samples;
static rows_judgement judged;

static bool read_text(const char *text, unsigned *line) {
    memset(&samples, 0, sizeof samples);
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(file);
    bool good = rows_read(file, &samples, line);
    (void)fclose(file);
    return good;
}

static const rows_judgement *judge(const char *name) {
    for (size_t i = 0; rows_judge(i, &samples, &judged); i++) {
        if (strcmp(judged.name, name) == 0) {
            return &judged;
        }
    }
    fail_msg("there is no row %s", name);
    return NULL;
}

static const rows_judgement *judge_text(const char *text, const char *row) {
    unsigned line = 0;
    assert_true(read_text(text, &line));
    return judge(row);
}

static void the_median_of_the_rounds_is_judged(void **state) {
    (void)state;
    const char *text =
        "redis.filled.disabled 100\nredis.filled.simple 103\nredis.filled.simple 212\nredis.filled.disabled 200\n"
        "redis.filled.disabled 100\nredis.filled.simple 104\n";
    const rows_judgement *row = judge_text(text, "simple 1/128, recorded redis");
    assert_float_equal(row->value, 4, 1e-9);
    assert_float_equal(row->low, 3, 1e-9);
    assert_float_equal(row->high, 6, 1e-9);
    assert_int_equal(row->verdict, ROWS_NOT_SEPARATED);
}

static void a_whole_interval_beyond_the_bound_is_not_met(void **state) {
    (void)state;
    assert_int_equal(judge_text("capture.warm 201\ncapture.warm 250\n", "a capture, 20 frames, warm")->verdict,
                     ROWS_NOT_MET);
    assert_int_equal(judge_text("capture.warm 199\ncapture.warm 250\n", "a capture, 20 frames, warm")->verdict,
                     ROWS_NOT_SEPARATED);
    assert_int_equal(judge_text("capture.warm 199\ncapture.warm 200\n", "a capture, 20 frames, warm")->verdict,
                     ROWS_MET);
}

static void a_bound_from_below_is_judged_from_below(void **state) {
    (void)state;
    const char *name = "two threads capture";
    /* The machine gave two processes 1.6 of what one gets, and the threads the same: that is two in full. */
    const char *same = "capture.one 100\ncapture.two 125\ncontrol.one 40\ncontrol.two 50\n";
    const char *worse = "capture.one 100\ncapture.two 125\ncontrol.one 40\ncontrol.two 40\n";
    assert_float_equal(judge_text(same, name)->value, 2, 1e-9);
    assert_int_equal(judged.verdict, ROWS_MET);
    assert_float_equal(judge_text(worse, name)->value, 1.6, 1e-9);
    assert_int_equal(judged.verdict, ROWS_NOT_MET);
    assert_float_equal(judge("the same by the clock alone")->value, 1.6, 1e-9);
    assert_int_equal(judged.verdict, ROWS_INFORMS);
    assert_float_equal(judge("two processes, by the clock")->value, 2, 1e-9);
    assert_int_equal(judged.verdict, ROWS_INFORMS);
}

static void what_is_added_is_compared_with_what_another_adds(void **state) {
    (void)state;
    const char *text = "churn.paranoid 330\nchurn.disabled 30\nchurn.heaptrack 1060\nchurn.malloc 60\n";
    assert_float_equal(judge_text(text, "paranoid, 20 frames, of heaptrack's")->value, 0.3, 1e-9);
    assert_int_equal(judged.verdict, ROWS_MET);
    assert_float_equal(judge("paranoid, of jemalloc's 895 ns on record")->value, 300.0 / 895, 1e-9);
    assert_int_equal(judged.verdict, ROWS_NOT_MET);
    assert_float_equal(judge("paranoid adds")->value, 300, 1e-9);
    assert_int_equal(judged.verdict, ROWS_INFORMS);
}

static void a_series_that_is_missing_is_said_with_its_reason_and_fails(void **state) {
    (void)state;
    const char *text =
        "churn.paranoid 330\nchurn.disabled 30\nchurn.heaptrack - package heaptrack missing\nchurn.malloc 1\n";
    assert_int_equal(judge_text(text, "paranoid, 20 frames, of heaptrack's")->verdict, ROWS_NOT_MEASURED);
    assert_string_equal(judged.detail, "not measured: package heaptrack missing");
    assert_int_equal(judge("a capture, 20 frames, warm")->verdict, ROWS_NOT_MEASURED);
    assert_string_equal(judged.detail, "not measured: capture.warm");

    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    unsigned bounds = 0;
    for (size_t i = 0; rows_judge(i, &samples, &judged); i++) {
        bounds += judged.must[0] != '\0';
    }
    assert_int_equal(rows_print(&samples, nowhere), bounds);
    (void)fclose(nowhere);
}

static void a_line_that_is_no_sample_is_refused_with_its_number(void **state) {
    (void)state;
    static const char *const WRONG[] = {"capture.warm\n", "capture.warm x\n", "capture.warm nan\n", "capture.warm 1",
                                        " 1\n",           "capture.warm \n",  "capture.warm 1 2\n"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        char text[64];
        unsigned line = 0;
        (void)snprintf(text, sizeof text, "capture.warm 1\n%s", WRONG[i]);
        assert_false(read_text(text, &line));
        assert_int_equal(line, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_of_the_rounds_is_judged),
        cmocka_unit_test(a_whole_interval_beyond_the_bound_is_not_met),
        cmocka_unit_test(a_bound_from_below_is_judged_from_below),
        cmocka_unit_test(what_is_added_is_compared_with_what_another_adds),
        cmocka_unit_test(a_series_that_is_missing_is_said_with_its_reason_and_fails),
        cmocka_unit_test(a_line_that_is_no_sample_is_refused_with_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
