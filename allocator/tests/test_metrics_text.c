/* Unit tests of metrics_text.c: golden text, callers of other versions, and streams that fail. */
#include "unit.h"

#include "metrics.h"
#include "os/os.h"

typedef poolbuf_status (*writer)(const poolbuf_metrics *metrics, FILE *stream);

/* Fields count from 1, but for the largest number there is and one that a double cannot hold. */
static const char *value_of(size_t number, char text[32]) {
    const char *const odd[] = {[2] = "18446744073709551615", [11] = "9007199254740993"};
    if (number < sizeof odd / sizeof odd[0] && odd[number] != NULL) {
        return odd[number];
    }
    (void)snprintf(text, 32, "%zu", number);
    return text;
}

static poolbuf_metrics counting(void) {
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    size_t number = 1;
    for (size_t at = offsetof(poolbuf_metrics, live_buffers); at < sizeof metrics; at += sizeof(uint64_t), number++) {
        char text[32];
        uint64_t value = strtoull(value_of(number, text), NULL, 10);
        memcpy((char *)&metrics + at, &value, sizeof value);
    }
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

/* A field a line, in the order of the struct: its name in JSON, and all that OpenMetrics has before its value. */
typedef struct golden {
    const char *field;
    const char *openmetrics;
} golden;

#define GAUGE(name, help) "# TYPE poolbuf_" name " gauge\n# HELP poolbuf_" name " " help "\npoolbuf_" name
#define GAUGE_BYTES(name, help)                                                                                        \
    "# TYPE poolbuf_" name " gauge\n# UNIT poolbuf_" name " bytes\n# HELP poolbuf_" name " " help "\npoolbuf_" name
#define COUNTER(name, help) "# TYPE poolbuf_" name " counter\n# HELP poolbuf_" name " " help "\npoolbuf_" name "_total"
#define COUNTER_BYTES(name, help)                                                                                      \
    "# TYPE poolbuf_" name " counter\n# UNIT poolbuf_" name " bytes\n# HELP poolbuf_" name " " help "\npoolbuf_" name  \
    "_total"

static const golden GOLDEN[] = {
    {"live_buffers", GAUGE("live_buffers", "buffers in users' hands")},
    {"live_bytes", GAUGE_BYTES("live_bytes", "their bytes, those of a pooled buffer's size class")},
    {"cached_buffers",
     GAUGE("cached_buffers", "handles that wait, with their memory, in thread caches and in the depot")},
    {"cached_bytes", GAUGE_BYTES("cached_bytes", "their bytes")},
    {"pinned_bytes", GAUGE_BYTES("pinned_bytes", "live and cached bytes, which no chunk can give back now")},
    {"huge_buffers", GAUGE("huge_buffers", "live buffers that are larger than a chunk, or unpooled")},
    {"huge_bytes", GAUGE_BYTES("huge_bytes", "their bytes")},
    {"chunk_count", GAUGE("chunks", "chunks mapped, spare ones included")},
    {"chunk_bytes", GAUGE_BYTES("chunk_bytes", "their bytes")},
    {"metadata_bytes", GAUGE_BYTES("metadata_bytes", "handles, chunk records, caches and tables")},
    {"allocations", COUNTER("allocations", "buffers handed out")},
    {"releases", GAUGE("releases", "allocations minus live buffers: those that came back")},
    {"arena_allocations", COUNTER("arena_allocations", "buffers that an arena cut from a chunk")},
    {"arena_releases", COUNTER("arena_releases", "buffers that went back into a chunk")},
    {"chunk_maps", COUNTER("chunk_maps", "chunks taken from the system")},
    {"chunk_unmaps", COUNTER("chunk_unmaps", "chunks given back to the system")},
    {"thread_caches", GAUGE("thread_caches", "threads that have a cache of this allocator")},
    {"misuses", COUNTER("misuses", "releases and uses of dead buffers, in the whole process")},
    {"spare_chunks", GAUGE("spare_chunks", "chunks that are empty and wait to be needed again")},
    {"payload_bytes", GAUGE_BYTES("payload_bytes", "what the bytes of buffers have taken from the system")},
    {"memory_limit_hits", COUNTER("memory_limit_hits", "times that the memory limit refused memory")},
    {"refused_regions", GAUGE("refused_regions", "regions that the system would not take back, in the whole process")},
    {"refused_bytes", GAUGE_BYTES("refused_bytes", "their bytes")},
    {"live_direct_bytes", GAUGE_BYTES("live_direct_bytes", "bytes of live direct buffers")},
    {"live_heap_bytes", GAUGE_BYTES("live_heap_bytes", "bytes of live heap buffers")},
    {"pinned_direct_bytes", GAUGE_BYTES("pinned_direct_bytes", "live and cached bytes of direct buffers")},
    {"pinned_heap_bytes", GAUGE_BYTES("pinned_heap_bytes", "live and cached bytes of heap buffers")},
    {"used_direct_bytes", GAUGE_BYTES("used_direct_bytes", "direct chunks and huge and unpooled direct buffers")},
    {"used_heap_bytes", GAUGE_BYTES("used_heap_bytes", "heap chunks and huge and unpooled heap buffers")},
    {"resident_bytes", GAUGE_BYTES("resident_bytes", "bytes of chunks and huge buffers that are in memory")},
    {"arena_small_allocations", COUNTER("arena_small_allocations", "slots that an arena cut")},
    {"arena_normal_allocations", COUNTER("arena_normal_allocations", "runs of pages that an arena cut")},
    {"arena_huge_allocations", COUNTER("arena_huge_allocations", "buffers larger than a chunk that were mapped")},
    {"arena_small_releases", COUNTER("arena_small_releases", "slots that went back to an arena")},
    {"arena_normal_releases", COUNTER("arena_normal_releases", "runs of pages that went back to an arena")},
    {"arena_huge_releases", COUNTER("arena_huge_releases", "buffers larger than a chunk that were unmapped")},
    {"direct_arenas", GAUGE("direct_arenas", "arenas for direct buffers")},
    {"heap_arenas", GAUGE("heap_arenas", "arenas for heap buffers")},
    {"page_size", GAUGE_BYTES("page_size_bytes", "bytes of a page")},
    {"chunk_size", GAUGE_BYTES("chunk_size_bytes", "bytes of a chunk")},
    {"small_cache_size", GAUGE("small_cache_size", "buffers that a thread caches of each small class")},
    {"normal_cache_size", GAUGE("normal_cache_size", "buffers that a thread caches of each larger class")},
    {"huge_page_fallbacks",
     COUNTER("huge_page_fallbacks", "regions with ordinary pages where huge ones were asked for")},
    {"cache_hits", GAUGE("cache_hits", "handles that a thread's cache had ready")},
    {"cache_misses", COUNTER("cache_misses", "handles that a thread's cache had not ready")},
    {"cache_refills", COUNTER("cache_refills", "trips of caches that brought handles")},
    {"cache_flushes", COUNTER("cache_flushes", "trips of caches that took handles away")},
    {"remote_releases", GAUGE("remote_releases", "handles released by threads beyond what they took themselves")},
    {"committed_bytes", GAUGE_BYTES("committed_bytes", "pages of chunks in use or dirty, and huge buffers")},
    {"dirty_bytes", GAUGE_BYTES("dirty_bytes", "free pages that have been used and not yet dropped")},
    {"purges", COUNTER("purges", "times that the system dropped free pages")},
    {"purged_bytes", COUNTER_BYTES("purged_bytes", "bytes that the system dropped so")},
};
#define GOLDEN_COUNT (sizeof GOLDEN / sizeof GOLDEN[0])

static void json_is_the_golden_text(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    char *expected = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&expected, &size);
    (void)fprintf(stream, "{\n  \"schema\": \"poolbuf.metrics/1\"");
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        char text[32];
        (void)fprintf(stream, ",\n  \"%s\": %s", GOLDEN[i].field, value_of(i + 1, text));
    }
    (void)fprintf(stream, "\n}\n");
    assert_int_equal(fclose(stream), 0);
    expect_text(poolbuf_metrics_write_json, &metrics, expected);
    free(expected);
}

