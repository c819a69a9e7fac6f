/* A plain model of what buffers do: bytes with an identity, which several views show.
 *
 * model_run() makes buffers of every kind and calls everything in buffer.h, access.h, derived.h, composite.h and
 * wrapped.h on them, in an order that a source of choices decides, with arguments good and bad, and holds each answer
 * against the model. A unit test runs it on seeded numbers, a fuzzer on bytes. The first difference prints where it is
 * and aborts.
 *
 *      choices  ->  buffers_operations.c   allocate, retain, release, capacity, indices, views; the loop
 *                   buffers_access.c       get, set, read, write, copy
 *                   buffers_joined.c       composites
 *                         |
 *                   buffers_model.c        what there is, where each byte lies, who holds whom
 *
 * Four shapes are enough for all there is:
 *
 *      BLOCK      has bytes of its own: pooled, unpooled, wrapped, or none        counts
 *      COMPOSITE  shows ranges of others, one after the other, and holds them     counts
 *      VIEW       shows a range of another, and dies with it                      its buffer counts
 *      RETAINED   shows a range of another, and holds it                          counts
 *
 * Where a byte lies is found by following these ranges down to a block. Nobody keeps a pointer: a range that has been
 * cut off meanwhile is not found, and reading there is out of bounds.
 *
 * What is compared: status or result of each call; then capacity, indices, room, references, kind, who holds whom,
 * components, and bytes of what was touched, the composite's audit; every so often all of this of everything, the
 * allocator's audit, and its live buffers and bytes. A call that must fail is followed by the same look, so it has
 * changed nothing.
 *
 * Where several things are wrong with a call, the documentation does not say which one it names: any of them will do.
 *
 * Left out, as undefined: cutting a buffer below the end of a slice of it; handing an unreleasable view to somebody
 * who keeps it. How deep composites may lie in each other is left out too, as what they show would grow without end.
 *
 * How a plain buffer moves, and the allocator behind it, is allocator_model.h's. For one thread. */
#ifndef BUFFERS_MODEL_H
#define BUFFERS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <poolbuf/composite.h>
#include <poolbuf/poolbuf.h>
#include <poolbuf/wrapped.h>

#include "choices.h"

enum {
    MODEL_BUFFERS = 4096,  /* views included */
    MODEL_LEAVES = 64,     /* that what is kept of a composite may lie in */
    MODEL_LARGEST = 65536, /* bytes; all but a few are smaller */
    MODEL_HUGE = 400000,   /* bytes; larger than the chunks here */
    MODEL_LIST = 6         /* buffers of one call */
};

typedef struct model_limits {
    uint32_t operations;
    uint32_t audit_interval; /* operations between two looks at everything */
    uint32_t buffers;        /* views included; a call may add some that the test did not ask for */
    size_t live_bytes;       /* roughly */
    bool system_fails;       /* at times */
} model_limits;

typedef enum model_shape {
    SHAPE_BLOCK,
    SHAPE_COMPOSITE,
    SHAPE_VIEW,
    SHAPE_RETAINED
} model_shape;

typedef struct model_buffer model_buffer;

/* A component. */
typedef struct model_part {
    model_buffer *buffer;
    size_t offset, length; /* bytes */
} model_part;

/* Memory that was wrapped. */
typedef struct model_memory {
    uint8_t *bytes;
    size_t length;
    uint32_t told; /* how often the library has said that it is done with it */
    bool wants_to_know;
} model_memory;

struct model_buffer {
    poolbuf *real;
    model_shape shape;
    bool direct, read_only, unreleasable;
    bool follows;       /* a view that has the capacity of its buffer, also when that changes */
    bool made_as_slice; /* a composite that is a retained slice: nobody may change it */
    bool hung_on;       /* it counts for views or marks, which keep it where it is when it shrinks */
    uint32_t count;     /* references, of what counts */
    uint32_t held;      /* those of the test */
    size_t capacity, max, reader, writer;
    size_t mark_reader, mark_writer;
    size_t index;     /* in model.buffers */
    model_buffer *of; /* VIEW, RETAINED: what counts for it; what it holds */
    size_t offset;    /* where in that it begins */
    uint8_t *bytes;   /* BLOCK: what must be there; capacity of them */
    size_t usable;    /* BLOCK: bytes of its memory; of none of the pool's, its length */
    bool unpooled;
    model_memory *wrapped; /* BLOCK */
    model_part *parts;     /* COMPOSITE */
    uint32_t part_count, part_max;
};

typedef struct model {
    choices *source;
    uint64_t seed;
    model_limits limits;
    poolbuf_allocator *allocator;
    poolbuf_allocator_options options;
    model_buffer *buffers[MODEL_BUFFERS];
    size_t count;
    model_buffer empty;  /* the empty buffer, which is always there */
    uint32_t fault_left; /* operations until the system works again; 0: it does */
    uint32_t step;
    const char *operation;
} model;

/* Runs until so many operations are done or the choices are spent; then releases everything and destroys the
 * allocator. Uses os_fault meanwhile, and a tracker of its own, after which there is none. */
void model_run(choices *source, const model_limits *limits);

/* How often each operation was called and did what it is there for, by all runs so far; false if some never did. */
bool model_counts(FILE *stream);

/* ---- Between the files of the model ------------------------------------------------------------------------------ */

#define MODEL_EXPECT(condition) ((condition) ? (void)0 : model_differs(__FILE__, __LINE__, #condition))
_Noreturn void model_differs(const char *file, int line, const char *condition);

