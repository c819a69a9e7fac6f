/* Slabs: records of one size, cut from regions of the system, for everything that is not a buffer's bytes.
 *
 * Metadata lives here and never beside payload, so that a write past a buffer's end cannot reach it. A record that is
 * given back is reused first, as its cache lines are warm; regions go back only when the slab ends (S1: a record's
 * address stays a record's address until then, which is what makes a stale handle safe to look at).
 *
 * A record may go back to another slab of the same kind than it came from: handles do, as growing swaps the memory of two
 * of them. All slabs of a kind therefore end together.
 *
 * The list of regions is kept in table pages of its own, because a region may be closed to Memcheck (poison.h).
 * Not locked: whoever owns the slab guards it; bytes alone may be read by anyone. */
#ifndef SLAB_H
#define SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/os.h"

struct slab_table;

typedef struct slab {
    os_source source;          /* of the regions; tables are always mapped */
    size_t record_bytes;       /* a multiple of the alignment */
    size_t region_bytes;       /* what is acquired at once */
    size_t link_offset;        /* where in a free record the link to the next lies */
    uint64_t out;              /* records that are taken; what audits count against, so that none gets lost */
    bool closed;               /* free records are closed to Memcheck */
    void *free;                /* records given back */
    char *fresh, *fresh_end;   /* the part of the last region that has never been used */
    struct slab_table *tables; /* which regions there are */
    uint64_t bytes;            /* of all regions and tables; atomic, relaxed */
} slab;

/* Records of record_bytes, rounded up to 64; at least a few in each region. Nothing is acquired yet. */
void slab_init(slab *self, os_source source, size_t record_bytes, size_t region_bytes);

/* Records are handles: linked through poolbuf.link, and closed while they are free. */
void slab_init_handles(slab *self, os_source source);

/* Gives every region back; no record may be used any more. */
void slab_fini(slab *self);

/* A record with undefined contents, or NULL without memory. */
void *slab_take(slab *self);
void slab_give(slab *self, void *record);

/* Shows each region, with the records that were never used. */
void slab_visit(const slab *self, void (*visit)(void *context, const void *region, size_t bytes), void *context);

#endif
