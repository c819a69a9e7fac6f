/* What an arena's dump shows beside its lists of chunks. The caller holds the lock. */
#ifndef ARENA_DUMP_H
#define ARENA_DUMP_H

#include <stdio.h>

#include "arena.h"

/* What it has cut and taken back, and what its records take. */
void arena_dump_counters(const arena *self, FILE *stream);

/* A chunk's free runs, as page numbers. */
void arena_dump_free_runs(const chunk *record, FILE *stream);

/* The rings of subpages with a free slot, and the huge buffers. */
void arena_dump_rings(const arena *self, FILE *stream);
void arena_dump_huge(const arena *self, FILE *stream);

#endif
