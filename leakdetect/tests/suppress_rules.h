/* What the tests of suppressions share: rules from a text, and what was complained of. */
#ifndef LEAKDETECT_TESTS_SUPPRESS_RULES_H
#define LEAKDETECT_TESTS_SUPPRESS_RULES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../src/tracker.h" /* the allocator has an internal tracker.h, too */
#include "suppress.h"

static char text[SUPPRESS_FILE_BYTES + 16];
static suppress_file file;
static char complaints[65536]; /* a line each */

static inline void note_complaint(void *context, const char *line) {
    (void)context;
    size_t used = strlen(complaints);
    assert_null(strchr(line, '\n'));
    snprintf(complaints + used, sizeof complaints - used, "%s\n", line);
}

static inline int start_empty(void **state) {
    (void)state;
    tracker_reset();
    complaints[0] = '\0';
    return 0;
}

static inline int forget_rules(void **state) {
    (void)state;
    suppress_fini(&file);
    return 0;
}

static inline size_t parse_bytes(const char *rules, size_t length) {
    file.text = NULL;
    suppress_fini(&file);
    complaints[0] = '\0';
    memcpy(text, rules, length);
    text[length] = '\0';
    file = (suppress_file){.path = "x.supp", .text = text};
    suppress_parse(&file, length, note_complaint, NULL);
    file.text = NULL; /* it is not mapped */
    return file.rules.count;
}

static inline size_t parse(const char *rules) {
    return parse_bytes(rules, strlen(rules));
}

static inline const suppress_rule *rule_at(size_t i) {
    assert_true(i < file.rules.count);
    return &((const suppress_rule *)file.rules.items)[i];
}

static inline size_t complaint_count(void) {
    size_t count = 0;
    for (const char *at = complaints; *at != '\0'; at++) {
        count += *at == '\n';
    }
    return count;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_empty, forget_rules)

#endif
