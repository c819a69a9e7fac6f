/* Unit tests of kernel.h, compiled around a kind of buffer that can be told to misbehave: what an auditing kernel must
 * notice, and how a failure ends a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "scenario/random.h"
#include "subjects/subject.h"

/* A buffer in one block, whose allocator counts, and fails or corrupts on request. */
typedef struct moody_state {
    atomic_int allocations;
    atomic_int releases;
    int fail_at;    /* the allocation that fails, counted from 1; 0 for none */
    int corrupt_at; /* the allocation whose buffer loses what is written first */
} moody_state;

typedef struct moody_buffer {
    atomic_uint references;
    uint32_t size;
    bool is_corrupt;
    uint8_t memory[];
} moody_buffer;

#define KERNEL_STATE         moody_state
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_COUNT(buffer) (&((moody_buffer *)(buffer))->references)

static inline void *buffer_allocate(moody_state *state, uint32_t size) {
    const int number = atomic_fetch_add(&state->allocations, 1) + 1;
    if (number == state->fail_at) {
        return NULL;
    }
    moody_buffer *buffer = malloc(sizeof *buffer + size);
    if (buffer != NULL) {
        atomic_init(&buffer->references, 1);
        buffer->size = size;
        buffer->is_corrupt = number == state->corrupt_at;
    }
    return buffer;
}

static inline void buffer_release(moody_state *state, void *buffer) {
    if (atomic_fetch_sub(KERNEL_COUNT(buffer), 1) == 1) {
        atomic_fetch_add(&state->releases, 1);
        free(buffer);
    }
}

static inline void *buffer_resize(moody_state *state, void *buffer, uint32_t size) {
    (void)state;
    moody_buffer *moved = realloc(buffer, sizeof *moved + size);
    if (moved != NULL) {
        moved->size = size;
    }
    return moved;
}

static inline uint8_t *buffer_memory(moody_state *state, void *handle) {
    (void)state;
    moody_buffer *buffer = handle;
    if (buffer->is_corrupt && buffer->size != 0) {
        buffer->memory[0] = 0xEE;
    }
    return buffer->memory;
}

static inline uint32_t buffer_size(const void *handle) {
    return ((const moody_buffer *)handle)->size;
}

#include "subjects/kernel.h"

static bool prepare(subject_run *run) {
    (void)run;
    return true;
}

KERNEL_DEFINE(moody_kernel, prepare, prepare);

enum {
    SLOTS = 8
};

#define OPS(...)   ((const stream_op[]){__VA_ARGS__})
#define COUNT(ops) (sizeof(ops) / sizeof(ops)[0])

static void start(subject_run *run, moody_state *state, uint32_t threads) {
    assert_true(subject_run_init(run, SLOTS, threads, 4096));
    run->state = state;
}

static void every_operation_keeps_the_books(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {
        stream_op_make(STREAM_ALLOCATE, 0, 100), stream_op_make(STREAM_ALLOCATE, 1, 0),
        stream_op_make(STREAM_ALLOCATE, 2, 1),   stream_op_make(STREAM_TOUCH, 0, 0),
        stream_op_make(STREAM_TOUCH, 1, 0),      stream_op_make(STREAM_TOUCH, 2, 0),
        stream_op_make(STREAM_RESIZE, 0, 1000),  stream_op_make(STREAM_RESIZE, 1, 7),
        stream_op_make(STREAM_RESIZE, 0, 3),     stream_op_make(STREAM_REPLACE, 2, 50),
        stream_op_make(STREAM_PINGPONG, 5, 64),  stream_op_make(STREAM_PINGPONG, 2, 3),
        stream_op_make(STREAM_PINGPONG, 1, 0),   stream_op_make(STREAM_WRITE, 0, 0),
        stream_op_make(STREAM_WRITE, 1, 0),
    };
    assert_true(moody_kernel.audit(&run, ops, COUNT(ops), 1));
    const subject_held held = moody_kernel.held(&run);
    assert_int_equal(held.buffers, 3);
    assert_int_equal(held.bytes, 3 + 7 + 50);
    assert_int_equal(atomic_load(&run.live_buffers), 3);
    assert_int_equal(atomic_load(&run.live_bytes), 60);
    /* At the widest: 1000 after the resize, the 7, and the 1. */
    assert_int_equal(atomic_load(&run.peak_live_bytes), 1008);
    assert_int_equal(atomic_load(&moody.allocations), 3 + 1 + 8);
    moody_kernel.discard(&run);
    assert_int_equal(atomic_load(&moody.releases), 12);
    assert_int_equal(moody_kernel.held(&run).buffers, 0);
    subject_run_fini(&run);
}

