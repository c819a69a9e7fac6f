/* The buffer against a plain model: random calls on both, which must agree after each.
 *
 * A family is a buffer with all its slices, and beside it an array that holds what its bytes should be. Each of its nodes
 * counts for itself, as the buffer and its retained slices do, and has views: itself and the slices that die with it.
 * Families belong to one thread at a time, and wander: threads swap them through a few shared places, so they are grown,
 * cut and released far from where they were made. Between rounds, while the threads wait, allocators of every make are
 * audited, counted, destroyed with families alive and made anew.
 *
 * Small by default, so that it can run everywhere; UNIT_STRESS multiplies the work, UNIT_SEED changes it. */
#include "unit.h"

#include <pthread.h>

#include "allocator.h"

enum {
    THREADS = 3,
    ROUNDS = 8,
    STEPS = 1200,
    FAMILIES = 12, /* of one thread */
    PLACES = 16,
    NODES = 8,
    VIEWS = 6,
    MAKES = 6
};

typedef struct view {
    poolbuf *handle;
    size_t offset, length; /* in the family's bytes */
    size_t reader, writer;
} view;

typedef struct node {
    struct node *parent; /* NULL: the buffer itself */
    uint32_t own;        /* references that the test holds */
    uint32_t children;   /* retained slices of this node that are alive */
    uint32_t view_count; /* 0: the node is dead; views[0] is the node itself */
    view views[VIEWS];
} node;

typedef struct family {
    uint8_t *bytes;
    size_t max;
    uint32_t make;
    uint32_t generation; /* of the make; an older one than the present is of a destroyed allocator */
    node nodes[NODES];
} family;

typedef struct worker {
    unit_random random;
    uint32_t steps;
    family *families[FAMILIES];
} worker;

static poolbuf_allocator *allocators[MAKES];
static uint32_t generations[MAKES]; /* written while the workers wait */
static family *places[PLACES];      /* atomic; whoever exchanges a family out owns it */
static pthread_barrier_t barrier;
static int failed_line; /* atomic; assertions of cmocka belong to the main thread */

static bool expect_at(bool condition, int line) {
    int none = 0;
    if (!condition) {
        (void)__atomic_compare_exchange_n(&failed_line, &none, line, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return condition;
}

#define EXPECT(condition) expect_at(condition, __LINE__)

static bool failed(void) {
    return __atomic_load_n(&failed_line, __ATOMIC_RELAXED) != 0;
}

/* ---- Allocators of every make ------------------------------------------------------------------------------------- */

static void create(uint32_t make) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = 2;
    options.heap_arenas = 2;
    switch (make) {
    case 1: /* small chunks: more runs and more huge buffers; caches that hold little */
        options.page_size = 4096;
        options.chunk_size = 32768;
        options.cache_limit_bytes = 65536;
        options.cache_trim_interval = 50;
        break;
    case 2: /* one arena for all threads, no caches */
        options.direct_arenas = options.heap_arenas = 1;
        options.cache_limit_bytes = 0;
        break;
    case 3:
        options.pooling = false;
        break;
    case 4: /* one kind pooled, the other not */
        options.direct_arenas = 0;
        break;
    case 5:
        options.prefer_direct = false;
        options.alignment = 256;
        options.small_cache_size = 5;
        options.normal_cache_size = 2;
        break;
    default:
        break;
    }
    UNIT_OK(poolbuf_allocator_create(&options, &allocators[make]));
}

/* ---- The model ---------------------------------------------------------------------------------------------------- */

static node *family_node(family *f, unit_random *random) {
    node *alive[NODES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        if (f->nodes[i].view_count != 0 && f->nodes[i].own != 0) {
            alive[count++] = &f->nodes[i];
        }
    }
    return count != 0 ? alive[unit_random_below(random, count)] : NULL;
}

static bool has_retained_slices(const family *f) {
    for (uint32_t i = 1; i < NODES; i++) {
        if (f->nodes[i].view_count != 0) {
            return true;
        }
    }
    return false;
}

/* The end of the last slice: below it the capacity is not cut, as what such a slice then shows is nobody's promise. */
static size_t slices_end(const family *f) {
    size_t end = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t j = i == 0 ? 1 : 0; j < f->nodes[i].view_count; j++) {
            const view *v = &f->nodes[i].views[j];
            end = v->offset + v->length > end ? v->offset + v->length : end;
        }
    }
    return end;
}

static bool is_buffer(const family *f, const view *v) {
    return v == &f->nodes[0].views[0];
}

