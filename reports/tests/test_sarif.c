/* SARIF: what code scanning needs of it, and that it accuses as the exit codes do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "reports/report.h"
#include "reports/tests/fixture.h"

static json_t *written(const leaks_model *model, const char *root) {
    char *text = NULL;
    size_t size = 0;
    char error[REPORT_ERROR_BYTES] = "";
    json_error_t fault;
    const report_options options = {.source_root = root};
    FILE *to = open_memstream(&text, &size);
    assert_true(report_write_leaks(model, REPORT_SARIF, &options, to, error, sizeof error));
    fclose(to);
    json_t *log = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
    assert_non_null(log);
    free(text);
    return log;
}

static const json_t *run_of(const json_t *log) {
    const json_t *runs = json_object_get(log, "runs");
    assert_int_equal(json_array_size(runs), 1);
    return json_array_get(runs, 0);
}

static const json_t *results_of(const json_t *log) {
    const json_t *results = json_object_get(run_of(log), "results");
    assert_true(json_is_array(results));
    return results;
}

static const json_t *artifact_of(const json_t *result) {
    const json_t *first = json_array_get(json_object_get(result, "locations"), 0);
    return json_object_get(json_object_get(first, "physicalLocation"), "artifactLocation");
}

static const char *uri_of(const json_t *result) {
    return json_string_value(json_object_get(artifact_of(result), "uri"));
}

static void add_frame(leaks_model *model, leaks_group *group, const char *file, uint64_t line) {
    leaks_frame *frame = leaks_group_add_frame(model, group);
    frame->function = "f";
    frame->file = file;
    frame->line = line;
}

static void results_name_rules_that_are_there(void **state) {
    (void)state;
    leaks_model *model = fixture_leaks();
    json_t *log = written(model, "/src");
    const json_t *driver = json_object_get(json_object_get(run_of(log), "tool"), "driver");
    const json_t *rules = json_object_get(driver, "rules");
    assert_string_equal(json_string_value(json_object_get(log, "version")), "2.1.0");
    const size_t unsampled = 1;
    assert_int_equal(json_array_size(results_of(log)), model->group_count + model->misuse_count + unsampled);
    for (size_t i = 0; i < json_array_size(results_of(log)); i++) {
        const json_t *result = json_array_get(results_of(log), i);
        const json_int_t index = json_integer_value(json_object_get(result, "ruleIndex"));
        const json_t *rule = json_array_get(rules, (size_t)index);
        assert_string_equal(json_string_value(json_object_get(result, "ruleId")),
                            json_string_value(json_object_get(rule, "id")));
        assert_non_null(uri_of(result));
        assert_true(json_string_length(json_object_get(json_object_get(result, "message"), "text")) > 0);
    }
    json_decref(log);
    leaks_model_destroy(model);
}

static void the_first_location_is_a_file_of_the_source_root(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 2);
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    add_frame(model, group, "/usr/include/c++/12/bits/vector.tcc", 100);
    add_frame(model, group, "/home/me/server-2/main.c", 5); /* not in /home/me/server */
    add_frame(model, group, "/home/me/server/src/a b%.c", 41);
    json_t *log = written(model, "/home/me/server");
    const json_t *result = json_array_get(results_of(log), 0);
    const json_t *bases = json_object_get(run_of(log), "originalUriBaseIds");
    const json_t *place = json_array_get(json_object_get(result, "locations"), 0);
    const json_t *region = json_object_get(json_object_get(place, "physicalLocation"), "region");
    assert_string_equal(uri_of(result), "src/a%20b%25.c");
    assert_string_equal(json_string_value(json_object_get(artifact_of(result), "uriBaseId")), "SRCROOT");
    assert_int_equal(json_integer_value(json_object_get(region, "startLine")), 41);
    assert_string_equal(json_string_value(json_object_get(json_object_get(bases, "SRCROOT"), "uri")),
                        "file:///home/me/server/");
    json_decref(log);
    log = written(model, "/elsewhere");
    assert_string_equal(uri_of(json_array_get(results_of(log), 0)), "file:///usr/include/c%2B%2B/12/bits/vector.tcc");
    json_decref(log);
    leaks_model_destroy(model);
}

