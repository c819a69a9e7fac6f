/* Tables that say how a struct is spelt in JSON, and the two walkers that follow them: one reads, one writes.
 *
 * A shape is a list of fields; a field names its key, where the value lies in the struct, and whether it may be null or
 * absent. Because both directions follow the same table, what is written is what is read. Keys that no field names are
 * skipped, and counted as strangers: a later tool may add some without changing the schema's number.
 *
 * Reading stops at the first fault and describes it as "PATH: what is wrong; what would be right", where PATH is the
 * place in the document, such as scenarios[0].results[2].status. */
#ifndef POOLBUF_REPORTS_JSON_FIELD_H
#define POOLBUF_REPORTS_JSON_FIELD_H

#include <jansson.h>

#include "reports/model.h"

typedef enum json_kind {
    JSON_KIND_TEXT,    /* const char *; null is NULL */
    JSON_KIND_COUNT,   /* uint64_t, 0 to INT64_MAX; null is MODEL_UNKNOWN */
    JSON_KIND_NUMBER,  /* double, finite and not negative; null is NaN */
    JSON_KIND_SIGNED,  /* int64_t, down to -INT64_MAX; null is MODEL_UNKNOWN_SIGNED */
    JSON_KIND_REAL,    /* double, finite, of either sign; null is NaN */
    JSON_KIND_FLAG,    /* bool; null is false */
    JSON_KIND_WORD,    /* an enum of int's size whose value indexes `words`; null is 0 */
    JSON_KIND_OBJECT,  /* a struct inside the struct; null is all unknown, flags false and lists empty */
    JSON_KIND_OBJECTS, /* T ** and a size_t: a list of nodes */
    JSON_KIND_TEXTS    /* const char ** and a size_t */
} json_kind;

typedef enum json_rule {
    JSON_REQUIRED, /* there, and not null */
    JSON_NULLABLE, /* there, but may be null */
    JSON_OPTIONAL  /* may be absent or null; not written when unknown, false or empty */
} json_rule;

typedef struct json_shape json_shape;

typedef struct json_field {
    const char *name;
    json_kind kind;
    json_rule rule;
    size_t offset;            /* of the value in the struct */
    size_t count_offset;      /* lists: of their size_t */
    const json_shape *shape;  /* objects */
    const char *const *words; /* words; an entry that is NULL stands for null */
    size_t word_count;
} json_field;

struct json_shape {
    const json_field *fields;
    size_t field_count;
    size_t size; /* of the struct */
};

#define JSON_SHAPE(struct_type, fields)                                                                                \
    { fields, sizeof(fields) / sizeof((fields)[0]), sizeof(struct_type) }
#define JSON_VALUE(struct_type, member, kind, rule)                                                                    \
    { #member, kind, rule, offsetof(struct_type, member), 0, NULL, NULL, 0 }
#define JSON_TEXT(struct_type, member, rule)   JSON_VALUE(struct_type, member, JSON_KIND_TEXT, rule)
#define JSON_COUNT(struct_type, member, rule)  JSON_VALUE(struct_type, member, JSON_KIND_COUNT, rule)
#define JSON_NUMBER(struct_type, member, rule) JSON_VALUE(struct_type, member, JSON_KIND_NUMBER, rule)
#define JSON_SIGNED(struct_type, member, rule) JSON_VALUE(struct_type, member, JSON_KIND_SIGNED, rule)
#define JSON_REAL(struct_type, member, rule)   JSON_VALUE(struct_type, member, JSON_KIND_REAL, rule)
#define JSON_FLAG(struct_type, member, rule)   JSON_VALUE(struct_type, member, JSON_KIND_FLAG, rule)
/* A flag whose key is a word of C's. */
#define JSON_FLAG_NAMED(struct_type, name, member, rule)                                                               \
    { name, JSON_KIND_FLAG, rule, offsetof(struct_type, member), 0, NULL, NULL, 0 }
#define JSON_INNER(struct_type, member, rule, shape)                                                                   \
    { #member, JSON_KIND_OBJECT, rule, offsetof(struct_type, member), 0, shape, NULL, 0 }
#define JSON_NODES(struct_type, member, counter, rule, shape)                                                          \
    { #member, JSON_KIND_OBJECTS, rule, offsetof(struct_type, member), offsetof(struct_type, counter), shape, NULL, 0 }
#define JSON_NAMES(struct_type, member, counter, rule)                                                                 \
    { #member, JSON_KIND_TEXTS, rule, offsetof(struct_type, member), offsetof(struct_type, counter), NULL, NULL, 0 }
#define JSON_CHOICE(struct_type, member, rule, words)                                                                  \
    { #member, JSON_KIND_WORD, rule, offsetof(struct_type, member), 0, NULL, words, sizeof(words) / sizeof((words)[0]) }

enum {
    JSON_PATH_BYTES = 160,
    JSON_FAULT_BYTES = 400
};

typedef struct json_reader {
    model_arena *arena;
    char path[JSON_PATH_BYTES]; /* where the walker stands; a path too long is cut */
    char fault[JSON_FAULT_BYTES];
    bool failed;
    char stranger[JSON_PATH_BYTES]; /* the first key that no field names, with its path; empty: none */
    size_t strangers;               /* how many there are */
} json_reader;

/* Fill the struct at `into` from `object`. Returns false and sets reader->fault at the first fault. */
bool json_shape_read(json_reader *reader, const json_shape *shape, const json_t *object, void *into);

/* Counts a key at the reader's path that nobody reads. Of an object at the top, which several shapes read, the caller finds
 * them with json_shape_has(). */
void json_stranger(json_reader *reader, const char *key);
bool json_shape_has(const json_shape *shape, const char *key);

/* The reader's fault, with its path in front; the first one stays. Returns false. */
bool json_fault(json_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A text; one that is not UTF-8, such as a file name, has its foreign bytes replaced rather than lost. */
json_t *json_text(const char *text);

/* A new object, or the same keys added to an existing one. Running out of memory ends the program. */
json_t *json_shape_write(const json_shape *shape, const void *from);
void json_shape_write_into(const json_shape *shape, const void *from, json_t *object);
json_t *json_schema_object(const char *schema); /* {"schema": schema} */

#endif
