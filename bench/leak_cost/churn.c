/* leak-churn: a live set of counted buffers or of blocks, in which a random one is replaced, 20 frames deep. What the
 * allocator's own leak detection and tools that see every allocation are compared on, each in processes of their own.
 *
 *   leak-churn malloc|poolbuf SERIES STEPS    prints ns a step of the calling thread
 *   leak-churn malloc|poolbuf SERIES STEPS THREADS
 *                                             the same of so many threads at once, each on a processor and with a live set of its
 *                                             own: ns a step of each, by the clock; exit status 3: too few processors
 *   leak-churn pair SERIES STEPS              the same of poolbuf_allocate() and poolbuf_release(), and nothing else
 *   leak-churn memory BUFFERS                 tracked buffers alive: prints bytes of the detector's tables for each, mapped and
 *                                             resident, and distinct stacks over call sites
 *
 * The level is what the environment says. A step writes 256 bytes and reads them. At most 8 threads. Built twice: leak-churn-bare links the
 * allocator without the detector, for counting instructions, and knows no `memory`. Exit status: 0, 1 no memory, 2 usage. */
#include <pthread.h>
#include <sched.h>
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
    THREADS_MAX = 8,
    /* Below a step stand main() and three frames of the C library's start-up, above it these and the step itself. */
    DEPTH = 20 - 4 - 1
};

static void *sets[THREADS_MAX][LIVE]; /* one for each thread */
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
__attribute__((noinline)) bool churn_poolbuf(void **slots, unsigned long steps);
__attribute__((noinline)) bool churn_malloc(void **slots, unsigned long steps);
__attribute__((noinline)) bool churn_pair(void **slots, unsigned long steps);

bool churn_pair(void **slots, unsigned long steps) {
    (void)slots;
    for (unsigned long i = 0; i < steps; i++) {
        poolbuf *buffer = poolbuf_allocate(NULL, SIZE, SIZE);
        if (buffer == NULL) {
            return false;
        }
        (void)poolbuf_release(buffer);
    }
    return true;
}

bool churn_poolbuf(void **slots, unsigned long steps) {
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

bool churn_malloc(void **slots, unsigned long steps) {
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

typedef bool churn_function(void **slots, unsigned long steps);

static __attribute__((noinline)) bool descend(churn_function *what, void **slots, unsigned long steps, unsigned depth) {
    bool good = depth > 1 ? descend(what, slots, steps, depth - 1) : what(slots, steps);
    __asm__ volatile("" : "+r"(good)); /* a call that is the last thing done would leave no frame */
    return good;
}

static void empty(void **slots, bool poolbufs) {
    for (size_t i = 0; i < LIVE; i++) {
        if (!poolbufs) {
            free(slots[i]);
        } else if (slots[i] != NULL) {
            (void)poolbuf_release(slots[i]);
        }
        slots[i] = NULL;
    }
}

static int measure_churn(churn_function *what, const char *series, unsigned long steps) {
    if (!descend(what, sets[0], steps / 10, DEPTH)) {
        return 1;
    }
    double start = series_cpu_ns();
    bool good = descend(what, sets[0], steps, DEPTH);
    double end = series_cpu_ns();
    empty(sets[0], what != churn_malloc);
    series_print(series, (end - start) / (double)steps);
    return good ? 0 : 1;
}

/* ---- Several threads ---- */

typedef struct crowd {
    pthread_barrier_t meeting;
    churn_function *what;
    unsigned long steps;
    double start_ns, end_ns; /* of the first thread: all start when it does, and it ends when all have */
} crowd;

typedef struct member {
    crowd *of;
    unsigned number;
    bool good;
    pthread_t thread;
} member;

static void *churn_as_member(void *argument) {
    member *self = argument;
    crowd *of = self->of;
    void **slots = sets[self->number];
    self->good = descend(of->what, slots, of->steps / 10, DEPTH);
    (void)pthread_barrier_wait(&of->meeting);
    if (self->number == 0) {
        of->start_ns = series_wall_ns();
    }
    self->good = descend(of->what, slots, of->steps, DEPTH) && self->good;
    (void)pthread_barrier_wait(&of->meeting);
    if (self->number == 0) {
        of->end_ns = series_wall_ns();
    }
    empty(slots, of->what != churn_malloc);
    return NULL;
}

/* So that the kernel does not let two of them take turns on one while another one is idle. */
static bool start_on_own_processor(member *self, const cpu_set_t *allowed) {
    unsigned left = self->number;
    unsigned processor = 0;
    while (processor < CPU_SETSIZE && (!CPU_ISSET(processor, allowed) || left-- > 0)) {
        processor++;
    }
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(processor, &own);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    const bool good = pthread_attr_setaffinity_np(&attributes, sizeof own, &own) == 0 &&
                      pthread_create(&self->thread, &attributes, churn_as_member, self) == 0;
    (void)pthread_attr_destroy(&attributes);
    return good;
}

static int measure_crowd(churn_function *what, const char *series, unsigned long steps, unsigned threads) {
    static member members[THREADS_MAX];
    crowd self = {.what = what, .steps = steps};
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < (int)threads) {
        return 3;
    }
    if (pthread_barrier_init(&self.meeting, NULL, threads) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < threads; i++) {
        members[i] = (member){.of = &self, .number = i};
        if (!start_on_own_processor(&members[i], &allowed)) {
            exit(1); /* those that have been started would wait for it */
        }
    }
    bool good = true;
    for (unsigned i = 0; i < threads; i++) {
        good = pthread_join(members[i].thread, NULL) == 0 && members[i].good && good;
    }
    (void)pthread_barrier_destroy(&self.meeting);
    series_print(series, (self.end_ns - self.start_ns) / (double)steps);
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

static churn_function *find_subject(const char *name) {
    return strcmp(name, "malloc") == 0    ? churn_malloc
           : strcmp(name, "poolbuf") == 0 ? churn_poolbuf
           : strcmp(name, "pair") == 0    ? churn_pair
                                          : NULL;
}

int main(int argc, char **argv) {
    churn_function *what = argc > 1 ? find_subject(argv[1]) : NULL;
    if (argc == 3 && strcmp(argv[1], "memory") == 0 && strtoul(argv[2], NULL, 10) > 0) {
        return measure_memory(strtoul(argv[2], NULL, 10));
    }
    unsigned long steps = what != NULL && argc >= 4 ? strtoul(argv[3], NULL, 10) : 0;
    unsigned long threads = argc == 5 ? strtoul(argv[4], NULL, 10) : 1;
    if (steps >= 10 && argc == 4) {
        return measure_churn(what, argv[2], steps);
    }
    if (steps >= 10 && argc == 5 && what != churn_pair && threads >= 1 && threads <= THREADS_MAX) {
        return measure_crowd(what, argv[2], steps, (unsigned)threads);
    }
    (void)fprintf(stderr, "leak-churn: usage: leak-churn malloc|poolbuf|pair SERIES STEPS, "
                          "leak-churn malloc|poolbuf SERIES STEPS THREADS, leak-churn memory BUFFERS\n");
    return 2;
}