static void bulk_keeps_the_books(void **state) {
    (void)state;
    static const uint32_t sizes[] = {100, 4, 3, 0};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        moody_state moody = {.fail_at = 0};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op op = stream_op_make(STREAM_BULK, stream_bulk_make(5, 32), sizes[i]);
        assert_true(moody_kernel.audit(&run, &op, 1, 1));
        assert_true(moody_kernel.play(&run, &op, 1, 2));
        assert_int_equal(atomic_load(&moody.allocations), 3 * 5 * 32);
        assert_int_equal(atomic_load(&moody.releases), 3 * 5 * 32);
        assert_int_equal(atomic_load(&run.live_buffers), 0);
        assert_int_equal(atomic_load(&run.peak_live_bytes),
                         32 * sizes[i]); /* at once, of one call; the audit's alone */
        subject_run_fini(&run);
    }
}

static void bulk_releases_what_it_got_when_memory_runs_out(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        moody_state moody = {.fail_at = 40};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op op = stream_op_make(STREAM_BULK, stream_bulk_make(5, 32), 100);
        assert_false((form == 0 ? moody_kernel.audit : moody_kernel.play)(&run, &op, 1, 1));
        assert_int_equal(atomic_load(&run.failure), SUBJECT_NO_MEMORY);
        assert_int_equal(atomic_load(&moody.releases), 39);
        subject_run_fini(&run);
    }
}

static void a_byte_lost_in_bulk_is_found_by_the_audit(void **state) {
    (void)state;
    static const uint32_t sizes[] = {100, 2};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        moody_state moody = {.corrupt_at = 7};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op op = stream_op_make(STREAM_BULK, stream_bulk_make(1, 32), sizes[i]);
        assert_false(moody_kernel.audit(&run, &op, 1, 1));
        assert_int_equal(atomic_load(&run.failure), SUBJECT_CONTENTS_LOST);
        assert_int_equal(atomic_load(&moody.releases), 32);
        subject_run_fini(&run);
    }
}

/* Its two ends keep what kernel_mark() wrote; what lies between is written once each step. */
static void write_touches_every_step_and_leaves_the_ends(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const uint32_t size = 2 * STREAM_WRITE_STEP + 1;
    const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 5, size)};
    const stream_op write = stream_op_make(STREAM_WRITE, 5, 0);
    assert_true(moody_kernel.audit(&run, ops, 1, 1));
    moody_buffer *buffer = atomic_load(&run.slots[5]);
    buffer->memory[STREAM_WRITE_STEP] = 0xAA;
    assert_true(moody_kernel.audit(&run, &write, 1, 1));
    assert_int_equal(buffer->memory[STREAM_WRITE_STEP], 5);
    assert_int_equal(buffer->memory[0], 5);
    assert_int_equal(buffer->memory[size - 1], (uint8_t)~5u);
    moody_kernel.discard(&run);
    subject_run_fini(&run);
}

static void the_timed_form_does_the_same_and_counts_nothing(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 0, 100), stream_op_make(STREAM_TOUCH, 0, 0),
                             stream_op_make(STREAM_REPLACE, 0, 60), stream_op_make(STREAM_RELEASE, 0, 0)};
    assert_true(moody_kernel.play(&run, ops, COUNT(ops), 3));
    assert_int_equal(atomic_load(&moody.allocations), 6);
    assert_int_equal(atomic_load(&moody.releases), 6);
    assert_int_equal(atomic_load(&run.live_bytes), 0);
    assert_int_equal(atomic_load(&run.peak_live_bytes), 0);
    assert_int_equal(moody_kernel.held(&run).buffers, 0);
    subject_run_fini(&run);
}

