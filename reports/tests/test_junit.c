/* JUnit's XML: that it says what the exit codes say, that its counts add up, and that no text breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "reports/report.h"
#include "reports/tests/fixture.h"

/* ---- reading it ---- */

/* What a report writes, and what reads it again. */
typedef struct sink {
    char *text;
    size_t size;
    FILE *to;
    char error[REPORT_ERROR_BYTES];
} sink;

static void sink_open(sink *self) {
    *self = (sink){0};
    self->to = open_memstream(&self->text, &self->size);
    assert_non_null(self->to);
}

static xmlDoc *sink_parse(sink *self, bool written) {
    assert_true(written);
    fclose(self->to);
    xmlDoc *document = xmlReadMemory(self->text, (int)self->size, "report.xml", NULL, XML_PARSE_NONET);
    assert_non_null(document);
    free(self->text);
    return document;
}

static xmlDoc *of_leaks(const leaks_model *model) {
    sink all;
    sink_open(&all);
    return sink_parse(&all, report_write_leaks(model, REPORT_JUNIT, NULL, all.to, all.error, sizeof all.error));
}

static xmlDoc *of_compare(const compare_model *model) {
    sink all;
    sink_open(&all);
    return sink_parse(&all, report_write_compare(model, REPORT_JUNIT, NULL, all.to, all.error, sizeof all.error));
}

static xmlDoc *of_results(const results_model *model) {
    sink all;
    sink_open(&all);
    return sink_parse(&all, report_write_results(model, REPORT_JUNIT, NULL, all.to, all.error, sizeof all.error));
}

static bool is_called(const xmlNode *node, const char *name) {
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *child(const xmlNode *node, const char *name) {
    const xmlNode *found = node->children;
    while (found != NULL && !is_called(found, name)) {
        found = found->next;
    }
    return found;
}

/* Copied into a ring, so that callers need not free it; "" where there is none. */
static const char *attribute(const xmlNode *node, const char *name) {
    static char texts[8][4096];
    static size_t next;
    char *text = texts[next++ % 8];
    xmlChar *value = xmlGetProp(node, (const xmlChar *)name);
    snprintf(text, sizeof texts[0], "%s", value == NULL ? "" : (const char *)value);
    xmlFree(value);
    return text;
}

static unsigned long number(const xmlNode *node, const char *name) {
    char *end = NULL;
    const char *text = attribute(node, name);
    unsigned long value = strtoul(text, &end, 10);
    assert_true(end != text && *end == '\0');
    return value;
}

typedef struct counts {
    unsigned long tests, failures, errors, skipped;
} counts;

static void assert_counts(const xmlNode *node, counts wanted) {
    assert_int_equal(number(node, "tests"), wanted.tests);
    assert_int_equal(number(node, "failures"), wanted.failures);
    assert_int_equal(number(node, "errors"), wanted.errors);
    assert_int_equal(number(node, "skipped"), wanted.skipped);
}

static counts count_cases(const xmlNode *suite) {
    counts found = {0};
    for (const xmlNode *node = suite->children; node != NULL; node = node->next) {
        if (is_called(node, "testcase")) {
            assert_string_not_equal(attribute(node, "classname"), "");
            assert_string_not_equal(attribute(node, "name"), "");
            found.tests++;
            found.failures += child(node, "failure") != NULL;
            found.errors += child(node, "error") != NULL;
            found.skipped += child(node, "skipped") != NULL;
        }
    }
    return found;
}

/* Every document: what the attributes say is what is there. Frees it, and returns the sums. */
static counts checked(xmlDoc *document) {
    const xmlNode *root = xmlDocGetRootElement(document);
    counts all = {0};
    assert_true(is_called(root, "testsuites"));
    for (const xmlNode *node = root->children; node != NULL; node = node->next) {
        if (is_called(node, "testsuite")) {
            const counts suite = count_cases(node);
            assert_counts(node, suite);
            all.tests += suite.tests;
            all.failures += suite.failures;
            all.errors += suite.errors;
            all.skipped += suite.skipped;
        }
    }
    assert_counts(root, all);
    xmlFreeDoc(document);
    return all;
}

/* ---- tests ---- */

static void counts_are_those_of_the_cases(void **state) {
    (void)state;
    leaks_model *leaks = fixture_leaks();
    results_model *results = fixture_results();
    compare_model *compare = fixture_compare();
    counts found = checked(of_leaks(leaks));
    assert_int_equal(found.tests, 2 + leaks->misuse_count + leaks->group_count);
    found = checked(of_results(results));
    assert_int_equal(found.failures, 1);
    found = checked(of_compare(compare));
    assert_int_equal(found.tests, compare->row_count + 1);
    assert_int_equal(found.failures, compare_model_regressions(compare));
    assert_int_equal(found.errors, compare_model_losses(compare));
    leaks_model_destroy(leaks);
    results_model_destroy(results);
    compare_model_destroy(compare);
}

static void a_clean_program_passes(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 0);
    const counts found = checked(of_leaks(model));
    assert_int_equal(found.tests, 2);
    assert_int_equal(found.failures + found.errors + found.skipped, 0);
    leaks_model_destroy(model);
}

