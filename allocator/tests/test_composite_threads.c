/* Retained slices of a composite in the hands of other threads, while its owner goes on changing it.
 *
 * The owner reads a stream of known bytes into a composite, hands out retained slices of it, and discards, consolidates, trims
 * and inserts meanwhile. Readers look whether the bytes are those of the stream, cut slices of slices, join what they got to composites
 * of their own, hand references on, and drop the last ones. What they hold must not change and must end once. The order follows
 * from the seed (UNIT_SEED), how threads meet does not. Meant for ThreadSanitizer as well. */
#include "composite_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <valgrind/valgrind.h>

#include "handover_queue.h"

enum {
    READERS = 3,
    STEPS = 3000,
    STEPS_VALGRIND = 200,
    FRAME = 60 /* bytes at most of a component */
};

#define EXPECT(condition) ((condition) ? (void)0 : differs(__LINE__, #condition))

/* cmocka's assertions belong to the main thread. */
static _Noreturn void differs(int line, const char *condition) {
    (void)fprintf(stderr, "composite threads: line %d: %s\n", line, condition);
    abort();
}

typedef struct handed {
    poolbuf *slice;    /* NULL: none, or there is no more to come */
    uint64_t position; /* of its first byte in the stream */
} handed;

static handover_queue queue;
static uint64_t ended; /* atomic; wrapped components that came back */

static void hand_over(handed item) {
    const handover on_its_way = {.handle = item.slice, .offset = item.position};
    while (!handover_put(&queue, &on_its_way)) {
        (void)sched_yield();
    }
}

static handed receive(void) {
    handover item;
    while (!handover_take(&queue, &item)) {
        (void)sched_yield();
    }
    return (handed){item.handle, item.offset};
}

static uint8_t byte_of(uint64_t position) {
    return (uint8_t)((position * 0x9e3779b97f4a7c15u) >> 56);
}

static void verify(const poolbuf *b, size_t index, uint64_t position, size_t length) {
    uint8_t bytes[64 * FRAME];
    EXPECT(length <= sizeof bytes);
    EXPECT(poolbuf_get_bytes(b, index, bytes, length) == POOLBUF_OK);
    for (size_t i = 0; i < length; i++) {
        EXPECT(bytes[i] == byte_of(position + i));
    }
}

/* ---- Readers ------------------------------------------------------------------------------------------------------ */

typedef struct reader {
    pthread_t thread;
    unit_random random;
    handed kept[4];
} reader;

static void drop(handed *item) {
    if (item->slice != NULL) {
        verify(item->slice, 0, item->position, poolbuf_capacity(item->slice));
        (void)poolbuf_release(item->slice);
        item->slice = NULL;
    }
}

/* Two slices as one, and a slice of that where they meet. */
static void join(handed item, handed *kept) {
    size_t length = poolbuf_capacity(item.slice);
    size_t kept_length = poolbuf_capacity(kept->slice);
    poolbuf *both[] = {item.slice, kept->slice};
    uint64_t position = kept->position;
    kept->slice = NULL;
    poolbuf *joined = poolbuf_wrap_buffers(allocator, both, 2);
    EXPECT(joined != NULL);
    EXPECT(poolbuf_readable_bytes(joined) == length + kept_length);
    poolbuf *middle = poolbuf_retained_slice(joined, length / 2, length - length / 2 + kept_length / 2);
    EXPECT(middle != NULL);
    (void)poolbuf_release(joined);
    verify(middle, 0, item.position + length / 2, length - length / 2);
    verify(middle, length - length / 2, position, kept_length / 2);
    (void)poolbuf_release(middle);
}

static void *read_slices(void *argument) {
    reader *self = argument;
    for (handed item = receive(); item.slice != NULL; item = receive()) {
        size_t length = poolbuf_capacity(item.slice);
        handed *kept = &self->kept[unit_random_below(&self->random, 4)];
        verify(item.slice, 0, item.position, length);
        uint32_t what = unit_random_below(&self->random, 4);
        switch (what == 2 && kept->slice == NULL ? 3 : what) {
        case 0:
            drop(&item);
            break;
        case 1: { /* a part of it goes on living */
            drop(kept);
            size_t into = unit_random_below(&self->random, (uint32_t)length);
            *kept = (handed){poolbuf_retained_slice(item.slice, into, length - into), item.position + into};
            EXPECT(kept->slice != NULL);
            drop(&item);
            break;
        }
        case 2:
            join(item, kept);
            break;
        default:
            drop(kept);
            *kept = item;
            break;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        drop(&self->kept[i]);
    }
    return NULL;
}

/* ---- The owner ---------------------------------------------------------------------------------------------------- */

typedef struct owner {
    unit_random random;
    poolbuf *c;
    uint64_t read, written; /* positions in the stream of the reader and the writer index */
    uint64_t wrapped;
} owner;

static void came_back(void *memory, size_t length, void *context) {
    (void)length;
    (void)context;
    free(memory);
    (void)__atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
}

/* The next bytes of the stream: in the pool's memory, in malloc's own, in two pieces, or wrapped. */
static poolbuf *next_bytes(owner *self) {
    uint8_t bytes[FRAME];
    size_t length = 1 + unit_random_below(&self->random, FRAME);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = byte_of(self->written + i);
    }
    self->written += length;
    poolbuf *b = NULL;
    switch (unit_random_below(&self->random, 4)) {
    case 0: {
        uint8_t *block = malloc(length);
        EXPECT(block != NULL);
        memcpy(block, bytes, length);
        self->wrapped++;
        return poolbuf_wrap(allocator, block, length, came_back, NULL);
    }
    case 1:
        b = poolbuf_allocate_unpooled(allocator, length, length);
        EXPECT(poolbuf_write_bytes(b, bytes, length) == POOLBUF_OK);
        return b;
    case 2: {
        poolbuf *halves[] = {poolbuf_allocate_copy(allocator, bytes, length / 2),
                             poolbuf_allocate_copy(allocator, bytes + length / 2, length - length / 2)};
        return poolbuf_wrap_buffers(allocator, halves, 2);
    }
    default:
        return poolbuf_allocate_copy(allocator, bytes, length);
    }
}

