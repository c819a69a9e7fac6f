/* Between composite.c, composite_parts.c and composite_nest.c. */
#ifndef COMPOSITE_PARTS_H
#define COMPOSITE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include <poolbuf/buffer.h>

#include "allocator.h"

/* An empty composite with room for so many components; NULL without memory. */
poolbuf *composite_make(poolbuf_allocator *allocator, uint32_t max_count, uint32_t room, poolbuf_kind kind);

/* Whether a buffer is too deep to be a component of the taker: if POOLBUF_COMPOSITE_DEPTH_LIMIT composites or more lie in each other
 * there, or the taker is among them. Others may have added to the inner ones since they were added, so it is looked up and not
 * remembered. */
bool composite_nests_too_deep(const poolbuf *buffer, const poolbuf *taker);

#endif
