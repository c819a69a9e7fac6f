/* A plain model of the allocator: what must be alive, where, with which bytes, and what every figure must say.
 *
 * model_run() makes allocators with options drawn at random, calls everything there is on them and on their buffers, in an
 * order that a source of choices decides, and holds each answer against the model. A unit test runs it on seeded numbers,
 * a fuzzer on bytes. The first difference prints where it is, the options, and what the allocators look like, and aborts.
 *
 *      choices  ->  model_operations.c  ->  the library's calls
 *                         |
 *                   allocator_model.c      allocators, buffers, slices; spans of memory; expected counts
 *
 * What is compared, and with what:
 *   contents      bytes that follow from a seed and their place (payload.h); so growing, moving and handing on must keep them
 *   capacities    growth and shrinking by the documented rules, worked out anew from the numbers in the headers
 *   counts        live buffers and bytes, huge ones, allocations, releases, handles: exactly; the rest by sums that must hold
 *   overlap       handles and memory of everything alive share no byte (span_map.h), and are aligned
 *   failures      NULL or a status only where a failure was asked for, and then nothing has changed
 *   tracking      samples and releases that the tracker hears of; what it is told of a destroyed allocator
 *   structures    the library's own audits
 * In a build with AddressSanitizer every other run goes without its marks: with them no call takes a fast path.
 *
 * Size classes are found by walking their series from the start; no arithmetic is shared with the library.
 *
 * For one thread; what threads do to each other is in test_allocator_threads.c. Slices of slices are in test_buffer_model.c;
 * here a slice is cut from a buffer. */
#ifndef ALLOCATOR_MODEL_H
#define ALLOCATOR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <poolbuf/poolbuf.h>

#include "choices.h"
#include "span_map.h"

enum {
    MODEL_ALLOCATORS = 6, /* at once, destroyed ones with live buffers included */
    MODEL_BUFFERS = 1024,
    MODEL_SLICES = 4, /* of one buffer */
    MODEL_BULK = 64,  /* buffers of one call */
    MODEL_FAVOURITES = 3
};

/* How much a run does. */
typedef struct model_limits {
    uint32_t operations;
    uint32_t audit_interval; /* operations between two audits; 1: after each */
    uint32_t buffers;        /* alive at once, at most MODEL_BUFFERS */
    size_t live_bytes;       /* of them; growth may pass it a little */
    size_t largest_chunk;    /* bytes */
} model_limits;

typedef struct model_allocator {
    poolbuf_allocator *real; /* NULL: there is none */
    poolbuf_allocator_options options;
    bool closed; /* destroyed, with buffers alive */
    uint64_t live_buffers, live_bytes;
    uint64_t huge_buffers, huge_bytes; /* of the live ones: larger than a chunk, or unpooled */
    uint64_t unpooled_buffers;         /* of those */
    uint64_t allocations;
} model_allocator;

typedef struct model_slice {
    poolbuf *handle; /* NULL: there is none */
    size_t offset, length;
    uint32_t own; /* references; 0: a plain slice, which dies with the buffer */
} model_slice;

typedef struct model_buffer {
    poolbuf *handle;
    model_allocator *from;
    size_t index;                 /* in model.buffers */
    int kind;                     /* a poolbuf_kind */
    uint32_t own;                 /* references that the test holds to the buffer itself */
    bool tracked;                 /* the tracker has taken it */
    bool has_slices;              /* a plain slice has been cut */
    size_t capacity, max, usable; /* bytes */
    size_t reader, writer;        /* indices */
    const uint8_t *memory;
    uint64_t seed;
    size_t known; /* bytes from the start that hold the payload */
    model_slice slices[MODEL_SLICES];
} model_buffer;

typedef struct model {
    choices *source;
    model_limits limits;
    model_allocator allocators[MODEL_ALLOCATORS];
    model_buffer *buffers[MODEL_BUFFERS];
    size_t count;                        /* of buffers */
    size_t target;                       /* of count, at present */
    size_t favourites[MODEL_FAVOURITES]; /* sizes that are asked for again and again */
    uint64_t live_bytes;
    uint64_t allocations; /* so far */
    span_map spans;
    uint32_t fault_left;   /* operations until the system works again; 0: it does */
    uint64_t tracked;      /* buffers that the tracker has taken and that are alive, by its callbacks */
    uint64_t tracked_here; /* the same by the model */
    uint32_t gap;          /* what the tracker answers */
    uint32_t step;
    const char *operation;
    uint64_t others_buffers, others_bytes, others_allocated; /* in the process, before the run */
    FILE *nowhere;
} model;

/* Runs until so many operations are done or the choices are spent; then releases and destroys everything, and looks whether
 * anything is left. Uses os_fault meanwhile, and a tracker of its own, after which there is none. */
void model_run(choices *source, const model_limits *limits);

/* ---- Between allocator_model.c and model_operations.c ------------------------------------------------------------- */

#define MODEL_EXPECT(condition) ((condition) ? (void)0 : model_differs(__FILE__, __LINE__, #condition))
_Noreturn void model_differs(const char *file, int line, const char *condition);

void model_init(model *self, choices *source, const model_limits *limits);
void model_fini(model *self);

/* A system failure is under way: calls on the allocator may find no memory. */
bool model_may_fail(const model *self, const model_allocator *from);

/* The bytes of the class for a size, up to the chunk's. */
size_t model_class_bytes(const poolbuf_allocator_options *options, size_t size);

/* How many bytes of memory a buffer of that kind and size gets. */
size_t model_usable(const model_allocator *from, int kind, size_t size);

/* A buffer has come from the allocator; some or all of it is written. */
model_buffer *model_add(model *self, model_allocator *from, poolbuf *handle, int kind, size_t size, size_t max);

/* Writes the payload into what is not known, up to the capacity. */
void model_fill(model_buffer *buffer);

/* Compares a buffer and its slices with the model; closely: every byte, not only those at the ends. */
void model_look(const model_buffer *buffer, bool closely);

/* A slice has been cut, into a free place. */
void model_add_slice(model *self, model_buffer *buffer, model_slice *place, const model_slice *slice);

/* What set_capacity or a growth to so many bytes must do, and then has done. */
poolbuf_status model_expect_capacity(const model *self, const model_buffer *buffer, size_t capacity);
void model_capacity_changed(model *self, model_buffer *buffer, size_t capacity);

/* One reference of the test's to a buffer (slice NULL) or a retained slice is about to be dropped; true if it is the last,
 * so that the call that drops it must say so. The buffer may be gone from the model afterwards. */
bool model_drop(model *self, model_buffer *buffer, model_slice *slice);

uint32_t model_references(const model_buffer *buffer);

/* Holds the figures of an allocator against the model. */
void model_check_metrics(const model *self, const model_allocator *from);

/* All figures, all structures, some buffers closely. */
void model_audit(model *self);

#endif