static void view_agrees(const family *f, const node *n, const view *v) {
    static _Thread_local uint8_t window[512];
    const poolbuf *b = v->handle;
    EXPECT(poolbuf_capacity(b) == v->length);
    EXPECT(poolbuf_max_capacity(b) == (is_buffer(f, v) ? f->max : v->length));
    EXPECT(poolbuf_reader_index(b) == v->reader);
    EXPECT(poolbuf_writer_index(b) == v->writer);
    EXPECT(poolbuf_readable_bytes(b) == v->writer - v->reader);
    EXPECT(poolbuf_ref_count(b) == n->own + n->children);
    size_t length = v->length < sizeof window ? v->length : sizeof window;
    const size_t starts[] = {0, (v->length - length) / 2, v->length - length};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        EXPECT(poolbuf_get_bytes(b, starts[i], window, length) == POOLBUF_OK);
        EXPECT(memcmp(window, f->bytes + v->offset + starts[i], length) == 0);
    }
}

static void fill(family *f, const view *v, size_t from, unit_random *random) {
    if (from < v->length) {
        memset(f->bytes + v->offset + from, (int)unit_random_below(random, 256), v->length - from);
        EXPECT(poolbuf_set_bytes(v->handle, from, f->bytes + v->offset + from, v->length - from) == POOLBUF_OK);
    }
}

static family *family_make(unit_random *random) {
    family *f = calloc(1, sizeof *f);
    node *n = &f->nodes[0];
    bool large = unit_random_below(random, 300) == 0;
    size_t size = unit_random_below(random, 20) == 0 ? 0 : unit_random_size(random, large ? 23 : 15);
    f->max = size * (1 + unit_random_below(random, 8)) + unit_random_below(random, 100);
    f->make = unit_random_below(random, MAKES);
    f->generation = generations[f->make];
    poolbuf_allocator *from = allocators[f->make];
    uint32_t kind = unit_random_below(random, 4);
    n->views[0].handle = kind == 0   ? poolbuf_allocate_heap(from, size, f->max)
                         : kind == 1 ? poolbuf_allocate_direct(from, size, f->max)
                                     : poolbuf_allocate(from, size, f->max);
    n->views[0].length = size;
    n->view_count = 1;
    n->own = 1;
    f->bytes = malloc(f->max + 1);
    if (EXPECT(n->views[0].handle != NULL)) {
        EXPECT(kind > 1 || poolbuf_is_direct(n->views[0].handle) == (kind == 1));
        EXPECT(poolbuf_owner(n->views[0].handle) == from);
        fill(f, &n->views[0], 0, random);
    }
    return f;
}

/* ---- Calls -------------------------------------------------------------------------------------------------------- */

/* The buffer may have grown: takes its word for how far, within what it promises. */
static void adopt_capacity(family *f, view *v, size_t least, unit_random *random) {
    size_t before = v->length;
    v->length = poolbuf_capacity(v->handle);
    EXPECT(v->length >= least && v->length >= before && v->length <= f->max);
    fill(f, v, before, random);
}

/* Why growing may fail, where the maximum allows it. */
static bool may_refuse(const family *f, poolbuf_status status) {
    return (status == POOLBUF_ERROR_UNSUPPORTED && has_retained_slices(f)) ||
           (status == POOLBUF_ERROR_LIVE_BUFFERS && f->generation != generations[f->make]);
}

static void call_write(family *f, view *v, unit_random *random) {
    uint8_t data[600];
    size_t n = unit_random_below(random, sizeof data);
    memset(data, (int)unit_random_below(random, 256), n);
    size_t limit = is_buffer(f, v) ? f->max : v->length;
    bool reserve = unit_random_below(random, 4) == 0;
    poolbuf_status status = reserve ? poolbuf_ensure_writable(v->handle, n) : poolbuf_write_bytes(v->handle, data, n);
    if (n > limit - v->writer) {
        EXPECT(status == POOLBUF_ERROR_MAX_CAPACITY);
        return;
    }
    if (status != POOLBUF_OK) {
        EXPECT(v->writer + n > v->length && may_refuse(f, status));
        return;
    }
    if (is_buffer(f, v)) {
        adopt_capacity(f, v, v->writer + n, random);
    }
    if (!reserve) {
        memcpy(f->bytes + v->offset + v->writer, data, n);
        EXPECT(poolbuf_set_bytes(v->handle, v->writer, data, n) == POOLBUF_OK); /* adopting may have filled it */
        v->writer += n;
    }
}

static void call_read(const family *f, view *v, unit_random *random) {
    uint8_t data[600];
    size_t n = unit_random_below(random, sizeof data);
    poolbuf_status status =
        unit_random_below(random, 2) == 0 ? poolbuf_skip_bytes(v->handle, n) : poolbuf_read_bytes(v->handle, data, n);
    if (n > v->writer - v->reader) {
        EXPECT(status == POOLBUF_ERROR_OUT_OF_BOUNDS);
        return;
    }
    EXPECT(status == POOLBUF_OK);
    v->reader += n;
    (void)f;
}

