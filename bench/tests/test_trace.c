/* Unit tests of trace.c and of replay.c: what is written is read back, nothing else is read at all, and every trace
 * becomes a stream that cannot deadlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "record/shape.h"
#include "record/trace.h"
#include "scenario/generate.h"
#include "scenario/random.h"
#include "scenario_text.h"

static char error[1024];

/* Events in the making, as the recorder encodes them. */
typedef struct raw {
    uint8_t bytes[1 << 16];
    size_t size;
} raw;

static void put(raw *to, trace_kind kind, uint64_t value) {
    to->size += trace_varint(to->bytes + to->size, value << 4 | (uint64_t)kind);
}

static void put_sized(raw *to, trace_kind kind, uint64_t slot, uint64_t size) {
    put(to, kind, slot);
    to->size += trace_varint(to->bytes + to->size, size);
}

/* A file's bytes, in memory. */
typedef struct bytes {
    char *at;
    size_t size;
} bytes;

static bool write_raw(const raw *from, bytes *to, trace_summary *summary) {
    const trace_summary counts = {.skipped_releases = 5, .clamped_sizes = 6, .dropped_events = 1};
    FILE *file = open_memstream(&to->at, &to->size);
    assert_non_null(file);
    bool fine = trace_write_raw(file, "program", TRACE_OF_BUFFERS, from->bytes, from->size, &counts, summary, NULL,
                                error, sizeof error);
    assert_int_equal(fclose(file), 0);
    return fine;
}

/* Random events of up to `threads` threads, with releases now and then by another thread than the allocation's. */
static void put_random(raw *to, uint64_t seed, uint32_t threads, unsigned events) {
    random_state random;
    uint32_t used[64] = {0};
    uint32_t slots = 0;
    uint32_t known = 1;
    uint32_t current = 0;
    random_init(&random, seed, 0);
    for (unsigned i = 0; i < events; i++) {
        if (threads > 1 && random_below(&random, 3) == 0) {
            uint32_t thread = (uint32_t)random_below(&random, known < threads ? known + 1 : known);
            if (thread != current) {
                put(to, TRACE_THREAD, thread);
                current = thread;
                known += thread == known;
            }
        }
        uint32_t slot = (uint32_t)random_below(&random, slots < 64 ? slots + 1 : slots);
        if (slot == slots || used[slot] == 0) {
            slots += slot == slots;
            used[slot] = 1;
            put_sized(to, TRACE_ALLOCATE, slot, 1 + random_below(&random, 5000));
        } else if (random_below(&random, 4) == 0) {
            put_sized(to, TRACE_RESIZE, slot, 1 + random_below(&random, 5000));
        } else {
            used[slot] = 0;
            put(to, TRACE_RELEASE, slot);
        }
    }
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    trace *read = NULL;
    bytes file;
    from.size = 0;
    put_sized(&from, TRACE_ALLOCATE, 0, 100);
    put_sized(&from, TRACE_ALLOCATE, 1, TRACE_SIZE_MAX);
    put(&from, TRACE_THREAD, 1);
    put_sized(&from, TRACE_RESIZE, 0, 50);
    put_sized(&from, TRACE_CHECKPOINT, 2, 50ull + TRACE_SIZE_MAX);
    put(&from, TRACE_RELEASE, 1);
    put_sized(&from, TRACE_ALLOCATE, 1, 7);
    put_sized(&from, TRACE_RETAIN, 1, 3);
    put_sized(&from, TRACE_SLICE, 1, 0);
    put_sized(&from, TRACE_DROP, 1, 2);
    put_sized(&from, TRACE_CHECKPOINT, 2, 57);
    assert_true(write_raw(&from, &file, &summary));
    if (!trace_parse(file.at, file.size, "file", &read, error, sizeof error)) {
        fail_msg("%s", error);
    }
    assert_string_equal(read->program, "program");
    assert_int_equal(read->source, TRACE_OF_BUFFERS);
    assert_int_equal(read->event_count, 8);
    assert_int_equal(read->reference_count, 3);
    assert_int_equal(read->events[5].kind, TRACE_RETAIN);
    assert_int_equal(read->events[5].size, 3);
    assert_int_equal(read->events[6].kind, TRACE_SLICE);
    assert_int_equal(read->events[7].kind, TRACE_DROP);
    assert_int_equal(read->checkpoint_count, 2);
    assert_int_equal(read->checkpoints[0].event_count, 3);
    assert_int_equal(read->checkpoints[0].live_buffers, 2);
    assert_int_equal(read->checkpoints[1].event_count, 8);
    assert_int_equal(read->checkpoints[1].live_bytes, 57);
    assert_int_equal(read->thread_count, 2);
    assert_int_equal(read->slot_count, 2);
    assert_int_equal(read->peak_live_bytes, TRACE_SIZE_MAX + 100ull);
    assert_int_equal(read->summary.live_buffers, 2);
    assert_int_equal(read->summary.live_bytes, 57);
    assert_int_equal(read->summary.skipped_releases, 5);
    assert_int_equal(read->summary.clamped_sizes, 6);
    assert_int_equal(read->summary.dropped_events, 1);
    assert_int_equal(read->events[2].kind, TRACE_RESIZE);
    assert_int_equal(read->events[2].thread, 1);
    assert_int_equal(read->events[2].slot, 0);
    assert_int_equal(read->events[2].size, 50);
    assert_int_equal(read->events[3].kind, TRACE_RELEASE);
    assert_int_equal(read->events[3].size, 0);
    trace_destroy(read);
    free(file.at);
}

