/* Reading YAML, checking it against libcyaml's tables, and saying in one line what is wrong; see document.h. */
#include "scenario/document.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scenario/near.h"
#include "scenario/scenario.h"

#define KEYS_MAX 32

const char *document_quote(char storage[DOCUMENT_QUOTE_SIZE], const char *text) {
    size_t n = 0;
    storage[n++] = '"';
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (n > DOCUMENT_QUOTE_SIZE - 6) {
            memcpy(storage + n, "...", 3);
            n += 3;
            break;
        }
        unsigned char c = (unsigned char)text[i];
        storage[n++] = c < 0x20 || c == 0x7f ? '?' : text[i];
    }
    storage[n++] = '"';
    storage[n] = '\0';
    return storage;
}

__attribute__((format(printf, 3, 0))) static bool fail_at(document *self, size_t line, const char *format,
                                                          va_list args) {
    int n = snprintf(self->error, self->error_size, "%s:%zu: ", self->path, line);
    if (n >= 0 && (size_t)n < self->error_size) {
        (void)vsnprintf(self->error + n, self->error_size - (size_t)n, format, args);
    }
    return false;
}

bool document_fail(document *self, const yaml_node_t *node, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fail_at(self, node != NULL ? node->start_mark.line + 1 : 1, format, args);
    va_end(args);
    return false;
}

__attribute__((format(printf, 3, 4))) static bool fail_on_line(document *self, size_t line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fail_at(self, line, format, args);
    va_end(args);
    return false;
}

static bool fail_whole(document *self, const char *problem, const char *right) {
    (void)snprintf(self->error, self->error_size, "%s: %s; %s", self->path, problem, right);
    return false;
}

static bool read_text(document *self) {
    char right[64];
    (void)snprintf(right, sizeof right, "give the path of a %s file", self->what);
    FILE *file = fopen(self->path, "rbe");
    if (file == NULL) {
        char problem[128];
        (void)snprintf(problem, sizeof problem, "cannot open it: %s", strerror(errno));
        return fail_whole(self, problem, right);
    }
    bool fine = false;
    struct stat stat;
    self->text = malloc(SCENARIO_FILE_BYTES_MAX + 1);
    if (self->text == NULL) {
        (void)fail_whole(self, "not enough memory to read it", "1 MiB is needed");
    } else if (fstat(fileno(file), &stat) != 0 || S_ISDIR(stat.st_mode)) {
        (void)fail_whole(self, "it is a folder", right);
    } else {
        self->text_size = fread(self->text, 1, SCENARIO_FILE_BYTES_MAX + 1, file);
        if (ferror(file) != 0) {
            (void)fail_whole(self, "it cannot be read", right);
        } else if (self->text_size > SCENARIO_FILE_BYTES_MAX) {
            (void)fail_whole(self, "it is larger than 1 MiB", right);
        } else {
            fine = true;
        }
    }
    (void)fclose(file);
    return fine;
}

static size_t line_of_offset(const document *self, size_t offset) {
    size_t line = 1;
    for (size_t i = 0; i < offset && i < self->text_size; i++) {
        line += self->text[i] == '\n';
    }
    return line;
}

static bool fail_parser(document *self, const yaml_parser_t *parser) {
    const char *problem = parser->problem != NULL ? parser->problem : "it cannot be parsed";
    size_t line = parser->error == YAML_READER_ERROR ? line_of_offset(self, parser->problem_offset)
                                                     : parser->problem_mark.line + 1;
    return fail_on_line(self, line, "this is not YAML: %s; a %s is lines of \"key: value\" with even indentation",
                        problem, self->what);
}

static bool parse_text(document *self) {
    yaml_parser_t parser;
    yaml_document_t rest;
    if (yaml_parser_initialize(&parser) == 0) {
        return fail_whole(self, "not enough memory to parse it", "try again");
    }
    yaml_parser_set_input_string(&parser, self->text, self->text_size);
    self->has_tree = yaml_parser_load(&parser, &self->tree) != 0;
    bool fine = self->has_tree || fail_parser(self, &parser);
    if (fine && document_root(self) != NULL) {
        if (yaml_parser_load(&parser, &rest) == 0) {
            fine = fail_parser(self, &parser);
        } else {
            const yaml_node_t *second = yaml_document_get_root_node(&rest);
            if (second != NULL) {
                fine = document_fail(self, second, "a second document begins; a file holds one %s", self->what);
            }
            yaml_document_delete(&rest);
        }
    }
    yaml_parser_delete(&parser);
    return fine;
}

bool document_open(document *self, const char *path, const char *what, char *error, size_t error_size) {
    memset(self, 0, sizeof *self);
    self->path = path;
    self->what = what;
    self->error = error;
    self->error_size = error_size;
    return read_text(self) && parse_text(self);
}

