/* Every writer against its golden file in tests/golden, byte for byte.
 *
 * After a change that is meant, run with POOLBUF_UPDATE_GOLDEN=1: the files are written anew, and the diff is reviewed
 * with the change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/facts.h"
#include "reports/report.h"
#include "reports/tests/fixture.h"

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&text, &size);
    assert_non_null(copy);
    for (int byte = fgetc(file); byte != EOF; byte = fgetc(file)) {
        fputc(byte, copy);
    }
    fclose(file);
    fclose(copy);
    return text;
}

static void assert_golden(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/golden/%s", REPORTS_TESTS_DIR, name);
    if (getenv("POOLBUF_UPDATE_GOLDEN") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(text, file);
        assert_int_equal(fclose(file), 0);
    }
    char *golden = read_all(path);
    if (golden == NULL || strcmp(golden, text) != 0) {
        print_error("%s differs from what is written now (POOLBUF_UPDATE_GOLDEN=1 renews it):\n%s\n", path, text);
        fail();
    }
    free(golden);
}

typedef bool writing(report_format format, const report_options *options, FILE *to, char *error, size_t error_size);

static bool write_results(report_format format, const report_options *options, FILE *to, char *error, size_t size) {
    results_model *model = fixture_results();
    bool is_written = report_write_results(model, format, options, to, error, size);
    results_model_destroy(model);
    return is_written;
}

static bool write_leaks(report_format format, const report_options *options, FILE *to, char *error, size_t size) {
    leaks_model *model = fixture_leaks();
    bool is_written = report_write_leaks(model, format, options, to, error, size);
    leaks_model_destroy(model);
    return is_written;
}

static bool write_compare(report_format format, const report_options *options, FILE *to, char *error, size_t size) {
    compare_model *model = fixture_compare();
    bool is_written = report_write_compare(model, format, options, to, error, size);
    compare_model_destroy(model);
    return is_written;
}

static bool write_the_history(bool is_check, report_format format, const report_options *options, FILE *to, char *error,
                              size_t size) {
    history_model *model = fixture_history(is_check);
    bool is_written = report_write_history(model, format, options, to, error, size);
    history_model_destroy(model);
    return is_written;
}

static bool write_history(report_format format, const report_options *options, FILE *to, char *error, size_t size) {
    return write_the_history(false, format, options, to, error, size);
}

static bool write_check(report_format format, const report_options *options, FILE *to, char *error, size_t size) {
    return write_the_history(true, format, options, to, error, size);
}

static char *written(writing *write, report_format format, bool colour) {
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    char error[REPORT_ERROR_BYTES] = "";
    report_options options = {.colour = colour};
    bool is_written = write(format, &options, to, error, sizeof error);
    fclose(to);
    assert_string_equal(error, "");
    assert_true(is_written);
    return text;
}

static void assert_writes(writing *write, report_format format, bool colour, const char *golden) {
    char *text = written(write, format, colour);
    assert_golden(golden, text);
    free(text);
}

/* The page without its style and script, which are esbuild's work and change with its version. */
static void cut_between(char *text, const char *start, const char *end) {
    char *from = strstr(text, start);
    assert_non_null(from);
    from += strlen(start);
    const char *rest = strstr(from, end);
    assert_non_null(rest);
    memmove(from, rest, strlen(rest) + 1);
}

static void assert_page(writing *write, const char *golden) {
    char *page = written(write, REPORT_HTML, false);
    assert_true(strlen(page) < 1000000);
    cut_between(page, "<style>", "</style>");
    cut_between(page, "<script>", "</script>");
    assert_golden(golden, page);
    free(page);
}

static void pages_are_written_as_before(void **state) {
    (void)state;
    if (!REPORTS_HAVE_WEB) {
        char error[REPORT_ERROR_BYTES] = "";
        assert_false(write_results(REPORT_HTML, NULL, stdout, error, sizeof error));
        assert_string_equal(error,
                            "html was left out of this build (POOLBUF_WEB=OFF); expected text, markdown or json");
        return;
    }
    assert_page(write_results, "results.html");
    assert_page(write_leaks, "leaks.html");
    assert_page(write_check, "check.html");
}