static void a_lost_byte_is_found_by_the_audit(void **state) {
    (void)state;
    const stream_kind kinds[] = {STREAM_RELEASE, STREAM_RESIZE, STREAM_TOUCH,
                                 STREAM_REPLACE, STREAM_WRITE,  STREAM_MOVE};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        moody_state moody = {.corrupt_at = 1};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 0, 100),
                                 stream_op_make(kinds[i], 0, kinds[i] == STREAM_MOVE ? 1 : 200)};
        assert_false(moody_kernel.audit(&run, ops, COUNT(ops), 1));
        assert_int_equal(atomic_load(&run.failure), SUBJECT_CONTENTS_LOST);
        moody_kernel.discard(&run);
        assert_int_equal(atomic_load(&moody.releases), atomic_load(&moody.allocations));
        subject_run_fini(&run);
    }
}

static void running_out_of_memory_ends_the_play(void **state) {
    (void)state;
    const stream_op last[] = {stream_op_make(STREAM_ALLOCATE, 1, 10), stream_op_make(STREAM_REPLACE, 0, 10),
                              stream_op_make(STREAM_PINGPONG, 9, 10)};
    for (size_t i = 0; i < COUNT(last); i++) {
        moody_state moody = {.fail_at = 2};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 0, 100), last[i],
                                 stream_op_make(STREAM_RELEASE, 0, 0)};
        assert_false(moody_kernel.play(&run, ops, COUNT(ops), 5));
        assert_int_equal(atomic_load(&run.failure), SUBJECT_NO_MEMORY);
        moody_kernel.discard(&run);
        assert_int_equal(atomic_load(&moody.releases), 1);
        subject_run_fini(&run);
    }
}

/* A legal mixture of the kinds that come in rows, and of two that end them. Returns how many buffers it allocates. */
static int make_mixture(random_state *random, stream_op *ops, size_t count, uint32_t *sizes) {
    int allocations = 0;
    uint32_t kind = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t slot = (uint32_t)random_below(random, SLOTS);
        const uint32_t size = 1 + (uint32_t)random_below(random, 300);
        kind = random_below(random, 3) == 0 ? (uint32_t)random_below(random, 4) : kind; /* mostly the one before */
        if (sizes[slot] == 0) {
            ops[i] = stream_op_make(STREAM_ALLOCATE, slot, size);
            sizes[slot] = size;
        } else if (kind == 0) {
            ops[i] = stream_op_make(STREAM_RELEASE, slot, 0);
            sizes[slot] = 0;
        } else if (kind == 1) {
            ops[i] = stream_op_make(STREAM_TOUCH, slot, 0);
        } else {
            ops[i] = stream_op_make(kind == 2 ? STREAM_REPLACE : STREAM_RESIZE, slot, size);
            sizes[slot] = size;
        }
        allocations += stream_op_kind(ops[i]) == STREAM_ALLOCATE || stream_op_kind(ops[i]) == STREAM_REPLACE;
    }
    return allocations;
}

static void a_row_of_one_kind_is_played_once_and_ends_where_it_fails(void **state) {
    enum {
        LENGTH = 24
    };
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        random_state random;
        stream_op ops[LENGTH];
        uint32_t sizes[SLOTS] = {0};
        random_init(&random, seed, 0);
        const int allocations = make_mixture(&random, ops, LENGTH, sizes);
        for (int fail_at = 0; fail_at <= allocations; fail_at++) {
            moody_state moody = {.fail_at = fail_at};
            subject_run run;
            start(&run, &moody, 1);
            const bool good = moody_kernel.play(&run, ops, LENGTH, 1);
            if (good != (fail_at == 0) || atomic_load(&moody.allocations) != (good ? allocations : fail_at)) {
                fail_msg("seed %" PRIu64 ", fail at %d: %d of %d allocations", seed, fail_at,
                         atomic_load(&moody.allocations), allocations);
            }
            for (uint32_t i = 0; i < SLOTS && good; i++) {
                const void *buffer = atomic_load(&run.slots[i]);
                assert_int_equal(buffer == NULL ? 0 : buffer_size(buffer), sizes[i]);
            }
            moody_kernel.discard(&run);
            /* A replacement that fails has released what was there. */
            assert_int_equal(atomic_load(&moody.releases), atomic_load(&moody.allocations) - (good ? 0 : 1));
            subject_run_fini(&run);
        }
    }
}

static void fill_pure(stream_op *ops, stream_kind kind) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        ops[i] = stream_op_make(kind, (i * 3) % SLOTS, kind == STREAM_RELEASE ? 0 : 1 + i);
    }
}

