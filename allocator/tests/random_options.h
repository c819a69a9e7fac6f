/* Options of an allocator, drawn at random from a table with a row for each field: values at the ends of its range, and
 * those at which the structures behind it change shape. */
#ifndef RANDOM_OPTIONS_H
#define RANDOM_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include <poolbuf/allocator.h>

#include "choices.h"

/* Sets every option; one draw in eight has the defaults. No chunk is larger than largest_chunk bytes, unless eight pages
 * are. */
void random_options_draw(poolbuf_allocator_options *options, choices *source, size_t largest_chunk);

/* Every field, on one line. */
void random_options_print(const poolbuf_allocator_options *options, FILE *stream);

#endif