/* A text cannot end the script element that holds the data, nor open a comment in it. */
static void data_in_a_page_stay_data(void **state) {
    (void)state;
    if (!REPORTS_HAVE_WEB) {
        return;
    }
    results_model *model = results_model_create();
    model->created = "</script><script>alert(1)</script>";
    model->tool_version = "<!-- <script> \xe2\x80\xa8 \x01 & \"";
    char *page = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&page, &size);
    char error[REPORT_ERROR_BYTES] = "";
    assert_true(report_write_results(model, REPORT_HTML, NULL, to, error, sizeof error));
    fclose(to);
    results_model_destroy(model);
    assert_null(strstr(page, "alert(1)</script>"));
    assert_null(strstr(page, "<!--"));
    assert_null(strstr(page, "\xe2\x80\xa8\","));
    assert_non_null(strstr(page, "\\u2028"));
    free(page);
}

static char *written_leaks(const leaks_model *model, report_format format, report_weight weight) {
    char *text = NULL;
    size_t size = 0;
    char error[REPORT_ERROR_BYTES] = "";
    const report_options options = {.weight = weight};
    FILE *to = open_memstream(&text, &size);
    assert_true(report_write_leaks(model, format, &options, to, error, sizeof error));
    fclose(to);
    return text;
}

/* What a program calls its things may come from a peer: no terminal and no page is to be moved or turned by it. */
static void no_name_moves_or_turns_what_stands_beside_it(void **state) {
    (void)state;
    static const char HOSTILE[] = "a\302\2332Jb\342\200\256c\342\201\246d\033[2Je\177";
    static const report_format FORMATS[] = {REPORT_TEXT, REPORT_MARKDOWN, REPORT_HTML, REPORT_COLLAPSED};
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        leaks_model *model = fixture_process("process exit", 2);
        leaks_group *group = fixture_add_leak(model, "00000000000000aa");
        leaks_group_add_frame(model, group)->function = HOSTILE;
        group->type = HOSTILE;
        char *text = written_leaks(model, FORMATS[i], REPORT_BY_COUNT);
        assert_null(strstr(text, "\xc2\x9b"));
        assert_null(strstr(text, "\xe2\x80\xae"));
        assert_null(strstr(text, "\xe2\x81\xa6"));
        assert_null(strchr(text, '\033'));
        assert_non_null(strstr(text, FORMATS[i] == REPORT_TEXT || FORMATS[i] == REPORT_COLLAPSED ? "a?2Jb?c?d?[2Je?"
                                                                                                 : "a 2Jb c d "));
        free(text);
        leaks_model_destroy(model);
    }
}

/* The same of results, whose baseline and winner are in captions and in the page's heading. */
static void no_subject_moves_or_turns_a_caption(void **state) {
    (void)state;
    static const char HOSTILE[] = "a\302\2332Jb\342\200\256c\342\201\246d\033[2Je\177";
    static const report_format FORMATS[] = {REPORT_TEXT, REPORT_MARKDOWN, REPORT_HTML};
    results_model *model = fixture_results();
    const char *baseline = model->run.baseline_subject;
    for (size_t i = 0; i < model->scenario_count; i++) {
        for (size_t j = 0; j < model->scenarios[i]->result_count; j++) {
            results_result *result = model->scenarios[i]->results[j];
            result->subject = strcmp(result->subject, baseline) == 0 ? HOSTILE : result->subject;
        }
    }
    model->run.baseline_subject = HOSTILE;
    assert_true(model->scenario_count > 1);
    results_model_add_rank(model, "pooled")->rank = 1;
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        if (FORMATS[i] == REPORT_HTML && !REPORTS_HAVE_WEB) {
            continue;
        }
        char *text = NULL;
        size_t size = 0;
        char error[REPORT_ERROR_BYTES] = "";
        FILE *to = open_memstream(&text, &size);
        assert_true(report_write_results(model, FORMATS[i], NULL, to, error, sizeof error));
        fclose(to);
        assert_null(strstr(text, "\xc2\x9b"));
        assert_null(strstr(text, "\xe2\x80\xae"));
        assert_null(strstr(text, "\xe2\x81\xa6"));
        assert_null(strchr(text, '\033'));
        free(text);
    }
    results_model_destroy(model);
}

static void results_are_written_as_before(void **state) {
    (void)state;
    assert_writes(write_results, REPORT_TEXT, false, "results.txt");
    assert_writes(write_results, REPORT_MARKDOWN, false, "results.md");
    assert_writes(write_results, REPORT_JSON, false, "results.json");
    assert_writes(write_results, REPORT_JUNIT, false, "results.xml");
}

static void leaks_are_written_as_before(void **state) {
    (void)state;
    assert_writes(write_leaks, REPORT_TEXT, false, "leaks.txt");
    assert_writes(write_leaks, REPORT_MARKDOWN, false, "leaks.md");
    assert_writes(write_leaks, REPORT_JSON, false, "leaks.json");
    assert_writes(write_leaks, REPORT_JUNIT, false, "leaks.xml");
    assert_writes(write_leaks, REPORT_SARIF, false, "leaks.sarif");
    assert_writes(write_leaks, REPORT_COLLAPSED, false, "leaks.folded");
}

