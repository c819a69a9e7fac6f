/* Small integers: the smallest that nobody has, for whoever numbers things that come and go.
 *
 * One bit a number, set while it is free, in a mapping that doubles when every number in it is taken; a number once given
 * back is the next to be taken if no smaller one is free. Not locked: whoever owns the table guards it. */
#ifndef INDEX_TABLE_H
#define INDEX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_TABLE_NONE UINT32_MAX
#define INDEX_TABLE_MAX  ((uint32_t)1 << 25) /* numbers; that many of the smallest chunks are 1 TiB */

typedef struct index_table {
    uint64_t *free; /* bits; NULL until the first number is taken */
    size_t bytes;   /* of that mapping */
    uint32_t hint;  /* no number below it is free */
} index_table;

/* The smallest free number; INDEX_TABLE_NONE without memory, or if there are INDEX_TABLE_MAX. */
uint32_t index_table_take(index_table *self);
void index_table_give(index_table *self, uint32_t index);

/* Gives the mapping back; the table is empty then, and may be used again. */
void index_table_fini(index_table *self);

#endif