static void a_file_cut_off_at_any_byte_is_refused(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    trace *read = NULL;
    bytes file;
    from.size = 0;
    put_random(&from, 1, 3, 600);
    assert_true(write_raw(&from, &file, &summary));
    for (size_t size = 0; size < file.size; size++) {
        char *cut = malloc(size + 1); /* a copy of just that size, so that a sanitizer sees a read past it */
        assert_non_null(cut);
        memcpy(cut, file.at, size);
        if (trace_parse(cut, size, "file", &read, error, sizeof error)) {
            fail_msg("%zu of %zu bytes were taken for a trace", size, file.size);
        }
        assert_non_null(strstr(error, size < TRACE_MAGIC_SIZE ? "this is not a trace" : "cut off after byte"));
        assert_null(strchr(error, '\n'));
        free(cut);
    }
    free(file.at);
}

static void bytes_behind_the_end_are_refused(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    trace *read = NULL;
    bytes file;
    from.size = 0;
    put_random(&from, 2, 1, 20);
    assert_true(write_raw(&from, &file, &summary));
    char *longer = malloc(2 * file.size);
    assert_non_null(longer);
    memcpy(longer, file.at, file.size);
    memcpy(longer + file.size, file.at, file.size);
    assert_false(trace_parse(longer, file.size + 1, "file", &read, error, sizeof error));
    assert_false(trace_parse(longer, 2 * file.size, "file", &read, error, sizeof error));
    assert_non_null(strstr(error, "bytes follow its end"));
    free(longer);
    free(file.at);
}

static void a_damaged_file_is_refused_and_nothing_else_happens(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    trace *read = NULL;
    bytes file;
    random_state random;
    from.size = 0;
    put_random(&from, 3, 2, 300);
    assert_true(write_raw(&from, &file, &summary));
    random_init(&random, 4, 0);
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)random_below(&random, file.size);
        char flip = (char)(1u << random_below(&random, 8));
        file.at[at] = (char)(file.at[at] ^ flip);
        if (trace_parse(file.at, file.size, "file", &read, error, sizeof error)) {
            trace_destroy(read); /* zstd has bits in its frame header that mean nothing: the content was checked */
        }
        file.at[at] = (char)(file.at[at] ^ flip);
    }
    free(file.at);
}

