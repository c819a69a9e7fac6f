/* Tests of the chunk callbacks and of poolbuf_chunk_location(): what a program relies on that registers chunks for I/O. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocator.h"
#include "background.h"
#include "os/os.h"

#define CHUNK ((size_t)262144)

enum {
    TABLE = 4096
};

/* A table of registered memory, as io_uring has one. Errors are kept, since callbacks run on any thread. */
typedef struct registration {
    pthread_mutex_t lock;
    poolbuf_chunk slots[TABLE]; /* base NULL: empty */
    unsigned mapped, unmapped;
    bool wrong;
    bool refuse;
    poolbuf_allocator *allocator; /* used from the callbacks, if not NULL */
    poolbuf *released_inside;     /* released by the next chunk_unmapped */
    unsigned inside_failures;
} registration;

static registration table;

/* Takes every arena's lock. The thread's cache is in the middle of something. */
static bool arenas_are_whole(poolbuf_allocator *allocator) {
    return arena_audit(&allocator->group.arenas[0][0]) && arena_audit(&allocator->group.arenas[1][0]);
}

static void use_inside(registration *self) {
    if (self->allocator == NULL) {
        return;
    }
    (void)unit_metrics(self->allocator); /* takes the registry's lock */
    poolbuf_trim_thread_cache(self->allocator);
    self->wrong = self->wrong || !arenas_are_whole(self->allocator);
    poolbuf *b = poolbuf_allocate(self->allocator, 100, 100);
    if (b == NULL) {
        self->inside_failures++;
    } else {
        (void)poolbuf_release(b);
    }
    /* More than there is: a chunk would have to be mapped. */
    b = poolbuf_allocate(self->allocator, CHUNK * 2, CHUNK * 2);
    self->wrong = self->wrong || b != NULL;
}

static bool on_mapped(void *context, const poolbuf_chunk *told) {
    registration *self = context;
    if (self->refuse) {
        return false;
    }
    (void)pthread_mutex_lock(&self->lock);
    self->wrong = self->wrong || told->index >= TABLE || told->base == NULL;
    if (!self->wrong) {
        self->wrong = self->slots[told->index].base != NULL; /* registered twice */
        self->slots[told->index] = *told;
    }
    self->mapped++;
    (void)pthread_mutex_unlock(&self->lock);
    use_inside(self);
    return true;
}

static void on_unmapped(void *context, const poolbuf_chunk *told) {
    registration *self = context;
    (void)pthread_mutex_lock(&self->lock);
    self->wrong = self->wrong || told->index >= TABLE;
    if (!self->wrong) {
        poolbuf_chunk *slot = &self->slots[told->index];
        self->wrong = slot->base != told->base || slot->bytes != told->bytes;
        *slot = (poolbuf_chunk){0};
    }
    self->unmapped++;
    poolbuf *released = self->released_inside;
    self->released_inside = NULL;
    (void)pthread_mutex_unlock(&self->lock);
    if (released != NULL) {
        (void)poolbuf_release(released);
    }
    use_inside(self);
}

static poolbuf_allocator_options options_of(uint32_t decay_ms) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = CHUNK;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.decay_ms = decay_ms;
    options.pooling = true;
    options.prefer_direct = true;
    options.chunk_mapped = on_mapped;
    options.chunk_unmapped = on_unmapped;
    options.chunk_context = &table;
    return options;
}

