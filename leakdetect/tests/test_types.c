/* Unit tests of types.c, and of what it does to tracking and reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "detector.h"
#include "report.h"
#include "stack_table.h"
#include "tracked.h"
#include "types.h"

static char things[20000];

static int start(void **state) {
    (void)state;
    tracker_reset();
    types_reset();
    const detector_settings settings = {.level = LEAKDETECT_PARANOID,
                                        .interval = 128,
                                        .target_records = 4,
                                        .frames = 8,
                                        .seed = 7,
                                        .unwinder = &unwind_fp,
                                        .stacks = UNWIND_CALL_SITE};
    detector_start(&settings);
    return 0;
}

static leakdetect_type registered(const char *name, const leakdetect_type_options *options) {
    leakdetect_type type = 0;
    assert_int_equal(leakdetect_register_type(name, options, &type), POOLBUF_OK);
    assert_int_not_equal(type, 0);
    return type;
}

static char *report_of(leakdetect_format format) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_int_equal(leakdetect_report(out, format), POOLBUF_OK);
    fclose(out);
    return text;
}

static void assert_report_has(const char *part) {
    char *text = report_of(LEAKDETECT_TEXT);
    if (strstr(text, part) == NULL) {
        print_error("\"%s\" is not in:\n%s\n", part, text);
        fail();
    }
    free(text);
}

/* ---- registration ---- */

static void registering_twice_gives_the_same_type(void **state) {
    (void)state;
    const leakdetect_type_options options = {.struct_size = sizeof options, .unit = "pages", .sampling_interval = 4};
    const leakdetect_type first = registered("mapping", &options);
    assert_int_equal(registered("mapping", &options), first);
    assert_int_not_equal(registered("socket", NULL), first);
    assert_int_equal(leakdetect_find_type("mapping"), first);
    assert_int_equal(leakdetect_find_type("nothing"), 0);
    assert_int_equal(leakdetect_find_type(NULL), 0);
    char name[] = "mapping"; /* by its text, not by its address */
    assert_int_equal(leakdetect_find_type(name), first);
    const leakdetect_type_options bytes = {.struct_size = sizeof bytes, .unit = "bytes"};
    assert_int_equal(registered("socket", &bytes), leakdetect_find_type("socket")); /* bytes are the default */
}