static void openmetrics_is_the_golden_text(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    char *expected = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&expected, &size);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        char text[32];
        (void)fprintf(stream, "%s %s\n", GOLDEN[i].openmetrics, value_of(i + 1, text));
    }
    (void)fprintf(stream, "# EOF\n");
    assert_int_equal(fclose(stream), 0);
    expect_text(poolbuf_metrics_write_openmetrics, &metrics, expected);
    free(expected);
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

/* ---- An allocator ------------------------------------------------------------------------------------------------- */

typedef poolbuf_status (*allocator_writer)(poolbuf_allocator *allocator, FILE *stream);

static const allocator_writer ALLOCATOR_WRITERS[] = {poolbuf_allocator_write_json, poolbuf_allocator_write_openmetrics};

static char *allocator_text_of(allocator_writer write, poolbuf_allocator *allocator) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    UNIT_OK(write(allocator, stream));
    assert_int_equal(fclose(stream), 0);
    return text;
}

/* Without caches, so that numbers are those of the calls. */
static poolbuf_allocator *make(uint32_t direct_arenas, uint32_t heap_arenas) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.direct_arenas = direct_arenas;
    options.heap_arenas = heap_arenas;
    options.cache_limit_bytes = 0;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    return allocator;
}

static unsigned count_of(const char *text, const char *part) {
    unsigned count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

static void an_allocator_as_json_has_its_classes_and_arenas(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(2, 1);
    poolbuf *small = poolbuf_allocate_direct(allocator, 1000, 1000);
    poolbuf *whole = poolbuf_allocate_heap(allocator, 4 << 20, 4 << 20);
    char *text = allocator_text_of(poolbuf_allocator_write_json, allocator);
    assert_non_null(strstr(text, "{\n  \"schema\": \"poolbuf.allocator/1\",\n  \"live_buffers\": 2,\n"));
    assert_non_null(strstr(text, "  \"small_size_classes\": 39,\n  \"size_classes\": [16, 32, "));
    assert_non_null(strstr(text, ", 3670016, 4194304],\n"));
    assert_int_equal(count_of(text, "\"kind\": \"direct\""), 2);
    assert_int_equal(count_of(text, "\"kind\": \"heap\""), 1);
    assert_int_equal(count_of(text, "\"small_allocations\": 1,"), 1);
    assert_int_equal(count_of(text, "\"normal_allocations\": 1,"), 1);
    assert_int_equal(count_of(text, "{\"name\": \"q025\", \"min_usage\": 25, \"max_usage\": 75, \"chunks\": 0}"), 3);
    assert_int_equal(count_of(text, "{\"list\": \"qInit\", \"usage\": 1, \"chunk_bytes\": 4194304, "
                                    "\"free_bytes\": 4186112, \"subpages\": 1}"),
                     1);
    assert_int_equal(count_of(text, "{\"list\": \"q100\", \"usage\": 100, "), 1);
    assert_int_equal(count_of(text, "{\"size_class\": 19, \"slot_bytes\": 1024, \"slots\": 8, \"free_slots\": 7}"), 1);
    free(text);
    assert_true(poolbuf_release(whole));
    text = allocator_text_of(poolbuf_allocator_write_json, allocator);
    assert_int_equal(count_of(text, "{\"list\": \"spare\", \"usage\": 0, "), 1);
    free(text);
    assert_true(poolbuf_release(small));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void an_allocator_as_openmetrics_has_each_arena_under_its_labels(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(2, 1);
    poolbuf *small = poolbuf_allocate_direct(allocator, 1000, 1000);
    poolbuf *huge = poolbuf_allocate_heap(allocator, 5 << 20, 5 << 20);
    char *text = allocator_text_of(poolbuf_allocator_write_openmetrics, allocator);
    assert_non_null(strstr(text, "\npoolbuf_live_buffers 2\n"));
    assert_non_null(strstr(text, "\npoolbuf_arena_small_allocations_total{kind=\"direct\",arena=\"0\"} 1\n"
                                 "poolbuf_arena_small_allocations_total{kind=\"direct\",arena=\"1\"} 0\n"
                                 "poolbuf_arena_small_allocations_total{kind=\"heap\",arena=\"0\"} 0\n"));
    assert_non_null(strstr(text, "\npoolbuf_arena_huge_active{kind=\"heap\",arena=\"0\"} 1\n"));
    assert_non_null(strstr(text, "\npoolbuf_arena_used_bytes{kind=\"heap\",arena=\"0\"} 5242880\n"));
    /* A family is written once: for the arenas, if they have it. */
    assert_int_equal(count_of(text, "# TYPE poolbuf_chunks gauge\n"), 1);
    assert_int_equal(count_of(text, "\npoolbuf_chunks"), 3);
    assert_null(strstr(text, "\npoolbuf_chunks "));
    assert_string_equal(text + strlen(text) - strlen("\n# EOF\n"), "\n# EOF\n");
    free(text);
    assert_true(poolbuf_release(small));
    assert_true(poolbuf_release(huge));
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

static void an_allocator_without_arenas_is_written_too(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(0, 0);
    char *text = allocator_text_of(poolbuf_allocator_write_json, allocator);
    assert_non_null(strstr(text, "  \"arenas\": [\n  ]\n}\n"));
    free(text);
    text = allocator_text_of(poolbuf_allocator_write_openmetrics, allocator);
    assert_null(strstr(text, "{kind="));
    free(text);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* More chunks than the first guess has room for cannot be forced here; more than a page of them can. */
static void many_chunks_are_all_written(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.page_size = 4096;
    options.chunk_size = 32768;
    options.direct_arenas = 1;
    options.cache_limit_bytes = 0;
    poolbuf_allocator *allocator = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &allocator));
    poolbuf *buffers[200];
    for (unsigned i = 0; i < 200; i++) {
        buffers[i] = poolbuf_allocate_direct(allocator, 32768, 32768);
    }
    char *text = allocator_text_of(poolbuf_allocator_write_json, allocator);
    assert_int_equal(count_of(text, "{\"list\": \"q100\", "), 200);
    free(text);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(poolbuf_release(buffers[i]));
    }
    UNIT_OK(poolbuf_allocator_destroy(allocator));
}

/* Fails the first mapping, the second, ... until a whole text is written; each time nothing is left mapped. */
static void writing_survives_each_failure(void **state) {
    (void)state;
    os = &os_fault;
    poolbuf_allocator *allocator = make(2, 2);
    FILE *stream = fopen("/dev/null", "w");
    assert_non_null(stream);
    unsigned long regions = os_fault_regions();
    for (unsigned i = 0; i < 2; i++) {
        unsigned long failures = 0;
        poolbuf_status status = POOLBUF_ERROR_NO_MEMORY;
        for (; status == POOLBUF_ERROR_NO_MEMORY; failures++) {
            os_fault_arm(failures, true);
            status = ALLOCATOR_WRITERS[i](allocator, stream);
            assert_int_equal(os_fault_regions(), regions);
        }
        assert_int_equal(status, POOLBUF_OK);
        assert_int_equal(failures - 1, i == 0 ? 8 : 1); /* two copies an arena; one for all */
        os_fault_disarm();
    }
    (void)fclose(stream);
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(os_fault_regions(), 0);
    os = &os_linux;
}

static void an_allocators_writers_refuse_bad_streams(void **state) {
    (void)state;
    poolbuf_allocator *allocator = make(1, 1);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ALLOCATOR_WRITERS[i](allocator, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(ALLOCATOR_WRITERS[i](allocator, full), POOLBUF_ERROR_BAD_ARGUMENT);
        clearerr(full);
    }
    (void)fclose(full);
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
        cmocka_unit_test(an_allocator_as_json_has_its_classes_and_arenas),
        cmocka_unit_test(an_allocator_as_openmetrics_has_each_arena_under_its_labels),
        cmocka_unit_test(an_allocator_without_arenas_is_written_too),
        cmocka_unit_test(many_chunks_are_all_written),
        cmocka_unit_test(writing_survives_each_failure),
        cmocka_unit_test(an_allocators_writers_refuse_bad_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