/* Each kind in a part of its own, as play() would; each buffer is replaced three times. */
static void a_pure_part_is_played_as_any_other(void **state) {
    (void)state;
    static const stream_kind kinds[] = {STREAM_ALLOCATE, STREAM_REPLACE, STREAM_RELEASE};
    for (int fail_at = 0; fail_at <= 4 * (int)SLOTS; fail_at++) {
        moody_state moody = {.fail_at = fail_at};
        subject_run run;
        start(&run, &moody, 1);
        bool good = true;
        for (size_t part = 0; part < COUNT(kinds) && good; part++) {
            stream_op ops[SLOTS];
            fill_pure(ops, kinds[part]);
            stream_pair pairs[SLOTS];
            assert_true(stream_is_pure(ops, SLOTS));
            stream_pack(ops, SLOTS, pairs);
            good = moody_kernel.pure(&run, kinds[part], pairs, SLOTS, kinds[part] == STREAM_REPLACE ? 3 : 1);
            for (uint32_t i = 0; i < SLOTS && good; i++) {
                const void *buffer = atomic_load(&run.slots[ops[i].slot]);
                assert_int_equal(buffer == NULL, kinds[part] == STREAM_RELEASE);
                if (buffer != NULL) {
                    assert_int_equal(buffer_size(buffer), stream_op_size(ops[i]));
                    assert_true(kernel_check(&(kernel_thread){&run, &moody, run.slots, NULL, 0},
                                             atomic_load(&run.slots[ops[i].slot]), ops[i].slot));
                }
            }
        }
        assert_int_equal(good, fail_at == 0);
        assert_int_equal(atomic_load(&run.failure), good ? SUBJECT_FINE : SUBJECT_NO_MEMORY);
        assert_int_equal(atomic_load(&moody.allocations), good ? 4 * (int)SLOTS : fail_at);
        moody_kernel.discard(&run);
        assert_int_equal(atomic_load(&moody.releases), atomic_load(&moody.allocations) - (good ? 0 : 1));
        subject_run_fini(&run);
    }
}

#define OP(kind, slot, size) stream_op_make(STREAM_##kind, slot, size)

static void the_last_reference_releases_the_buffer(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        moody_state moody = {.fail_at = 0};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op share[] = {OP(ALLOCATE, 0, 100), OP(WRITE, 0, STREAM_WRITE_ALL),
                                   OP(HOLD, 0, 0),       OP(RETAIN, 1, 0),
                                   OP(SLICE, 2, 30),     OP(SLICE, 3, 70),
                                   OP(RELEASE, 0, 0),    OP(READ, 1, 0),
                                   OP(DROP, 1, 0),       OP(READ, 2, 1),
                                   OP(DROP, 2, 1),       OP(READ, 3, 1)};
        const stream_op last = OP(DROP, 3, 1);
        assert_true((form == 0 ? moody_kernel.audit : moody_kernel.play)(&run, share, COUNT(share), 1));
        assert_int_equal(atomic_load(&moody.releases), 1); /* of the other view's own buffer */
        assert_int_equal(atomic_load(&run.live_bytes), form == 0 ? 100 : 0);
        assert_true((form == 0 ? moody_kernel.audit : moody_kernel.play)(&run, &last, 1, 1));
        assert_int_equal(atomic_load(&moody.allocations), 3);
        assert_int_equal(atomic_load(&moody.releases), 3);
        assert_int_equal(atomic_load(&run.live_bytes), 0);
        assert_int_equal(atomic_load(&run.live_buffers), 0);
        subject_run_fini(&run);
    }
}

