/* See junit.h. */
#include "reports/junit.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/chvalid.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "reports/sentence.h"

typedef struct totals {
    uint64_t tests, failures, errors, skipped;
    double seconds;
} totals;

struct junit_suite {
    xmlNode *node;
    xmlNode *properties; /* NULL: none yet */
    totals sums;
    junit_suite *next; /* the one before it in the document */
};

struct junit {
    xmlDoc *document;
    junit_suite *newest;
};

static void *needed(void *made) {
    if (made == NULL) {
        fputs("poolbuf: out of memory for a report\n", stderr);
        exit(1);
    }
    return made;
}

static const xmlChar *xml(const char *text) {
    return (const xmlChar *)text;
}

/* In the one form that is allowed: libxml2 reads longer ones, and its parser refuses them. */
static int utf8_length(int character) {
    return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
}

/* The text, without what XML 1.0 cannot hold; the caller frees it. */
static char *xml_text(const char *text) {
    char *clean = NULL;
    size_t size = 0;
    FILE *out = needed(open_memstream(&clean, &size));
    while (*text != '\0') {
        int length = (int)strnlen(text, 4);
        const int character = xmlGetUTF8Char((const unsigned char *)text, &length);
        const bool fits = character > 0 && length == utf8_length(character) && xmlIsCharQ((unsigned)character);
        fwrite(fits ? text : "\xef\xbf\xbd", 1, fits ? (size_t)length : 3, out);
        text += character > 0 && length > 0 ? length : 1;
    }
    (void)fclose(out);
    return needed(clean);
}

static void set(xmlNode *node, const char *name, const char *value) {
    if (value != NULL) {
        char *clean = xml_text(value);
        (void)needed(xmlNewProp(node, xml(name), xml(clean)));
        free(clean);
    }
}

static xmlNode *add(xmlNode *parent, const char *name, const char *text) {
    xmlNode *node = needed(xmlNewChild(parent, NULL, xml(name), NULL));
    if (text != NULL) {
        char *clean = xml_text(text);
        (void)needed(xmlAddChild(node, needed(xmlNewText(xml(clean)))));
        free(clean);
    }
    return node;
}

static void set_seconds(xmlNode *node, double seconds) {
    char text[48];
    snprintf(text, sizeof text, "%.6f", seconds);
    set(node, "time", text);
}

static void set_totals(xmlNode *node, const totals *sums) {
    char text[32];
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"tests", sums->tests}, {"failures", sums->failures}, {"errors", sums->errors}, {"skipped", sums->skipped}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        snprintf(text, sizeof text, "%" PRIu64, counts[i].value);
        set(node, counts[i].name, text);
    }
    set_seconds(node, sums->seconds);
}

junit *junit_create(void) {
    junit *self = needed(calloc(1, sizeof *self));
    self->document = needed(xmlNewDoc(xml("1.0")));
    xmlNode *root = needed(xmlNewNode(NULL, xml("testsuites")));
    xmlDocSetRootElement(self->document, root);
    set(root, "name", "poolbuf");
    return self;
}

junit_suite *junit_add_suite(junit *self, const char *name, const char *timestamp) {
    junit_suite *suite = needed(calloc(1, sizeof *suite));
    suite->node = add(xmlDocGetRootElement(self->document), "testsuite", NULL);
    set(suite->node, "name", name);
    set(suite->node, "timestamp", timestamp);
    suite->next = self->newest;
    self->newest = suite;
    return suite;
}

void junit_add_property(junit_suite *suite, const char *name, const char *value) {
    if (value == NULL) {
        return;
    }
    if (suite->properties == NULL) {
        suite->properties = add(suite->node, "properties", NULL);
    }
    xmlNode *property = add(suite->properties, "property", NULL);
    set(property, "name", name);
    set(property, "value", value);
}

void junit_add_case(junit_suite *suite, const junit_case *to_add) {
    static const char *const ELEMENTS[] = {
        [JUNIT_PASSED] = NULL, [JUNIT_FAILURE] = "failure", [JUNIT_ERROR] = "error", [JUNIT_SKIPPED] = "skipped"};
    xmlNode *node = add(suite->node, "testcase", NULL);
    set(node, "classname", to_add->class_name);
    set(node, "name", to_add->name);
    if (isfinite(to_add->seconds)) {
        set_seconds(node, to_add->seconds);
        suite->sums.seconds += to_add->seconds;
    }
    suite->sums.tests++;
    suite->sums.failures += to_add->outcome == JUNIT_FAILURE;
    suite->sums.errors += to_add->outcome == JUNIT_ERROR;
    suite->sums.skipped += to_add->outcome == JUNIT_SKIPPED;
    const bool has_text = to_add->outcome == JUNIT_FAILURE || to_add->outcome == JUNIT_ERROR;
    if (ELEMENTS[to_add->outcome] != NULL) {
        const char *text = to_add->details == NULL ? to_add->message : to_add->details;
        xmlNode *outcome = add(node, ELEMENTS[to_add->outcome], has_text ? text : NULL);
        set(outcome, "message", to_add->message);
        set(outcome, "type", has_text ? to_add->type : NULL);
    }
    if (!has_text && to_add->details != NULL) {
        (void)add(node, "system-out", to_add->details);
    }
}

static void add_totals(totals *into, const totals *from) {
    into->tests += from->tests;
    into->failures += from->failures;
    into->errors += from->errors;
    into->skipped += from->skipped;
    into->seconds += from->seconds;
}

void junit_finish(junit *self, FILE *to) {
    totals all = {0};
    for (junit_suite *suite = self->newest, *next; suite != NULL; suite = next) {
        next = suite->next;
        add_totals(&all, &suite->sums);
        set_totals(suite->node, &suite->sums);
        free(suite);
    }
    set_totals(xmlDocGetRootElement(self->document), &all);
    xmlChar *text = NULL;
    int size = 0;
    xmlDocDumpFormatMemoryEnc(self->document, &text, &size, "UTF-8", 1);
    fwrite(needed(text), 1, (size_t)size, to);
    xmlFree(text);
    xmlFreeDoc(self->document);
    free(self);
}
