/* Unit tests of json_file.c and json_field.c: what is written is read back; whatever else comes is refused with one line
 * that says where and what. The damaged inputs are made from the golden files, so they stay as rich as the schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "reports/report.h"
#include "reports/tests/fixture.h"

static char path[] = "/tmp/poolbuf_reader_XXXXXX";

static int make_file(void **state) {
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void put(const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static char *golden(const char *name, size_t *length) {
    char from[512];
    snprintf(from, sizeof from, "%s/golden/%s", REPORTS_TESTS_DIR, name);
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    *length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

/* Reading must succeed, or fail with one line that names the file. Returns whether it succeeded. */
static bool read_soundly(void) {
    report_input input = {0};
    char error[REPORT_ERROR_BYTES] = "";
    if (report_read(path, &input, error, sizeof error)) {
        assert_string_equal(error, "");
        assert_true((input.results == NULL) != (input.leaks == NULL));
        report_input_fini(&input);
        return true;
    }
    assert_null(input.results);
    assert_null(input.leaks);
    assert_true(strncmp(error, path, strlen(path)) == 0);
    assert_true(strlen(error) > strlen(path) + 10);
    for (const char *byte = error; *byte != '\0'; byte++) {
        assert_true((unsigned char)*byte >= 0x20);
    }
    return false;
}

static void assert_refused(const char *text, const char *expected) {
    put(text, strlen(text));
    report_input input = {0};
    char error[REPORT_ERROR_BYTES] = "";
    assert_false(report_read(path, &input, error, sizeof error));
    char wanted[REPORT_ERROR_BYTES];
    snprintf(wanted, sizeof wanted, "%s%s", path, expected);
    assert_string_equal(error, wanted);
}

/* ---- what is written is read ---- */

static char *rewritten(const char *name) {
    size_t length;
    char *text = golden(name, &length);
    put(text, length);
    free(text);
    report_input input = {0};
    char error[REPORT_ERROR_BYTES] = "";
    bool is_read = report_read(path, &input, error, sizeof error);
    assert_string_equal(error, "");
    assert_true(is_read);
    char *again = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&again, &size);
    assert_true(report_write_inputs(&input, 1, REPORT_JSON, NULL, to, error, sizeof error));
    fclose(to);
    report_input_fini(&input);
    return again;
}