static void what_is_given_on_keeps_its_count_and_its_number(void **state) {
    (void)state;
    for (int broken = 0; broken < 3; broken++) {
        moody_state moody = {.fail_at = 0};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op give[] = {OP(ALLOCATE, 1, 100), OP(HOLD, 1, 0), OP(RETAIN, 3, 0), stream_give_make(1, 5)};
        const stream_op end[] = {OP(DROP, 3, 0), OP(RELEASE, 5, STREAM_RELEASE_GIVEN)};
        const stream_op wrong[] = {OP(DROP, 3, 0), OP(RELEASE, 5, STREAM_RELEASE_OWN)};
        assert_true(moody_kernel.audit(&run, give, COUNT(give), 1));
        moody_buffer *buffer = atomic_load(&run.slots[5]);
        assert_null(atomic_load(&run.slots[1]));
        assert_ptr_equal(buffer, atomic_load(&run.slots[3]));
        assert_int_equal(atomic_load(&buffer->references), 2);
        assert_int_equal(buffer->memory[0], 1);
        buffer->memory[99] ^= broken == 1; /* the other end */
        assert_int_equal(moody_kernel.audit(&run, broken == 2 ? wrong : end, 2, 1), broken == 0);
        assert_int_equal(atomic_load(&run.failure), broken == 0 ? SUBJECT_FINE : SUBJECT_CONTENTS_LOST);
        moody_kernel.discard(&run);
        assert_int_equal(atomic_load(&moody.releases), 1);
        subject_run_fini(&run);
    }
}

/* What RETAIN and SLICE have put behind the others is no buffer of its own. */
static void references_that_stay_are_not_held_as_buffers(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {OP(ALLOCATE, 0, 100), OP(HOLD, 0, 0), OP(RETAIN, 5, 0), OP(SLICE, 6, 1)};
    const stream_op end[] = {OP(DROP, 5, 0), OP(DROP, 6, 1), OP(RELEASE, 0, 0)};
    assert_true(moody_kernel.audit(&run, ops, COUNT(ops), 1));
    assert_int_equal(moody_kernel.held(&run).buffers, 3);
    run.references_from = 5;
    assert_int_equal(moody_kernel.held(&run).buffers, 1);
    assert_int_equal(moody_kernel.held(&run).bytes, 100);
    run.references_from = SLOTS + 1; /* of a stream that names none of them */
    assert_int_equal(moody_kernel.held(&run).buffers, 3);
    assert_true(moody_kernel.audit(&run, end, COUNT(end), 1));
    assert_int_equal(atomic_load(&run.live_buffers), 0);
    subject_run_fini(&run);
}

static void a_give_that_fails_leaves_its_buffer_in_a_slot(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op fill[] = {OP(ALLOCATE, 1, 9), OP(ALLOCATE, 2, 9)};
    const stream_op give = stream_give_make(1, 2);
    assert_true(moody_kernel.audit(&run, fill, COUNT(fill), 1));
    (void)subject_fail(&run, SUBJECT_NO_MEMORY); /* elsewhere: nobody will empty the slot */
    assert_false(moody_kernel.audit(&run, &give, 1, 1));
    assert_int_equal(moody_kernel.held(&run).buffers, 2);
    moody_kernel.discard(&run);
    assert_int_equal(atomic_load(&moody.releases), 2);
    subject_run_fini(&run);
}

static void a_view_shows_the_bytes_it_was_cut_from(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {OP(ALLOCATE, 0, 100), OP(WRITE, 0, STREAM_WRITE_ALL), OP(HOLD, 0, 0), OP(SLICE, 2, 30),
                             OP(SLICE, 3, 70)};
    const stream_op read[] = {OP(READ, 2, 1), OP(READ, 3, 1)};
    assert_true(moody_kernel.audit(&run, ops, COUNT(ops), 1));
    moody_buffer *buffer = atomic_load(&run.slots[0]);
    buffer->memory[30] = 0x55; /* the first byte of the second view */
    assert_true(moody_kernel.audit(&run, &read[0], 1, 1));
    assert_false(moody_kernel.audit(&run, &read[1], 1, 1));
    assert_int_equal(atomic_load(&run.failure), SUBJECT_CONTENTS_LOST);
    const stream_op drop[] = {OP(DROP, 2, 1), OP(DROP, 3, 1), OP(RELEASE, 0, 0)};
    assert_true(moody_kernel.play(&run, drop, COUNT(drop), 1));
    assert_int_equal(atomic_load(&moody.releases), 3);
    subject_run_fini(&run);
}

static void an_append_keeps_what_was_there(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {OP(ALLOCATE, 5, 1), OP(WRITE, 5, STREAM_WRITE_ALL), OP(APPEND, 5, 1), OP(APPEND, 5, 300),
                             OP(READ, 5, 0)};
    assert_true(moody_kernel.audit(&run, ops, COUNT(ops), 1));
    const moody_buffer *buffer = atomic_load(&run.slots[5]);
    assert_int_equal(buffer->size, 302);
    for (uint32_t i = 0; i < 301; i++) {
        assert_int_equal(buffer->memory[i], 5);
    }
    assert_int_equal(buffer->memory[301], (uint8_t)~5u);
    assert_int_equal(moody_kernel.held(&run).bytes, 302);
    assert_int_equal(atomic_load(&run.live_bytes), 302);
    moody_kernel.discard(&run);
    subject_run_fini(&run);
}

