/* Unit tests of metrics_text.c: golden text, callers of other versions, and streams that fail. */
#include "unit.h"

#include "metrics.h"
#include "os/os.h"

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
                "  \"live_direct_bytes\": 20,\n"
                "  \"live_heap_bytes\": 21,\n"
                "  \"pinned_direct_bytes\": 22,\n"
                "  \"pinned_heap_bytes\": 23,\n"
                "  \"used_direct_bytes\": 24,\n"
                "  \"used_heap_bytes\": 25,\n"
                "  \"resident_bytes\": 26,\n"
                "  \"arena_small_allocations\": 27,\n"
                "  \"arena_normal_allocations\": 28,\n"
                "  \"arena_huge_allocations\": 29,\n"
                "  \"arena_small_releases\": 30,\n"
                "  \"arena_normal_releases\": 31,\n"
                "  \"arena_huge_releases\": 32,\n"
                "  \"direct_arenas\": 33,\n"
                "  \"heap_arenas\": 34,\n"
                "  \"page_size\": 35,\n"
                "  \"chunk_size\": 36,\n"
                "  \"small_cache_size\": 37,\n"
                "  \"normal_cache_size\": 38\n"
                "}\n");
}

#define GAUGE(name, help, value)                                                                                       \
    "# TYPE poolbuf_" name " gauge\n# HELP poolbuf_" name " " help "\npoolbuf_" name " " value "\n"
#define GAUGE_BYTES(name, help, value)                                                                                 \
    "# TYPE poolbuf_" name " gauge\n# UNIT poolbuf_" name " bytes\n# HELP poolbuf_" name " " help "\npoolbuf_" name    \
    " " value "\n"
#define COUNTER(name, help, value)                                                                                     \
    "# TYPE poolbuf_" name " counter\n# HELP poolbuf_" name " " help "\npoolbuf_" name "_total " value "\n"

/* A part a line, so that a field that is added is a line here. */
static const char *const OPENMETRICS[] = {
    GAUGE("live_buffers", "buffers in users' hands", "1"),
    GAUGE_BYTES("live_bytes", "their bytes, those of a pooled buffer's size class", "18446744073709551615"),
    GAUGE("cached_buffers", "handles that wait, with their memory, in thread caches and in the depot", "3"),
    GAUGE_BYTES("cached_bytes", "their bytes", "4"),
    GAUGE_BYTES("pinned_bytes", "live and cached bytes, which no chunk can give back now", "5"),
    GAUGE("huge_buffers", "live buffers that are larger than a chunk, or unpooled", "6"),
    GAUGE_BYTES("huge_bytes", "their bytes", "7"),
    GAUGE("chunks", "chunks mapped, spare ones included", "8"),
    GAUGE_BYTES("chunk_bytes", "their bytes", "9"),
    GAUGE_BYTES("metadata_bytes", "handles, chunk records, caches and tables", "10"),
    COUNTER("allocations", "buffers handed out", "9007199254740993"),
    GAUGE("releases", "allocations minus live buffers: those that came back", "12"),
    COUNTER("arena_allocations", "buffers that an arena cut from a chunk", "13"),
    COUNTER("arena_releases", "buffers that went back into a chunk", "14"),
    COUNTER("chunk_maps", "chunks taken from the system", "15"),
    COUNTER("chunk_unmaps", "chunks given back to the system", "16"),
    GAUGE("thread_caches", "threads that have a cache of this allocator", "17"),
    COUNTER("misuses", "releases and uses of dead buffers, in the whole process", "18"),
    GAUGE("spare_chunks", "chunks that are empty and wait to be needed again", "19"),
    GAUGE_BYTES("live_direct_bytes", "bytes of live direct buffers", "20"),
    GAUGE_BYTES("live_heap_bytes", "bytes of live heap buffers", "21"),
    GAUGE_BYTES("pinned_direct_bytes", "live and cached bytes of direct buffers", "22"),
    GAUGE_BYTES("pinned_heap_bytes", "live and cached bytes of heap buffers", "23"),
    GAUGE_BYTES("used_direct_bytes", "direct chunks and huge and unpooled direct buffers", "24"),
    GAUGE_BYTES("used_heap_bytes", "heap chunks and huge and unpooled heap buffers", "25"),
    GAUGE_BYTES("resident_bytes", "bytes of chunks and huge buffers that are in memory", "26"),
    COUNTER("arena_small_allocations", "slots that an arena cut", "27"),
    COUNTER("arena_normal_allocations", "runs of pages that an arena cut", "28"),
    COUNTER("arena_huge_allocations", "buffers larger than a chunk that were mapped", "29"),
    COUNTER("arena_small_releases", "slots that went back to an arena", "30"),
    COUNTER("arena_normal_releases", "runs of pages that went back to an arena", "31"),
    COUNTER("arena_huge_releases", "buffers larger than a chunk that were unmapped", "32"),
    GAUGE("direct_arenas", "arenas for direct buffers", "33"),
    GAUGE("heap_arenas", "arenas for heap buffers", "34"),
    GAUGE_BYTES("page_size_bytes", "bytes of a page", "35"),
    GAUGE_BYTES("chunk_size_bytes", "bytes of a chunk", "36"),
    GAUGE("small_cache_size", "buffers that a thread caches of each small class", "37"),
    GAUGE("normal_cache_size", "buffers that a thread caches of each larger class", "38"),
    "# EOF\n",
};

static void openmetrics_is_the_golden_text(void **state) {
    (void)state;
    poolbuf_metrics metrics = counting();
    char *expected = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&expected, &size);
    for (size_t i = 0; i < sizeof OPENMETRICS / sizeof OPENMETRICS[0]; i++) {
        assert_true(fputs(OPENMETRICS[i], stream) >= 0);
    }
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
