/* Unit tests of the contract with a user's own library: what is refused, and in which words. A library that keeps it is
 * opened end to end, by tests/subjects.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/available.h"
#include "subjects/library.h"

static char message[1024];

static subject_library_entry good_entry(void) {
    return (subject_library_entry){.version = SUBJECT_LIBRARY_VERSION,
                                   .struct_size = sizeof(subject_library_entry),
                                   .run_size = sizeof(subject_run),
                                   .kernel_size = sizeof(subject_kernel),
                                   .kind_count = STREAM_KIND_COUNT,
                                   .name = "mine",
                                   .release = "1.0",
                                   .kernel = &subject_kernel_null};
}

static void expect_refusal(subject_library_entry entry, const char *words) {
    message[0] = '\0';
    assert_false(subject_library_check(&entry, message, sizeof message));
    if (strstr(message, words) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", message, words);
    }
}

static void an_entry_that_keeps_the_contract_is_taken(void **state) {
    (void)state;
    const subject_library_entry entry = good_entry();
    assert_true(subject_library_check(&entry, message, sizeof message));
}

static void another_version_is_named_beside_ours(void **state) {
    (void)state;
    subject_library_entry entry = good_entry();
    entry.version = 7;
    expect_refusal(entry, "version 7 of subjects/plugin.h, this program has version 5");
    /* Nothing behind the version is believed: another version may have another layout. */
    entry.kernel = NULL;
    entry.struct_size = 1;
    expect_refusal(entry, "version 7");
}

static void other_headers_of_the_same_version_are_refused(void **state) {
    (void)state;
    for (int field = 0; field < 4; field++) {
        subject_library_entry entry = good_entry();
        uint32_t *const fields[] = {&entry.struct_size, &entry.run_size, &entry.kernel_size, &entry.kind_count};
        *fields[field] += 1;
        expect_refusal(entry, "other headers");
    }
}

static void every_hook_must_be_there(void **state) {
    (void)state;
    subject_library_entry entry = good_entry();
    entry.kernel = NULL;
    expect_refusal(entry, "no kernel");
    for (int hook = 0; hook < 8; hook++) {
        subject_kernel kernel = subject_kernel_null;
        static const char *const names[] = {"prepare()", "finish()",  "play()",  "audit()",
                                            "held()",    "discard()", "timed()", "pure()"};
        kernel.prepare = hook == 0 ? NULL : kernel.prepare;
        kernel.finish = hook == 1 ? NULL : kernel.finish;
        kernel.play = hook == 2 ? NULL : kernel.play;
        kernel.audit = hook == 3 ? NULL : kernel.audit;
        kernel.held = hook == 4 ? NULL : kernel.held;
        kernel.discard = hook == 5 ? NULL : kernel.discard;
        kernel.timed = hook == 6 ? NULL : kernel.timed;
        kernel.pure = hook == 7 ? NULL : kernel.pure;
        entry = good_entry();
        entry.kernel = &kernel;
        expect_refusal(entry, names[hook]);
    }
}

static void names_and_versions_are_short_and_printable(void **state) {
    (void)state;
    char longest[SUBJECT_LIBRARY_TEXT_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const bad[] = {NULL, "", "two\nlines", longest};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        subject_library_entry entry = good_entry();
        entry.name = bad[i];
        expect_refusal(entry, "printable");
        entry = good_entry();
        entry.release = bad[i];
        expect_refusal(entry, "printable");
    }
    subject_library_entry entry = good_entry();
    entry.name = longest + 1;
    assert_true(subject_library_check(&entry, message, sizeof message));
}

static void what_is_no_library_of_ours_is_one_line(void **state) {
    (void)state;
    static const struct {
        const char *path, *words;
    } rows[] = {{"/nonexistent/mine.so", "x: /nonexistent/mine.so cannot be loaded: "},
                {"/etc/passwd", "x: /etc/passwd cannot be loaded: "},
                {"/dev/null", "x: /dev/null cannot be loaded: "},
                {"/", "x: / cannot be loaded: "},
                {"libm.so.6", "x: libm.so.6 has no symbol poolbuf_subject"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        subject opened = {.name = "untouched"};
        assert_false(subject_library_open("x", rows[i].path, &opened, message, sizeof message));
        assert_ptr_equal(strstr(message, rows[i].words), message);
        assert_null(strchr(message, '\n'));
        assert_string_equal(opened.name, "untouched");
    }
}

/* ---- What can be had here ---- */

static void what_is_missing_names_the_package(void **state) {
    (void)state;
    static const subject preloaded = {.name = "a", .preload = "libno-such-library.so.9", .package = "libno-such9"};
    static const subject peer = {.name = "b", .worker = "no-such-worker", .package = "libno-such-dev"};
    static const subject ours = {.name = "c", .worker = "no-such-worker"};
    char why[AVAILABLE_WHY_SIZE];
    assert_false(available_here(&preloaded, why, sizeof why));
    assert_string_equal(why, "libno-such-library.so.9 is not installed; Debian has it in the package libno-such9");
    assert_false(available_here(&peer, why, sizeof why));
    assert_non_null(strstr(why, "no-such-worker is not beside this program"));
    assert_non_null(strstr(why, "Debian's package libno-such-dev"));
    assert_false(available_here(&ours, why, sizeof why));
    assert_string_equal(why, "no-such-worker is not beside this program");
    assert_true(available_here(subject_find("malloc"), why, sizeof why));
}

static void a_worker_is_looked_for_beside_the_program(void **state) {
    (void)state;
    static const subject peer = {.name = "b", .worker = "worker-of-b"};
    char path[PATH_MAX];
    assert_string_equal(available_worker("/opt/bin/poolbuf", &peer, path), "/opt/bin/worker-of-b");
    assert_string_equal(available_worker("poolbuf", &peer, path), "worker-of-b");
    assert_string_equal(available_worker("/opt/bin/poolbuf", subject_find("null"), path), "/opt/bin/poolbuf");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_that_keeps_the_contract_is_taken),
        cmocka_unit_test(another_version_is_named_beside_ours),
        cmocka_unit_test(other_headers_of_the_same_version_are_refused),
        cmocka_unit_test(every_hook_must_be_there),
        cmocka_unit_test(names_and_versions_are_short_and_printable),
        cmocka_unit_test(what_is_no_library_of_ours_is_one_line),
        cmocka_unit_test(what_is_missing_names_the_package),
        cmocka_unit_test(a_worker_is_looked_for_beside_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