/* Without caches, so that a chunk is mapped when a buffer needs it and not before. */
static poolbuf_allocator *create(uint32_t decay_ms) {
    poolbuf_allocator_options options = options_of(decay_ms);
    options.cache_limit_bytes = 0;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

static int set_up(void **state) {
    (void)state;
    table = (registration){.lock = PTHREAD_MUTEX_INITIALIZER};
    os = &os_fault;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_false(table.wrong);
    assert_int_equal(table.mapped, table.unmapped);
    for (unsigned i = 0; i < TABLE; i++) {
        assert_null(table.slots[i].base);
    }
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
    return 0;
}

/* Whether a buffer lies where its location says, in a chunk that is registered now. */
static bool located(poolbuf *buffer) {
    poolbuf_location at = {.chunk_index = UINT32_MAX};
    if (poolbuf_chunk_location(buffer, &at) != POOLBUF_OK || at.chunk_index >= TABLE) {
        return false;
    }
    (void)pthread_mutex_lock(&table.lock);
    poolbuf_chunk home = table.slots[at.chunk_index];
    (void)pthread_mutex_unlock(&table.lock);
    return home.base != NULL && (uint8_t *)home.base + at.offset == poolbuf_memory(buffer) &&
           at.offset + poolbuf_capacity(buffer) <= home.bytes;
}

static void chunks_are_numbered_from_0_and_the_smallest_number_is_used_again(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(0);
    poolbuf *b[4];
    for (unsigned i = 0; i < 4; i++) {
        b[i] = poolbuf_allocate(allocator, i == 2 ? CHUNK * 3 : CHUNK, CHUNK * 3); /* one of them huge */
        poolbuf_location at;
        UNIT_OK(poolbuf_chunk_location(b[i], &at));
        assert_int_equal(at.chunk_index, i);
        assert_int_equal(at.offset, 0);
        assert_int_equal(table.slots[i].bytes, i == 2 ? CHUNK * 3 : CHUNK);
    }
    (void)poolbuf_release(b[2]);
    (void)poolbuf_release(b[1]);
    (void)poolbuf_allocator_purge(allocator);
    assert_int_equal(table.unmapped, 2);
    b[1] = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
    b[2] = poolbuf_allocate(allocator, CHUNK, CHUNK);
    for (unsigned i = 0; i < 4; i++) {
        poolbuf_location at;
        UNIT_OK(poolbuf_chunk_location(b[i], &at));
        assert_int_equal(at.chunk_index, i);
        assert_true(located(b[i]));
        (void)poolbuf_release(b[i]);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void slices_lie_inside_their_buffers_chunk(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(1000);
    poolbuf *first = poolbuf_allocate(allocator, 5000, 5000);
    poolbuf *b = poolbuf_allocate(allocator, 1000, 1000);
    UNIT_OK(poolbuf_set_writer_index(b, 1000));
    poolbuf_location whole;
    poolbuf_location part;
    UNIT_OK(poolbuf_chunk_location(b, &whole));
    poolbuf *slice = poolbuf_slice(b, 100, 200);
    UNIT_OK(poolbuf_chunk_location(slice, &part));
    assert_int_equal(part.chunk_index, whole.chunk_index);
    assert_int_equal(part.offset, whole.offset + 100);
    poolbuf *retained = poolbuf_retained_slice(slice, 50, 100);
    UNIT_OK(poolbuf_chunk_location(retained, &part));
    assert_int_equal(part.offset, whole.offset + 150);
    assert_true(located(first) && located(b) && located(slice) && located(retained));
    (void)poolbuf_release(b);
    assert_true(located(retained));
    (void)poolbuf_release(retained);
    (void)poolbuf_release(first);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void what_lies_in_no_direct_chunk_has_no_location(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(1000);
    poolbuf_location at = {.chunk_index = 77};
    poolbuf *heap = poolbuf_allocate_heap(allocator, 100, 100);
    assert_int_equal(poolbuf_chunk_location(heap, &at), POOLBUF_ERROR_UNSUPPORTED);
    poolbuf *huge_heap = poolbuf_allocate_heap(allocator, CHUNK * 2, CHUNK * 2);
    assert_int_equal(poolbuf_chunk_location(huge_heap, &at), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(at.chunk_index, 77);
    assert_int_equal(table.mapped, 0);
    (void)poolbuf_release(heap);
    (void)poolbuf_release(huge_heap);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    poolbuf_allocator_options options = options_of(0);
    options.pooling = false;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *unpooled = poolbuf_allocate_direct(allocator, 100, 100);
    assert_int_equal(poolbuf_chunk_location(unpooled, &at), POOLBUF_ERROR_UNSUPPORTED);
    (void)poolbuf_release(unpooled);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void a_buffer_has_a_location_without_callbacks(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(0);
    options.chunk_mapped = NULL;
    options.chunk_unmapped = NULL;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    poolbuf_location at;
    UNIT_OK(poolbuf_chunk_location(b, &at));
    assert_int_equal(at.chunk_index, 0);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void one_callback_alone_is_enough(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(0);
    options.chunk_unmapped = NULL;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    (void)poolbuf_release(poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2));
    assert_int_equal(table.mapped, 1);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    table = (registration){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static void a_chunk_that_is_refused_goes_back_and_the_allocation_fails(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(1000);
    poolbuf *first = poolbuf_allocate(allocator, 100, 100);
    table.refuse = true;
    unsigned long regions = os_fault_regions();
    assert_null(poolbuf_allocate(allocator, CHUNK, CHUNK));
    assert_null(poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2));
    assert_true(os_fault_regions() <= regions + 2); /* a region of records with its table */
    assert_int_equal(unit_metrics(allocator).chunk_count, 1);
    assert_true(allocator_audit(allocator));
    poolbuf *second = poolbuf_allocate(allocator, 100, 100); /* there is room for this */
    assert_non_null(second);
    table.refuse = false;
    poolbuf *large = poolbuf_allocate(allocator, CHUNK, CHUNK);
    poolbuf_location at;
    UNIT_OK(poolbuf_chunk_location(large, &at));
    assert_int_equal(at.chunk_index, 1); /* the refused one's number is free again */
    (void)poolbuf_release(first);
    (void)poolbuf_release(second);
    (void)poolbuf_release(large);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void every_way_in_which_a_chunk_goes_is_announced(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(1000);
    poolbuf *b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    (void)poolbuf_release(b);
    assert_int_equal(table.unmapped, 0);
    (void)poolbuf_allocator_purge(allocator);
    assert_int_equal(table.unmapped, 1); /* purge */
    b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    (void)poolbuf_release(b);
    poolbuf_trim_thread_cache(allocator);
    os_fault_pass_ms(1000);
    b = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
    assert_int_equal(table.unmapped, 2); /* decay */
    (void)poolbuf_release(b);
    assert_int_equal(table.unmapped, 3); /* the end of a huge buffer */
    b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    poolbuf *last = poolbuf_allocate(allocator, CHUNK, CHUNK);
    (void)poolbuf_release(b);
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_ERROR_LIVE_BUFFERS);
    assert_int_equal(table.unmapped, 4); /* destroy; the other one still has a buffer */
    assert_true(located(last));
    (void)poolbuf_release(last);
    assert_int_equal(table.unmapped, 5); /* the end of an orphan */
}

static void callbacks_may_use_the_allocator(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(0);
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *kept = poolbuf_allocate(allocator, 100, 100); /* room for what callbacks allocate */
    table.allocator = allocator;
    table.released_inside = poolbuf_allocate(allocator, CHUNK * 2, CHUNK * 2);
    poolbuf *b[6];
    for (unsigned i = 0; i < 6; i++) {
        b[i] = poolbuf_allocate(allocator, CHUNK / 2, CHUNK);
        assert_non_null(b[i]);
    }
    for (unsigned i = 0; i < 6; i++) {
        (void)poolbuf_release(b[i]);
    }
    poolbuf_trim_thread_cache(allocator);
    (void)poolbuf_allocator_purge(allocator);
    assert_null(table.released_inside);
    assert_int_equal(table.inside_failures, 0);
    assert_int_equal(unit_metrics(allocator).live_buffers, 1);
    (void)poolbuf_release(kept);
    table.allocator = NULL; /* the last chunk goes with destroy, after which nothing can be allocated */
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* The middle of a refill is where a callback that releases would find the bin in pieces, had its thread a cache then. */
static poolbuf *small_ones[300];

static bool release_small_ones(void *context, const poolbuf_chunk *told) {
    for (unsigned i = 0; i < 300; i++) {
        if (small_ones[i] != NULL) {
            (void)poolbuf_release(small_ones[i]);
            small_ones[i] = NULL;
        }
    }
    return on_mapped(context, told);
}

static void what_a_callback_releases_in_the_middle_of_a_refill_is_not_lost(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(0);
    options.chunk_mapped = release_small_ones;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *held[600];
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 300; i++) {
            small_ones[i] = poolbuf_allocate(allocator, 1024, 1024);
        }
        unsigned count = 0;
        for (unsigned maps = table.mapped; maps == table.mapped && count < 600;) { /* until a refill needs a chunk */
            held[count++] = poolbuf_allocate(allocator, 1024, 1024);
        }
        assert_true(allocator_audit(allocator));
        assert_int_equal(unit_metrics(allocator).live_buffers, count + (unsigned)(small_ones[0] != NULL ? 300 : 0));
        for (unsigned i = 0; i < count; i++) {
            for (unsigned j = 0; j < i; j++) {
                assert_ptr_not_equal(held[i], held[j]);
            }
        }
        for (unsigned i = 0; i < count; i++) {
            (void)poolbuf_release(held[i]);
        }
        for (unsigned i = 0; i < 300; i++) {
            if (small_ones[i] != NULL) {
                (void)poolbuf_release(small_ones[i]);
                small_ones[i] = NULL;
            }
        }
        (void)poolbuf_allocator_purge(allocator);
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static bool used; /* atomic; the release comes after the thread's last call */

/* A cache with less than a batch in each of two bins, which goes to the arena when the thread ends: two chunks empty. */
static void *use_and_exit(void *argument) {
    poolbuf *small = poolbuf_allocate(argument, 60000, 60000);
    poolbuf *large = poolbuf_allocate(argument, CHUNK, CHUNK);
    (void)poolbuf_release(small);
    (void)poolbuf_release(large);
    __atomic_store_n(&used, true, __ATOMIC_RELEASE);
    return NULL;
}

/* The registry's lock is held while a thread's caches are emptied; the callback takes it for metrics. */
static void at_a_threads_exit_callbacks_find_no_lock_held(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(0);
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *kept = poolbuf_allocate(allocator, 100, 100); /* room for what callbacks allocate */
    table.allocator = allocator;
    for (int round = 0; round < 5; round++) {
        pthread_t thread;
        unsigned unmapped = table.unmapped;
        assert_int_equal(pthread_create(&thread, NULL, use_and_exit, allocator), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(table.unmapped > unmapped);
    }
    table.allocator = NULL;
    (void)poolbuf_release(kept);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static pthread_t passing; /* the thread that does the background thread's work in this test */
static unsigned heard_passing;

static void *make_and_destroy(void *returned) {
    poolbuf_allocator_options options = options_of(0);
    options.chunk_mapped = NULL;
    options.chunk_unmapped = NULL;
    options.background_thread = true;
    poolbuf_allocator *other = NULL;
    bool good =
        poolbuf_allocator_create(&options, &other) == POOLBUF_OK && poolbuf_allocator_destroy(other) == POOLBUF_OK;
    return good ? returned : NULL;
}

/* What a program's lock would do that is held by a thread which makes an allocator. */
static void wait_for_a_maker(void *context, const poolbuf_chunk *told) {
    on_unmapped(context, told);
    if (pthread_equal(pthread_self(), passing)) {
        pthread_t thread;
        void *made = NULL;
        heard_passing++;
        if (pthread_create(&thread, NULL, make_and_destroy, context) != 0 || pthread_join(thread, &made) != 0) {
            made = NULL;
        }
        table.wrong = table.wrong || made == NULL;
    }
}

/* Its work has a lock, which an allocator that begins or ends takes for its place there. */
static void the_background_work_calls_back_with_no_lock_held(void **state) {
    (void)state;
    poolbuf_allocator_options options = options_of(1000);
    options.cache_limit_bytes = 0;
    options.background_thread = true;
    options.chunk_unmapped = wait_for_a_maker;
    poolbuf_allocator *allocator = NULL;
    passing = pthread_self();
    heard_passing = 0;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    for (unsigned round = 0; round < 1000 && heard_passing == 0; round++) {
        (void)poolbuf_release(poolbuf_allocate(allocator, CHUNK, CHUNK));
        os_fault_pass_ms(2000);
        (void)background_pass(); /* unless the thread itself has come first */
    }
    assert_true(heard_passing != 0);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* Dropping a page under a registration would leave I/O with the old page and the program with a new one. */
static unsigned dropped;

static int watch_purge(void *start, size_t size) {
    dropped++;
    return os_fault.purge(start, size);
}

static void pages_of_registered_chunks_stay(void **state) {
    (void)state;
    os_backend watching = os_fault;
    watching.purge = watch_purge;
    os = &watching;
    dropped = 0;
    poolbuf_allocator *allocator = create(1000);
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    (void)poolbuf_release(poolbuf_allocate(allocator, CHUNK / 4, CHUNK / 4)); /* pages that are free, and dirty */
    (void)poolbuf_allocator_purge(allocator);
    os_fault_pass_ms(5000);
    (void)poolbuf_release(poolbuf_allocate(allocator, CHUNK / 4, CHUNK / 4));
    assert_int_equal(dropped, 0);
    assert_true(allocator_audit(allocator));
    poolbuf *heap = poolbuf_allocate_heap(allocator, 100, 100);
    (void)poolbuf_release(poolbuf_allocate_heap(allocator, CHUNK / 4, CHUNK / 4));
    (void)poolbuf_allocator_purge(allocator);
    assert_true(dropped > 0); /* nobody registers those */
    (void)poolbuf_release(heap);
    (void)poolbuf_release(b);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    os = &os_fault;
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

enum {
    THREADS = 4,
    ROUNDS = 3,
    STEPS = 1500,
    SLOTS = 32
};

static poolbuf *slots[SLOTS]; /* atomic; whoever exchanges a buffer out owns it */
static bool failed;           /* atomic */

typedef struct worker {
    poolbuf_allocator *allocator;
    unit_random random;
} worker;

static void *work(void *argument) {
    worker *self = argument;
    for (int i = 0; i < STEPS; i++) {
        size_t size = unit_random_size(&self->random, 19);
        poolbuf *fresh = poolbuf_allocate(self->allocator, size, size * 2);
        if (fresh == NULL || !located(fresh)) {
            __atomic_store_n(&failed, true, __ATOMIC_RELAXED);
        }
        poolbuf *old = __atomic_exchange_n(&slots[unit_random_below(&self->random, SLOTS)], fresh, __ATOMIC_ACQ_REL);
        if (old != NULL) {
            if (!located(old)) {
                __atomic_store_n(&failed, true, __ATOMIC_RELAXED);
            }
            (void)poolbuf_release(old);
        }
        if (unit_random_below(&self->random, 100) == 0) {
            (void)poolbuf_allocator_purge(self->allocator);
        }
    }
    return NULL;
}

static void every_index_is_registered_once_and_every_buffer_lies_in_a_registered_chunk(void **state) {
    (void)state;
    unit_random random = unit_random_start("registration", 12);
    for (uint32_t decay_ms = 0; decay_ms < 2; decay_ms++) {
        poolbuf_allocator_options options = options_of(decay_ms);
        options.direct_arenas = 2;
        options.cache_limit_bytes = (size_t)1 << 20;
        options.cache_trim_interval = 100;
        worker workers[THREADS];
        UNIT_OK(poolbuf_allocator_create(&options, &workers[0].allocator));
        for (int round = 0; round < ROUNDS; round++) {
            pthread_t threads[THREADS];
            for (unsigned i = 0; i < THREADS; i++) {
                workers[i].allocator = workers[0].allocator;
                workers[i].random.state = unit_random_next(&random);
                assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
            }
            for (unsigned i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
            }
            os_fault_pass_ms(1);
            assert_true(allocator_audit(workers[0].allocator));
        }
        for (unsigned i = 0; i < SLOTS; i++) {
            if (slots[i] != NULL) {
                (void)poolbuf_release(slots[i]);
                slots[i] = NULL;
            }
        }
        assert_false(__atomic_load_n(&failed, __ATOMIC_RELAXED));
        UNIT_OK(poolbuf_allocator_destroy(workers[0].allocator));
        assert_true(table.mapped == table.unmapped && table.mapped > 10);
    }
}

/* A thread that exits may be in the middle of a callback when its allocator is destroyed, which waits for it. */
static void destroy_waits_for_the_callbacks_of_threads_that_exit(void **state) {
    (void)state;
    __atomic_store_n(&used, false, __ATOMIC_RELAXED);
    for (int round = 0; round < 50; round++) {
        poolbuf_allocator_options options = options_of(0);
        poolbuf_allocator *allocator = NULL;
        UNIT_OK(poolbuf_allocator_create(&options, &allocator));
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_and_exit, allocator), 0);
        while (!__atomic_exchange_n(&used, false, __ATOMIC_ACQUIRE)) {
            (void)sched_yield();
        }
        UNIT_OK(poolbuf_allocator_destroy(allocator)); /* the thread is in its exit, or about to be */
        assert_int_equal(table.mapped, table.unmapped);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

static bool fork_in_callback(void *context, const poolbuf_chunk *told) {
    pid_t child = fork();
    if (child == 0) {
        registration *self = context;
        poolbuf *b = poolbuf_allocate(self->allocator, 100, 100);
        bool good = b != NULL && arenas_are_whole(self->allocator) && poolbuf_release(b);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    ((registration *)context)->wrong |= child < 0 || waitpid(child, &status, 0) != child || status != 0;
    return on_mapped(context, told);
}

static void a_fork_while_a_chunk_is_being_mapped_leaves_both_with_a_whole_allocator(void **state) {
    (void)state;
    poolbuf_allocator *allocator = create(0);
    poolbuf *kept = poolbuf_allocate(allocator, 100, 100);
    allocator->options.chunk_mapped = fork_in_callback;
    table.allocator = allocator;
    poolbuf *b = poolbuf_allocate(allocator, CHUNK, CHUNK);
    assert_non_null(b);
    table.allocator = NULL;
    (void)poolbuf_release(b);
    (void)poolbuf_release(kept);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

#define REGISTRATION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        REGISTRATION_TEST(chunks_are_numbered_from_0_and_the_smallest_number_is_used_again),
        REGISTRATION_TEST(slices_lie_inside_their_buffers_chunk),
        REGISTRATION_TEST(what_lies_in_no_direct_chunk_has_no_location),
        REGISTRATION_TEST(a_buffer_has_a_location_without_callbacks),
        REGISTRATION_TEST(one_callback_alone_is_enough),
        REGISTRATION_TEST(a_chunk_that_is_refused_goes_back_and_the_allocation_fails),
        REGISTRATION_TEST(every_way_in_which_a_chunk_goes_is_announced),
        REGISTRATION_TEST(callbacks_may_use_the_allocator),
        REGISTRATION_TEST(what_a_callback_releases_in_the_middle_of_a_refill_is_not_lost),
        REGISTRATION_TEST(at_a_threads_exit_callbacks_find_no_lock_held),
        REGISTRATION_TEST(the_background_work_calls_back_with_no_lock_held),
        REGISTRATION_TEST(pages_of_registered_chunks_stay),
        REGISTRATION_TEST(every_index_is_registered_once_and_every_buffer_lies_in_a_registered_chunk),
        REGISTRATION_TEST(destroy_waits_for_the_callbacks_of_threads_that_exit),
        REGISTRATION_TEST(a_fork_while_a_chunk_is_being_mapped_leaves_both_with_a_whole_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