static void that_nothing_was_checked_is_an_error(void **state) {
    (void)state;
    leaks_model *model = leaks_model_create();
    const counts found = checked(of_leaks(model));
    assert_int_equal(found.errors, 1);
    leaks_model_destroy(model);
    compare_model *compare = compare_model_create();
    compare_model_add_row(compare, "churn", "pooled")->note = "only in base";
    assert_int_equal(checked(of_compare(compare)).errors, 1);
    compare_model_destroy(compare);
}

static void what_no_sample_saw_is_a_failure(void **state) {
    (void)state;
    leaks_model *model = fixture_process("process exit", 3);
    assert_int_equal(checked(of_leaks(model)).failures, 1);
    fixture_add_leak(model, "0000000000000001")->type = "session"; /* which says nothing of buffers */
    assert_int_equal(checked(of_leaks(model)).failures, 2);
    fixture_add_leak(model, "0000000000000002");
    assert_int_equal(checked(of_leaks(model)).failures, 2); /* some are seen now */
    leaks_model_destroy(model);
}

static void what_is_alive_or_known_is_skipped(void **state) {
    (void)state;
    leaks_model *model = fixture_process("on request", 3);
    leaks_group *alive = fixture_add_leak(model, "0000000000000001");
    alive->lost = 0;
    fixture_add_leak(model, "0000000000000002")->lost = 1; /* a scan says that this one is none of them */
    counts found = checked(of_leaks(model));
    assert_int_equal(found.skipped, 1);
    assert_int_equal(found.failures, 1);
    leaks_model_destroy(model);
    model = fixture_process("process exit", 3);
    fixture_add_leak(model, "0000000000000001")->baseline.standing = STANDING_KNOWN;
    fixture_add_leak(model, "0000000000000002")->baseline.standing = STANDING_GROWN;
    fixture_add_leak(model, "0000000000000003")->baseline.standing = STANDING_NEW;
    found = checked(of_leaks(model));
    assert_int_equal(found.skipped, 1);
    assert_int_equal(found.failures, 2);
    leaks_model_destroy(model);
}

/* CI tells a test's history by its names: a line that moves, a count that changes and another process id are no new test. */
static void a_leak_keeps_its_name_when_lines_move(void **state) {
    (void)state;
    char names[2][4096];
    for (uint64_t i = 0; i < 2; i++) {
        leaks_model *model = fixture_process("process exit", 3 + i);
        model->processes[0]->pid = 4000 + i;
        leaks_group *group = fixture_add_leak(model, "00000000000000aa");
        group->count += i;
        leaks_frame *frame = leaks_group_add_frame(model, group);
        frame->function = "session_open";
        frame->file = "session.c";
        frame->line = 10 + i;
        xmlDoc *document = of_leaks(model);
        const xmlNode *node = child(child(xmlDocGetRootElement(document), "testsuite"), "testcase");
        while (node->next != NULL && strncmp(attribute(node, "name"), "poolbuf allocated by", 20) != 0) {
            node = node->next;
        }
        snprintf(names[i], sizeof names[i], "%.2000s %.2000s", attribute(node, "classname"), attribute(node, "name"));
        xmlFreeDoc(document);
        leaks_model_destroy(model);
    }
    assert_string_equal(names[0], "server poolbuf allocated by session_open, 00000000000000aa");
    assert_string_equal(names[0], names[1]);
}

static void add_overrun(leaks_model *model, uint64_t line, uint64_t capacity) {
    leaks_misuse *misuse = leaks_model_add_misuse(
        model,
        model_text_format(model->arena,
                          "a write behind the end of a buffer: the byte at %llu has changed, the capacity is %llu",
                          (unsigned long long)capacity, (unsigned long long)capacity));
    leaks_frame *frame = leaks_frame_create(model);
    frame->function = "parse";
    frame->file = "parse.c";
    frame->line = line;
    misuse->count = 1;
    model_append(model->arena, (void *)&misuse->stack, &misuse->stack_count, frame);
}

/* The name of the first case after `node` that begins like this; "" behind the last. */
static const char *next_name(const xmlNode **node, const char *start) {
    const xmlNode *at = *node == NULL ? NULL : (*node)->next;
    while (at != NULL && (!is_called(at, "testcase") || strncmp(attribute(at, "name"), start, strlen(start)) != 0)) {
        at = at->next;
    }
    *node = at;
    return at == NULL ? "" : attribute(at, "name");
}