static void a_frame_with_a_line_is_shown_rather_than_one_without(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 2);
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    leaks_group *lineless = fixture_add_leak(model, "00000000000000bb");
    add_frame(model, group, "/src/merged.c", MODEL_UNKNOWN);
    add_frame(model, group, "/src/zero.c", 0);
    add_frame(model, group, "/src/caller.c", 7);
    add_frame(model, lineless, "/usr/include/stdlib.h", 1);
    add_frame(model, lineless, "/src/merged.c", MODEL_UNKNOWN);
    add_frame(model, lineless, "/src/zero.c", 0);
    json_t *log = written(model, "/src");
    assert_string_equal(uri_of(json_array_get(results_of(log), 0)), "caller.c");
    assert_string_equal(uri_of(json_array_get(results_of(log), 1)), "merged.c");
    json_decref(log);
    leaks_model_destroy(model);
}

static const char *uri_of_file(const char *file, const char *root) {
    static char uri[4096];
    leaks_model *model = fixture_process("process exit", 2);
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    add_frame(model, group, "/usr/include/stdlib.h", 1);
    add_frame(model, group, file, 2);
    json_t *log = written(model, root);
    snprintf(uri, sizeof uri, "%s", uri_of(json_array_get(results_of(log), 0)));
    json_decref(log);
    leaks_model_destroy(model);
    return uri;
}

/* Builds in a folder of their own, as meson's are, name files from there. */
static void paths_lead_straight_to_their_files(void **state) {
    (void)state;
    static const char *const ELSEWHERE = "file:///usr/include/stdlib.h";
    assert_string_equal(uri_of_file("/src/build/../lib/a.c", "/src"), "lib/a.c");
    assert_string_equal(uri_of_file("/src/./build/x/..//../lib/./a.c", "/src"), "lib/a.c");
    assert_string_equal(uri_of_file("/build/../src/a.c", "/src"), "a.c");
    assert_string_equal(uri_of_file("/../src/a.c", "/src"), "a.c");
    assert_string_equal(uri_of_file("./build/../a..c", "/src"), "a..c");
    assert_string_equal(uri_of_file("/src/../etc/a.c", "/src"), ELSEWHERE);
    assert_string_equal(uri_of_file("lib/../../a.c", "/src"), ELSEWHERE);
    assert_string_equal(uri_of_file("/src/lib/..", "/src"), ELSEWHERE);
    assert_string_equal(uri_of_file("/a.c", ""), "usr/include/stdlib.h"); /* all is inside of / */
}

static void a_file_behind_a_symbolic_link_is_found(void **state) {
    (void)state;
    char folder[] = "/tmp/poolbuf-sarif-XXXXXX";
    char link[64];
    char file[96];
    char root[PATH_MAX];
    assert_non_null(mkdtemp(folder));
    assert_non_null(realpath(folder, root));
    snprintf(link, sizeof link, "%s-link", folder);
    snprintf(file, sizeof file, "%s/a.c", link);
    assert_int_equal(symlink(folder, link), 0);
    FILE *made = fopen(file, "we");
    assert_non_null(made);
    fclose(made);
    assert_string_equal(uri_of_file(file, root), "a.c");
    assert_int_equal(unlink(file) + unlink(link) + rmdir(folder), 0);
}

static void a_stack_without_files_is_shown_at_its_module(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 2);
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    leaks_group_add_frame(model, group)->module = "/opt/lib/x.so";
    fixture_add_leak(model, "00000000000000bb"); /* no stack at all: the program */
    json_t *log = written(model, NULL);
    assert_string_equal(uri_of(json_array_get(results_of(log), 0)), "file:///opt/lib/x.so");
    assert_string_equal(uri_of(json_array_get(results_of(log), 1)), "file:///opt/server");
    json_decref(log);
    leaks_model_destroy(model);
}

