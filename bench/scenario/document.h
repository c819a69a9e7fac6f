/* A YAML file as a tree of nodes that know their lines: libyaml's own document, read once before libcyaml loads it.
 *
 * libcyaml fills structs, but its messages have no legal keys and values, and its structs no lines. So the tree is
 * checked against libcyaml's tables here first, with messages for users, and stays in reach while the loader checks
 * what tables cannot say. When document_check() has passed, libcyaml finds nothing left to refuse. */
#ifndef POOLBUF_BENCH_DOCUMENT_H
#define POOLBUF_BENCH_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "scenario/schema.h"

typedef struct document {
    const char *path; /* borrowed; as it stands in messages */
    const char *what; /* "scenario" or "suite" */
    unsigned char *text;
    size_t text_size;
    yaml_document_t tree;
    bool has_tree;
    char *error; /* the caller's; one line */
    size_t error_size;
} document;

/* document_open() reads and parses a file. Always call document_close() afterwards.
 *   returns  false, with the line in error, for a file that cannot be read, is too large, is empty or is not YAML. */
bool document_open(document *self, const char *path, const char *what, char *error, size_t error_size);
void document_close(document *self);

/* document_check() compares the tree with a schema: keys, types, legal words, numbers within their limits. */
bool document_check(document *self, const cyaml_schema_value_t *schema);

/* document_root(), document_value() and document_entry() walk the tree; NULL in, or nothing there, gives NULL. */
yaml_node_t *document_root(document *self);
yaml_node_t *document_value(document *self, const yaml_node_t *mapping, const char *key);
yaml_node_t *document_entry(document *self, const yaml_node_t *sequence, size_t index);

/* document_fail() makes the one line of an error at a node's line (at the file's first line when node is NULL).
 *   returns  false, for the caller to return. */
bool document_fail(document *self, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* document_quote() makes a file's text fit for a message: short, quoted, without control characters. The result is in
 * storage of its own, which the caller gives. */
#define DOCUMENT_QUOTE_SIZE 48
const char *document_quote(char storage[DOCUMENT_QUOTE_SIZE], const char *text);

#endif