/* An index that is mostly near the capacity, and at times so large that a sum with it wraps. */
static size_t some_index(const view *v, unit_random *random) {
    if (unit_random_below(random, 10) == 0) {
        return SIZE_MAX - unit_random_below(random, 20);
    }
    return unit_random_below(random, (uint32_t)v->length + 10);
}

static void call_set(family *f, const view *v, unit_random *random) {
    uint64_t value = unit_random_next(random);
    uint64_t back = 0;
    size_t index = some_index(v, random);
    bool inside = index <= v->length && v->length - index >= sizeof value;
    poolbuf_status expected = inside ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS;
    EXPECT(poolbuf_set_u64_be(v->handle, index, value) == expected);
    EXPECT(poolbuf_get_u64_le(v->handle, index, &back) == expected);
    for (size_t i = 0; inside && i < sizeof value; i++) {
        f->bytes[v->offset + index + i] = (uint8_t)(value >> (56 - 8 * i));
    }
    EXPECT(back == (inside ? __builtin_bswap64(value) : 0));
    size_t length = some_index(v, random);
    if (index > v->length || length > v->length - index) {
        EXPECT(poolbuf_get_bytes(v->handle, index, &back, length) == POOLBUF_ERROR_OUT_OF_BOUNDS);
        EXPECT(poolbuf_slice(v->handle, index, length) == NULL);
        EXPECT(poolbuf_retained_slice(v->handle, index, length) == NULL);
    }
}

static void call_indices(view *v, unit_random *random) {
    size_t reader = some_index(v, random);
    if (poolbuf_set_reader_index(v->handle, reader) == POOLBUF_OK) {
        EXPECT(reader <= v->writer);
        v->reader = reader;
    } else {
        EXPECT(reader > v->writer);
    }
    size_t writer = some_index(v, random);
    if (poolbuf_set_writer_index(v->handle, writer) == POOLBUF_OK) {
        EXPECT(writer >= v->reader && writer <= v->length);
        v->writer = writer;
    } else {
        EXPECT(writer < v->reader || writer > v->length);
    }
    if (unit_random_below(random, 8) == 0) {
        poolbuf_clear(v->handle);
        v->reader = v->writer = 0;
    }
}

static void call_capacity(family *f, view *v, unit_random *random) {
    size_t capacity = unit_random_below(random, 10) == 0 ? SIZE_MAX - unit_random_below(random, 5)
                                                         : unit_random_below(random, (uint32_t)f->max + 3);
    if (unit_random_below(random, 2) == 0) {
        capacity /= 1 + unit_random_below(random, 64); /* small ones move more often */
    }
    if (!is_buffer(f, v)) {
        EXPECT(poolbuf_set_capacity(v->handle, capacity) == POOLBUF_ERROR_UNSUPPORTED);
        return;
    }
    if (capacity < slices_end(f)) {
        return;
    }
    poolbuf_status status = poolbuf_set_capacity(v->handle, capacity);
    if (capacity > f->max) {
        EXPECT(status == POOLBUF_ERROR_MAX_CAPACITY);
        return;
    }
    if (status != POOLBUF_OK) {
        EXPECT(capacity > v->length && may_refuse(f, status));
        return;
    }
    size_t before = v->length;
    v->length = capacity;
    v->writer = v->writer < capacity ? v->writer : capacity;
    v->reader = v->reader < capacity ? v->reader : capacity;
    fill(f, v, before, random);
}

static void call_slice(family *f, node *n, const view *v, unit_random *random) {
    size_t index = unit_random_below(random, (uint32_t)v->length + 1);
    size_t length = unit_random_below(random, (uint32_t)(v->length - index) + 1);
    view made = {.offset = v->offset + index, .length = length, .writer = length};
    node *free_node = NULL;
    for (uint32_t i = 1; i < NODES && free_node == NULL; i++) {
        free_node = f->nodes[i].view_count == 0 ? &f->nodes[i] : NULL;
    }
    if (unit_random_below(random, 3) != 0 && free_node != NULL) {
        made.handle = poolbuf_retained_slice(v->handle, index, length);
        *free_node = (node){.parent = n, .own = 1, .view_count = 1, .views = {made}};
        n->children++;
    } else if (n->view_count < VIEWS) {
        made.handle = poolbuf_slice(v->handle, index, length);
        n->views[n->view_count++] = made;
    } else {
        return;
    }
    EXPECT(made.handle != NULL);
}

static void node_ends(node *n) {
    while (n != NULL && n->own + n->children == 0) {
        n->view_count = 0;
        n = n->parent;
        if (n != NULL) {
            n->children--;
        }
    }
}

static void call_release(node *n, const view *v) {
    n->own--;
    EXPECT(poolbuf_release(v->handle) == (n->own + n->children == 0));
    node_ends(n);
}

