/* How much of what was freed stays resident, while nobody calls in and afterwards. A measurement, not a test: it sleeps.
 *
 *      give_back [--background on|off] [--mib N] [--seconds N]
 *
 * Allocates so many MiB in buffers of 1 to 64 KiB, writes to each of their pages, releases them all, and then makes no call
 * for so many seconds (10) and two more. Each line of the output is a key and a value; resident_* are KiB of the process
 * (VmRSS), _percent are of what was allocated, above what was resident before. The last are those after calls: one that
 * reaches an arena, and a hundred, as a call gives back a part only. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <poolbuf/poolbuf.h>

#define SMALLEST   1024u
#define LARGEST    65536u
#define OS_PAGE    4096u
#define ALONE      ((size_t)5 << 20) /* larger than a chunk, so it reaches an arena */
#define MORE_CALLS 100u

typedef struct settings {
    bool background;
    size_t mib;
    unsigned seconds;
} settings;

static void usage(const char *program) {
    (void)fprintf(stderr, "usage: %s [--background on|off] [--mib N] [--seconds N]\n", program);
    exit(2);
}

static settings parse(int argc, char **argv) {
    settings chosen = {.background = true, .mib = 1024, .seconds = 10};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            usage(argv[0]);
        }
        char *end = NULL;
        unsigned long number = strtoul(argv[i + 1], &end, 10);
        bool is_number = *end == '\0' && number > 0 && number <= 1u << 20;
        if (strcmp(argv[i], "--background") == 0 && strcmp(argv[i + 1], "on") == 0) {
            chosen.background = true;
        } else if (strcmp(argv[i], "--background") == 0 && strcmp(argv[i + 1], "off") == 0) {
            chosen.background = false;
        } else if (strcmp(argv[i], "--mib") == 0 && is_number) {
            chosen.mib = number;
        } else if (strcmp(argv[i], "--seconds") == 0 && is_number) {
            chosen.seconds = (unsigned)number;
        } else {
            usage(argv[0]);
        }
    }
    return chosen;
}

static uint64_t resident_kib(void) {
    char line[256];
    uint64_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtoull(line + 6, NULL, 10);
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return kib;
}

static uint64_t before_kib;
static uint64_t allocated_kib;

static void print_resident(const char *moment) {
    uint64_t kib = resident_kib();
    double percent =
        allocated_kib == 0 || kib < before_kib ? 0 : 100.0 * (double)(kib - before_kib) / (double)allocated_kib;
    printf("resident_%s %llu\n", moment, (unsigned long long)kib);
    printf("resident_%s_percent %.2f\n", moment, percent);
    (void)fflush(stdout);
}

static void pause_seconds(unsigned seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds};
    while (nanosleep(&left, &left) != 0) {
    }
}

/* Sizes by a fixed sequence, so that each run is the same. */
static size_t next_size(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return SMALLEST + (size_t)(*state % (LARGEST - SMALLEST + 1));
}

static void fail(const char *what) {
    (void)fprintf(stderr, "give_back: %s\n", what);
    exit(1);
}

static void allocate_and_release(poolbuf_allocator *allocator, size_t bytes) {
    size_t most = bytes / SMALLEST;
    poolbuf **buffers = calloc(most, sizeof(poolbuf *));
    if (buffers == NULL) {
        fail("no memory");
    }
    uint64_t state = 20240601;
    size_t count = 0;
    size_t sum = 0;
    for (; sum < bytes && count < most; count++) {
        size_t size = next_size(&state);
        buffers[count] = poolbuf_allocate(allocator, size, size);
        if (buffers[count] == NULL) {
            fail("no memory");
        }
        for (size_t at = 0; at < size; at += OS_PAGE) {
            poolbuf_memory(buffers[count])[at] = 1;
        }
        poolbuf_memory(buffers[count])[size - 1] = 1;
        sum += size;
    }
    allocated_kib = sum / 1024;
    printf("buffers %zu\nallocated %llu\n", count, (unsigned long long)allocated_kib);
    print_resident("live");
    for (size_t i = 0; i < count; i++) {
        (void)poolbuf_release(buffers[i]);
    }
    free(buffers);
}

static void call(poolbuf_allocator *allocator) {
    poolbuf *alone = poolbuf_allocate(allocator, ALONE, ALONE);
    if (alone == NULL) {
        fail("no memory");
    }
    (void)poolbuf_release(alone);
}

int main(int argc, char **argv) {
    settings chosen = parse(argc, argv);
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.background_thread = chosen.background;
    options.direct_arenas = options.direct_arenas != 0 ? options.direct_arenas : 1;
    poolbuf_allocator *allocator = NULL;
    if (poolbuf_allocator_create(&options, &allocator) != POOLBUF_OK) {
        fail("no allocator");
    }
    printf("background %s\ndecay_ms %u\n", chosen.background ? "on" : "off", options.decay_ms);
    before_kib = resident_kib();
    printf("resident_before %llu\n", (unsigned long long)before_kib);
    allocate_and_release(allocator, chosen.mib << 20);
    print_resident("released");
    pause_seconds(chosen.seconds);
    print_resident("idle");
    pause_seconds(2);
    print_resident("idle_and_2s");
    call(allocator);
    print_resident("after_a_call");
    for (unsigned i = 0; i < MORE_CALLS; i++) {
        call(allocator);
    }
    print_resident("after_calls");
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    if (poolbuf_allocator_metrics(allocator, &metrics) != POOLBUF_OK) {
        fail("no metrics");
    }
    printf("cached %llu\ndirty %llu\ncommitted %llu\n", (unsigned long long)metrics.cached_bytes / 1024,
           (unsigned long long)metrics.dirty_bytes / 1024, (unsigned long long)metrics.committed_bytes / 1024);
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : 1;
}
