/* Options drawn at random. */
#include "random_options.h"

#include <stdint.h>
#include <string.h>

#define VALUES_MAX 8u

typedef struct option_row {
    const char *name;
    size_t offset, size; /* in the struct */
    uint32_t count;
    uint64_t values[VALUES_MAX]; /* one of these, each as likely; listed twice, twice as likely */
} option_row;

#define MEMBER(field) ((poolbuf_allocator_options *)NULL)->field
#define ROW(field, count, ...)                                                                                         \
    {                                                                                                                  \
#field, offsetof(poolbuf_allocator_options, field), sizeof(MEMBER(field)), count, {                            \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

/* A new option is one more row. The chunk's size depends on the page's and is drawn apart. */
static const option_row ROWS[] = {
    ROW(page_size, 6, KIB(8), KIB(4), KIB(4), KIB(8), KIB(16), KIB(64)),
    ROW(max_cached_capacity, 6, MIB(4), 0, 1, KIB(4), KIB(64), MIB(1024)),
    ROW(cache_limit_bytes, 8, MIB(16), 0, 64, KIB(16), KIB(64), KIB(512), MIB(1), MIB(1048576)),
    ROW(heap_arenas, 6, 1, 2, 0, 3, 5, 1),
    ROW(direct_arenas, 6, 1, 2, 0, 3, 5, 1),
    ROW(small_cache_size, 8, 256, 0, 1, 2, 3, 5, 16, 64),
    ROW(normal_cache_size, 6, 64, 0, 1, 2, 4, 9),
    ROW(cache_trim_interval, 6, 8192, 0, 1, 7, 64, 500),
    ROW(alignment, 6, 0, 16, 64, 256, KIB(4), 0),
    ROW(memory_limit_bytes, 6, 0, 0, 0, 1, 2, 5), /* chunks; see below */
    ROW(cache_trim_interval_ms, 4, 0, 0, 1, 100),
    ROW(classes_per_doubling, 2, 4, 8),
    ROW(decay_ms, 5, 10000, 0, 1, 100, 4294967295),
    ROW(prefer_direct, 2, true, false),
    ROW(pooling, 8, true, true, true, true, true, true, true, false),
};

/* Pages of a chunk; the larger ones are rare, as an audit walks every page. */
static const uint32_t CHUNK_PAGES[] = {8, 16, 64, 512, 8, 8, 16, 32, 32, 64, 64, 128, 256, 512, 2048, 16384};

static void set_field(poolbuf_allocator_options *options, const option_row *row, uint64_t value) {
    char *field = (char *)options + row->offset;
    uint32_t narrow = (uint32_t)value;
    bool flag = value != 0;
    const void *source = row->size == sizeof flag ? (const void *)&flag : row->size == sizeof narrow ? &narrow : NULL;
    memcpy(field, source != NULL ? source : &value, row->size);
}

static uint64_t get_field(const poolbuf_allocator_options *options, const option_row *row) {
    const char *field = (const char *)options + row->offset;
    uint64_t value = 0;
    uint32_t narrow = 0;
    if (row->size == sizeof value) {
        memcpy(&value, field, sizeof value);
        return value;
    }
    if (row->size == sizeof narrow) {
        memcpy(&narrow, field, sizeof narrow);
        return narrow;
    }
    return *(const bool *)(const void *)field;
}

void random_options_draw(poolbuf_allocator_options *options, choices *source, size_t largest_chunk) {
    poolbuf_allocator_options_init(options);
    if (choices_one_in(source, 8) && options->chunk_size <= largest_chunk) {
        return;
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        set_field(options, &ROWS[i], ROWS[i].values[choices_below(source, ROWS[i].count)]);
    }
    uint32_t pages = CHUNK_PAGES[choices_below(source, sizeof CHUNK_PAGES / sizeof CHUNK_PAGES[0])];
    while (pages > 8 && options->page_size * pages > largest_chunk) {
        pages /= 2;
    }
    if (pages < 16 && options->classes_per_doubling == 8) {
        options->classes_per_doubling = 4;
    }
    options->chunk_size = options->page_size * pages;
    options->memory_limit_bytes *= options->chunk_size;
}

void random_options_print(const poolbuf_allocator_options *options, FILE *stream) {
    (void)fprintf(stream, "chunk_size=%zu", options->chunk_size);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        (void)fprintf(stream, " %s=%llu", ROWS[i].name, (unsigned long long)get_field(options, &ROWS[i]));
    }
    (void)fputc('\n', stream);
}