/* One call on one view; false if the family is gone. */
static bool family_step(family *f, unit_random *random) {
    node *n = family_node(f, random);
    if (n == NULL) {
        EXPECT(f->nodes[0].view_count == 0);
        free(f->bytes);
        free(f);
        return false;
    }
    view *v = &n->views[unit_random_below(random, n->view_count)];
    switch (unit_random_below(random, 12)) {
    case 0:
    case 1:
        call_write(f, v, random);
        break;
    case 2:
        call_read(f, v, random);
        break;
    case 3:
        call_set(f, v, random);
        break;
    case 4:
        call_indices(v, random);
        break;
    case 5:
    case 6:
        call_capacity(f, v, random);
        break;
    case 7:
        call_slice(f, n, v, random);
        break;
    case 8:
        EXPECT(poolbuf_retain(v->handle) == v->handle);
        n->own++;
        break;
    default:
        call_release(n, v);
        break;
    }
    for (uint32_t i = 0; i < n->view_count; i++) {
        view_agrees(f, n, &n->views[i]);
    }
    return true;
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static void wait_for_all(void) {
    (void)pthread_barrier_wait(&barrier);
}

static void work_a_round(worker *self) {
    for (uint32_t step = 0; step < self->steps && !failed(); step++) {
        family **mine = &self->families[unit_random_below(&self->random, FAMILIES)];
        if (*mine == NULL) {
            *mine = family_make(&self->random);
        } else if (!family_step(*mine, &self->random)) {
            *mine = NULL;
        }
        if (unit_random_below(&self->random, 16) == 0) {
            *mine = __atomic_exchange_n(&places[unit_random_below(&self->random, PLACES)], *mine, __ATOMIC_ACQ_REL);
        }
        if (unit_random_below(&self->random, 500) == 0) {
            poolbuf_trim_thread_cache(allocators[unit_random_below(&self->random, MAKES)]);
        }
    }
}

static void *work(void *argument) {
    worker *self = argument;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        work_a_round(self);
        wait_for_all(); /* the main thread looks, and changes the allocators */
        wait_for_all();
    }
    return NULL;
}

static void finish(family **where, unit_random *random) {
    while (*where != NULL && !failed()) {
        if (!family_step(*where, random)) {
            *where = NULL;
        }
    }
}

static void count(const family *f, uint64_t alive[MAKES]) {
    if (f != NULL && f->nodes[0].view_count != 0 && f->generation == generations[f->make]) {
        alive[f->make]++;
    }
}

/* While the workers wait. */
static void look_and_renew(const worker workers[THREADS], unit_random *random) {
    uint64_t alive[MAKES] = {0};
    for (uint32_t i = 0; i < THREADS * FAMILIES; i++) {
        count(workers[i / FAMILIES].families[i % FAMILIES], alive);
    }
    for (uint32_t i = 0; i < PLACES; i++) {
        count(places[i], alive);
    }
    for (uint32_t make = 0; make < MAKES; make++) {
        assert_true(allocator_audit(allocators[make]));
        assert_int_equal(unit_metrics(allocators[make]).live_buffers, alive[make]);
    }
    uint32_t renewed = unit_random_below(random, MAKES);
    assert_int_equal(poolbuf_allocator_destroy(allocators[renewed]),
                     alive[renewed] != 0 ? POOLBUF_ERROR_LIVE_BUFFERS : POOLBUF_OK);
    generations[renewed]++;
    create(renewed);
    (void)poolbuf_allocator_purge(allocators[unit_random_below(random, MAKES)]);
}

static void random_calls_agree_with_a_model_across_threads_and_allocators(void **state) {
    (void)state;
    static worker workers[THREADS];
    unit_random random = unit_random_start("model", 2);
    const char *times = getenv("UNIT_STRESS");
    pthread_t threads[THREADS];
    uint64_t before = 0;
    uint64_t after = 0;
    poolbuf_live_totals(&before, NULL, NULL);
    for (uint32_t make = 0; make < MAKES; make++) {
        create(make);
    }
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].random.state = unit_random_next(&random);
        workers[i].steps = STEPS * (times != NULL ? (uint32_t)strtoul(times, NULL, 10) : 1);
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        wait_for_all();
        if (!failed()) {
            look_and_renew(workers, &random);
        }
        wait_for_all();
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (uint32_t i = 0; i < THREADS * FAMILIES; i++) {
        finish(&workers[i / FAMILIES].families[i % FAMILIES], &random);
    }
    for (uint32_t i = 0; i < PLACES; i++) {
        finish(&places[i], &random);
    }
    assert_int_equal(failed_line, 0);
    for (uint32_t make = 0; make < MAKES; make++) {
        assert_true(allocator_audit(allocators[make]));
        UNIT_OK(poolbuf_allocator_destroy(allocators[make]));
    }
    poolbuf_live_totals(&after, NULL, NULL);
    assert_int_equal(before, after);
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_agree_with_a_model_across_threads_and_allocators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
