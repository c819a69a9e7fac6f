/* Between composite.c and composite_parts.c. */
#ifndef COMPOSITE_PARTS_H
#define COMPOSITE_PARTS_H

#include <stdint.h>

#include <poolbuf/buffer.h>

#include "allocator.h"

/* An empty composite with room for so many components; NULL without memory. */
poolbuf *composite_make(poolbuf_allocator *allocator, uint32_t max_count, uint32_t room, poolbuf_kind kind);

#endif