/* What is wrong with a call: a set of statuses. Empty: it must succeed. */
typedef unsigned model_wrongs;
#define WRONG(status)        (1u << POOLBUF_ERROR_##status)
#define WRONG_IF(is, status) ((is) ? WRONG(status) : 0u)

/* Whether the call has succeeded, as it should; differs if that is not so. needs_memory: what a failing system is an
 * excuse for. */
bool model_expect(const model *self, poolbuf_status status, model_wrongs wrongs, bool needs_memory);
bool model_expect_result(const model *self, const void *result, bool should, bool needs_memory);

void model_init(model *self, choices *source, const model_limits *limits);
void model_fini(model *self);

/* Choosing. some_length: mostly small, and now and then as large as can be. some_index: mostly within limit, with its
 * ends. */
uint32_t model_below(const model *self, uint32_t limit);
model_buffer *model_some(model *self);
model_buffer *model_some_composite(model *self);
size_t model_some_index(const model *self, size_t limit);
size_t model_some_length(const model *self, size_t limit);
bool model_is_full(const model *self); /* there are so many that none is to be made */

/* Moves the reader index of a buffer, at times, so that there is something to discard. */
void model_read_on(model *self, model_buffer *buffer);

/* Buffers come, with one reference if they count; so many of that (held: 1 or 0) are the test's. add_range: a view, or
 * what is retained, of a range of a buffer. */
model_buffer *model_add(model *self, poolbuf *real, model_shape shape, uint32_t held);
model_buffer *model_add_block(model *self, poolbuf *real, size_t capacity, size_t max, bool direct, uint32_t held);
model_buffer *model_add_range(model *self, poolbuf *real, const model_buffer *buffer, model_shape shape, size_t index,
                              size_t length);
size_t model_usable(const model *self, size_t size); /* bytes of the memory for so many */

/* References. model_own: makes sure that the test has one to give; false: it cannot have. model_drop: they are gone,
 * by a call that has been made; what dies by it leaves the model. */
model_buffer *model_counted(model_buffer *buffer);
const model_buffer *model_root(const model_buffer *buffer); /* at the end of all views */
bool model_own(model *self, model_buffer *buffer);
void model_drop(model *self, model_buffer *buffer, uint32_t count, bool of_test);

/* Where bytes lie: the piece at an index; false: nowhere. */
typedef struct model_piece {
    model_buffer *leaf; /* what it lies in that is in one piece, and where */
    size_t leaf_index;
    uint8_t *bytes; /* the block's */
    size_t length;  /* at least 1, at most what was asked for */
    bool read_only;
} model_piece;
bool model_find(model_buffer *buffer, size_t index, size_t length, model_piece *piece);
bool model_in_pieces(const model_buffer *buffer);
bool model_is_composite(const model_buffer *buffer); /* that composite.h's functions take */
size_t model_leaves(const model_buffer *buffer);     /* pieces that it may lie in */
size_t model_pinned(const model_buffer *buffer);

/* What is wrong with reading a range, or writing it. */
model_wrongs model_check(model_buffer *buffer, size_t index, size_t length, bool write);
void model_take(model_buffer *buffer, size_t index, uint8_t *bytes, size_t length);
void model_put(model_buffer *buffer, size_t index, const uint8_t *bytes, size_t length);

/* Capacity: who has it (NULL: nobody may change it); what is wrong with changing it to so much, or with making room;
 * how much it is then; and that it has been changed, the bytes below written_to being those of the call. */
model_buffer *model_resizable(model_buffer *buffer);
model_wrongs model_check_capacity(model *self, model_buffer *buffer, size_t capacity);
model_wrongs model_check_room(model *self, model_buffer *buffer, size_t length, size_t *capacity);
void model_resized(model *self, model_buffer *buffer, size_t capacity, size_t written_to);

/* Writes what is the model's own choice into a range that has come up undefined. */
void model_fill(model *self, model_buffer *buffer, size_t from, size_t to);

/* Compares. closely: every byte. */
void model_look(model *self, model_buffer *buffer, bool closely);
void model_look_at_all(model *self);

/* Components come and go; settle: what follows the capacity of a buffer does so. real_part: what the library has
 * there, or NULL. */
void model_settle(model *self, model_buffer *buffer);
void model_consolidate(model *self, model_buffer *buffer, uint32_t index, uint32_t count);
void model_consolidate_if_many(model *self, model_buffer *buffer);
void model_insert_part(model_buffer *buffer, uint32_t index, model_part part);
void model_remove_parts(model *self, model_buffer *buffer, uint32_t index, uint32_t count);
void model_discard_parts(model *self, model_buffer *buffer, bool partly);
poolbuf *model_real_part(const model_buffer *buffer, uint32_t index);

/* A retained slice of a range, as the library makes them of composites too. */
model_buffer *model_add_retained(model *self, poolbuf *real, model_buffer *buffer, size_t index, size_t length,
                                 uint32_t held);

/* The operations: true if what they are there for has been done, and not just refused. */
typedef bool model_operation(model *self);
model_operation model_number, model_bytes, model_zero, model_iovec, model_transfer, model_copy, model_bytes_at;
model_operation model_composite_new, model_add_component, model_add_components, model_add_flattened, model_wrap_buffers;
model_operation model_remove_components, model_consolidate_some, model_decompose, model_discard_components;
model_operation model_look_up, model_walk, model_component_slice;

#endif
