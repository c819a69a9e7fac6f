/* buffer-speed: what access to a buffer costs beside what it is made of: a bounds-checked array, memcpy, memchr. A tool of this
 * repository, not installed; ci/buffers.sh builds and runs it.
 *
 * Each row is two loops of the same work, or one loop with a bound in nanoseconds. They are timed in turns (one round: each loop
 * once, in an order that alternates), and what is compared are the two times of one round, so that what slows the machine down
 * meanwhile slows both. The verdict is of the 95 % interval over the rounds.
 *
 * The array is the strictest that a careful program would write: bytes, a length, the same memcpy of four bytes, the index in a
 * register. Sequential access is held against that too, though it has an index in memory to keep up to date.
 *
 *   buffer-speed [--rounds N]    default 25, at least 3
 *
 * Exit status: 0 every target is met, 1 one is missed or not separated from its bound, 2 usage or no memory. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>
#include <poolbuf/search.h>

#include "gbench/gbench.h"
#include "stats/stats.h"

enum {
    NUMBERS = 4096, /* a turn of integer access: 16 KiB, which the first cache holds */
    TURNS = 50,
    ROUNDS_DEFAULT = 25,
    ROUNDS_MAX = 999,
    LARGE = 65536,  /* bytes, of the rows on bytes */
    SLICES = 20000, /* a turn */
    SHARED = 32,    /* of one buffer */
    COPIES = 1000   /* a turn */
};

typedef struct array {
    uint8_t *bytes;
    size_t length;
} array;

static array plain;     /* what stands beside `buffer`, of the same size */
static poolbuf *buffer; /* NUMBERS * 4 bytes */
static poolbuf *large;  /* LARGE bytes */
static uint8_t source[LARGE];
static uint8_t target[LARGE];
static volatile uint32_t sink; /* results go here, so that nothing is left out */