/* A line is parted at its semicolons and its last space, whatever a function is called. */
static void a_collapsed_stack_is_one_line_of_frames_and_a_number(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 2);
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    group->allocation_stack_count = 0;
    leaks_group_add_frame(model, group)->function = "f(char; int)\n";
    leaks_frame *nameless = leaks_group_add_frame(model, group);
    nameless->module = "/usr/lib/a;b.so";
    nameless->offset = 0x2f;
    leaks_group_add_frame(model, group)->address = "0x1000";
    leaks_group_add_frame(model, group);
    group->count = 3;
    group->bytes = 300;
    group->unit = NULL;
    group->estimated_count.value = 384.4;
    char *text = written_leaks(model, REPORT_COLLAPSED, REPORT_BY_COUNT);
    assert_string_equal(text, "[unknown];0x1000;a:b.so+0x2f;f(char: int)? 384\n");
    free(text);
    text = written_leaks(model, REPORT_COLLAPSED, REPORT_BY_BYTES);
    assert_string_equal(text, "[unknown];0x1000;a:b.so+0x2f;f(char: int)? 38440\n");
    free(text);
    leaks_model_destroy(model);
}

/* Without a sample the counts are what they are; what has no bytes is in no sum of bytes; and a group may have no stack. */
static void collapsed_stacks_count_what_they_are_asked_for(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 2);
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    group->type = "soc;ket";
    group->allocation_stack_count = 0;
    group->estimated_count.value = MODEL_NAN;
    group->count = 3;
    group->bytes = 4;
    group->unit = "pages";
    char *text = written_leaks(model, REPORT_COLLAPSED, REPORT_BY_COUNT);
    assert_string_equal(text, "[soc:ket];[no stack] 3\n");
    free(text);
    text = written_leaks(model, REPORT_COLLAPSED, REPORT_BY_BYTES);
    assert_string_equal(text, "");
    free(text);
    group->unit = NULL;
    group->bytes = UINT64_MAX - 1;
    text = written_leaks(model, REPORT_COLLAPSED, REPORT_BY_BYTES);
    assert_string_equal(text, "[soc:ket];[no stack] 9223372036854775807\n");
    free(text);
    leaks_model_destroy(model);
}

static void comparisons_are_written_as_before(void **state) {
    (void)state;
    assert_writes(write_compare, REPORT_TEXT, false, "compare.txt");
    assert_writes(write_compare, REPORT_MARKDOWN, false, "compare.md");
    assert_writes(write_compare, REPORT_JSON, false, "compare.json");
    assert_writes(write_compare, REPORT_JUNIT, false, "compare.xml");
}

static void histories_are_written_as_before(void **state) {
    (void)state;
    assert_writes(write_history, REPORT_TEXT, false, "history.txt");
    assert_writes(write_history, REPORT_MARKDOWN, false, "history.md");
    assert_writes(write_history, REPORT_JSON, false, "history.json");
    assert_writes(write_check, REPORT_TEXT, false, "check.txt");
    assert_writes(write_check, REPORT_MARKDOWN, false, "check.md");
    assert_writes(write_check, REPORT_JSON, false, "check.json");
    assert_writes(write_check, REPORT_JUNIT, false, "check.xml");
}

