/* Metrics as text: as JSON and in the format of OpenMetrics, from the lists of their fields. Of a snapshot alone, and of an
 * allocator with its arenas. */
#include "metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "allocator.h"
#include "arena_metrics.h"
#include "os/os.h"

typedef struct metric {
    size_t offset; /* in its struct */
    const char *field;
    const char *family;
    const char *type;
    const char *unit;
    const char *help;
    bool is_counter;
} metric;

/* The fields of a struct, in their order. */
typedef struct metric_list {
    const metric *rows;
    size_t count;
} metric_list;

enum {
    TYPE_gauge = false,
    TYPE_counter = true,
};

/* A list is its struct: field by field in order, and none left over. */
#define METRIC_ROW(type, field, family, metric_type, unit, help)                                                       \
    {offsetof(type, field), #field, family, #metric_type, unit, help, TYPE_##metric_type},

static const metric SNAPSHOT_ROWS[] = {
#define METRIC(field, family, type, unit, help) METRIC_ROW(poolbuf_metrics, field, family, type, unit, help)
#include "metrics_list.h"
#undef METRIC
};
enum {
#define METRIC(field, family, type, unit, help) SNAPSHOT_##field,
#include "metrics_list.h"
#undef METRIC
    SNAPSHOT_COUNT
};
#define SNAPSHOT_FIRST offsetof(poolbuf_metrics, live_buffers)
#define METRIC(field, family, type, unit, help)                                                                        \
    _Static_assert(offsetof(poolbuf_metrics, field) == SNAPSHOT_FIRST + SNAPSHOT_##field * sizeof(uint64_t),           \
                   "metrics_list.h has the fields of poolbuf_metrics in their order");
#include "metrics_list.h"
#undef METRIC
_Static_assert(sizeof(poolbuf_metrics) == SNAPSHOT_FIRST + SNAPSHOT_COUNT * sizeof(uint64_t),
               "each field of poolbuf_metrics has a row in metrics_list.h");

static const metric ARENA_ROWS[] = {
#define METRIC(field, family, type, unit, help) METRIC_ROW(poolbuf_arena_metrics, field, family, type, unit, help)
#include "arena_metrics_list.h"
#undef METRIC
};
enum {
#define METRIC(field, family, type, unit, help) ARENA_METRIC_##field,
#include "arena_metrics_list.h"
#undef METRIC
    ARENA_METRIC_COUNT
};
#define ARENA_FIRST offsetof(poolbuf_arena_metrics, thread_caches)
#define METRIC(field, family, type, unit, help)                                                                        \
    _Static_assert(offsetof(poolbuf_arena_metrics, field) == ARENA_FIRST + ARENA_METRIC_##field * sizeof(uint64_t),    \
                   "arena_metrics_list.h has the fields of poolbuf_arena_metrics in their order");
#include "arena_metrics_list.h"
#undef METRIC
_Static_assert(sizeof(poolbuf_arena_metrics) == ARENA_FIRST + ARENA_METRIC_COUNT * sizeof(uint64_t),
               "each field of poolbuf_arena_metrics has a row in arena_metrics_list.h");

static const metric_list ARENA_METRICS = {ARENA_ROWS, ARENA_METRIC_COUNT};

/* What the caller's struct has of the list: fields were only ever added at its end. */
static metric_list known_snapshot(const poolbuf_metrics *metrics) {
    metric_list list = {.rows = SNAPSHOT_ROWS};
    while (list.count < SNAPSHOT_COUNT && SNAPSHOT_ROWS[list.count].offset + sizeof(uint64_t) <= metrics->struct_size) {
        list.count++;
    }
    return list;
}

static uint64_t value_of(const void *metrics, const metric *m) {
    uint64_t value = 0;
    memcpy(&value, (const char *)metrics + m->offset, sizeof value);
    return value;
}

static poolbuf_status written(FILE *stream) {
    return ferror(stream) == 0 ? POOLBUF_OK : POOLBUF_ERROR_BAD_ARGUMENT;
}

/* ---- A snapshot --------------------------------------------------------------------------------------------------- */

static bool is_usable(const poolbuf_metrics *metrics, const FILE *stream) {
    return metrics != NULL && metrics->struct_size >= METRICS_SIZE_V1 && stream != NULL;
}

/* Each field as a member of an object, after the member before it; indented by so many spaces. */
static void write_members(FILE *stream, int indent, const metric_list *list, const void *metrics) {
    for (size_t i = 0; i < list->count; i++) {
        const metric *m = &list->rows[i];
        (void)fprintf(stream, ",\n%*s\"%s\": %" PRIu64, indent, "", m->field, value_of(metrics, m));
    }
}

poolbuf_status poolbuf_metrics_write_json(const poolbuf_metrics *metrics, FILE *stream) {
    if (!is_usable(metrics, stream)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    metric_list known = known_snapshot(metrics);
    (void)fprintf(stream, "{\n  \"schema\": \"poolbuf.metrics/1\"");
    write_members(stream, 2, &known, metrics);
    (void)fprintf(stream, "\n}\n");
    return written(stream);
}

static void write_family(FILE *stream, const metric *m) {
    (void)fprintf(stream, "# TYPE poolbuf_%s %s\n", m->family, m->type);
    if (m->unit[0] != '\0') {
        (void)fprintf(stream, "# UNIT poolbuf_%s %s\n", m->family, m->unit);
    }
    (void)fprintf(stream, "# HELP poolbuf_%s %s\n", m->family, m->help);
}

static void write_sample(FILE *stream, const metric *m, const char *labels, const void *metrics) {
    (void)fprintf(stream, "poolbuf_%s%s%s %" PRIu64 "\n", m->family, m->is_counter ? "_total" : "", labels,
                  value_of(metrics, m));
}

poolbuf_status poolbuf_metrics_write_openmetrics(const poolbuf_metrics *metrics, FILE *stream) {
    if (!is_usable(metrics, stream)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    metric_list known = known_snapshot(metrics);
    for (size_t i = 0; i < known.count; i++) {
        write_family(stream, &known.rows[i]);
        write_sample(stream, &known.rows[i], "", metrics);
    }
    (void)fprintf(stream, "# EOF\n");
    return written(stream);
}

/* ---- An allocator ------------------------------------------------------------------------------------------------- */

static const char *const KIND_NAMES[CACHE_KINDS] = {
    [POOLBUF_KIND_DIRECT] = "direct",
    [POOLBUF_KIND_HEAP] = "heap",
};

/* An array in a mapping of its own: nothing here may come out of the pool that it describes. */
typedef struct mapped_array {
    void *elements;
    size_t bytes;
    size_t count;
} mapped_array;

static bool array_map(mapped_array *array, size_t bytes) {
    size_t page = os_page_size();
    *array = (mapped_array){.bytes = (bytes + page) / page * page};
    return os->acquire(OS_MAPPED, array->bytes, page, &array->elements) == 0;
}

static void array_unmap(const mapped_array *array) {
    (void)os->give_back(OS_MAPPED, array->elements, array->bytes);
}

/* Copies all there is of a structure, however much that has become meanwhile; false without memory. */
static bool copy_all(arena *source, void (*copy)(arena *source, metric_array *array), size_t element_bytes,
                     mapped_array *array) {
    metric_array all = {.struct_size = element_bytes};
    copy(source, &all);
    for (;;) {
        if (!array_map(array, (all.count + all.count / 8) * element_bytes)) {
            return false;
        }
        all = (metric_array){array->elements, element_bytes, array->bytes / element_bytes, 0};
        copy(source, &all);
        if (all.count <= all.capacity) {
            array->count = all.count;
            return true;
        }
        array_unmap(array);
    }
}

static void write_chunk_lists(FILE *stream, const poolbuf_chunk_list_metrics *lists) {
    (void)fprintf(stream, ",\n      \"chunk_lists\": [");
    for (size_t i = 0; i < POOLBUF_CHUNK_LISTS; i++) {
        (void)fprintf(stream,
                      "%s\n        {\"name\": \"%s\", \"min_usage\": %" PRIu64 ", \"max_usage\": %" PRIu64
                      ", \"chunks\": %" PRIu64 "}",
                      i != 0 ? "," : "", lists[i].name, lists[i].min_usage, lists[i].max_usage, lists[i].chunks);
    }
    (void)fprintf(stream, "\n      ]");
}

static void write_chunks(FILE *stream, const poolbuf_chunk_list_metrics *lists, const mapped_array *chunks) {
    const poolbuf_chunk_metrics *all = chunks->elements;
    (void)fprintf(stream, ",\n      \"chunks\": [");
    for (size_t i = 0; i < chunks->count; i++) {
        (void)fprintf(stream,
                      "%s\n        {\"list\": \"%s\", \"usage\": %" PRIu64 ", \"chunk_bytes\": %" PRIu64
                      ", \"free_bytes\": %" PRIu64 ", \"subpages\": %" PRIu64 "}",
                      i != 0 ? "," : "", all[i].list < POOLBUF_CHUNK_LISTS ? lists[all[i].list].name : "spare",
                      all[i].usage, all[i].chunk_bytes, all[i].free_bytes, all[i].subpages);
    }
    (void)fprintf(stream, "%s]", chunks->count != 0 ? "\n      " : "");
}

static void write_subpages(FILE *stream, const mapped_array *subpages) {
    const poolbuf_subpage_metrics *all = subpages->elements;
    (void)fprintf(stream, ",\n      \"subpages\": [");
    for (size_t i = 0; i < subpages->count; i++) {
        (void)fprintf(stream,
                      "%s\n        {\"size_class\": %" PRIu64 ", \"slot_bytes\": %" PRIu64 ", \"slots\": %" PRIu64
                      ", \"free_slots\": %" PRIu64 "}",
                      i != 0 ? "," : "", all[i].size_class, all[i].slot_bytes, all[i].slots, all[i].free_slots);
    }
    (void)fprintf(stream, "%s]", subpages->count != 0 ? "\n      " : "");
}

/* Copies first, so that an arena is written as a whole or not at all. */
static poolbuf_status write_arena(FILE *stream, arena *source, uint32_t index) {
    mapped_array chunks;
    mapped_array subpages;
    if (!copy_all(source, arena_copy_chunks, sizeof(poolbuf_chunk_metrics), &chunks)) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    if (!copy_all(source, arena_copy_subpages, sizeof(poolbuf_subpage_metrics), &subpages)) {
        array_unmap(&chunks);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_chunk_list_metrics lists[POOLBUF_CHUNK_LISTS];
    metric_array all_lists = {lists, sizeof lists[0], POOLBUF_CHUNK_LISTS, 0};
    arena_copy_chunk_lists(source, &all_lists);
    poolbuf_arena_metrics metrics = {.struct_size = sizeof metrics};
    arena_read_metrics(source, &metrics);
    (void)fprintf(stream, "    {\n      \"kind\": \"%s\",\n      \"index\": %" PRIu32, KIND_NAMES[source->config.kind],
                  index);
    write_members(stream, 6, &ARENA_METRICS, &metrics);
    write_chunk_lists(stream, lists);
    write_chunks(stream, lists, &chunks);
    write_subpages(stream, &subpages);
    (void)fprintf(stream, "\n    }");
    array_unmap(&subpages);
    array_unmap(&chunks);
    return POOLBUF_OK;
}

static void write_shape(FILE *stream, poolbuf_allocator *allocator) {
    uint32_t count = poolbuf_size_class_count(allocator);
    (void)fprintf(stream, "  \"small_size_classes\": %" PRIu32 ",\n  \"size_classes\": [",
                  poolbuf_small_size_class_count(allocator));
    for (uint32_t i = 0; i < count; i++) {
        (void)fprintf(stream, "%s%zu", i != 0 ? ", " : "", poolbuf_size_class_bytes(allocator, i));
    }
    (void)fprintf(stream, "],\n");
}

poolbuf_status poolbuf_allocator_write_json(poolbuf_allocator *allocator, FILE *stream) {
    if (stream == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    poolbuf_status status = poolbuf_allocator_metrics(allocator, &metrics);
    if (status != POOLBUF_OK) {
        return status;
    }
    metric_list known = known_snapshot(&metrics);
    (void)fprintf(stream, "{\n  \"schema\": \"poolbuf.allocator/1\"");
    write_members(stream, 2, &known, &metrics);
    (void)fprintf(stream, ",\n");
    write_shape(stream, allocator);
    (void)fprintf(stream, "  \"arenas\": [");
    const char *separator = "\n";
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < allocator->group.arena_counts[kind]; i++) {
            (void)fputs(separator, stream);
            separator = ",\n";
            status = write_arena(stream, &allocator->group.arenas[kind][i], i);
            if (status != POOLBUF_OK) {
                return status;
            }
        }
    }
    (void)fprintf(stream, "\n  ]\n}\n");
    return written(stream);
}

static bool is_arenas_family(const metric *m) {
    for (size_t i = 0; i < ARENA_METRICS.count; i++) {
        if (strcmp(ARENA_METRICS.rows[i].family, m->family) == 0) {
            return true;
        }
    }
    return false;
}

/* Reads every arena once, direct ones first; false without memory. */
static bool read_arenas(const poolbuf_allocator *allocator, mapped_array *arenas) {
    const uint32_t *counts = allocator->group.arena_counts;
    if (!array_map(arenas, ((size_t)counts[0] + counts[1]) * sizeof(poolbuf_arena_metrics))) {
        return false;
    }
    poolbuf_arena_metrics *all = arenas->elements;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < counts[kind]; i++) {
            all[arenas->count].struct_size = sizeof *all;
            arena_read_metrics(&allocator->group.arenas[kind][i], &all[arenas->count]);
            arenas->count++;
        }
    }
    return true;
}

static void write_arenas_family(FILE *stream, const metric *m, const uint32_t counts[CACHE_KINDS],
                                const mapped_array *arenas) {
    const poolbuf_arena_metrics *all = arenas->elements;
    write_family(stream, m);
    for (uint32_t i = 0; i < arenas->count; i++) {
        char labels[64];
        unsigned kind = i < counts[0] ? 0 : 1;
        (void)snprintf(labels, sizeof labels, "{kind=\"%s\",arena=\"%" PRIu32 "\"}", KIND_NAMES[kind],
                       kind == 0 ? i : i - counts[0]);
        write_sample(stream, m, labels, &all[i]);
    }
}

poolbuf_status poolbuf_allocator_write_openmetrics(poolbuf_allocator *allocator, FILE *stream) {
    if (stream == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    allocator = allocator_resolve(allocator);
    if (allocator == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    poolbuf_status status = poolbuf_allocator_metrics(allocator, &metrics);
    if (status != POOLBUF_OK) {
        return status;
    }
    mapped_array arenas;
    if (!read_arenas(allocator, &arenas)) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    metric_list known = known_snapshot(&metrics);
    for (size_t i = 0; i < known.count; i++) {
        if (!is_arenas_family(&known.rows[i])) {
            write_family(stream, &known.rows[i]);
            write_sample(stream, &known.rows[i], "", &metrics);
        }
    }
    for (size_t i = 0; i < ARENA_METRICS.count; i++) {
        write_arenas_family(stream, &ARENA_METRICS.rows[i], allocator->group.arena_counts, &arenas);
    }
    array_unmap(&arenas);
    (void)fprintf(stream, "# EOF\n");
    return written(stream);
}