static void a_message_takes_its_parts_over(void **state) {
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        moody_state moody = {.fail_at = fails ? 4 : 0};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op ops[] = {OP(ALLOCATE, 2, 10), OP(ALLOCATE, 3, 20), OP(ALLOCATE, 4, 30), OP(ASSEMBLE, 2, 3)};
        assert_int_equal(moody_kernel.audit(&run, ops, COUNT(ops), 1), !fails);
        assert_int_equal(atomic_load(&run.failure), fails ? SUBJECT_NO_MEMORY : SUBJECT_FINE);
        assert_int_equal(atomic_load(&moody.releases), fails ? 3 : 4);
        assert_int_equal(moody_kernel.held(&run).buffers, 0);
        assert_int_equal(atomic_load(&run.live_bytes), 0);
        subject_run_fini(&run);
    }
}

static void no_memory_for_a_view_ends_the_play(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 2};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {OP(ALLOCATE, 0, 100), OP(WRITE, 0, STREAM_WRITE_ALL), OP(HOLD, 0, 0), OP(SLICE, 1, 30)};
    assert_false(moody_kernel.play(&run, ops, COUNT(ops), 1));
    assert_int_equal(atomic_load(&run.failure), SUBJECT_NO_MEMORY);
    moody_kernel.discard(&run);
    assert_int_equal(atomic_load(&moody.releases), 1);
    subject_run_fini(&run);
}

typedef struct player {
    subject_run *run;
    const stream_op *ops;
    size_t op_count;
    uint32_t repeat;
    bool result;
} player;

static void *play(void *argument) {
    player *self = argument;
    self->result = moody_kernel.audit(self->run, self->ops, self->op_count, self->repeat);
    return NULL;
}

static void many_touches_leave_the_contents_as_they_were(void **state) {
    (void)state;
    static const uint32_t sizes[] = {0, 1, 3, 8, 100};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        moody_state moody = {.fail_at = 0};
        subject_run run;
        start(&run, &moody, 1);
        const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 3, sizes[i]), stream_op_make(STREAM_TOUCH, 3, 1000),
                                 stream_op_make(STREAM_RELEASE, 3, 0)};
        assert_true(moody_kernel.audit(&run, ops, COUNT(ops), 2));
        assert_true(moody_kernel.play(&run, ops, COUNT(ops), 1));
        assert_int_equal(atomic_load(&moody.releases), 3);
        subject_run_fini(&run);
    }
}

static void each_touch_is_a_read(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 3, 1), stream_op_make(STREAM_TOUCH, 3, 1000),
                             stream_op_make(STREAM_RELEASE, 3, 0)};
    assert_true(moody_kernel.play(&run, ops, COUNT(ops), 1));
    assert_int_equal(atomic_load(&run.sink), 1001 * 3); /* the slot's number, each time, and by the release */
    subject_run_fini(&run);
}

static void a_moved_buffer_is_found_where_it_went(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 1, 100), stream_op_make(STREAM_MOVE, 1, 5),
                             stream_op_make(STREAM_ALLOCATE, 1, 0), stream_op_make(STREAM_MOVE, 1, 2)};
    assert_true(moody_kernel.audit(&run, ops, COUNT(ops), 1));
    assert_null(atomic_load(&run.slots[1]));
    assert_non_null(atomic_load(&run.slots[5]));
    assert_int_equal(moody_kernel.held(&run).buffers, 2);
    assert_int_equal(moody_kernel.held(&run).bytes, 100);
    const stream_op end[] = {stream_op_make(STREAM_RELEASE, 5, 0), stream_op_make(STREAM_RELEASE, 2, 0)};
    assert_true(moody_kernel.audit(&run, end, COUNT(end), 1)); /* with the marks of the slots that they are in now */
    assert_int_equal(atomic_load(&run.live_buffers), 0);
    subject_run_fini(&run);
}

