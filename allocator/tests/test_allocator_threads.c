/* What threads do to each other through the allocator, against a count of what must be alive.
 *
 * Workers allocate, share, hand over through a bounded queue, release what others made, and trim, purge and read figures
 * meanwhile. A worker is a row of threads: one exits and its caches with it, the next comes back. Each has an allocator of
 * its own for a while, destroys it with buffers alive, and hands those over too. Whoever drops a reference first looks
 * whether the bytes are those that were written. After each round, when nobody runs, every count must be exact and every
 * structure whole; then one of the shared allocators is destroyed, buffers of it alive, and made anew.
 *
 * Options, order and sizes follow from the seed; how threads meet does not. Short by default; UNIT_OPERATIONS sets the
 * number of steps of all threads together, UNIT_SEED the seed. */
#include "unit.h"

#include <pthread.h>
#include <valgrind/valgrind.h>

#include <poolbuf/tracker.h>

#include "allocator.h"
#include "choices.h"
#include "handover_queue.h"
#include "os/os.h"
#include "payload.h"
#include "random_options.h"

enum {
    WORKERS = 4,
    ROUNDS = 6,
    LIVES = 3,  /* threads that a worker is in a round, one after the other */
    SHARED = 4, /* allocators that all use; the first is the default one */
    PRIVATE = SHARED,
    HELD = 48, /* references that a worker keeps */
    BULK = 24,
    STEPS = 1000, /* of one life */
    STEPS_VALGRIND = 60,
    LARGEST_CHUNK = 1 << 20
};

/* A buffer, as the test knows it. */
typedef struct parcel {
    uint64_t references; /* atomic; that the test holds, to it and to retained slices of it */
    uint32_t from;       /* a shared allocator's index, or PRIVATE */
    uint32_t generation; /* of a shared allocator: which one of those */
    bool orphan;         /* of a private allocator: it is destroyed */
    uint64_t seed;
    size_t size;   /* bytes that are written */
    size_t usable; /* bytes that it counts for */
} parcel;

typedef struct tally {
    uint64_t buffers, bytes; /* alive; what one worker counts may be below zero, and wraps */
    uint64_t allocations;
} tally;

typedef struct worker {
    choices source;
    uint32_t steps;
    handover held[HELD]; /* handle NULL: nothing */
    poolbuf_allocator *own;
    tally own_tally;
    tally tallies[SHARED];
    tally orphans;
} worker;

static poolbuf_allocator *shared[SHARED]; /* written while nobody runs, as are the generations */
static uint32_t generations[SHARED];
static handover_queue queue;
static worker workers[WORKERS];
static uint64_t tracked; /* atomic; alive and known to the tracker */
static FILE *nowhere;

#define EXPECT(condition) ((condition) ? (void)0 : differs(__LINE__, #condition))

/* cmocka's assertions belong to the main thread. */
static _Noreturn void differs(int line, const char *condition) {
    for (uint32_t i = 0; i < SHARED; i++) {
        (void)poolbuf_allocator_dump(shared[i], stderr);
    }
    (void)fprintf(stderr, "threads: line %d: %s\n", line, condition);
    abort();
}

static uint32_t below(worker *self, uint32_t limit) {
    return choices_below(&self->source, limit);
}

/* ---- Counting ----------------------------------------------------------------------------------------------------- */

static void count(worker *self, const parcel *of, bool comes) {
    bool orphan = of->from == PRIVATE ? of->orphan : of->generation != generations[of->from];
    tally *into = orphan ? &self->orphans : of->from == PRIVATE ? &self->own_tally : &self->tallies[of->from];
    uint64_t sign = comes ? 1 : (uint64_t)-1;
    into->buffers += sign;
    into->bytes += sign * of->usable;
}

static void parcel_drop(worker *self, parcel *of) {
    if (__atomic_sub_fetch(&of->references, 1, __ATOMIC_ACQ_REL) == 0) {
        count(self, of, false);
        free(of);
    }
}

/* The bytes through the buffer, or through a slice that begins at its offset. */
static void verify(const handover *item) {
    size_t length = item->parcel->size - item->offset;
    EXPECT(poolbuf_capacity(item->handle) >= length);
    EXPECT(payload_check(item->parcel->seed, item->offset, poolbuf_memory(item->handle), 0, length));
}

/* ---- Buffers ------------------------------------------------------------------------------------------------------ */

static size_t some_size(worker *self) {
    static const size_t OFTEN[] = {16, 64, 100, 1024, 5000, 40000};
    uint32_t kind = below(self, 64);
    return kind == 0  ? below(self, 2 * LARGEST_CHUNK)
           : kind < 8 ? below(self, 70000)
                      : OFTEN[below(self, sizeof OFTEN / sizeof OFTEN[0])];
}

