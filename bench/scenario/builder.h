/* Building a stream operation by operation, in an order in which it can run.
 *
 * Generators append each phase's operations in the total order that invariant S2 of stream.h speaks of, each to its
 * thread. The builder plays them on a model of the slots as they come, so the live counts at a phase's end and the peak
 * are counted and not guessed, and a generator that would fill a full slot or empty an empty one is stopped at once. */
#ifndef POOLBUF_BENCH_BUILDER_H
#define POOLBUF_BENCH_BUILDER_H

#include "scenario/model.h"

#define BUILDER_OPS_MAX  (UINT64_C(1) << 27) /* operations in memory: 1 GiB */
#define BUILDER_PASS_OPS (UINT32_C(1) << 18) /* a longer phase repeats a pass of at most this many: 2 MiB a thread */

typedef struct builder_thread {
    stream_op *ops;
    size_t count, room;
    uint64_t operation_count;
} builder_thread;

typedef struct builder {
    stream *stream;
    uint32_t phase_room;
    model slots;
    uint64_t op_total;       /* operations held in memory */
    builder_thread *threads; /* of the open phase */
    const char *failure;     /* a static text; once set, every call does nothing */
} builder;

bool builder_init(builder *self, uint32_t thread_count);

/* builder_open() starts a phase; the name is copied, and has ending appended. */
void builder_open(builder *self, const char *name, const char *ending);

/* builder_expect() says how many operations the coming phases will be given, so that too many are refused at once. */
void builder_expect(builder *self, uint64_t ops);

/* builder_add() appends an operation to a thread of the open phase. */
void builder_add(builder *self, uint32_t thread, stream_kind kind, uint32_t slot, uint32_t size);

/* builder_close() ends the open phase. A phase that nobody gave an operation is dropped. */
void builder_close(builder *self, uint32_t repeat);

/* builder_finish() gives the stream away, or NULL with builder.failure set. The builder is empty afterwards. */
stream *builder_finish(builder *self);

#endif