static void what_was_written_is_read_back_the_same(void **state) {
    (void)state;
    static const char *const NAMES[] = {"results.json", "leaks.json"};
    for (size_t i = 0; i < 2; i++) {
        size_t length;
        char *before = golden(NAMES[i], &length);
        char *after = rewritten(NAMES[i]);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

#define LEAKS_HEAD                                                                                                     \
    "{\"schema\":\"poolbuf.leaks/1\",\"pid\":7,\"program\":\"p\",\"level\":\"simple\",\"sampling_interval\":128,"      \
    "\"reason\":\"process exit\",\"uptime_ms\":5,\"exact\":{\"live_buffers\":1,\"live_bytes\":64,\"allocated\":9},"    \
    "\"tracked\":{\"seen\":0,\"live\":0},"

static void the_leaks_of_one_process_are_read_and_no_part_of_them(void **state) {
    (void)state;
    static const char TEXT[] = LEAKS_HEAD "\"groups\":[],\"added_later\":[1,2]}";
    for (size_t cut = 0; cut < strlen(TEXT); cut++) {
        put(TEXT, cut);
        assert_false(read_soundly());
    }
    put(TEXT, strlen(TEXT));
    leaks_model *model = NULL;
    char error[REPORT_ERROR_BYTES] = "";
    assert_true(report_read_leaks(path, &model, error, sizeof error));
    assert_int_equal(model->tool, LEAKS_TOOL_BUILTIN);
    assert_int_equal(model->process_count, 1);
    assert_int_equal(model->processes[0]->pid, 7);
    assert_int_equal(model->processes[0]->exact.live_bytes, 64);
    leaks_model_destroy(model);
}

/* A later poolbuf may add keys anywhere, and raise the number behind the point. */
static void keys_of_a_later_version_are_passed_over_and_said(void **state) {
    (void)state;
    static const char TEXT[] =
        "{\"schema\":\"poolbuf.leaks/1.7\",\"pid\":7,\"program\":\"p\",\"level\":\"simple\",\"sampling_interval\":128,"
        "\"reason\":\"process exit\",\"uptime_ms\":5,\"exact\":null,\"tracked\":{\"seen\":0,\"live\":0,\"colour\":1},"
        "\"groups\":[],\"added_later\":[1,2]}";
    report_input input;
    char error[REPORT_ERROR_BYTES] = "";
    char wanted[300];
    put(TEXT, strlen(TEXT));
    assert_true(report_read(path, &input, error, sizeof error));
    snprintf(wanted, sizeof wanted, "%s: has 2 keys that this poolbuf does not know, first tracked.colour: passed over",
             path);
    assert_string_equal(input.note, wanted);
    report_input_fini(&input);
    size_t length;
    char *text = golden("leaks.json", &length);
    put(text, length);
    free(text);
    assert_true(report_read(path, &input, error, sizeof error));
    assert_string_equal(input.note, "");
    report_input_fini(&input);
}

static void so_are_those_of_later_results(void **state) {
    (void)state;
    size_t length;
    char *text = golden("results.json", &length);
    report_input input;
    char error[REPORT_ERROR_BYTES] = "";
    char wanted[300];
    put(text, length);
    assert_true(report_read(path, &input, error, sizeof error));
    assert_string_equal(input.note, "");
    assert_null(input.results->note);
    report_input_fini(&input);
    char *brace = strchr(text, '{'); /* a key in front of all others */
    char *later = NULL;
    assert_int_not_equal(asprintf(&later, "{\"added_later\": {\"a\": 1},%s", brace + 1), -1);
    put(later, strlen(later));
    free(later);
    free(text);
    results_model *model = NULL;
    assert_true(report_read_results(path, &model, error, sizeof error));
    snprintf(wanted, sizeof wanted, "%s: has 1 key that this poolbuf does not know, first added_later: passed over",
             path);
    assert_string_equal(model->note, wanted);
    results_model_destroy(model);
}

static void new_keys_with_wrong_values_are_named_by_their_path(void **state) {
    (void)state;
#define GROUP_HEAD                                                                                                     \
    "\"groups\":[{\"fingerprint\":\"a\",\"type\":null,\"count\":1,\"bytes\":1,\"estimated_count\":null,"               \
    "\"age_ms\":null,\"thread\":null,\"allocation_stack\":[],\"accesses\":[],\"accesses_dropped\":0,"
    assert_refused(LEAKS_HEAD GROUP_HEAD "\"lost\":-1}]}",
                   ": groups[0].lost: is -1; expected an integer from 0 to 9223372036854775807 or null");
    assert_refused(LEAKS_HEAD GROUP_HEAD "\"sizes\":{\"least\":1}}]}",
                   ": groups[0].sizes.median: is missing; expected an integer from 0 to 9223372036854775807 or null");
    assert_refused(LEAKS_HEAD GROUP_HEAD "\"growth\":{\"count\":1.5}}]}",
                   ": groups[0].growth.count: is a number; expected an integer from -9223372036854775807 to "
                   "9223372036854775807 or null");
    assert_refused(
        LEAKS_HEAD GROUP_HEAD "\"growth\":{\"count\":-9223372036854775808}}]}",
        ": groups[0].growth.count: is -9223372036854775808; expected an integer from -9223372036854775807 to "
        "9223372036854775807 or null");
    assert_refused(LEAKS_HEAD GROUP_HEAD "\"holders\":[]}]}", ": groups[0].holders: is a list; expected an object");
    assert_refused(LEAKS_HEAD GROUP_HEAD "\"baseline\":{\"standing\":\"older\",\"count\":1}}]}",
                   ": groups[0].baseline.standing: is \"older\"; expected one of \"known\", \"grown\", \"new\"");
    assert_refused(LEAKS_HEAD "\"groups\":[],\"misuses\":[{\"offence\":null}]}",
                   ": misuses[0].offence: is null; expected a text");
}

/* ---- what is wrong is named ---- */

static void a_missing_file_is_named(void **state) {
    (void)state;
    results_model *model = NULL;
    char error[REPORT_ERROR_BYTES] = "";
    assert_false(report_read_results("/nonexistent/results.json", &model, error, sizeof error));
    assert_string_equal(error, "/nonexistent/results.json: No such file or directory; expected a readable JSON file");
    assert_false(report_read_results("/tmp", &model, error, sizeof error));
    assert_string_equal(error, "/tmp: Is a directory; expected a readable JSON file");
}

static void bad_json_is_named_with_its_line(void **state) {
    (void)state;
    static const char RIGHT[] = "; expected a file written by \"poolbuf run\" or \"poolbuf leaks\"";
    char wanted[300];
    snprintf(wanted, sizeof wanted, ":3: not JSON: string or '}' expected near 'x'%s", RIGHT);
    assert_refused("{\n\"schema\": \"poolbuf.results/1\",\nx}", wanted);
    snprintf(wanted, sizeof wanted, ":1: not JSON: '[' or '{' expected near end of file%s", RIGHT);
    assert_refused("", wanted);
    snprintf(wanted, sizeof wanted, ":1: not JSON: duplicate object key near '\"schema\"'%s", RIGHT);
    assert_refused("{\"schema\": 1, \"schema\": 2}", wanted);
    snprintf(wanted, sizeof wanted, ":1: not JSON: too big integer near '99999999999999999999'%s", RIGHT);
    assert_refused("{\"schema\": 99999999999999999999}", wanted);
    snprintf(wanted, sizeof wanted, ":1: not JSON: real number overflow near '1e999'%s", RIGHT);
    assert_refused("{\"schema\": 1e999}", wanted);
}

static void a_wrong_schema_is_named_with_the_right_ones(void **state) {
    (void)state;
    assert_refused("[]", ": is not an object at the top; expected one with \"schema\": \"poolbuf.results/1\" or "
                         "\"poolbuf.leaks/1\"");
    assert_refused("{}", ": schema: is missing; expected \"poolbuf.results/1\" or \"poolbuf.leaks/1\"");
    assert_refused("{\"schema\": 4}", ": schema: is not a text; expected \"poolbuf.results/1\" or \"poolbuf.leaks/1\"");
    assert_refused("{\"schema\": \"poolbuf.other/1\"}",
                   ": schema: is \"poolbuf.other/1\"; expected \"poolbuf.results/1\" or \"poolbuf.leaks/1\"");
    assert_refused("{\"schema\": \"poolbuf.leaks/1.\"}",
                   ": schema: is \"poolbuf.leaks/1.\"; expected \"poolbuf.results/1\" or \"poolbuf.leaks/1\"");
    static const char *const NEWER[] = {"poolbuf.leaks/2", "poolbuf.leaks/2.1", "poolbuf.results/10",
                                        "poolbuf.leaks/99999999999999999999"};
    for (size_t i = 0; i < sizeof NEWER / sizeof NEWER[0]; i++) {
        char input[100];
        char wanted[300];
        snprintf(input, sizeof input, "{\"schema\": \"%s\"}", NEWER[i]);
        snprintf(wanted, sizeof wanted,
                 ": schema: is \"%s\", newer than this poolbuf can read; expected \"poolbuf.results/1\" or "
                 "\"poolbuf.leaks/1\", or read it with a newer poolbuf",
                 NEWER[i]);
        assert_refused(input, wanted);
    }
    assert_refused("{\"schema\": \"poolbuf.leaks/-1\"}",
                   ": schema: is \"poolbuf.leaks/-1\"; expected \"poolbuf.results/1\" or \"poolbuf.leaks/1\"");
    results_model *model = NULL;
    char error[REPORT_ERROR_BYTES] = "";
    static const char TEXT[] = LEAKS_HEAD "\"groups\":[]}";
    put(TEXT, strlen(TEXT));
    assert_false(report_read_results(path, &model, error, sizeof error));
    assert_non_null(
        strstr(error, "schema: is \"poolbuf.leaks/1\"; expected \"poolbuf.results/1\" (from \"poolbuf run\")"));
}

static void a_missing_or_mistyped_field_is_named_by_its_path(void **state) {
    (void)state;
    assert_refused("{\"schema\":\"poolbuf.results/1\"}", ": created: is missing; expected a text");
    assert_refused(LEAKS_HEAD "\"groups\":[{}]}", ": groups[0].fingerprint: is missing; expected a text");
    assert_refused(LEAKS_HEAD "\"groups\":[{\"fingerprint\":\"a\",\"type\":7}]}",
                   ": groups[0].type: is an integer; expected a text or null");
    assert_refused(LEAKS_HEAD "\"groups\":[{\"fingerprint\":\"a\",\"type\":null,\"count\":-1}]}",
                   ": groups[0].count: is -1; expected an integer from 0 to 9223372036854775807");
    assert_refused(LEAKS_HEAD "\"groups\":[{\"fingerprint\":\"a\",\"type\":null,\"count\":null}]}",
                   ": groups[0].count: is null; expected an integer from 0 to 9223372036854775807");
    assert_refused(LEAKS_HEAD "\"groups\":{}}", ": groups: is an object; expected a list of objects");
    assert_refused("{\"schema\":\"poolbuf.leaks/1\",\"tool\":\"asan\",\"processes\":[],\"groups\":[]}",
                   ": tool: is \"asan\"; expected one of \"builtin\", \"valgrind\"");
    assert_refused("{\"schema\":\"poolbuf.leaks/1\",\"tool\":\"builtin\",\"groups\":[]}",
                   ": processes: is missing; expected a list of objects");
}

/* One golden text with one piece replaced. */
static void assert_change_refused(const char *piece, const char *instead, const char *expected) {
    size_t length;
    char *text = golden("results.json", &length);
    char *at = strstr(text, piece);
    assert_non_null(at);
    char *changed = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&changed, &size);
    fprintf(to, "%.*s%s%s", (int)(at - text), text, instead, at + strlen(piece));
    fclose(to);
    assert_refused(changed, expected);
    free(changed);
    free(text);
}

static void names_that_are_keys_must_be_unique_and_known(void **state) {
    (void)state;
    assert_change_refused("\"name\": \"redis\"", "\"name\": \"pingpong\"",
                          ": scenarios[1].name: is \"pingpong\", as in scenarios[0]; expected each scenario once");
    assert_change_refused("\"name\": \"malloc\"", "\"name\": \"pooled\"",
                          ": subjects[1].name: is \"pooled\", as in subjects[0]; expected each subject once");
    assert_change_refused("\"subject\": \"malloc\"", "\"subject\": \"pooled\"",
                          ": scenarios[0].results[1].subject: is \"pooled\", as in results[0]; expected one result a "
                          "subject");
    assert_change_refused("\"subject\": \"malloc\"", "\"subject\": \"other\"",
                          ": scenarios[0].results[1].subject: is \"other\"; expected a name from \"subjects\"");
    assert_change_refused("\"verdict\": \"faster\"", "\"verdict\": \"fast\"",
                          ": scenarios[0].results[0].ratio.verdict: is \"fast\"; expected one of \"baseline\", "
                          "\"faster\", \"slower\", \"not separated\" or null");
}

/* ---- damage ---- */

/* A file cut anywhere is refused: no prefix of an object is an object. */
static void a_file_cut_at_any_byte_is_refused(void **state) {
    (void)state;
    size_t length;
    char *text = golden("leaks.json", &length);
    for (size_t cut = 0; cut + 2 < length; cut += 1 + cut / (RUNNING_ON_VALGRIND ? 25 : 800)) {
        put(text, cut);
        assert_false(read_soundly());
    }
    free(text);
    text = golden("results.json", &length);
    for (size_t cut = 0; cut + 2 < length; cut += 1 + cut / (RUNNING_ON_VALGRIND ? 8 : 20)) {
        put(text, cut);
        assert_false(read_soundly());
    }
    free(text);
}

static uint32_t draw(uint32_t *seed) {
    *seed = *seed * UINT32_C(1664525) + UINT32_C(1013904223);
    return *seed >> 8;
}

static void random_damage_is_survived(void **state) {
    (void)state;
    static const char PIECES[] = "{}[]\",:-+.eE0129ntfu\\ \n\t\0\x7f\x80\xc3\xff";
    uint32_t seed = 20260131;
    size_t length;
    char *text = golden("leaks.json", &length);
    char *damaged = malloc(length);
    assert_non_null(damaged);
    const int rounds = RUNNING_ON_VALGRIND ? 20 : 400; /* Memcheck sees the same code in fewer */
    for (int round = 0; round < rounds; round++) {
        memcpy(damaged, text, length);
        for (uint32_t hits = 1 + draw(&seed) % 3; hits != 0; hits--) {
            damaged[draw(&seed) % length] = PIECES[draw(&seed) % (sizeof PIECES - 1)];
        }
        put(damaged, length);
        read_soundly();
    }
    free(damaged);
    free(text);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    enum {
        DEPTH = 100000
    };
    char *text = malloc(DEPTH);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    put(text, DEPTH);
    assert_false(read_soundly());
    for (size_t i = 0; i < DEPTH; i++) {
        text[i] = "{\"a\":"[i % 5];
    }
    put(text, DEPTH);
    assert_false(read_soundly());
    free(text);
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state) {
    (void)state;
    static const char RAW[] = "{\"schema\":\"poolbuf.leaks/1\"\0}";
    put(RAW, sizeof RAW - 1);
    assert_false(read_soundly());
    static const char INSIDE[] = "{\"schema\":\"poolbuf\0.leaks/1\"}";
    put(INSIDE, sizeof INSIDE - 1);
    assert_false(read_soundly());
    static const char ESCAPED[] = "{\"schema\":\"poolbuf.leaks/1\\u0000\"}";
    put(ESCAPED, sizeof ESCAPED - 1);
    assert_false(read_soundly());
}

/* Whether the key before this colon has had its turns: frames alone have the same eight keys a hundred times. */
static bool has_had_its_turns(const char *colon, char seen[][40], size_t *seen_count) {
    const size_t turns_given = RUNNING_ON_VALGRIND ? 1 : 3; /* Memcheck sees the same code in fewer */
    const char *start = colon;
    while (start[-1] != '"') {
        start--;
    }
    char key[40];
    size_t turns = 0;
    snprintf(key, sizeof key, "%.*s", (int)(colon - start), start);
    for (size_t i = 0; i < *seen_count; i++) {
        turns += strcmp(seen[i], key) == 0;
    }
    if (turns < turns_given) {
        memcpy(seen[(*seen_count)++], key, sizeof key);
    }
    return turns >= turns_given;
}

/* Every value of the file in turn becomes one of every type, keys that come often the first times. */
static void every_value_may_have_any_type(void **state) {
    (void)state;
    static const char *const VALUES[] = {"null", "-1", "1.5e300", "[]", "{}", "\"x\"", "true"};
    size_t length;
    char *text = golden("leaks.json", &length);
    static char seen[400][40];
    size_t seen_count = 0;
    for (char *colon = strstr(text, "\": "); colon != NULL; colon = strstr(colon + 1, "\": ")) {
        assert_true(seen_count < sizeof seen / sizeof seen[0]);
        if (has_had_its_turns(colon, seen, &seen_count)) {
            continue;
        }
        const char *value = colon + 3;
        size_t size = value[0] == '{' || value[0] == '[' ? 1 : strcspn(value, ",\n");
        for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
            FILE *to = fopen(path, "wb");
            assert_non_null(to);
            bool is_container = size == 1 && (value[0] == '{' || value[0] == '[');
            /* A container's old content goes into a key or element of its own, so that the text stays JSON. */
            fprintf(to, "%.*s%s%s%s", (int)(value - text), text, VALUES[i], is_container ? ", \"rest\": " : "",
                    is_container ? value : value + size);
            fclose(to);
            read_soundly();
        }
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back_the_same),
        cmocka_unit_test(the_leaks_of_one_process_are_read_and_no_part_of_them),
        cmocka_unit_test(keys_of_a_later_version_are_passed_over_and_said),
        cmocka_unit_test(so_are_those_of_later_results),
        cmocka_unit_test(new_keys_with_wrong_values_are_named_by_their_path),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(bad_json_is_named_with_its_line),
        cmocka_unit_test(a_wrong_schema_is_named_with_the_right_ones),
        cmocka_unit_test(a_missing_or_mistyped_field_is_named_by_its_path),
        cmocka_unit_test(names_that_are_keys_must_be_unique_and_known),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(random_damage_is_survived),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(every_value_may_have_any_type),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