/* Whatever a loop did to memory has happened. */
static inline void settle(const void *bytes) {
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* A check that fails is no measurement. */
static void fail(void) {
    (void)fprintf(stderr, "buffer-speed: an access failed\n");
    abort();
}

/* ---- The loops: noinline, so that each is compiled by itself ------------------------------------------------------ */

#define LOOP static __attribute__((noinline)) void

static inline bool array_get(const array *from, size_t index, uint32_t *value) {
    if (__builtin_expect(index > from->length || 4 > from->length - index, 0)) {
        return false;
    }
    memcpy(value, from->bytes + index, 4);
    return true;
}

static inline bool array_set(const array *to, size_t index, uint32_t value) {
    if (__builtin_expect(index > to->length || 4 > to->length - index, 0)) {
        return false;
    }
    memcpy(to->bytes + index, &value, 4);
    return true;
}

LOOP array_gets(void) {
    uint32_t sum = 0;
    const array *from = &plain;
    __asm__("" : "+r"(from));
    for (size_t i = 0; i < NUMBERS; i++) {
        uint32_t value = 0;
        if (!array_get(from, i * 4, &value)) {
            fail();
        }
        sum += value;
    }
    sink = sum;
}

LOOP array_gets_swapped(void) {
    uint32_t sum = 0;
    const array *from = &plain;
    __asm__("" : "+r"(from));
    for (size_t i = 0; i < NUMBERS; i++) {
        uint32_t value = 0;
        if (!array_get(from, i * 4, &value)) {
            fail();
        }
        sum += __builtin_bswap32(value);
    }
    sink = sum;
}

LOOP array_sets(void) {
    const array *to = &plain;
    __asm__("" : "+r"(to));
    for (size_t i = 0; i < NUMBERS; i++) {
        if (!array_set(to, i * 4, (uint32_t)i)) {
            fail();
        }
    }
}

LOOP array_sets_swapped(void) {
    const array *to = &plain;
    __asm__("" : "+r"(to));
    for (size_t i = 0; i < NUMBERS; i++) {
        if (!array_set(to, i * 4, __builtin_bswap32((uint32_t)i))) {
            fail();
        }
    }
}

/* get and read of a type, set and write of it, on a buffer that the compiler knows nothing about. */
#define BUFFER_LOOPS(name)                                                                                             \
    LOOP buffer_gets_##name(void) {                                                                                    \
        uint32_t sum = 0;                                                                                              \
        poolbuf *from = buffer;                                                                                        \
        for (size_t i = 0; i < NUMBERS; i++) {                                                                         \
            uint32_t value = 0;                                                                                        \
            if (poolbuf_get_##name(from, i * 4, &value) != POOLBUF_OK) {                                               \
                fail();                                                                                                \
            }                                                                                                          \
            sum += value;                                                                                              \
        }                                                                                                              \
        sink = sum;                                                                                                    \
    }                                                                                                                  \
    LOOP buffer_reads_##name(void) {                                                                                   \
        uint32_t sum = 0;                                                                                              \
        poolbuf *from = buffer;                                                                                        \
        if (poolbuf_set_indices(from, 0, (size_t)NUMBERS * 4) != POOLBUF_OK) {                                         \
            fail();                                                                                                    \
        }                                                                                                              \
        for (size_t i = 0; i < NUMBERS; i++) {                                                                         \
            uint32_t value = 0;                                                                                        \
            if (poolbuf_read_##name(from, &value) != POOLBUF_OK) {                                                     \
                fail();                                                                                                \
            }                                                                                                          \
            sum += value;                                                                                              \
        }                                                                                                              \
        sink = sum;                                                                                                    \
    }                                                                                                                  \
    LOOP buffer_sets_##name(void) {                                                                                    \
        poolbuf *to = buffer;                                                                                          \
        for (size_t i = 0; i < NUMBERS; i++) {                                                                         \
            if (poolbuf_set_##name(to, i * 4, (uint32_t)i) != POOLBUF_OK) {                                            \
                fail();                                                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    LOOP buffer_writes_##name(void) {                                                                                  \
        poolbuf *to = buffer;                                                                                          \
        poolbuf_clear(to);                                                                                             \
        for (size_t i = 0; i < NUMBERS; i++) {                                                                         \
            if (poolbuf_write_##name(to, (uint32_t)i) != POOLBUF_OK) {                                                 \
                fail();                                                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }
BUFFER_LOOPS(u32_le)
BUFFER_LOOPS(u32_be)

LOOP retained_slices(void) {
    for (size_t i = 0; i < SLICES; i++) {
        poolbuf *slice = poolbuf_retained_slice(large, 16, 100);
        if (slice == NULL || !poolbuf_release(slice)) {
            fail();
        }
    }
}

/* SHARED of a buffer, which end with it; what the buffer itself costs is in the figure. */
LOOP shared_slices(void) {
    for (size_t i = 0; i < SLICES / SHARED; i++) {
        poolbuf *one = poolbuf_allocate(NULL, 256, 256);
        if (one == NULL) {
            fail();
        }
        for (size_t j = 0; j < SHARED; j++) {
            settle(poolbuf_slice(one, 0, 100));
        }
        if (!poolbuf_release(one)) {
            fail();
        }
    }
}

LOOP writes_64k(void) {
    poolbuf_clear(large);
    if (poolbuf_write_bytes(large, source, LARGE) != POOLBUF_OK) {
        fail();
    }
    settle(poolbuf_memory(large));
}

LOOP memcpy_64k(void) {
    memcpy(target, source, LARGE);
    settle(target);
}

static volatile size_t searched; /* bytes */

LOOP index_of(void) {
    sink = (uint32_t)poolbuf_index_of(large, 0, searched, 1);
}

LOOP memchr_alone(void) {
    const uint8_t *bytes = poolbuf_memory(large);
    const uint8_t *found = memchr(bytes, 1, searched);
    sink = (uint32_t)(found != NULL ? (size_t)(found - bytes) : POOLBUF_NOT_FOUND);
}

static volatile size_t kept; /* bytes */

LOOP copies(void) {
    for (size_t i = 0; i < COPIES; i++) {
        poolbuf *copy = poolbuf_copy(large, 16, kept);
        if (copy == NULL || !poolbuf_release(copy)) {
            fail();
        }
    }
}

/* ---- Rows --------------------------------------------------------------------------------------------------------- */

typedef struct loop {
    void (*run)(void);
    volatile size_t *parameter; /* set before it runs; NULL: none */
    size_t value;
    double operations; /* a turn */
    unsigned turns;    /* a round */
    int threads;       /* at once, all on the same buffer; 0 is 1 */
} loop;

typedef struct row {
    const char *name;
    loop ours;
    loop beside;       /* run NULL: there is none */
    double bound;      /* of the ratio; or nanoseconds */
    const char *about; /* NULL: the row informs, and is not judged */
} row;

#define NUMBERS_OF(function)                                                                                           \
    { function, NULL, 0, NUMBERS, TURNS, 1 }
#define BYTES_OF(function)                                                                                             \
    { function, NULL, 0, 1, 200, 1 }
#define SEARCH_OF(function, bytes)                                                                                     \
    { function, &searched, bytes, 1, 20000, 1 }
#define COPIES_OF(bytes, threads)                                                                                      \
    { copies, &kept, bytes, COPIES, 4, threads }
#define SLICES_OF(function, threads)                                                                                   \
    { function, NULL, 0, SLICES, 4, threads }
#define COPY_ROW(name, bytes, threads)                                                                                 \
    { name, COPIES_OF(bytes, threads), SLICES_OF(retained_slices, threads), 0, NULL }

static const row ROWS[] = {
    {"get u32_le", NUMBERS_OF(buffer_gets_u32_le), NUMBERS_OF(array_gets), 1.2, "of an array"},
    {"get u32_be", NUMBERS_OF(buffer_gets_u32_be), NUMBERS_OF(array_gets_swapped), 1.2, "of an array"},
    {"set u32_le", NUMBERS_OF(buffer_sets_u32_le), NUMBERS_OF(array_sets), 1.2, "of an array"},
    {"set u32_be", NUMBERS_OF(buffer_sets_u32_be), NUMBERS_OF(array_sets_swapped), 1.2, "of an array"},
    {"read u32_le", NUMBERS_OF(buffer_reads_u32_le), NUMBERS_OF(array_gets), 1.2, "of an array"},
    {"read u32_be", NUMBERS_OF(buffer_reads_u32_be), NUMBERS_OF(array_gets_swapped), 1.2, "of an array"},
    {"write u32_le", NUMBERS_OF(buffer_writes_u32_le), NUMBERS_OF(array_sets), 1.2, "of an array"},
    {"write u32_be", NUMBERS_OF(buffer_writes_u32_be), NUMBERS_OF(array_sets_swapped), 1.2, "of an array"},
    {"write 64 KiB", BYTES_OF(writes_64k), BYTES_OF(memcpy_64k), 1.1, "of memcpy"},
    {"index_of in 64 B", SEARCH_OF(index_of, 64), SEARCH_OF(memchr_alone, 64), 1.2, "of memchr"},
    {"index_of in 1 KiB", SEARCH_OF(index_of, 1024), SEARCH_OF(memchr_alone, 1024), 1.2, "of memchr"},
    {"index_of in 64 KiB", SEARCH_OF(index_of, LARGE), SEARCH_OF(memchr_alone, LARGE), 1.2, "of memchr"},
    {"retained slice and its release", SLICES_OF(retained_slices, 1), {0}, 10, "ns"},
    {"slice, 32 of a buffer, whose life is included", SLICES_OF(shared_slices, 1), {0}, 10, "ns"},
    COPY_ROW("copy 16 B and release, to a retained slice", 16, 1),
    COPY_ROW("copy 512 B and release, to a retained slice", 512, 1),
    COPY_ROW("copy 4 KiB and release, to a retained slice", 4096, 1),
    COPY_ROW("the same, 2 threads at once, 16 B", 16, 2),
    COPY_ROW("the same, 2 threads at once, 512 B", 512, 2),
    COPY_ROW("the same, 2 threads at once, 1 KiB", 1024, 2),
    COPY_ROW("the same, 2 threads at once, 2 KiB", 2048, 2),
    COPY_ROW("the same, 2 threads at once, 4 KiB", 4096, 2),
    COPY_ROW("the same, 2 threads at once, 8 KiB", 8192, 2),
};

enum {
    ROW_COUNT = sizeof ROWS / sizeof ROWS[0]
};

/* ---- Measuring ---------------------------------------------------------------------------------------------------- */

static void measure(gbench_state *state, void *user) {
    const loop *what = user;
    if (what->parameter != NULL) { /* threads at once all set it to the same */
        *what->parameter = what->value;
    }
    while (gbench_keep_running(state)) {
        what->run();
    }
}

/* times[row][0] of ours, [1] of the one beside; this round's. */
typedef struct round {
    double ns[ROW_COUNT][2];
    unsigned order[2 * ROW_COUNT]; /* of definitions: row * 2 + which */
    bool failed;
} round_times;

static void take_result(const gbench_run *run, void *user) {
    round_times *times = user;
    unsigned what = times->order[run->definition_index];
    const loop *measured = what % 2 == 0 ? &ROWS[what / 2].ours : &ROWS[what / 2].beside;
    times->failed |= run->error != NULL || !run->wall_ns_per_iteration.valid;
    times->ns[what / 2][what % 2] = run->wall_ns_per_iteration.value / measured->operations;
}

/* One round: each loop once; of two that are compared the second goes first in every other round. */
static bool run_round(unsigned number, round_times *times) {
    gbench_suite *suite = gbench_suite_create();
    size_t count = 0;
    bool good = suite != NULL;
    for (unsigned i = 0; good && i < 2 * ROW_COUNT; i++) {
        unsigned which = (i + number) % 2;
        const loop *what = which == 0 ? &ROWS[i / 2].ours : &ROWS[i / 2].beside;
        if (what->run == NULL) {
            continue;
        }
        gbench_definition definition;
        gbench_definition_init(&definition, ROWS[i / 2].name, measure, (void *)(uintptr_t)what);
        definition.iterations = what->turns;
        definition.threads = what->threads != 0 ? what->threads : 1;
        times->order[count++] = i / 2 * 2 + which;
        good = gbench_suite_add(suite, &definition) == GBENCH_OK;
    }
    const gbench_reporter reporter = {.struct_size = sizeof reporter, .run = take_result};
    good = good && gbench_suite_run(suite, &reporter, times) == GBENCH_OK && !times->failed;
    gbench_suite_destroy(suite);
    return good;
}

/* ---- The table ---------------------------------------------------------------------------------------------------- */

static double ours[ROW_COUNT][ROUNDS_MAX];
static double beside[ROW_COUNT][ROUNDS_MAX];
static double sorted[ROUNDS_MAX];

/* The middle of a row's figure, and the bounds of that: a ratio, or nanoseconds. */
static void figure_of(unsigned i, unsigned rounds, double *middle, double *low, double *high) {
    if (ROWS[i].beside.run != NULL) {
        stats_ratio ratio = stats_paired_ratio(ours[i], beside[i], rounds);
        *middle = ratio.estimate;
        *low = ratio.low;
        *high = ratio.high;
        return;
    }
    memcpy(sorted, ours[i], rounds * sizeof sorted[0]);
    stats_sort(sorted, rounds);
    *middle = stats_quantile(sorted, rounds, 0.5);
    stats_median_interval(sorted, rounds, low, high);
}

static double median_of(const double *samples, unsigned rounds) {
    memcpy(sorted, samples, rounds * sizeof sorted[0]);
    stats_sort(sorted, rounds);
    return stats_quantile(sorted, rounds, 0.5);
}

static bool print_row(unsigned i, unsigned rounds) {
    const row *r = &ROWS[i];
    double middle = 0;
    double low = 0;
    double high = 0;
    figure_of(i, rounds, &middle, &low, &high);
    const char *unit = r->beside.run != NULL ? "x" : " ns";
    char must[64] = "-";
    const char *verdict = "";
    bool met = true;
    if (r->about != NULL) {
        (void)snprintf(must, sizeof must, "at most %g%s%s%s", r->bound, unit, r->beside.run != NULL ? " " : "",
                       r->beside.run != NULL ? r->about : "");
        met = high <= r->bound;
        verdict = met ? "met" : low > r->bound ? "MISSED" : "NOT SEPARATED";
    }
    printf("%-44s %-24s %7.2f%-3s [%.2f, %.2f]  %9.3f ns", r->name, must, middle, unit, low, high,
           median_of(ours[i], rounds));
    if (r->beside.run != NULL) {
        printf(" to %9.3f ns", median_of(beside[i], rounds));
    }
    printf("%s%s\n", *verdict != '\0' ? "  " : "", verdict);
    return met;
}

static bool set_up(void) {
    buffer = poolbuf_allocate(NULL, (size_t)NUMBERS * 4, (size_t)NUMBERS * 4);
    large = poolbuf_allocate(NULL, LARGE, LARGE);
    plain = (array){.bytes = calloc(NUMBERS, 4), .length = (size_t)NUMBERS * 4};
    return buffer != NULL && large != NULL && plain.bytes != NULL &&
           poolbuf_set_zero(buffer, 0, (size_t)NUMBERS * 4) == POOLBUF_OK &&
           poolbuf_set_zero(large, 0, LARGE) == POOLBUF_OK && poolbuf_set_writer_index(large, LARGE) == POOLBUF_OK;
}

static bool read_rounds(int argc, char **argv, unsigned *rounds) {
    *rounds = ROUNDS_DEFAULT;
    if (argc == 1) {
        return true;
    }
    char *end = NULL;
    errno = 0;
    unsigned long value = argc == 3 && strcmp(argv[1], "--rounds") == 0 ? strtoul(argv[2], &end, 10) : 0;
    *rounds = (unsigned)value;
    return end != NULL && *end == '\0' && errno == 0 && value >= 3 && value <= ROUNDS_MAX;
}

int main(int argc, char **argv) {
    unsigned rounds = 0;
    if (!read_rounds(argc, argv, &rounds)) {
        (void)fprintf(stderr, "buffer-speed: usage: buffer-speed [--rounds N], N from 3 to %d\n", ROUNDS_MAX);
        return 2;
    }
    if (!set_up()) {
        (void)fprintf(stderr, "buffer-speed: no memory\n");
        return 2;
    }
    for (unsigned number = 0; number < rounds + 1; number++) { /* the first one warms up */
        static round_times times;
        if (!run_round(number, &times)) {
            (void)fprintf(stderr, "buffer-speed: a round failed\n");
            return 2;
        }
        for (unsigned i = 0; number > 0 && i < ROW_COUNT; i++) {
            ours[i][number - 1] = times.ns[i][0];
            beside[i][number - 1] = times.ns[i][1];
        }
    }
    printf("%-44s %-24s %s\n", "row", "must be", "measured, its 95 % interval, and the times an operation (medians)");
    unsigned missed = 0;
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        missed += print_row(i, rounds) ? 0 : 1;
    }
    printf("%u rounds; %u targets missed or not separated\n", rounds, missed);
    (void)poolbuf_release(buffer);
    (void)poolbuf_release(large);
    free(plain.bytes);
    return missed == 0 ? 0 : 1;
}
