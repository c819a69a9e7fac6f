/* Metrics as text: a snapshot as JSON and in the format of OpenMetrics, from the one list of its fields. */
#include "metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct metric {
    size_t offset; /* in poolbuf_metrics */
    const char *field;
    const char *family;
    const char *type;
    const char *unit;
    const char *help;
    bool is_counter;
} metric;

enum {
    TYPE_gauge = false,
    TYPE_counter = true,
};

static const metric METRICS[] = {
#define METRIC(field, family, type, unit, help)                                                                        \
    {offsetof(poolbuf_metrics, field), #field, family, #type, unit, help, TYPE_##type},
#include "metrics_list.h"
#undef METRIC
};

/* The list is the struct: field by field in order, and none left over. */
enum {
#define METRIC(field, family, type, unit, help) ORDER_##field,
#include "metrics_list.h"
#undef METRIC
    METRIC_COUNT
};

#define FIRST_OFFSET offsetof(poolbuf_metrics, live_buffers)
#define METRIC(field, family, type, unit, help)                                                                        \
    _Static_assert(offsetof(poolbuf_metrics, field) == FIRST_OFFSET + ORDER_##field * sizeof(uint64_t),                \
                   "metrics_list.h has the fields of poolbuf_metrics in their order");
#include "metrics_list.h"
#undef METRIC
_Static_assert(sizeof(poolbuf_metrics) == FIRST_OFFSET + METRIC_COUNT * sizeof(uint64_t),
               "each field of poolbuf_metrics has a row in metrics_list.h");

/* What the caller's struct has of the list: fields were only ever added at its end. */
static bool is_known(const poolbuf_metrics *metrics, const metric *m) {
    return m->offset + sizeof(uint64_t) <= metrics->struct_size;
}

static uint64_t value_of(const poolbuf_metrics *metrics, const metric *m) {
    uint64_t value = 0;
    memcpy(&value, (const char *)metrics + m->offset, sizeof value);
    return value;
}

static bool is_usable(const poolbuf_metrics *metrics, const FILE *stream) {
    return metrics != NULL && metrics->struct_size >= METRICS_SIZE_V1 && stream != NULL;
}

static poolbuf_status written(FILE *stream) {
    return ferror(stream) == 0 ? POOLBUF_OK : POOLBUF_ERROR_BAD_ARGUMENT;
}

poolbuf_status poolbuf_metrics_write_json(const poolbuf_metrics *metrics, FILE *stream) {
    if (!is_usable(metrics, stream)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    (void)fprintf(stream, "{\n  \"schema\": \"poolbuf.metrics/1\"");
    for (size_t i = 0; i < METRIC_COUNT && is_known(metrics, &METRICS[i]); i++) {
        (void)fprintf(stream, ",\n  \"%s\": %" PRIu64, METRICS[i].field, value_of(metrics, &METRICS[i]));
    }
    (void)fprintf(stream, "\n}\n");
    return written(stream);
}

poolbuf_status poolbuf_metrics_write_openmetrics(const poolbuf_metrics *metrics, FILE *stream) {
    if (!is_usable(metrics, stream)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    for (size_t i = 0; i < METRIC_COUNT && is_known(metrics, &METRICS[i]); i++) {
        const metric *m = &METRICS[i];
        (void)fprintf(stream, "# TYPE poolbuf_%s %s\n", m->family, m->type);
        if (m->unit[0] != '\0') {
            (void)fprintf(stream, "# UNIT poolbuf_%s %s\n", m->family, m->unit);
        }
        (void)fprintf(stream, "# HELP poolbuf_%s %s\n", m->family, m->help);
        (void)fprintf(stream, "poolbuf_%s%s %" PRIu64 "\n", m->family, m->is_counter ? "_total" : "",
                      value_of(metrics, m));
    }
    (void)fprintf(stream, "# EOF\n");
    return written(stream);
}