void document_close(document *self) {
    if (self->has_tree) {
        yaml_document_delete(&self->tree);
    }
    free(self->text);
}

yaml_node_t *document_root(document *self) {
    return yaml_document_get_root_node(&self->tree);
}

yaml_node_t *document_value(document *self, const yaml_node_t *mapping, const char *key) {
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *name = yaml_document_get_node(&self->tree, pair->key);
        if (name->type == YAML_SCALAR_NODE && strcmp((const char *)name->data.scalar.value, key) == 0) {
            return yaml_document_get_node(&self->tree, pair->value);
        }
    }
    return NULL;
}

yaml_node_t *document_entry(document *self, const yaml_node_t *sequence, size_t index) {
    if (sequence == NULL || sequence->type != YAML_SEQUENCE_NODE ||
        index >= (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start)) {
        return NULL;
    }
    return yaml_document_get_node(&self->tree, sequence->data.sequence.items.start[index]);
}

static const char *found(const yaml_node_t *node) {
    switch (node->type) {
    case YAML_MAPPING_NODE:
        return "a mapping";
    case YAML_SEQUENCE_NODE:
        return "a list";
    default:
        return node->data.scalar.length == 0 ? "nothing" : "a text or number";
    }
}

/* Joins words with commas; a table longer than the storage is cut. */
static void join(char *storage, size_t size, const char *const *words, size_t count) {
    size_t n = 0;
    storage[0] = '\0';
    for (size_t i = 0; i < count && n < size; i++) {
        int more = snprintf(storage + n, size - n, "%s%s", i == 0 ? "" : ", ", words[i]);
        n += more > 0 ? (size_t)more : 0;
    }
}

static size_t keys_of(const cyaml_schema_field_t *fields, const char *keys[KEYS_MAX], bool mandatory_only) {
    size_t count = 0;
    for (const cyaml_schema_field_t *field = fields; field->key != NULL && count < KEYS_MAX; field++) {
        if (!mandatory_only || ((unsigned)field->value.flags & CYAML_FLAG_OPTIONAL) == 0) {
            keys[count++] = field->key;
        }
    }
    return count;
}

/* "; did you mean X? legal WHAT: A, B, C" */
static bool fail_word(document *self, const yaml_node_t *node, const char *problem, const char *typed,
                      const char *const *legal, size_t count, const char *what) {
    char quoted[DOCUMENT_QUOTE_SIZE];
    char list[256];
    join(list, sizeof list, legal, count);
    const char *meant = near_word(typed, legal, count);
    return document_fail(self, node, "%s %s; %s%s%slegal %s: %s", problem, document_quote(quoted, typed),
                         meant != NULL ? "did you mean " : "", meant != NULL ? meant : "", meant != NULL ? "? " : "",
                         what, list);
}

static bool check_node(document *self, const yaml_node_t *node, const cyaml_schema_value_t *schema, const char *key);

static bool check_missing(document *self, const yaml_node_t *node, const cyaml_schema_field_t *fields,
                          const char *key) {
    for (const cyaml_schema_field_t *field = fields; field->key != NULL; field++) {
        if (((unsigned)field->value.flags & CYAML_FLAG_OPTIONAL) == 0 &&
            document_value(self, node, field->key) == NULL) {
            const char *keys[KEYS_MAX];
            char list[256];
            join(list, sizeof list, keys, keys_of(fields, keys, true));
            return document_fail(self, node, "the key \"%s\" is missing; \"%s\" needs: %s", field->key, key, list);
        }
    }
    return true;
}

static bool check_pair(document *self, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
                       const cyaml_schema_field_t *fields, const char *key) {
    const yaml_node_t *name = yaml_document_get_node(&self->tree, pair->key);
    const yaml_node_t *value = yaml_document_get_node(&self->tree, pair->value);
    if (name->type != YAML_SCALAR_NODE) {
        return document_fail(self, name, "a key is %s; keys are words", found(name));
    }
    const char *text = (const char *)name->data.scalar.value;
    if (strlen(text) != name->data.scalar.length) {
        return document_fail(self, name, "a key holds a zero byte; keys are words");
    }
    const cyaml_schema_field_t *field = fields;
    while (field->key != NULL && strcmp(field->key, text) != 0) {
        field++;
    }
    if (field->key == NULL) {
        const char *keys[KEYS_MAX];
        char what[64];
        (void)snprintf(what, sizeof what, "keys in \"%s\"", key);
        return fail_word(self, name, "unknown key", text, keys, keys_of(fields, keys, false), what);
    }
    if (document_value(self, mapping, text) != value) {
        return document_fail(self, name, "the key \"%s\" is there twice; once is right", text);
    }
    return check_node(self, value, &field->value, field->key);
}