/* Damage that zstd's checksum would hide is met by writing bad events: the writer runs the reader's own checks. */
static void unsound_events_are_refused(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    bytes file;
    static const struct {
        trace_kind kind;
        uint64_t slot, size; /* size UINT64_MAX: none */
        const char *why;
    } bad[] = {
        {TRACE_RELEASE, 1, UINT64_MAX, "it uses or releases an empty slot: 1"},
        {TRACE_RELEASE, 2, UINT64_MAX, "it names a slot that is not in use yet: 2"},
        {TRACE_RESIZE, 2, 5, "it names a slot that is not in use yet: 2"},
        {TRACE_ALLOCATE, 3, 5, "it names a slot that is not in use yet: 3"},
        {TRACE_ALLOCATE, 0, 5, "it allocates in a full slot: 0"},
        {TRACE_ALLOCATE, 1, 0, "a size of 0"},
        {TRACE_ALLOCATE, 1, TRACE_SIZE_MAX + 1ull, "a number is out of range: 268435456"},
        {TRACE_RESIZE, 0, UINT64_MAX - 1, "a number is out of range"},
        {TRACE_ALLOCATE, 1, UINT64_MAX, "its number is missing"},
        {TRACE_THREAD, 2, UINT64_MAX, "it names a thread that is not there yet: 2"},
        {TRACE_RELEASE, UINT64_MAX >> 4, UINT64_MAX, "a number is out of range"},
        {(trace_kind)9, 0, UINT64_MAX, "this version does not know the kind 9"},
        {TRACE_RETAIN, 1, 1, "it uses or releases an empty slot: 1"},
        {TRACE_RETAIN, 0, TRACE_REFERENCES_MAX + 1ull, "a number is out of range: 1073741825"},
        {TRACE_DROP, 0, UINT64_MAX, "its number is missing"},
        {TRACE_SLICE, 2, 1, "it names a slot that is not in use yet: 2"},
        {TRACE_CHECKPOINT, 1, UINT64_MAX, "its number is missing"},
        {TRACE_CHECKPOINT, 2, 10,
         "event 3 counts 2 live buffers of 10 bytes where the events leave 1 of 10; record it"},
        {TRACE_CHECKPOINT, 1, 11,
         "event 3 counts 1 live buffers of 11 bytes where the events leave 1 of 10; record it"},
        {TRACE_END, 0, UINT64_MAX, "the recording holds an end before its end"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        from.size = 0;
        put_sized(&from, TRACE_ALLOCATE, 0, 10);
        put_sized(&from, TRACE_ALLOCATE, 1, 10);
        put(&from, TRACE_RELEASE, 1);
        put(&from, bad[i].kind, bad[i].slot);
        if (bad[i].size != UINT64_MAX) {
            from.size += trace_varint(from.bytes + from.size, bad[i].size);
        }
        assert_false(write_raw(&from, &file, &summary));
        if (strstr(error, bad[i].why) == NULL) {
            fail_msg("expected \"%s\" in: %s", bad[i].why, error);
        }
        free(file.at);
    }
    memset(from.bytes, 0xff, 20); /* a number without an end */
    from.size = 20;
    assert_false(write_raw(&from, &file, &summary));
    assert_non_null(strstr(error, "a number is longer than 64"));
    free(file.at);
}

/* Switches take a byte each and zstd makes next to nothing of them: 32 KB were a billion, and kept a reader busy for long. */
static void threads_do_not_switch_for_ever_without_an_event(void **state) {
    (void)state;
    static raw from;
    for (uint32_t extra = 0; extra < 2; extra++) {
        trace_summary summary;
        bytes file;
        from.size = 0;
        for (uint32_t round = 0; round < 3; round++) { /* an event begins the count anew */
            for (uint32_t i = 0; i < TRACE_SWITCHES_MAX + (round == 2 ? extra : 0); i++) {
                put(&from, TRACE_THREAD, i % 2);
            }
            put_sized(&from, TRACE_ALLOCATE, round, 10);
        }
        assert_int_equal(write_raw(&from, &file, &summary), extra == 0);
        if (extra != 0) {
            assert_non_null(strstr(error, "event 2: no event stands between so many switches of threads: 9"));
        }
        free(file.at);
    }
}

static void a_checkpoint_follows_an_event(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    bytes file;
    from.size = 0;
    put_sized(&from, TRACE_CHECKPOINT, 0, 0);
    assert_false(write_raw(&from, &file, &summary));
    assert_non_null(strstr(error, "no event stands before checkpoint 0"));
    free(file.at);
    from.size = 0;
    put_sized(&from, TRACE_ALLOCATE, 0, 10);
    put_sized(&from, TRACE_CHECKPOINT, 1, 10);
    put_sized(&from, TRACE_CHECKPOINT, 1, 10);
    assert_false(write_raw(&from, &file, &summary));
    assert_non_null(strstr(error, "no event stands before checkpoint 1"));
    free(file.at);
}

/* A file as the format's first version had it, made by hand but for zstd's part: nothing in the tree writes one. */
static void a_trace_of_the_first_version_is_still_read(void **state) {
    (void)state;
    static const uint8_t inside[] = {
        1,
        3,
        'o',
        'l',
        'd', /* version and name; the events follow at once */
        0 << 4 | TRACE_ALLOCATE,
        100, /* slot 0 */
        0 << 4 | TRACE_RESIZE,
        50, /* */
        TRACE_END,
        2,
        1,
        1,
        1,
        50,
        0,
        0,
        0, /* events, threads, slots, live buffers and bytes; nothing was missed */
    };
    uint8_t file[256] = TRACE_MAGIC;
    trace *read = NULL;
    const size_t packed =
        ZSTD_compress(file + TRACE_MAGIC_SIZE, sizeof file - TRACE_MAGIC_SIZE, inside, sizeof inside, 1);
    assert_false(ZSTD_isError(packed));
    if (!trace_parse(file, TRACE_MAGIC_SIZE + packed, "file", &read, error, sizeof error)) {
        fail_msg("%s", error);
    }
    assert_string_equal(read->program, "old");
    assert_int_equal(read->source, TRACE_OF_MALLOC);
    assert_int_equal(read->event_count, 2);
    assert_int_equal(read->checkpoint_count, 0);
    trace_destroy(read);
}

static void random_bytes_are_never_a_trace(void **state) {
    (void)state;
    random_state random;
    trace *read = NULL;
    random_init(&random, 5, 0);
    for (int i = 0; i < 2000; i++) {
        uint8_t noise[64];
        size_t size = TRACE_MAGIC_SIZE + (size_t)random_below(&random, sizeof noise - TRACE_MAGIC_SIZE);
        for (size_t b = 0; b < size; b++) {
            noise[b] = (uint8_t)random_next(&random);
        }
        memcpy(noise, TRACE_MAGIC "\x28\xb5\x2f\xfd", i % 2 == 0 ? 8 : 12); /* half of them with zstd's own magic */
        assert_false(trace_parse(noise, size, "file", &read, error, sizeof error));
    }
}

/* A stream from random events, through a file and the scenario that a trace file is. */
static stream *replay_of(const raw *from, trace_summary *summary, uint32_t threads) {
    char path[SCENARIO_TEXT_PATH_SIZE];
    bytes file;
    scenario *loaded = NULL;
    stream *made = NULL;
    assert_true(write_raw(from, &file, summary));
    (void)scenario_text_file(path, ".pbtrace", file.at, file.size);
    free(file.at);
    bool fine = scenario_load(path, &loaded, error, sizeof error);
    if (fine) {
        loaded->threads = threads;
        fine = stream_generate(loaded, 1, false, &made, error, sizeof error) && stream_audit(made, error, sizeof error);
    }
    (void)unlink(path);
    if (!fine) {
        fail_msg("%s", error);
    }
    assert_string_equal(loaded->asks, "What do the allocations of program cost?");
    scenario_destroy(loaded);
    return made;
}

static void every_trace_replays_without_deadlock_on_any_number_of_threads(void **state) {
    (void)state;
    static raw from;
    for (uint64_t seed = 0; seed < 60; seed++) {
        for (uint32_t threads = 0; threads < 5; threads++) { /* 0: as many as the trace has */
            trace_summary summary;
            from.size = 0;
            put_random(&from, seed, 1 + (uint32_t)seed % 6, 1000);
            stream *made = replay_of(&from, &summary, threads);
            assert_int_equal(made->thread_count, threads == 0 ? summary.thread_count : threads);
            if (summary.live_buffers > 0) {
                const stream_phase *last = &made->phases[made->phase_count - 2];
                assert_int_equal(last->end_live_buffers, summary.live_buffers);
                assert_int_equal(last->end_live_bytes, summary.live_bytes);
                assert_string_equal(made->phases[made->phase_count - 1].name, "trace.drain");
            }
            stream_destroy(made);
        }
    }
}

/* The case that the trace's own slots would deadlock on; see replay.c. */
static void a_buffer_is_resized_by_the_thread_that_releases_it(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    from.size = 0;
    put_sized(&from, TRACE_ALLOCATE, 0, 10); /* by 0, for 0 */
    put_sized(&from, TRACE_RESIZE, 0, 20);
    put(&from, TRACE_RELEASE, 0);
    put_sized(&from, TRACE_ALLOCATE, 0, 30); /* by 0, resized by 0, for 1 */
    put_sized(&from, TRACE_RESIZE, 0, 40);
    put(&from, TRACE_THREAD, 1);
    put(&from, TRACE_RELEASE, 0);
    stream *made = replay_of(&from, &summary, 0);
    size_t resizes[2] = {0};
    uint32_t slots[2] = {0};
    for (uint32_t p = 0; p < made->phase_count; p++) {
        for (uint32_t t = 0; t < 2; t++) {
            const stream_thread *thread = &made->phases[p].threads[t];
            for (size_t i = 0; i < thread->op_count; i++) {
                if (stream_op_kind(thread->ops[i]) == STREAM_RESIZE) {
                    resizes[t]++;
                    slots[t] = thread->ops[i].slot;
                }
            }
        }
    }
    assert_int_equal(resizes[0], 1);
    assert_int_equal(resizes[1], 1);
    assert_int_not_equal(slots[0], slots[1]);
    stream_destroy(made);
}

/* Checkpoints are where the phases end, on any number of threads; a reference that is held over a resize is left out. */
static void a_replay_holds_at_each_checkpoint_what_was_recorded(void **state) {
    (void)state;
    static raw from;
    for (uint32_t threads = 0; threads < 4; threads++) {
        trace_summary summary;
        from.size = 0;
        for (uint64_t i = 0; i < 100; i++) { /* each buffer grows, and goes to another thread */
            put(&from, TRACE_THREAD, i % 3 == 0 ? 0 : (i - 1) % 3);
            put_sized(&from, TRACE_ALLOCATE, i, 10);
            put_sized(&from, TRACE_RETAIN, i, 1);
            put_sized(&from, TRACE_RESIZE, i, 30);
            put_sized(&from, TRACE_CHECKPOINT, i + 1, (i + 1) * 30);
            put(&from, TRACE_THREAD, i == 0 ? 1 : i == 1 ? 2 : i % 3);
        }
        for (uint64_t i = 0; i < 100; i++) {
            put(&from, TRACE_THREAD, (i + 1) % 3);
            put(&from, TRACE_RELEASE, i);
            if (i < 99) {
                put_sized(&from, TRACE_CHECKPOINT, 99 - i, (99 - i) * 30);
            }
        }
        stream *made = replay_of(&from, &summary, threads);
        assert_int_equal(made->phase_count, 200); /* the last one ends with the trace; nothing is left to drain */
        for (uint32_t p = 0; p < 200; p++) {
            const uint64_t live = p < 100 ? p + 1 : 199 - p;
            assert_int_equal(made->phases[p].end_live_buffers, live);
            assert_int_equal(made->phases[p].end_live_bytes, live * 30);
        }
        assert_int_equal(made->operation_count, 300);
        stream_destroy(made);
    }
}

static void a_pair_of_threads_may_drift_apart(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    from.size = 0;
    for (uint64_t i = 0; i < 1000; i++) { /* one buffer in flight at a time */
        put(&from, TRACE_THREAD, 0);
        put_sized(&from, TRACE_ALLOCATE, 0, 10);
        put(&from, TRACE_THREAD, 1);
        put(&from, TRACE_RELEASE, 0);
    }
    stream *made = replay_of(&from, &summary, 0);
    assert_int_equal(summary.slot_count, 1);
    assert_in_range(made->slot_count, 64, 80);
    stream_destroy(made);
}

static void a_truncated_trace_in_a_scenario_is_an_error_of_its_line(void **state) {
    (void)state;
    static raw from;
    trace_summary summary;
    char path[SCENARIO_TEXT_PATH_SIZE];
    char text[256];
    bytes file;
    from.size = 0;
    put_random(&from, 9, 1, 100);
    assert_true(write_raw(&from, &file, &summary));
    (void)scenario_text_file(path, ".pbtrace", file.at, file.size - 1);
    free(file.at);
    (void)snprintf(text, sizeof text, "name: t\nasks: q?\nsource: s\nphases:\n  - name: p\n    trace: %s\n", path);
    assert_null(scenario_from_text(text, error));
    assert_non_null(strstr(error, ".yaml:6: "));
    assert_non_null(strstr(error, "cut off after byte"));
    (void)unlink(path);
}

/* A pipe has no end to seek to, and to open it waits for somebody who writes. */
static void what_is_no_regular_file_is_no_trace_and_no_shape(void **state) {
    (void)state;
    char path[SCENARIO_TEXT_PATH_SIZE];
    trace *read = NULL;
    shape counts;
    (void)scenario_text_file(path, ".pbtrace", "", 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(20);
    assert_false(trace_read(path, &read, error, sizeof error));
    assert_non_null(strstr(error, "it is not a file of at most 1 GiB; give the path of a .pbtrace file"));
    assert_false(shape_read(path, &counts, error, sizeof error));
    assert_non_null(strstr(error, "it is no regular file; give the path of a .pbshape file"));
    (void)alarm(0);
    (void)unlink(path);
    assert_false(trace_read("/tmp", &read, error, sizeof error));
    assert_false(shape_read("/tmp", &counts, error, sizeof error));
    assert_non_null(strstr(error, "it is no regular file"));
}

/* As of `record -o $name.pbtrace` where there is no such variable. */
static void a_file_without_a_name_is_refused_for_that(void **state) {
    (void)state;
    static const char *const paths[] = {"/tmp/.pbtrace", "./.pbshape"};
    for (size_t i = 0; i < 2; i++) {
        scenario *loaded = NULL;
        char expected[96];
        (void)snprintf(expected, sizeof expected,
                       "%s: a scenario is called as its file, and nothing stands before %s; rename it", paths[i],
                       strrchr(paths[i], '.'));
        assert_false(scenario_load(paths[i], &loaded, error, sizeof error));
        assert_string_equal(error, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_file_cut_off_at_any_byte_is_refused),
        cmocka_unit_test(bytes_behind_the_end_are_refused),
        cmocka_unit_test(a_damaged_file_is_refused_and_nothing_else_happens),
        cmocka_unit_test(unsound_events_are_refused),
        cmocka_unit_test(threads_do_not_switch_for_ever_without_an_event),
        cmocka_unit_test(a_checkpoint_follows_an_event),
        cmocka_unit_test(a_trace_of_the_first_version_is_still_read),
        cmocka_unit_test(random_bytes_are_never_a_trace),
        cmocka_unit_test(every_trace_replays_without_deadlock_on_any_number_of_threads),
        cmocka_unit_test(a_buffer_is_resized_by_the_thread_that_releases_it),
        cmocka_unit_test(a_replay_holds_at_each_checkpoint_what_was_recorded),
        cmocka_unit_test(a_pair_of_threads_may_drift_apart),
        cmocka_unit_test(a_truncated_trace_in_a_scenario_is_an_error_of_its_line),
        cmocka_unit_test(a_file_without_a_name_is_refused_for_that),
        cmocka_unit_test(what_is_no_regular_file_is_no_trace_and_no_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
