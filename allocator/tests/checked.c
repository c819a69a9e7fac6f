/* A program with one mistake, named by its argument, for the tests that see whether Memcheck and AddressSanitizer find
 * it: see allocator/CMakeLists.txt. Without argument it makes none. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/composite.h>
#include <poolbuf/poolbuf.h>
#include <poolbuf/wrapped.h>

#define CALLED __attribute__((noinline))

static volatile unsigned sink;

static CALLED poolbuf *make(size_t capacity) {
    poolbuf *buffer = poolbuf_allocate(NULL, capacity, capacity * 4);
    if (buffer == NULL || poolbuf_write_u32_be(buffer, 1) != POOLBUF_OK) {
        abort();
    }
    return buffer;
}

static CALLED void lose_buffers(unsigned count, size_t capacity) {
    for (unsigned i = 0; i < count; i++) {
        (void)make(capacity);
    }
}

/* Each with two buffers, which it alone refers to. */
static CALLED void lose_composites(void) {
    for (unsigned i = 0; i < 50; i++) {
        poolbuf *composite = poolbuf_allocate_composite(NULL, 0);
        if (composite == NULL || poolbuf_composite_add_component(composite, make(100), true) != POOLBUF_OK ||
            poolbuf_composite_add_component(composite, make(100), true) != POOLBUF_OK) {
            abort();
        }
    }
}

/* Three out of four go back; the rest are lost. */
static CALLED void lose_buffers_in_bulk(void) {
    poolbuf *buffers[100];
    if (poolbuf_allocate_many(NULL, 100, 100, buffers, 100) != 100 || poolbuf_release_many(buffers, 75) != 75) {
        abort();
    }
    memset(buffers, 0, sizeof buffers);
    sink += buffers[0] == NULL;
}

static CALLED void read_after_release(void) {
    poolbuf *buffer = make(100);
    const uint8_t *memory = poolbuf_memory(buffer);
    (void)poolbuf_release(buffer);
    sink += memory[0];
}

static CALLED void write_past_capacity(void) {
    poolbuf *buffer = make(100);
    volatile uint8_t *memory = poolbuf_memory(buffer);
    memory[100] = 1;
    (void)poolbuf_release(buffer);
}

static CALLED void read_the_slack_after_shrinking(void) {
    poolbuf *buffer = make(100);
    if (poolbuf_set_capacity(buffer, 90) != POOLBUF_OK) {
        abort();
    }
    sink += poolbuf_memory(buffer)[96];
    (void)poolbuf_release(buffer);
}

static CALLED void read_where_it_was_before_growing(void) {
    poolbuf *buffer = make(100);
    const uint8_t *memory = poolbuf_memory(buffer);
    if (poolbuf_set_capacity(buffer, 300) != POOLBUF_OK) {
        abort();
    }
    sink += memory[0];
    (void)poolbuf_release(buffer);
}

static CALLED void release_a_dead_buffer(void) {
    poolbuf *buffer = make(100);
    (void)poolbuf_release(buffer);
    (void)poolbuf_release(buffer);
}

static CALLED void branch_on_what_was_never_written(void) {
    poolbuf *buffer = make(100);
    if (poolbuf_memory(buffer)[50] == 7) {
        sink++;
    }
    (void)poolbuf_release(buffer);
}

/* Composites, and buffers of other memory, by every way that takes and gives back handles. */
static CALLED void join_without_mistake(void) {
    static uint8_t bytes[100];
    poolbuf *composite = poolbuf_allocate_composite(NULL, 4);
    poolbuf *unpooled = poolbuf_allocate_unpooled(NULL, 10, 1000);
    if (composite == NULL || unpooled == NULL || poolbuf_set_capacity(unpooled, 1000) != POOLBUF_OK) {
        abort();
    }
    for (unsigned i = 0; i < 10; i++) {
        poolbuf *part = i % 2 == 0 ? make(100) : poolbuf_wrap(NULL, bytes, sizeof bytes, NULL, NULL);
        if (part == NULL || poolbuf_composite_add_component(composite, part, true) != POOLBUF_OK) {
            abort();
        }
    }
    size_t readable = poolbuf_readable_bytes(composite);
    poolbuf *retained = poolbuf_retained_slice(composite, 2, readable - 4);
    if (retained == NULL || poolbuf_write_zero(composite, 1000) != POOLBUF_OK ||
        poolbuf_skip_bytes(composite, 10) != POOLBUF_OK || poolbuf_discard_read_bytes(composite) != POOLBUF_OK) {
        abort();
    }
    (void)poolbuf_release(composite);
    (void)poolbuf_release(retained);
    (void)poolbuf_release(unpooled);
}

