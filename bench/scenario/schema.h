/* What scenario and suite files may hold: libcyaml's tables, and the limits of numbers that those tables cannot say.
 *
 * These tables are the one source. The loader fills structs from them, document.c makes its errors from them, and a
 * test compares scenarios/schema.json with them. */
#ifndef POOLBUF_BENCH_SCHEMA_H
#define POOLBUF_BENCH_SCHEMA_H

#include <cyaml/cyaml.h>

/* The legal numbers of a key, or of the entries of a list under that key. A key means the same wherever it stands. */
typedef struct schema_limit {
    const char *key;
    uint64_t low, high;
} schema_limit;

extern const cyaml_schema_value_t schema_scenario;
extern const cyaml_schema_value_t schema_suite;

/* schema_limit_of() finds a key's limits; every number in the tables has some. */
const schema_limit *schema_limit_of(const char *key);

/* How libcyaml is called everywhere: its messages are dropped, because document.c has said it better before. */
extern const cyaml_config_t schema_config;

#endif
