/* Buffers that are used against the rules. Each case ends the process, unless nobody notices; which of them nobody can
 * notice is said in `expectations`. */
#include "bugs.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum {
    CAPACITY = 100,
    CLASS = 112 /* the size class of such a buffer, whose last bytes are the canary */
};

static uint8_t nowhere[64] __attribute__((aligned(64)));

APART static poolbuf *make(void) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, CAPACITY, CAPACITY)); /* @misuse-make */
    memset(poolbuf_memory(buffer), 0, CAPACITY);
    bugs_work++;
    return buffer;
}

APART static void first_release(poolbuf *buffer) {
    bugs_work += poolbuf_release(buffer) ? 1 : 2;
}

APART static void second_release(poolbuf *buffer) {
    bugs_work += poolbuf_release(buffer) ? 3 : 4;
}

static void double_release(void) {
    poolbuf *buffer = make();
    first_release(buffer);
    second_release(buffer);
}

/* The handle could be somebody else's by now; in the quarantine it is nobody's. */
static void double_release_later(void) {
    poolbuf *buffer = make();
    first_release(buffer);
    poolbuf *other = make();
    second_release(buffer);
    poolbuf_release(other);
}

static void *release_in_thread(void *buffer) {
    (void)pthread_setname_np(pthread_self(), "thief");
    first_release(buffer);
    return NULL;
}

static void double_release_by_thread(void) {
    pthread_t thread;
    poolbuf *buffer = make();
    bugs_must(pthread_create(&thread, NULL, release_in_thread, buffer) == 0);
    bugs_must(pthread_join(thread, NULL) == 0);
    second_release(buffer);
}

static void slice_released_twice(void) {
    poolbuf *buffer = make();
    poolbuf *slice = bugs_need(poolbuf_retained_slice(buffer, 0, 16));
    first_release(slice);
    second_release(slice);
    poolbuf_release(buffer);
}

APART static void read_dead(poolbuf *buffer) {
    uint8_t value = 0;
    bugs_work += poolbuf_get_bytes(buffer, 0, &value, 1) == POOLBUF_OK;
}

static void use_after_release_read(void) {
    poolbuf *buffer = make();
    first_release(buffer);
    read_dead(buffer);
}

APART static void write_dead(poolbuf *buffer) {
    uint8_t value = 1;
    bugs_work += poolbuf_set_bytes(buffer, 0, &value, 1) == POOLBUF_OK;
}

static void use_after_release_write(void) {
    poolbuf *buffer = make();
    first_release(buffer);
    write_dead(buffer);
}

APART static void retain_dead(poolbuf *buffer) {
    poolbuf_retain(buffer);
    bugs_work++;
}

static void retain_after_release(void) {
    poolbuf *buffer = make();
    first_release(buffer);
    retain_dead(buffer);
}

/* Through an old pointer to the bytes, behind the handle's back. */
static void write_to_dead_memory(void) {
    poolbuf *buffer = make();
    volatile uint8_t *bytes = poolbuf_memory(buffer);
    first_release(buffer);
    bytes[42] = 1;
}

/* The same, seen when the process goes on and the memory is to be used again. */
static void write_to_dead_then_churn(void) {
    write_to_dead_memory();
    for (int i = 0; i < 30000; i++) {
        first_release(make());
    }
}

static void read_dead_memory(void) {
    poolbuf *buffer = make();
    volatile uint8_t *bytes = poolbuf_memory(buffer);
    first_release(buffer);
    bugs_work += bytes[42] == 0;
}

static void overflow_by_one(void) {
    poolbuf *buffer = make();
    volatile uint8_t *bytes = poolbuf_memory(buffer);
    bytes[CAPACITY] = 0;
    first_release(buffer);
}

/* A copy that is eight bytes too long. */
static void overflow_by_copy(void) {
    poolbuf *buffer = make();
    volatile uint8_t *bytes = poolbuf_memory(buffer);
    for (size_t i = 0; i < CAPACITY + 8; i++) {
        bytes[i] = (uint8_t)i;
    }
    first_release(buffer);
}

