/* The accessors of every number type, as a table: what they take and give is bits, so that one test does for all of
 * them. */
#ifndef NUMBER_CALLS_H
#define NUMBER_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/poolbuf.h>

typedef struct number_calls {
    const char *name;
    size_t width; /* bytes */
    bool big;     /* the first byte stored is the highest */
    bool is_signed;
    bool is_bool;
    poolbuf_status (*write)(poolbuf *buffer, uint64_t bits);
    poolbuf_status (*read)(poolbuf *buffer, uint64_t *bits); /* a signed number's sign is carried into all 64 bits */
    poolbuf_status (*set)(poolbuf *buffer, size_t index, uint64_t bits);
    poolbuf_status (*get)(const poolbuf *buffer, size_t index, uint64_t *bits);
} number_calls;

extern const number_calls number_table[];
extern const size_t number_count;

/* What a number type stores of some bits: `width` bytes. */
void number_bytes(const number_calls *number, uint64_t bits, uint8_t *bytes);

/* What it gives back of such bytes. */
uint64_t number_value(const number_calls *number, const uint8_t *bytes);

#endif