static void drop(worker *self, handover *item) {
    if (item->handle != NULL) {
        verify(item);
        (void)poolbuf_release(item->handle);
        parcel_drop(self, item->parcel);
        item->handle = NULL;
    }
}

static void hold(worker *self, const handover *item) {
    handover *place = &self->held[below(self, HELD)];
    drop(self, place);
    *place = *item;
}

/* A new buffer, nobody else's yet. */
static void fill_and_hold(worker *self, poolbuf *handle, uint32_t from, size_t size) {
    parcel *made = malloc(sizeof *made);
    EXPECT(handle != NULL);
    EXPECT(made != NULL);
    *made = (parcel){
        .references = 1,
        .from = from,
        .generation = from == PRIVATE ? 0 : generations[from],
        .seed = choices_seed(&self->source),
        .size = size,
        .usable = handle->usable,
    };
    payload_write(made->seed, 0, poolbuf_memory(handle), 0, size);
    count(self, made, true);
    tally *into = from == PRIVATE ? &self->own_tally : &self->tallies[from];
    into->allocations++;
    hold(self, &(handover){.handle = handle, .parcel = made});
}

static uint32_t some_allocator(worker *self, poolbuf_allocator **real) {
    uint32_t from = self->own != NULL && below(self, 4) == 0 ? PRIVATE : below(self, SHARED);
    *real = from == PRIVATE ? self->own : shared[from];
    return from;
}

static void allocate(worker *self) {
    poolbuf_allocator *real = NULL;
    uint32_t from = some_allocator(self, &real);
    size_t size = some_size(self);
    uint32_t kind = below(self, 8);
    poolbuf *handle = kind == 0   ? poolbuf_allocate_heap(real, size, size * 4)
                      : kind == 1 ? poolbuf_allocate_direct(real, size, size * 4)
                                  : poolbuf_allocate(real, size, size * 4);
    fill_and_hold(self, handle, from, size);
}

static void allocate_many(worker *self) {
    poolbuf *handles[BULK];
    poolbuf_allocator *real = NULL;
    uint32_t from = some_allocator(self, &real);
    size_t size = below(self, 3000);
    size_t wanted = below(self, BULK + 1);
    EXPECT(poolbuf_allocate_many(real, size, size, handles, wanted) == wanted);
    for (size_t i = 0; i < wanted; i++) {
        fill_and_hold(self, handles[i], from, size);
    }
}

static void release_many(worker *self) {
    poolbuf *handles[BULK];
    parcel *parcels[BULK];
    size_t wanted = below(self, BULK + 1);
    size_t found = 0;
    for (size_t i = below(self, HELD); found < wanted && i < HELD; i++) {
        handover *item = &self->held[i];
        if (item->handle != NULL) {
            verify(item);
            handles[found] = item->handle;
            parcels[found++] = item->parcel;
            item->handle = NULL;
        }
    }
    EXPECT(poolbuf_release_many(handles, found) <= found);
    for (size_t i = 0; i < found; i++) {
        parcel_drop(self, parcels[i]);
    }
}

/* ---- Between threads ---------------------------------------------------------------------------------------------- */

/* Buffers of a worker's own allocator stay with it until that is destroyed: nobody may be inside a call on one then. */
static bool may_leave(const handover *item) {
    return item->handle != NULL && (item->parcel->from != PRIVATE || item->parcel->orphan);
}

static void hand_over(worker *self) {
    handover *item = &self->held[below(self, HELD)];
    if (may_leave(item) && handover_put(&queue, item)) {
        item->handle = NULL;
    }
}

static void take_over(worker *self) {
    handover item;
    if (handover_take(&queue, &item)) {
        verify(&item);
        hold(self, &item);
    }
}

/* Two threads hold one buffer then, the other one by the same handle or by a slice. */
static void share(worker *self) {
    const handover *item = &self->held[below(self, HELD)];
    if (!may_leave(item)) {
        return;
    }
    handover second = *item;
    (void)__atomic_add_fetch(&item->parcel->references, 1, __ATOMIC_RELAXED);
    if (!item->is_slice && below(self, 2) == 0) {
        second.is_slice = true;
        second.offset = below(self, (uint32_t)item->parcel->size + 1);
        second.handle = poolbuf_retained_slice(item->handle, second.offset, item->parcel->size - second.offset);
        EXPECT(second.handle != NULL);
    } else {
        EXPECT(poolbuf_retain(item->handle) == item->handle);
    }
    if (!handover_put(&queue, &second)) {
        drop(self, &second);
    }
}