static void a_move_that_fails_leaves_its_buffer_in_a_slot(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 1);
    const stream_op fill[] = {stream_op_make(STREAM_ALLOCATE, 1, 9), stream_op_make(STREAM_ALLOCATE, 2, 9)};
    const stream_op move[] = {stream_op_make(STREAM_MOVE, 1, 2)};
    assert_true(moody_kernel.audit(&run, fill, COUNT(fill), 1));
    (void)subject_fail(&run, SUBJECT_NO_MEMORY); /* elsewhere: nobody will empty the slot */
    assert_false(moody_kernel.audit(&run, move, COUNT(move), 1));
    assert_int_equal(moody_kernel.held(&run).buffers, 2);
    moody_kernel.discard(&run);
    assert_int_equal(atomic_load(&moody.releases), 2);
    subject_run_fini(&run);
}

static void a_buffer_filled_here_is_emptied_there(void **state) {
    (void)state;
    enum {
        REPEAT = 2000
    };
    moody_state moody = {.fail_at = 0};
    subject_run run;
    start(&run, &moody, 2);
    const stream_op fill[] = {stream_op_make(STREAM_ALLOCATE, 0, 100), stream_op_make(STREAM_ALLOCATE, 1, 200)};
    const stream_op empty[] = {stream_op_make(STREAM_RELEASE, 0, 0), stream_op_make(STREAM_RELEASE, 1, 0)};
    player taker = {.run = &run, .ops = empty, .op_count = 2, .repeat = REPEAT};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, play, &taker), 0);
    assert_true(moody_kernel.audit(&run, fill, 2, REPEAT));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(taker.result);
    assert_int_equal(atomic_load(&moody.releases), 2 * REPEAT);
    assert_int_equal(atomic_load(&run.live_bytes), 0);
    subject_run_fini(&run);
}

static void a_failure_here_ends_the_wait_there(void **state) {
    (void)state;
    moody_state moody = {.fail_at = 3};
    subject_run run;
    start(&run, &moody, 2);
    const stream_op fill = stream_op_make(STREAM_ALLOCATE, 0, 100);
    const stream_op empty = stream_op_make(STREAM_RELEASE, 0, 0);
    player taker = {.run = &run, .ops = &empty, .op_count = 1, .repeat = 100};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, play, &taker), 0);
    assert_false(moody_kernel.audit(&run, &fill, 1, 100));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(taker.result);
    moody_kernel.discard(&run);
    assert_int_equal(atomic_load(&moody.releases), 2);
    subject_run_fini(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_keeps_the_books),
        cmocka_unit_test(bulk_keeps_the_books),
        cmocka_unit_test(bulk_releases_what_it_got_when_memory_runs_out),
        cmocka_unit_test(a_byte_lost_in_bulk_is_found_by_the_audit),
        cmocka_unit_test(write_touches_every_step_and_leaves_the_ends),
        cmocka_unit_test(the_timed_form_does_the_same_and_counts_nothing),
        cmocka_unit_test(a_lost_byte_is_found_by_the_audit),
        cmocka_unit_test(running_out_of_memory_ends_the_play),
        cmocka_unit_test(a_row_of_one_kind_is_played_once_and_ends_where_it_fails),
        cmocka_unit_test(a_pure_part_is_played_as_any_other),
        cmocka_unit_test(many_touches_leave_the_contents_as_they_were),
        cmocka_unit_test(each_touch_is_a_read),
        cmocka_unit_test(a_moved_buffer_is_found_where_it_went),
        cmocka_unit_test(a_move_that_fails_leaves_its_buffer_in_a_slot),
        cmocka_unit_test(the_last_reference_releases_the_buffer),
        cmocka_unit_test(what_is_given_on_keeps_its_count_and_its_number),
        cmocka_unit_test(references_that_stay_are_not_held_as_buffers),
        cmocka_unit_test(a_give_that_fails_leaves_its_buffer_in_a_slot),
        cmocka_unit_test(a_view_shows_the_bytes_it_was_cut_from),
        cmocka_unit_test(an_append_keeps_what_was_there),
        cmocka_unit_test(a_message_takes_its_parts_over),
        cmocka_unit_test(no_memory_for_a_view_ends_the_play),
        cmocka_unit_test(a_buffer_filled_here_is_emptied_there),
        cmocka_unit_test(a_failure_here_ends_the_wait_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