static void a_misuse_keeps_its_name_and_shares_it_with_none(void **state) {
    (void)state;
    char names[2][2][4096];
    for (uint64_t i = 0; i < 2; i++) {
        leaks_model *model = fixture_process("process exit", 0);
        add_overrun(model, i == 0 ? 10 : 21, 100 + i);
        add_overrun(model, i == 0 ? 20 : 11, 200 + i); /* the other order, one line further down */
        xmlDoc *document = of_leaks(model);
        const xmlNode *at = child(child(xmlDocGetRootElement(document), "testsuite"), "testcase");
        for (uint64_t j = 0; j < 2; j++) {
            snprintf(names[i][i == 0 ? j : 1 - j], sizeof names[0][0], "%s", next_name(&at, "a write behind"));
        }
        assert_string_equal(next_name(&at, "a write behind"), "");
        assert_int_equal(checked(document).failures, 2);
        leaks_model_destroy(model);
    }
    static const char START[] = "a write behind the end of a buffer, by parse, ";
    assert_int_equal(strncmp(names[0][0], START, sizeof START - 1), 0);
    assert_string_not_equal(names[0][0], names[0][1]);
    assert_string_equal(names[0][0], names[1][0]);
    assert_string_equal(names[0][1], names[1][1]);
}

static void what_a_misuse_ended_was_not_looked_through(void **state) {
    (void)state;
    leaks_model *model = fixture_process("misuse", 0);
    model->processes[0]->exact = (leaks_exact){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    add_overrun(model, 10, 100);
    const counts found = checked(of_leaks(model));
    assert_int_equal(found.tests, 2);
    assert_int_equal(found.errors, 1);
    assert_int_equal(found.failures, 1);
    leaks_model_destroy(model);
}

static void what_memcheck_lost_in_two_ways_are_two_cases(void **state) {
    (void)state;
    static const char *const KINDS[] = {"definitely lost", "possibly lost"};
    leaks_model *model = fixture_process("process exit", 0);
    for (size_t i = 0; i < 2; i++) {
        fixture_add_leak(model, "00000000000000aa")->kind = KINDS[i];
    }
    xmlDoc *document = of_leaks(model);
    const xmlNode *at = child(child(xmlDocGetRootElement(document), "testsuite"), "testcase");
    const char *first = next_name(&at, "poolbuf allocated");
    assert_string_not_equal(first, next_name(&at, "poolbuf allocated"));
    assert_int_equal(checked(document).failures, 2);
    leaks_model_destroy(model);
}

/* XML 1.0 cannot hold control characters at all, however they are escaped. */
static void no_text_breaks_the_document(void **state) {
    (void)state;
    static const char HOSTILE[] = "a\x01\x1b[31m<&>\"'\xff\xc3\xe2\x82\xf0\x9f\x98\x80 ]]> \xed\xa0\x80 "
                                  "\xc0\xaf\xe0\x80\xaf \xef\xbf\xbf \xc3\xa9";
    leaks_model *model = fixture_process("process exit", 0);
    model->processes[0]->program = HOSTILE;
    leaks_group *group = fixture_add_leak(model, "00000000000000aa");
    group->type = HOSTILE;
    leaks_frame *frame = leaks_group_add_frame(model, group);
    frame->function = HOSTILE;
    frame->file = HOSTILE;
    frame->line = 1;
    xmlDoc *document = of_leaks(model);
    const xmlNode *suite = child(xmlDocGetRootElement(document), "testsuite");
    const char *name = attribute(child(suite, "testcase"), "classname");
    assert_non_null(strstr(name, "<&>\"'"));
    assert_non_null(strstr(name, "\xf0\x9f\x98\x80"));
    assert_non_null(strstr(name, "\xc3\xa9"));
    assert_int_equal(checked(document).failures, 1);
    leaks_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_cases),
        cmocka_unit_test(a_clean_program_passes),
        cmocka_unit_test(that_nothing_was_checked_is_an_error),
        cmocka_unit_test(what_no_sample_saw_is_a_failure),
        cmocka_unit_test(what_is_alive_or_known_is_skipped),
        cmocka_unit_test(a_leak_keeps_its_name_when_lines_move),
        cmocka_unit_test(a_misuse_keeps_its_name_and_shares_it_with_none),
        cmocka_unit_test(what_a_misuse_ended_was_not_looked_through),
        cmocka_unit_test(what_memcheck_lost_in_two_ways_are_two_cases),
        cmocka_unit_test(no_text_breaks_the_document),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    xmlCleanupParser();
    return failed;
}