/* Larger or smaller, where nobody else has a reference. The acquire pairs with the release in parcel_drop(). */
static void resize(worker *self) {
    handover *item = &self->held[below(self, HELD)];
    if (item->handle == NULL || item->is_slice || __atomic_load_n(&item->parcel->references, __ATOMIC_ACQUIRE) != 1) {
        return;
    }
    parcel *of = item->parcel;
    size_t size = below(self, (uint32_t)poolbuf_max_capacity(item->handle) + 1);
    poolbuf_status status = poolbuf_set_capacity(item->handle, size);
    if (status != POOLBUF_OK) {
        EXPECT(status == POOLBUF_ERROR_LIVE_BUFFERS);
        EXPECT(of->from == PRIVATE ? of->orphan : of->generation != generations[of->from]);
        return;
    }
    count(self, of, false);
    of->usable = item->handle->usable;
    count(self, of, true);
    payload_write(of->seed, 0, poolbuf_memory(item->handle), of->size < size ? of->size : size, size);
    of->size = size;
}

/* ---- Allocators --------------------------------------------------------------------------------------------------- */

static void create(poolbuf_allocator **into, choices *source) {
    poolbuf_allocator_options options;
    random_options_draw(&options, source, LARGEST_CHUNK);
    options.memory_limit_bytes = 0; /* nothing here may fail */
    EXPECT(poolbuf_allocator_create(&options, into) == POOLBUF_OK);
}

static void destroy_own(worker *self) {
    bool alive = self->own_tally.buffers != 0;
    EXPECT(poolbuf_allocator_destroy(self->own) == (alive ? POOLBUF_ERROR_LIVE_BUFFERS : POOLBUF_OK));
    self->own = NULL;
    /* Those that are orphans already were somebody else's, who may be reading that. */
    for (uint32_t i = 0; i < HELD; i++) {
        parcel *of = self->held[i].handle != NULL ? self->held[i].parcel : NULL;
        if (of != NULL && of->from == PRIVATE && !of->orphan) {
            of->orphan = true;
        }
    }
    self->orphans.buffers += self->own_tally.buffers;
    self->orphans.bytes += self->own_tally.bytes;
    self->own_tally = (tally){0};
}

/* While others are at work these figures are moments of different ages: what can be said is that they come. */
static void look(poolbuf_allocator *real) {
    poolbuf_metrics m = {.struct_size = sizeof m};
    uint64_t buffers = 0;
    EXPECT(poolbuf_allocator_metrics(real, &m) == POOLBUF_OK);
    EXPECT(m.chunk_maps >= m.chunk_unmaps);
    poolbuf_live_totals(&buffers, NULL, NULL);
    EXPECT(poolbuf_allocator_dump(real, nowhere) == POOLBUF_OK);
}

static void look_after(worker *self) {
    poolbuf_allocator *real = NULL;
    (void)some_allocator(self, &real);
    switch (below(self, 6)) {
    case 0:
        poolbuf_trim_thread_cache(real);
        break;
    case 1:
        (void)poolbuf_allocator_purge(real);
        break;
    case 2:
        look(real);
        break;
    case 3:
        os_fault_pass_ms(60);
        break;
    case 4:
        poolbuf_tracker_reset_sampling();
        break;
    default:
        if (self->own == NULL) {
            create(&self->own, &self->source);
        } else {
            destroy_own(self);
        }
        break;
    }
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static void step(worker *self) {
    static void (*const CALLS[])(worker * self) = {allocate,     allocate,  allocate,  allocate,  allocate_many,
                                                   release_many, hand_over, hand_over, take_over, take_over,
                                                   share,        share,     resize};
    uint32_t call = below(self, 14);
    if (below(self, 20) == 0) {
        look_after(self);
    } else if (call < sizeof CALLS / sizeof CALLS[0]) {
        CALLS[call](self);
    } else {
        drop(self, &self->held[below(self, HELD)]);
    }
}

static void *live(void *argument) {
    worker *self = argument;
    for (uint32_t i = 0; i < self->steps; i++) {
        step(self);
    }
    return NULL;
}

/* One thread after the other, while those of the other workers run. */
static void *live_several_times(void *argument) {
    for (int i = 0; i < LIVES; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, live, argument) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
    }
    worker *self = argument;
    if (self->own != NULL) {
        destroy_own(self); /* by a thread that has never used it */
    }
    return NULL;
}

/* ---- When nobody runs --------------------------------------------------------------------------------------------- */

static tally sum_of(uint32_t from) {
    tally sum = {0};
    for (uint32_t i = 0; i < WORKERS; i++) {
        const tally *part = from == SHARED ? &workers[i].orphans : &workers[i].tallies[from];
        sum.buffers += part->buffers;
        sum.bytes += part->bytes;
        sum.allocations += part->allocations;
    }
    return sum;
}