/* Colour only adds: without its escape sequences the text is the same. */
static void colour_changes_no_character(void **state) {
    (void)state;
    char *plain = written(write_results, REPORT_TEXT, false);
    char *coloured = written(write_results, REPORT_TEXT, true);
    assert_null(strchr(plain, '\033'));
    assert_non_null(strchr(coloured, '\033'));
    char *to = coloured;
    for (const char *from = coloured; *from != '\0'; from++) {
        if (*from == '\033') {
            from = strchr(from, 'm');
            assert_non_null(from);
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    assert_string_equal(plain, coloured);
    free(plain);
    free(coloured);
}

static void no_line_of_text_ends_in_a_space(void **state) {
    (void)state;
    writing *const writers[] = {write_results, write_leaks, write_compare, write_history, write_check};
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        char *text = written(writers[i], REPORT_TEXT, false);
        assert_null(strstr(text, " \n"));
        free(text);
    }
}

/* A stream that takes nothing more: the writer says so. */
static void a_full_disk_is_reported(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    char error[REPORT_ERROR_BYTES] = "";
    assert_false(write_results(REPORT_JSON, NULL, full, error, sizeof error));
    assert_non_null(strstr(error, "could not be written"));
    fclose(full);
}

static void a_format_is_found_by_its_name_and_kind(void **state) {
    (void)state;
    report_format format;
    assert_true(report_format_parse(REPORT_RESULTS, "markdown", &format));
    assert_int_equal(format, REPORT_MARKDOWN);
    assert_true(report_format_parse(REPORT_LEAKS, "html", &format));
    assert_false(report_format_parse(REPORT_COMPARE, "html", &format));
    assert_false(report_format_parse(REPORT_RESULTS, "pdf", &format));
    assert_null(strstr(report_format_names(REPORT_COMPARE), "html"));
}

static void colour_is_wanted_on_terminals_only(void **state) {
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_false(report_colour_wanted(file));
    fclose(file);
}

static void json_takes_exactly_one_input(void **state) {
    (void)state;
    report_input inputs[2] = {{.results = fixture_results()}, {.leaks = fixture_leaks()}};
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    char error[REPORT_ERROR_BYTES] = "";
    assert_false(report_write_inputs(inputs, 2, REPORT_JSON, NULL, to, error, sizeof error));
    assert_non_null(strstr(error, "json takes one input"));
    assert_true(report_write_inputs(inputs, 2, REPORT_TEXT, NULL, to, error, sizeof error));
    fclose(to);
    assert_non_null(strstr(text, "LEAK 1 of 3"));
    free(text);
    report_input_fini(&inputs[0]);
    report_input_fini(&inputs[1]);
}

static bool write_doubtful(report_format format, const report_options *options, FILE *to, char *error, size_t size) {
    results_model *model = fixture_results();
    model->run.quick = true;
    model->run.rounds = 3;
    results_result *large = model->scenarios[0]->results[0];
    for (size_t i = 0; i < large->sample_count; i++) {
        large->samples[i]->peak_live_bytes = UINT64_C(1) << 40;
    }
    bool is_written = report_write_results(model, format, options, to, error, size);
    results_model_destroy(model);
    return is_written;
}

static void doubtful_numbers_say_so(void **state) {
    (void)state;
    static const char *const SENTENCES[] = {"A quick run", "Only 3 rounds", "Peak resident is below peak live"};
    for (int format = REPORT_TEXT; format <= REPORT_MARKDOWN; format++) {
        char *text = written(write_doubtful, (report_format)format, false);
        for (size_t i = 0; i < sizeof SENTENCES / sizeof SENTENCES[0]; i++) {
            assert_non_null(strstr(text, SENTENCES[i]));
        }
        free(text);
    }
    char *good = written(write_results, REPORT_TEXT, false);
    for (size_t i = 0; i < sizeof SENTENCES / sizeof SENTENCES[0]; i++) {
        assert_null(strstr(good, SENTENCES[i]));
    }
    free(good);
}

static void tables_show_a_version_without_its_commit(void **state) {
    (void)state;
    results_model *model = fixture_results();
    assert_string_equal(results_short_version(model, "jemalloc 5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c"),
                        "jemalloc 5.3.0");
    assert_string_equal(results_short_version(model, "gperftools 2.10"), "gperftools 2.10");
    assert_string_equal(results_short_version(model, "my-good 1.0"), "my-good 1.0");
    assert_string_equal(results_short_version(model, "-g1234567"), "");
    assert_null(results_short_version(model, NULL));
    results_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_name_moves_or_turns_what_stands_beside_it),
        cmocka_unit_test(no_subject_moves_or_turns_a_caption),
        cmocka_unit_test(results_are_written_as_before),
        cmocka_unit_test(leaks_are_written_as_before),
        cmocka_unit_test(a_collapsed_stack_is_one_line_of_frames_and_a_number),
        cmocka_unit_test(collapsed_stacks_count_what_they_are_asked_for),
        cmocka_unit_test(comparisons_are_written_as_before),
        cmocka_unit_test(histories_are_written_as_before),
        cmocka_unit_test(colour_changes_no_character),
        cmocka_unit_test(pages_are_written_as_before),
        cmocka_unit_test(data_in_a_page_stay_data),
        cmocka_unit_test(no_line_of_text_ends_in_a_space),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(a_format_is_found_by_its_name_and_kind),
        cmocka_unit_test(colour_is_wanted_on_terminals_only),
        cmocka_unit_test(json_takes_exactly_one_input),
        cmocka_unit_test(doubtful_numbers_say_so),
        cmocka_unit_test(tables_show_a_version_without_its_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