static void other_options_for_a_name_are_refused(void **state) {
    (void)state;
    const leakdetect_type_options pages = {.struct_size = sizeof pages, .unit = "pages"};
    const leakdetect_type_options sampled = {.struct_size = sizeof sampled, .sampling_interval = 2};
    leakdetect_type type = 99;
    (void)registered("mapping", NULL);
    assert_int_equal(leakdetect_register_type("mapping", &pages, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("mapping", &sampled, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(type, 99);
}

static void what_contradicts_the_documentation_is_refused(void **state) {
    (void)state;
    char longest[65];
    leakdetect_type type = 99;
    memset(longest, 'x', 64);
    longest[64] = '\0';
    const leakdetect_type_options small = {.struct_size = 1};
    const leakdetect_type_options nameless = {.struct_size = sizeof nameless, .unit = ""};
    const leakdetect_type_options long_unit = {.struct_size = sizeof long_unit, .unit = longest};
    assert_int_equal(leakdetect_register_type(NULL, NULL, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("", NULL, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type(longest, NULL, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("poolbuf", NULL, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("a", NULL, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("a", &small, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("a", &nameless, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_register_type("a", &long_unit, &type), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(type, 99);
    assert_int_equal(leakdetect_find_type("a"), 0);
    longest[63] = '\0';
    (void)registered(longest, NULL);
}

static void there_are_so_many_types_and_no_more(void **state) {
    (void)state;
    char name[16];
    leakdetect_type type = 99;
    for (int i = 0; i < LEAKDETECT_TYPES_MAX; i++) {
        snprintf(name, sizeof name, "type %d", i);
        assert_int_equal(registered(name, NULL), (leakdetect_type)i + 1);
    }
    assert_int_equal(leakdetect_register_type("one more", NULL, &type), POOLBUF_ERROR_NO_MEMORY);
    assert_int_equal(type, 99);
    assert_int_equal(registered("type 3", NULL), 4);
    assert_false(leakdetect_track_as(things, 1, LEAKDETECT_TYPES_MAX + 1));
    assert_false(leakdetect_track_as(things, 1, 0));
    assert_false(leakdetect_track_as(things, 1, UINT32_MAX));
    assert_false(leakdetect_track_as(NULL, 1, 1));
}

/* Each thread registers the same forty types, in an order of its own. */
static void *register_forty(void *context) {
    const size_t first = (size_t)(uintptr_t)context;
    for (size_t i = 0; i < 40; i++) {
        char name[16];
        leakdetect_type type = 0;
        snprintf(name, sizeof name, "type %zu", (first + i * 7) % 40);
        if (leakdetect_register_type(name, NULL, &type) != POOLBUF_OK || leakdetect_find_type(name) != type ||
            !leakdetect_track_as(&things[first * 40 + i], 1, type)) {
            return context;
        }
    }
    return NULL;
}

static void threads_that_register_at_once_agree(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, register_forty, (void *)(uintptr_t)(i + 1)), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_null(types_get(41));
    assert_non_null(types_get(40));
}

/* ---- tracking ---- */

static void a_type_is_tracked_by_its_number_and_by_its_name(void **state) {
    (void)state;
    const leakdetect_type_options options = {.struct_size = sizeof options, .unit = "pages"};
    const leakdetect_type type = registered("mapping", &options);
    for (size_t i = 0; i < 4; i++) {
        assert_true(i % 2 == 0 ? leakdetect_track_as(&things[i], 3, type) : leakdetect_track(&things[i], 3, "mapping"));
    }
    assert_report_has("4 mappings, 12 pages");
    char *json = report_of(LEAKDETECT_JSON);
    assert_non_null(strstr(json, "\"unit\": \"pages\""));
    free(json);
    for (size_t i = 0; i < 4; i++) {
        assert_true(leakdetect_untrack(&things[i]));
        assert_false(leakdetect_untrack(&things[i]));
    }
}

static uint64_t track_many(leakdetect_type type) {
    uint64_t tracked = 0;
    for (size_t i = 0; i < sizeof things; i++) {
        tracked += leakdetect_track_as(&things[i], 1, type);
    }
    return tracked;
}

static void a_type_has_its_own_interval(void **state) {
    (void)state;
    const leakdetect_type_options every = {.struct_size = sizeof every, .sampling_interval = 1};
    const leakdetect_type_options tenth = {.struct_size = sizeof tenth, .sampling_interval = 10};
    const leakdetect_type all = registered("file", &every);
    const leakdetect_type some = registered("timer", &tenth);
    assert_int_equal(leakdetect_set_level(LEAKDETECT_SIMPLE), POOLBUF_OK);
    assert_int_equal(track_many(all), sizeof things);
    assert_true(types_largest_weight() == 1);
    tracker_reset();
    const uint64_t tracked = track_many(some); /* 2,000 expected; five standard deviations are 212 */
    assert_in_range(tracked, 1788, 2212);
    assert_true(types_largest_weight() == 10);
    char *json = report_of(LEAKDETECT_JSON);
    const char *value = strstr(json, "\"estimated_count\": {\"value\": ");
    assert_non_null(value);
    assert_int_equal(strtoull(value + strlen("\"estimated_count\": {\"value\": "), NULL, 10), tracked * 10);
    free(json);
    tracker_reset();
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    assert_int_equal(track_many(some), sizeof things);
    tracker_reset();
    assert_int_equal(leakdetect_set_level(LEAKDETECT_DISABLED), POOLBUF_OK);
    assert_int_equal(track_many(all) + track_many(some), 0);
}

/* ---- describing ---- */

typedef struct file {
    int number;
} file;

static void describe_file(const void *resource, char *text, size_t size, void *context) {
    assert_int_equal(size, LEAKDETECT_DESCRIPTION_BYTES);
    assert_int_equal(text[0], '\0');
    snprintf(text, size, "%s %d", (const char *)context, ((const file *)resource)->number);
}

static leakdetect_type file_type(leakdetect_describe *describe) {
    static char context[] = "number";
    const leakdetect_type_options options = {
        .struct_size = sizeof options, .describe = describe, .context = context, .sampling_interval = 1};
    return registered("file", &options);
}

static void track_files(file *files, size_t count, leakdetect_type type) {
    for (size_t i = 0; i < count; i++) {
        files[i].number = (int)i;
        assert_true(leakdetect_track_as(&files[i], sizeof files[i], type));
    }
}

static void the_oldest_are_described(void **state) {
    (void)state;
    file files[REPORT_MEMBERS_MAX + 4];
    const leakdetect_type type = file_type(describe_file);
    track_files(files, REPORT_MEMBERS_MAX, type);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* a tick of the coarse clock, and more */
    for (size_t i = REPORT_MEMBERS_MAX; i < sizeof files / sizeof files[0]; i++) {
        files[i].number = 100;
        assert_true(leakdetect_track_as(&files[i], 1, type));
    }
    char *json = report_of(LEAKDETECT_JSON);
    assert_non_null(strstr(json, "\"descriptions\": ["));
    assert_non_null(strstr(json, "\"number 0\""));
    assert_non_null(strstr(json, "\"number 7\""));
    free(json);
    assert_report_has("such as: number ");
}

static void describe_wildly(const void *resource, char *text, size_t size, void *context) {
    (void)resource;
    (void)context;
    memset(text, '"', size); /* no end */
}

static void a_description_without_end_is_cut_and_quoted(void **state) {
    (void)state;
    file one;
    track_files(&one, 1, file_type(describe_wildly));
    char *json = report_of(LEAKDETECT_JSON);
    const char *at = strstr(json, "\"descriptions\": [");
    size_t quotes = 0;
    assert_non_null(at);
    for (; *at != ']'; at++) {
        quotes += at[0] == '\\' && at[1] == '"';
    }
    assert_int_equal(quotes, LEAKDETECT_DESCRIPTION_BYTES - 1);
    free(json);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the form of such a function */
static void describe_not(const void *resource, char *text, size_t size, void *context) {
    (void)resource;
    (void)text;
    (void)size;
    (void)context;
}

static void an_empty_description_is_none(void **state) {
    (void)state;
    file one;
    track_files(&one, 1, file_type(describe_not));
    char *json = report_of(LEAKDETECT_JSON);
    assert_null(strstr(json, "descriptions"));
    free(json);
}

/* What a careless function might do: everything that takes our locks. */
static void describe_recklessly(const void *resource, char *text, size_t size, void *context) {
    (void)context;
    void *block = malloc(100);
    leakdetect_counts counts = {.struct_size = sizeof counts};
    assert_int_equal(leakdetect_count(&counts), POOLBUF_OK);
    assert_int_not_equal(leakdetect_report(stderr, LEAKDETECT_TEXT), POOLBUF_OK); /* refused, not dead */
    (void)leakdetect_track(block, 100, "block");
    (void)leakdetect_untrack(block);
    free(block);
    pid_t child = fork();
    if (child == 0) {
        _exit(leakdetect_untrack(resource) ? 7 : 8); /* what the parent describes, the child may close */
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_true(leakdetect_untrack(resource)); /* its own: no waiting for itself */
    snprintf(text, size, "closed while described");
}

static void no_lock_is_held_while_a_type_describes(void **state) {
    (void)state;
    file one;
    track_files(&one, 1, file_type(describe_recklessly));
    assert_report_has("such as: closed while described");
    assert_false(leakdetect_untrack(&one));
}

/* ---- while others close ---- */

static _Atomic bool describing;
static _Atomic bool closed;
static _Atomic int closed_too_early;

static void describe_slowly(const void *resource, char *text, size_t size, void *context) {
    (void)resource;
    (void)context;
    atomic_store(&describing, true);
    for (int i = 0; i < 20; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        atomic_fetch_add(&closed_too_early, atomic_load(&closed));
    }
    snprintf(text, size, "slow");
}

static void *close_it(void *resource) {
    while (!atomic_load(&describing)) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    bool was_tracked = leakdetect_untrack(resource);
    atomic_store(&closed, true);
    return was_tracked ? resource : NULL;
}

static void untracking_waits_for_the_description(void **state) {
    (void)state;
    file one;
    pthread_t thread;
    void *result = NULL;
    atomic_store(&describing, false);
    atomic_store(&closed, false);
    track_files(&one, 1, file_type(describe_slowly));
    assert_int_equal(pthread_create(&thread, NULL, close_it, &one), 0);
    assert_report_has("such as: slow");
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &one);
    assert_int_equal(atomic_load(&closed_too_early), 0);
}

static void what_is_pinned_is_pinned_once_and_not_for_another_birth(void **state) {
    (void)state;
    const tracker_record record = {.birth_ns = 5, .type = name_put("file")};
    assert_true(tracker_insert(things, NULL, &record));
    assert_false(tracker_pin(things, 4));
    assert_true(tracker_pin(things, 5));
    assert_false(tracker_pin(things, 5));
    tracker_unpin(things);
    assert_true(tracker_pin(things, 5));
    tracker_unpin(things);
    assert_true(tracker_close(things, (tracker_closer){0}));
    assert_false(tracker_pin(things, 5));
    tracker_unpin(things);
    assert_null(tracker_audit());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registering_twice_gives_the_same_type, start),
        cmocka_unit_test_setup(other_options_for_a_name_are_refused, start),
        cmocka_unit_test_setup(what_contradicts_the_documentation_is_refused, start),
        cmocka_unit_test_setup(there_are_so_many_types_and_no_more, start),
        cmocka_unit_test_setup(threads_that_register_at_once_agree, start),
        cmocka_unit_test_setup(a_type_is_tracked_by_its_number_and_by_its_name, start),
        cmocka_unit_test_setup(a_type_has_its_own_interval, start),
        cmocka_unit_test_setup(the_oldest_are_described, start),
        cmocka_unit_test_setup(a_description_without_end_is_cut_and_quoted, start),
        cmocka_unit_test_setup(an_empty_description_is_none, start),
        cmocka_unit_test_setup(no_lock_is_held_while_a_type_describes, start),
        cmocka_unit_test_setup(untracking_waits_for_the_description, start),
        cmocka_unit_test_setup(what_is_pinned_is_pinned_once_and_not_for_another_birth, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    types_reset();
    return failed;
}