/* Two buffers of one class whose memory touches: pair[0] lies right below pair[1]. */
static void take_neighbours(poolbuf *pair[2]) {
    poolbuf *taken[16];
    pair[0] = NULL;
    for (int i = 0; i < 16; i++) {
        taken[i] = make();
    }
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 16 && pair[0] == NULL; j++) {
            if (poolbuf_memory(taken[j]) == poolbuf_memory(taken[i]) + CLASS) {
                pair[0] = taken[i];
                pair[1] = taken[j];
            }
        }
    }
    bugs_must(pair[0] != NULL);
    for (int i = 0; i < 16; i++) {
        if (taken[i] != pair[0] && taken[i] != pair[1]) {
            poolbuf_release(taken[i]);
        }
    }
}

/* Over the canary and beyond: into the first bytes of the neighbour, who may have any bytes there. */
static void overflow_jumps(void) {
    poolbuf *pair[2];
    take_neighbours(pair);
    volatile uint8_t *bytes = poolbuf_memory(pair[0]);
    bytes[CLASS + 3] = 77;
    poolbuf_release(pair[0]);
    poolbuf_release(pair[1]);
}

/* One byte before the buffer is the last byte of the canary below. */
static void underflow_hits_canary(void) {
    poolbuf *pair[2];
    take_neighbours(pair);
    volatile uint8_t *bytes = poolbuf_memory(pair[1]);
    bytes[-1] = 0;
    first_release(pair[0]);
    poolbuf_release(pair[1]);
}

/* Further before, there are the neighbour's own bytes. */
static void underflow_jumps(void) {
    poolbuf *pair[2];
    take_neighbours(pair);
    volatile uint8_t *bytes = poolbuf_memory(pair[1]);
    bytes[CAPACITY - CLASS - 1] = 77;
    poolbuf_release(pair[0]);
    poolbuf_release(pair[1]);
}

/* Read beyond the end: nothing changes, so there is nothing to see. */
static void overread(void) {
    poolbuf *buffer = make();
    volatile uint8_t *bytes = poolbuf_memory(buffer);
    bugs_work += bytes[CAPACITY] == 0;
    poolbuf_release(buffer);
}

APART static void release_nothing(void) {
    poolbuf_release((poolbuf *)(void *)nowhere);
    bugs_work++;
}

static void foreign_pointer(void) {
    memset(nowhere, 0xff, sizeof nowhere); /* zeroes would look like a dead buffer */
    release_nothing();
}

APART static void retain_a_number(void) {
    bugs_work += poolbuf_retain_n((poolbuf *)(uintptr_t)3, 1) == NULL ? 1 : 2; // NOLINT(performance-no-int-to-ptr)
}

/* Nothing at all can be read there. */
static void stray_pointer(void) {
    retain_a_number();
}

const bugs_case bugs_misuse[] = {{"double-release", double_release},
                                 {"double-release-later", double_release_later},
                                 {"double-release-by-thread", double_release_by_thread},
                                 {"slice-released-twice", slice_released_twice},
                                 {"use-after-release-read", use_after_release_read},
                                 {"use-after-release-write", use_after_release_write},
                                 {"retain-after-release", retain_after_release},
                                 {"write-to-dead-memory", write_to_dead_memory},
                                 {"write-to-dead-then-churn", write_to_dead_then_churn},
                                 {"read-dead-memory", read_dead_memory},
                                 {"overflow-by-one", overflow_by_one},
                                 {"overflow-by-copy", overflow_by_copy},
                                 {"overflow-jumps", overflow_jumps},
                                 {"underflow-hits-canary", underflow_hits_canary},
                                 {"underflow-jumps", underflow_jumps},
                                 {"overread", overread},
                                 {"foreign-pointer", foreign_pointer},
                                 {"stray-pointer", stray_pointer},
                                 {NULL, NULL}};