/* Every path that tells a checker something, without a mistake. */
static CALLED void make_no_mistake(void) {
    static const size_t sizes[] = {0, 1, 100, 5000, 32768, 1000000, (size_t)5 << 20};
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            poolbuf *buffer = poolbuf_allocate(NULL, sizes[i], sizes[i] * 4 + 4);
            if (buffer == NULL || poolbuf_set_capacity(buffer, sizes[i] * 4 + 4) != POOLBUF_OK) {
                abort();
            }
            memset(poolbuf_memory(buffer), 1, sizes[i] * 4 + 4);
            poolbuf *retained = poolbuf_retained_slice(buffer, 0, 4);
            if (poolbuf_slice(buffer, 0, 1) == NULL || retained == NULL) {
                abort();
            }
            (void)poolbuf_release(retained);
            if (poolbuf_set_capacity(buffer, sizes[i] / 2) != POOLBUF_OK) {
                abort();
            }
            (void)poolbuf_release(buffer);
        }
        poolbuf *many[40];
        if (poolbuf_allocate_many(NULL, 100, 100, many, 40) != 40) {
            abort();
        }
        for (size_t i = 0; i < 40; i++) {
            memset(poolbuf_memory(many[i]), 1, 100);
        }
        if (poolbuf_release_many(many, 40) != 40) {
            abort();
        }
        join_without_mistake();
        poolbuf_trim_thread_cache(NULL);
        (void)poolbuf_allocator_purge(NULL);
    }
}

/* The last pointer to a lost buffer must not stay behind in a dead stack frame. */
static CALLED void wipe_the_stack(void) {
    volatile char old_frames[16384];
    for (size_t i = 0; i < sizeof old_frames; i++) {
        old_frames[i] = 0;
    }
}

static void *use_a_heap_buffer(void *nothing) {
    poolbuf *buffer = poolbuf_allocate_heap(NULL, 100, 100);
    if (buffer == NULL || !poolbuf_release(buffer)) {
        abort();
    }
    return nothing;
}

/* No mistake either: the chunk stays with the default allocator, and nothing on this thread's stack refers to it. */
static CALLED void keep_a_heap_chunk(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, use_a_heap_buffer, NULL) != 0 || pthread_join(thread, NULL) != 0) {
        abort();
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*make)(void);
    } mistakes[] = {
        {"keep_a_heap_chunk", keep_a_heap_chunk},
        {"lose_buffers_in_bulk", lose_buffers_in_bulk},
        {"lose_composites", lose_composites},
        {"read_after_release", read_after_release},
        {"write_past_capacity", write_past_capacity},
        {"read_the_slack_after_shrinking", read_the_slack_after_shrinking},
        {"read_where_it_was_before_growing", read_where_it_was_before_growing},
        {"release_a_dead_buffer", release_a_dead_buffer},
        {"branch_on_what_was_never_written", branch_on_what_was_never_written},
    };
    make_no_mistake();
    const char *wanted = argc > 1 ? argv[1] : "";
    if (strcmp(wanted, "lose_buffers") == 0) {
        lose_buffers(100, 100);
    }
    if (strcmp(wanted, "lose_large_buffers") == 0) {
        lose_buffers(3, 100000);
        lose_buffers(2, (size_t)5 << 20);
    }
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        if (strcmp(wanted, mistakes[i].name) == 0) {
            mistakes[i].make();
        }
    }
    wipe_the_stack();
    return 0;
}