static bool check_mapping(document *self, const yaml_node_t *node, const cyaml_schema_value_t *schema,
                          const char *key) {
    const cyaml_schema_field_t *fields = schema->mapping.fields;
    if (node->type != YAML_MAPPING_NODE) {
        const char *keys[KEYS_MAX];
        char list[256];
        join(list, sizeof list, keys, keys_of(fields, keys, false));
        return document_fail(self, node, "\"%s\" is %s; it must be a mapping with the keys: %s", key, found(node),
                             list);
    }
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        if (!check_pair(self, node, pair, fields, key)) {
            return false;
        }
    }
    return check_missing(self, node, fields, key);
}

static bool check_sequence(document *self, const yaml_node_t *node, const cyaml_schema_value_t *schema,
                           const char *key) {
    if (node->type != YAML_SEQUENCE_NODE) {
        return document_fail(self, node, "\"%s\" is %s; it must be a list, such as [..., ...]", key, found(node));
    }
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count < schema->sequence.min || count > schema->sequence.max) {
        return document_fail(self, node, "\"%s\" has %zu entries; it must have %" PRIu32 " to %" PRIu32, key, count,
                             schema->sequence.min, schema->sequence.max);
    }
    for (size_t i = 0; i < count; i++) {
        if (!check_node(self, document_entry(self, node, i), schema->sequence.entry, key)) {
            return false;
        }
    }
    return true;
}

static bool check_number(document *self, const yaml_node_t *node, const char *text, const char *key) {
    const schema_limit *limit = schema_limit_of(key);
    char quoted[DOCUMENT_QUOTE_SIZE];
    size_t digits = strspn(text, "0123456789");
    bool negative = text[0] == '-' && text[1] != '\0' && text[1 + strspn(text + 1, "0123456789")] == '\0';
    if (negative) {
        return document_fail(self, node, "\"%s\" is negative: %s; legal: %" PRIu64 " to %" PRIu64, key,
                             document_quote(quoted, text), limit->low, limit->high);
    }
    if (digits == 0 || text[digits] != '\0' || (text[0] == '0' && digits > 1)) {
        return document_fail(self, node, "\"%s\" is not a whole number: %s; legal: %" PRIu64 " to %" PRIu64, key,
                             document_quote(quoted, text), limit->low, limit->high);
    }
    errno = 0;
    uint64_t number = strtoull(text, NULL, 10);
    if (errno != 0 || number < limit->low || number > limit->high) {
        return document_fail(self, node, "\"%s\" is out of range: %s; legal: %" PRIu64 " to %" PRIu64, key,
                             document_quote(quoted, text), limit->low, limit->high);
    }
    return true;
}

static bool check_enum(document *self, const yaml_node_t *node, const cyaml_schema_value_t *schema, const char *text,
                       const char *key) {
    const char *words[KEYS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < schema->enumeration.count && count < KEYS_MAX; i++) {
        if (strcmp(schema->enumeration.strings[i].str, text) == 0) {
            return true;
        }
        words[count++] = schema->enumeration.strings[i].str;
    }
    char problem[64];
    (void)snprintf(problem, sizeof problem, "unknown %s", key);
    return fail_word(self, node, problem, text, words, count, "values");
}

static bool check_scalar(document *self, const yaml_node_t *node, const cyaml_schema_value_t *schema, const char *key) {
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0) {
        return document_fail(self, node, "\"%s\" is %s; it must be a %s", key, found(node),
                             schema->type == CYAML_UINT ? "whole number" : "word or a text");
    }
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length) {
        return document_fail(self, node, "\"%s\" holds a zero byte; it must be plain text", key);
    }
    switch (schema->type) {
    case CYAML_UINT:
        return check_number(self, node, text, key);
    case CYAML_ENUM:
        return check_enum(self, node, schema, text, key);
    default:
        if (node->data.scalar.length > schema->string.max) {
            return document_fail(self, node, "\"%s\" is %zu bytes long; at most %" PRIu32 " are legal", key,
                                 node->data.scalar.length, schema->string.max);
        }
        return true;
    }
}

/* The schema is a tree of few levels, so the recursion ends even where an alias makes the document a cycle. */
static bool check_node(document *self, const yaml_node_t *node, const cyaml_schema_value_t *schema, const char *key) {
    switch (schema->type) {
    case CYAML_MAPPING:
        return check_mapping(self, node, schema, key);
    case CYAML_SEQUENCE:
        return check_sequence(self, node, schema, key);
    default:
        return check_scalar(self, node, schema, key);
    }
}

bool document_check(document *self, const cyaml_schema_value_t *schema) {
    const yaml_node_t *root = document_root(self);
    if (root == NULL || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)) {
        const char *keys[KEYS_MAX];
        char list[256];
        join(list, sizeof list, keys, keys_of(schema->mapping.fields, keys, true));
        return document_fail(self, NULL, "the file is empty; a %s needs: %s", self->what, list);
    }
    return check_node(self, root, schema, self->what);
}
