/* Unit tests of metrics_text.c: golden text, callers of other versions, and streams that fail. */
#include "unit.h"

#include "metrics.h"

typedef poolbuf_status (*writer)(const poolbuf_metrics *metrics, FILE *stream);

/* Fields count from 1, but for the largest number there is and one that a double cannot hold. */
static poolbuf_metrics counting(void) {
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    uint64_t number = 1;
    for (size_t at = offsetof(poolbuf_metrics, live_buffers); at < sizeof metrics; at += sizeof number, number++) {
        memcpy((char *)&metrics + at, &number, sizeof number);
    }
    metrics.live_bytes = UINT64_MAX;
    metrics.allocations = ((uint64_t)1 << 53) + 1;
    return metrics;
}

static char *text_of(writer write, const poolbuf_metrics *metrics) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    UNIT_OK(write(metrics, stream));
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void expect_text(writer write, const poolbuf_metrics *metrics, const char *expected) {
    char *text = text_of(write, metrics);
    assert_string_equal(text, expected);
    free(text);
}

static void json_is_the_golden_text(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    expect_text(poolbuf_metrics_write_json, &metrics,
                "{\n"
                "  \"schema\": \"poolbuf.metrics/1\",\n"
                "  \"live_buffers\": 1,\n"
                "  \"live_bytes\": 18446744073709551615,\n"
                "  \"cached_buffers\": 3,\n"
                "  \"cached_bytes\": 4,\n"
                "  \"pinned_bytes\": 5,\n"
                "  \"huge_buffers\": 6,\n"
                "  \"huge_bytes\": 7,\n"
                "  \"chunk_count\": 8,\n"
                "  \"chunk_bytes\": 9,\n"
                "  \"metadata_bytes\": 10,\n"
                "  \"allocations\": 9007199254740993,\n"
                "  \"releases\": 12,\n"
                "  \"arena_allocations\": 13,\n"
                "  \"arena_releases\": 14,\n"
                "  \"chunk_maps\": 15,\n"
                "  \"chunk_unmaps\": 16,\n"
                "  \"thread_caches\": 17,\n"
                "  \"misuses\": 18,\n"
                "  \"spare_chunks\": 19,\n"
                "  \"committed_bytes\": 20,\n"
                "  \"dirty_bytes\": 21,\n"
                "  \"purges\": 22,\n"
                "  \"purged_bytes\": 23\n"
                "}\n");
}

#define GAUGE(name, help, value)                                                                                       \
    "# TYPE poolbuf_" name " gauge\n# HELP poolbuf_" name " " help "\npoolbuf_" name " " value "\n"
#define GAUGE_BYTES(name, help, value)                                                                                 \
    "# TYPE poolbuf_" name " gauge\n# UNIT poolbuf_" name " bytes\n# HELP poolbuf_" name " " help "\npoolbuf_" name    \
    " " value "\n"
#define COUNTER(name, help, value)                                                                                     \
    "# TYPE poolbuf_" name " counter\n# HELP poolbuf_" name " " help "\npoolbuf_" name "_total " value "\n"

#define COUNTER_BYTES(name, help, value)                                                                               \
    "# TYPE poolbuf_" name " counter\n# UNIT poolbuf_" name " bytes\n# HELP poolbuf_" name " " help "\npoolbuf_" name  \
    "_total " value "\n"