static void check_exactly(void) {
    tally all = sum_of(SHARED);
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    poolbuf_orphan_totals(&buffers, &bytes);
    assert_int_equal(buffers, all.buffers);
    assert_int_equal(bytes, all.bytes);
    for (uint32_t i = 0; i < SHARED; i++) {
        tally sum = sum_of(i);
        poolbuf_metrics m = unit_metrics(shared[i]);
        assert_int_equal(m.live_buffers, sum.buffers);
        assert_int_equal(m.live_bytes, sum.bytes);
        assert_int_equal(m.allocations, sum.allocations);
        assert_int_equal(m.releases, sum.allocations - sum.buffers);
        assert_int_equal(m.thread_caches, 0);
        assert_int_equal(m.chunk_maps - m.chunk_unmaps, m.chunk_count);
        assert_int_equal(m.pinned_bytes, m.live_bytes + m.cached_bytes);
        assert_true(allocator_audit(i == 0 ? poolbuf_allocator_default() : shared[i]));
        all.buffers += sum.buffers;
        all.bytes += sum.bytes;
    }
    poolbuf_live_totals(&buffers, &bytes, NULL);
    assert_int_equal(buffers, all.buffers);
    assert_int_equal(bytes, all.bytes);
    assert_true(__atomic_load_n(&tracked, __ATOMIC_RELAXED) <= buffers);
}

/* Destroyed with whatever is alive: that is orphaned from here on. */
static void destroy_shared(uint32_t from) {
    tally sum = sum_of(from);
    assert_int_equal(poolbuf_allocator_destroy(shared[from]),
                     sum.buffers != 0 ? POOLBUF_ERROR_LIVE_BUFFERS : POOLBUF_OK);
    generations[from]++;
    workers[0].orphans.buffers += sum.buffers;
    workers[0].orphans.bytes += sum.bytes;
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].tallies[from] = (tally){0};
    }
}

static uint32_t next_gap(void) {
    return 5;
}

static bool on_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    (void)buffer;
    (void)allocator;
    (void)capacity;
    (void)__atomic_add_fetch(&tracked, 1, __ATOMIC_RELAXED);
    return true;
}

static void on_released(const poolbuf *buffer) {
    (void)buffer;
    (void)__atomic_sub_fetch(&tracked, 1, __ATOMIC_RELAXED);
}

static const poolbuf_tracker TRACKER = {
    .struct_size = sizeof(poolbuf_tracker),
    .next_gap = next_gap,
    .allocated = on_allocated,
    .released = on_released,
};

static void run_round(void) {
    pthread_t threads[WORKERS];
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, live_several_times, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    check_exactly();
}

static void release_all(void) {
    handover item;
    while (handover_take(&queue, &item)) {
        drop(&workers[0], &item);
    }
    for (uint32_t i = 0; i < WORKERS * HELD; i++) {
        drop(&workers[i / HELD], &workers[i / HELD].held[i % HELD]);
    }
}

static void threads_leave_exact_counts_and_whole_structures(void **state) {
    (void)state;
    unit_random random = unit_random_start("allocator threads", 3);
    choices source = choices_random((unit_random){unit_random_next(&random)});
    const char *text = getenv("UNIT_OPERATIONS");
    uint64_t steps = text != NULL ? strtoull(text, NULL, 10) / ((uint64_t)WORKERS * ROUNDS * LIVES) : STEPS;
    nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    os = &os_fault; /* for its clock */
    UNIT_OK(poolbuf_tracker_register(&TRACKER));
    handover_queue_init(&queue);
    for (uint32_t i = 1; i < SHARED; i++) {
        create(&shared[i], &source);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].source = choices_random((unit_random){unit_random_next(&random)});
        workers[i].steps = RUNNING_ON_VALGRIND && text == NULL ? STEPS_VALGRIND : (uint32_t)steps;
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        run_round();
        uint32_t renewed = 1 + unit_random_below(&random, SHARED - 1);
        destroy_shared(renewed);
        create(&shared[renewed], &source);
    }
    release_all();
    assert_int_equal(sum_of(SHARED).buffers, 0);
    assert_int_equal(tracked, 0);
    uint64_t buffers = 1;
    poolbuf_live_totals(&buffers, NULL, NULL);
    assert_int_equal(buffers, 0);
    for (uint32_t i = 1; i < SHARED; i++) {
        assert_true(allocator_audit(shared[i]));
        UNIT_OK(poolbuf_allocator_destroy(shared[i]));
    }
    (void)fclose(nowhere);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_leave_exact_counts_and_whole_structures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
