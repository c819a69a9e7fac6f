/* leak-churn: a live set of counted buffers or of blocks, in which a random one is replaced, 20 frames deep. What the
 * allocator's own leak detection and tools that see every allocation are compared on, each in processes of their own.
 *
 *   leak-churn malloc|poolbuf SERIES STEPS    prints ns a step of the calling thread
 *   leak-churn pair SERIES STEPS              the same of poolbuf_allocate() and poolbuf_release(), and nothing else
 *   leak-churn memory BUFFERS                 tracked buffers alive: prints bytes of the detector's tables for each, mapped and
 *                                             resident, and distinct stacks over call sites
 *
 * The level is what the environment says. A step writes 256 bytes and reads them. Built twice: leak-churn-bare links the
 * allocator without the detector, for counting instructions, and knows no `memory`. Exit status: 0, 1 no memory, 2 usage. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

#include "leak_cost/series.h"
#ifndef LEAK_CHURN_BARE
#include <poolbuf/leakdetect.h>
#endif

enum {
    LIVE = 1024,
    SIZE = 256,
    /* Below a step stand main() and three frames of the C library's start-up, above it these and the step itself. */
    DEPTH = 20 - 4 - 1
};

static void *slots[LIVE];
static volatile uint32_t sink;

static inline uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static inline void work_on(uint8_t *memory, uint8_t value) {
    uint64_t sum = 0;
    memset(memory, value, SIZE);
    __asm__ volatile("" : : "r"(memory) : "memory");
    for (size_t at = 0; at < SIZE; at += sizeof sum) {
        uint64_t word;
        memcpy(&word, memory + at, sizeof word);
        sum += word;
    }
    sink = (uint32_t)sum;
}

/* Global, for callgrind, which is told by their names to count what happens inside. */
__attribute__((noinline)) bool churn_poolbuf(unsigned long steps);
__attribute__((noinline)) bool churn_malloc(unsigned long steps);
__attribute__((noinline)) bool churn_pair(unsigned long steps);

bool churn_pair(unsigned long steps) {
    for (unsigned long i = 0; i < steps; i++) {
        poolbuf *buffer = poolbuf_allocate(NULL, SIZE, SIZE);
        if (buffer == NULL) {
            return false;
        }
        (void)poolbuf_release(buffer);
    }
    return true;
}

bool churn_poolbuf(unsigned long steps) {
    uint64_t random = 1;
    for (unsigned long i = 0; i < steps; i++) {
        void **slot = &slots[next_random(&random) % LIVE];
        if (*slot != NULL) {
            (void)poolbuf_release(*slot);
        }
        poolbuf *buffer = poolbuf_allocate(NULL, SIZE, SIZE);
        *slot = buffer;
        if (buffer == NULL) {
            return false;
        }
        work_on(poolbuf_memory(buffer), (uint8_t)i);
    }
    return true;
}

bool churn_malloc(unsigned long steps) {
    uint64_t random = 1;
    for (unsigned long i = 0; i < steps; i++) {
        void **slot = &slots[next_random(&random) % LIVE];
        free(*slot);
        *slot = malloc(SIZE);
        if (*slot == NULL) {
            return false;
        }
        work_on(*slot, (uint8_t)i);
    }
    return true;
}

static __attribute__((noinline)) bool descend(bool (*what)(unsigned long), unsigned long steps, unsigned depth) {
    bool good = depth > 1 ? descend(what, steps, depth - 1) : what(steps);
    __asm__ volatile("" : "+r"(good)); /* a call that is the last thing done would leave no frame */
    return good;
}

static void empty(bool poolbufs) {
    for (size_t i = 0; i < LIVE; i++) {
        if (!poolbufs) {
            free(slots[i]);
        } else if (slots[i] != NULL) {
            (void)poolbuf_release(slots[i]);
        }
        slots[i] = NULL;
    }
}

static int measure_churn(const char *subject, const char *series, unsigned long steps) {
    bool poolbufs = strcmp(subject, "malloc") != 0;
    bool (*what)(unsigned long) = strcmp(subject, "pair") == 0 ? churn_pair : poolbufs ? churn_poolbuf : churn_malloc;
    if (!descend(what, steps / 10, DEPTH)) {
        return 1;
    }
    double start = series_cpu_ns();
    bool good = descend(what, steps, DEPTH);
    double end = series_cpu_ns();
    empty(poolbufs);
    series_print(series, (end - start) / (double)steps);
    return good ? 0 : 1;
}

#ifndef LEAK_CHURN_BARE

static bool fill(poolbuf **buffers, unsigned long count) {
    for (unsigned long i = 0; i < count; i++) {
        buffers[i] = poolbuf_allocate(NULL, 16, 16);
        if (buffers[i] == NULL) {
            return false;
        }
    }
    return true;
}

/* All live at once, from one place in the program. What the buffers themselves take is measured first, at `disabled`: then
 * they are released, and what comes at the level of the environment is in the same memory. */
static int measure_memory(unsigned long count) {
    leakdetect_level level = leakdetect_get_level();
    leakdetect_counts before = {.struct_size = sizeof before};
    leakdetect_counts after = {.struct_size = sizeof after};
    poolbuf **buffers = calloc(count, sizeof(poolbuf *));
    bool good = buffers != NULL && leakdetect_set_level(LEAKDETECT_DISABLED) == POOLBUF_OK && fill(buffers, count);
    for (unsigned long i = 0; good && i < count; i++) {
        (void)poolbuf_release(buffers[i]);
    }
    double resident = series_memory_bytes(SERIES_RESIDENT);
    good = good && leakdetect_set_level(level) == POOLBUF_OK && leakdetect_count(&before) == POOLBUF_OK &&
           fill(buffers, count) && leakdetect_count(&after) == POOLBUF_OK && after.live - before.live == count;
    if (!good) {
        free((void *)buffers); /* benign: what is in it ends with the process */
        return 1;
    }
    series_print("memory.mapped", (double)(after.memory - before.memory) / (double)count);
    series_print("memory.resident", (series_memory_bytes(SERIES_RESIDENT) - resident) / (double)count);
    series_print("memory.stacks", (double)(after.stacks - before.stacks));
    for (unsigned long i = 0; i < count; i++) {
        (void)poolbuf_release(buffers[i]);
    }
    free((void *)buffers);
    return 0;
}

#else

static int measure_memory(unsigned long count) {
    (void)count;
    return 2;
}

#endif

int main(int argc, char **argv) {
    unsigned long count = argc > 2 ? strtoul(argv[argc - 1], NULL, 10) : 0;
    if (argc == 3 && strcmp(argv[1], "memory") == 0 && count > 0) {
        return measure_memory(count);
    }
    const char *subject = argc > 1 ? argv[1] : "";
    bool is_subject = strcmp(subject, "malloc") == 0 || strcmp(subject, "poolbuf") == 0 || strcmp(subject, "pair") == 0;
    if (argc == 4 && is_subject && count >= 10) {
        return measure_churn(argv[1], argv[2], count);
    }
    (void)fprintf(stderr,
                  "leak-churn: usage: leak-churn malloc|poolbuf|pair SERIES STEPS, leak-churn memory BUFFERS\n");
    return 2;
}