static void fingerprints_and_standings_are_the_detectors(void **state) {
    (void)state;
    static const char *const STATES[] = {"new", "updated", "unchanged"};
    leaks_model *model = fixture_process("process exit", 2);
    fixture_add_leak(model, "00000000000000aa")->baseline.standing = STANDING_NEW;
    fixture_add_leak(model, "00000000000000bb")->baseline.standing = STANDING_GROWN;
    fixture_add_leak(model, "00000000000000cc")->baseline.standing = STANDING_KNOWN;
    json_t *log = written(model, NULL);
    for (size_t i = 0; i < 3; i++) {
        const json_t *result = json_array_get(results_of(log), i);
        assert_string_equal(json_string_value(json_object_get(result, "baselineState")), STATES[i]);
        assert_int_equal(json_integer_value(json_object_get(result, "occurrenceCount")), 2);
    }
    const json_t *prints = json_object_get(json_array_get(results_of(log), 0), "partialFingerprints");
    assert_string_equal(json_string_value(json_object_get(prints, "poolbufStack/v1")), "00000000000000aa");
    json_decref(log);
    leaks_model_destroy(model);
}

static void what_is_alive_is_no_result_unless_it_is_lost(void **state) {
    (void)state;
    leaks_model *model = fixture_process("interval", 4);
    fixture_add_leak(model, "00000000000000aa")->lost = 0;
    fixture_add_leak(model, "00000000000000bb")->lost = 1;
    json_t *log = written(model, NULL);
    assert_int_equal(json_array_size(results_of(log)), 1);
    json_decref(log);
    leaks_model_destroy(model);
}

static void what_no_sample_saw_is_a_result(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 4);
    json_t *log = written(model, NULL);
    const json_t *result = json_array_get(results_of(log), 0);
    assert_string_equal(json_string_value(json_object_get(result, "ruleId")), "unsampled-leak");
    json_decref(log);
    leaks_model_destroy(model);
}

static void that_nothing_was_checked_is_no_success(void **state) {
    (void)state;
    leaks_model *model = leaks_model_create();
    json_t *log = written(model, NULL);
    const json_t *invocation = json_array_get(json_object_get(run_of(log), "invocations"), 0);
    assert_true(json_is_false(json_object_get(invocation, "executionSuccessful")));
    assert_int_equal(json_array_size(json_object_get(invocation, "toolExecutionNotifications")), 1);
    assert_int_equal(json_array_size(results_of(log)), 0);
    json_decref(log);
    leaks_model_destroy(model);
}

static void results_are_refused(void **state) {
    (void)state;
    results_model *model = fixture_results();
    char error[REPORT_ERROR_BYTES] = "";
    assert_false(report_write_results(model, REPORT_SARIF, NULL, stdout, error, sizeof error));
    assert_string_equal(error, "sarif describes leaks, and results were given; expected text, markdown, html, json, "
                               "junit");
    results_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_name_rules_that_are_there),
        cmocka_unit_test(the_first_location_is_a_file_of_the_source_root),
        cmocka_unit_test(a_frame_with_a_line_is_shown_rather_than_one_without),
        cmocka_unit_test(paths_lead_straight_to_their_files),
        cmocka_unit_test(a_file_behind_a_symbolic_link_is_found),
        cmocka_unit_test(a_stack_without_files_is_shown_at_its_module),
        cmocka_unit_test(fingerprints_and_standings_are_the_detectors),
        cmocka_unit_test(what_is_alive_is_no_result_unless_it_is_lost),
        cmocka_unit_test(what_no_sample_saw_is_a_result),
        cmocka_unit_test(that_nothing_was_checked_is_no_success),
        cmocka_unit_test(results_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