static void openmetrics_is_the_golden_text(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    expect_text(
        poolbuf_metrics_write_openmetrics, &metrics,
        GAUGE("live_buffers", "buffers in users' hands", "1") GAUGE_BYTES(
            "live_bytes", "their bytes, those of a pooled buffer's size class",
            "18446744073709551615") GAUGE("cached_buffers",
                                          "handles that wait, with their memory, in thread caches and in the depot",
                                          "3") GAUGE_BYTES("cached_bytes", "their bytes", "4")
            GAUGE_BYTES("pinned_bytes", "live and cached bytes, which no chunk can give back now",
                        "5") GAUGE("huge_buffers", "live buffers that are larger than a chunk, or unpooled", "6")
                GAUGE_BYTES("huge_bytes", "their bytes", "7") GAUGE("chunks", "chunks mapped, spare ones included",
                                                                    "8") GAUGE_BYTES("chunk_bytes", "their bytes", "9")
                    GAUGE_BYTES("metadata_bytes", "handles, chunk records, caches and tables",
                                "10") COUNTER("allocations", "buffers handed out", "9007199254740993")
                        GAUGE("releases", "allocations minus live buffers: those that came back",
                              "12") COUNTER("arena_allocations", "buffers that an arena cut from a chunk",
                                            "13") COUNTER("arena_releases", "buffers that went back into a chunk", "14")
                            COUNTER("chunk_maps", "chunks taken from the system",
                                    "15") COUNTER("chunk_unmaps", "chunks given back to the system", "16")
                                GAUGE("thread_caches", "threads that have a cache of this allocator", "17") COUNTER(
                                    "misuses", "releases and uses of dead buffers, in the whole process", "18")
                                    GAUGE("spare_chunks", "chunks that are empty and wait to be needed again", "19")
                                        GAUGE_BYTES("committed_bytes",
                                                    "pages of chunks in use or dirty, and huge buffers", "20")
                                            GAUGE_BYTES("dirty_bytes",
                                                        "free pages that have been used and not yet dropped", "21")
                                                COUNTER("purges", "times that the system dropped free pages", "22")
                                                    COUNTER_BYTES("purged_bytes", "bytes that the system dropped so",
                                                                  "23") "# EOF\n");
}

static const writer WRITERS[] = {poolbuf_metrics_write_json, poolbuf_metrics_write_openmetrics};

static void an_older_callers_fields_are_written_and_no_more(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    metrics.struct_size = METRICS_SIZE_V1;
    for (unsigned i = 0; i < 2; i++) {
        char *text = text_of(WRITERS[i], &metrics);
        assert_non_null(strstr(text, "misuses"));
        assert_null(strstr(text, "spare_chunks"));
        free(text);
    }
}

static void a_newer_callers_known_fields_are_written(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    for (unsigned i = 0; i < 2; i++) {
        metrics.struct_size = sizeof metrics;
        char *expected = text_of(WRITERS[i], &metrics);
        metrics.struct_size += 64;
        expect_text(WRITERS[i], &metrics, expected);
        free(expected);
    }
}

static void bad_arguments_and_failing_streams_are_refused(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(WRITERS[i](NULL, stdout), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(WRITERS[i](&metrics, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(WRITERS[i](&metrics, full), POOLBUF_ERROR_BAD_ARGUMENT);
        clearerr(full);
    }
    (void)fclose(full);
    metrics.struct_size = METRICS_SIZE_V1 - 1;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(WRITERS[i](&metrics, stdout), POOLBUF_ERROR_BAD_ARGUMENT);
    }
}

static void an_allocators_own_figures_reach_the_text(void **state) {
    (void)state;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(NULL, &allocator));
    poolbuf *b = poolbuf_allocate(allocator, 1000, 1000);
    poolbuf_metrics metrics = unit_metrics(allocator);
    char *text = text_of(poolbuf_metrics_write_openmetrics, &metrics);
    assert_non_null(strstr(text, "\npoolbuf_live_bytes 1024\n"));
    assert_non_null(strstr(text, "\npoolbuf_allocations_total 1\n"));
    free(text);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_the_golden_text),
        cmocka_unit_test(openmetrics_is_the_golden_text),
        cmocka_unit_test(an_older_callers_fields_are_written_and_no_more),
        cmocka_unit_test(a_newer_callers_known_fields_are_written),
        cmocka_unit_test(bad_arguments_and_failing_streams_are_refused),
        cmocka_unit_test(an_allocators_own_figures_reach_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