static void hand_out(owner *self) {
    size_t readable = poolbuf_readable_bytes(self->c);
    size_t into = unit_random_below(&self->random, (uint32_t)readable);
    size_t length =
        1 + unit_random_below(&self->random,
                              (uint32_t)(readable - into < (size_t)4 * FRAME ? readable - into : (size_t)4 * FRAME));
    length = length < readable - into ? length : readable - into;
    handed item = {poolbuf_retained_slice(self->c, poolbuf_reader_index(self->c) + into, length), self->read + into};
    EXPECT(item.slice != NULL);
    hand_over(item);
}

static void restructure(owner *self) {
    size_t readable = poolbuf_readable_bytes(self->c);
    uint32_t skip = unit_random_below(&self->random, (uint32_t)readable + 1);
    uint32_t count = poolbuf_composite_component_count(self->c);
    switch (unit_random_below(&self->random, 5)) {
    case 0:
        UNIT_OK(poolbuf_skip_bytes(self->c, skip));
        self->read += skip;
        UNIT_OK(poolbuf_discard_read_bytes(self->c));
        break;
    case 1:
        UNIT_OK(poolbuf_skip_bytes(self->c, skip));
        self->read += skip;
        UNIT_OK(poolbuf_composite_discard_read_components(self->c));
        break;
    case 2:
        UNIT_OK(poolbuf_composite_consolidate(self->c, count / 3, count / 2));
        break;
    case 3: /* the end of the stream is taken back, to be written anew */
        self->written -= readable - skip;
        UNIT_OK(poolbuf_set_capacity(self->c, poolbuf_reader_index(self->c) + skip));
        break;
    default: /* bytes before the reader index do not matter */
        if (poolbuf_reader_index(self->c) == 0) {
            UNIT_OK(poolbuf_composite_insert_component(self->c, 0, text("before"), true));
            UNIT_OK(poolbuf_skip_bytes(self->c, 6));
        }
        break;
    }
}

static void run(uint64_t seed) {
    static reader readers[READERS];
    owner self = {.random = unit_random_start("composite threads", seed)};
    self.c = poolbuf_allocate_composite(allocator, 20);
    ended = 0;
    handover_queue_init(&queue);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (reader){.random = unit_random_from(seed * READERS + i)};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_slices, &readers[i]), 0);
    }
    for (unsigned steps = RUNNING_ON_VALGRIND ? STEPS_VALGRIND : STEPS; steps > 0; steps--) {
        if (poolbuf_readable_bytes(self.c) < (size_t)16 * FRAME) {
            UNIT_OK(poolbuf_composite_add_flattened(self.c, next_bytes(&self), true));
        }
        if (poolbuf_is_readable(self.c, 1)) {
            hand_out(&self);
        }
        if (unit_random_below(&self.random, 3) == 0) {
            restructure(&self);
        }
        assert_true(composite_audit(self.c));
        verify(self.c, poolbuf_reader_index(self.c), self.read, poolbuf_readable_bytes(self.c));
    }
    assert_true(poolbuf_release(self.c)); /* what was handed out lives on */
    for (unsigned i = 0; i < READERS; i++) {
        hand_over((handed){NULL, 0});
    }
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    }
    assert_int_equal(ended, self.wrapped);
    assert_int_equal(live(), 0);
}

static void slices_in_other_hands_stay_whole_while_the_composite_changes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run(seed);
    }
}

/* Many threads read one composite at once, which nobody changes: the place that was found last is shared. */
static void *read_all(void *argument) {
    const poolbuf *c = argument;
    unit_random random = unit_random_from((uintptr_t)&random);
    for (unsigned i = 0; i < 2000; i++) {
        size_t index = unit_random_below(&random, 900);
        verify(c, index, index, 1 + unit_random_below(&random, 100));
    }
    return NULL;
}

static void several_threads_may_read_one_composite(void **state) {
    (void)state;
    poolbuf *c = poolbuf_allocate_composite(allocator, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        poolbuf *b = poolbuf_allocate(allocator, 1, 1);
        UNIT_OK(poolbuf_write_u8(b, byte_of(i)));
        UNIT_OK(poolbuf_composite_add_component(c, b, true));
    }
    pthread_t threads[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, c), 0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(poolbuf_release(c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COMPOSITE_TEST(slices_in_other_hands_stay_whole_while_the_composite_changes),
        COMPOSITE_TEST(several_threads_may_read_one_composite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
