/* Unit tests of the subjects: each kernel, played in its auditing form, does what the stream's model does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#ifdef TEST_DPDK
#include <rte_config.h>
#include <rte_lcore.h>
#endif

#include <poolbuf/leakdetect.h>
#include <poolbuf/metrics.h>

#include "scenario/generate.h"
#include "stream_text.h"
#include "subjects/subject.h"
#include "trace_tape.h"

enum {
    THREADS_MAX = 2,
    SUBJECT_COUNT_LEAST = 12,
    PINGPONGS = 1000
};

/* Whether this program has the subject's kernel, and the subject a kernel of its own: those that preload share
 * malloc's. */
static bool has_kernel(const subject *which) {
    return which->preload == NULL && which->kernel != NULL;
}

/* One thread's part in a play of a stream, phase by phase. */
typedef struct part {
    const stream *source;
    const subject_kernel *kernel;
    subject_run *run;
    subject_barrier *barrier;
    uint32_t thread;
    bool is_audit;
    int wrong; /* phases whose slots did not hold what the model has; first thread only */
} part;

static void *play_part(void *argument) {
    part *self = argument;
    for (uint32_t i = 0; i < self->source->phase_count; i++) {
        const stream_phase *phase = &self->source->phases[i];
        const stream_thread *own = &phase->threads[self->thread];
        if (own->pairs != NULL && !self->is_audit) {
            (void)self->kernel->pure(self->run, stream_op_kind(own->ops[0]), own->pairs, own->op_count, phase->repeat);
        } else {
            (void)(self->is_audit ? self->kernel->audit : self->kernel->play)(self->run, own->ops, own->op_count,
                                                                              phase->repeat);
        }
        subject_barrier_wait(self->barrier);
        if (self->thread == 0) {
            self->run->references_from = phase->references_from;
            const subject_held held = self->kernel->held(self->run);
            self->run->references_from = 0;
            self->wrong += held.buffers != phase->end_live_buffers || held.bytes != phase->end_live_bytes;
        }
        subject_barrier_wait(self->barrier);
    }
    return NULL;
}

/* Plays a stream on a kernel; returns the number of wrong phases. */
static int play_stream(const stream *source, const subject_kernel *kernel, bool is_audit, uint64_t *peak,
                       uint64_t *peak_room) {
    subject_run run;
    pthread_t threads[THREADS_MAX] = {0};
    part parts[THREADS_MAX];
    subject_barrier barrier = {.thread_count = source->thread_count};
    assert_true(source->thread_count <= THREADS_MAX);
    assert_true(subject_run_init(&run, source->slot_count, source->thread_count, source->max_size));
    run.source = source;
    assert_true(kernel->prepare(&run));
    for (uint32_t i = 0; i < THREADS_MAX; i++) {
        parts[i] = (part){
            .source = source, .kernel = kernel, .run = &run, .barrier = &barrier, .thread = i, .is_audit = is_audit};
        if (i > 0 && i < source->thread_count) {
            assert_int_equal(pthread_create(&threads[i], NULL, play_part, &parts[i]), 0);
        }
    }
    (void)play_part(&parts[0]);
    for (uint32_t i = 1; i < source->thread_count; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&run.failure), SUBJECT_FINE);
    assert_int_equal(kernel->held(&run).buffers, 0);
    assert_int_equal(atomic_load(&run.live_buffers), 0);
    assert_int_equal(atomic_load(&run.live_bytes), 0);
    *peak = atomic_load(&run.peak_live_bytes);
    *peak_room = atomic_load(&run.peak_live_room);
    assert_true(kernel->finish(&run));
    subject_run_fini(&run);
    return parts[0].wrong;
}

/* Every kernel once, whatever subjects share it. Destroys the stream. */
static void on_each_kernel_play(stream *source) {
    const subject *which = NULL;
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        uint64_t peak = 0;
        uint64_t room = 0;
        /* With threads malloc itself is what malloc-threaded would be, and it says so. */
        const bool is_refused = which->kernel == &subject_kernel_malloc_threaded && source->thread_count > 1;
        if (!has_kernel(which) || is_refused) {
            continue;
        }
        assert_int_equal(play_stream(source, which->kernel, true, &peak, &room), 0);
        if (source->thread_count == 1 && strcmp(which->name, "null") != 0) { /* null counts no references */
            assert_int_equal(peak, source->peak_live_bytes);
            assert_true(room >= peak);
            assert_true(which->kernel->tells_room || room == peak);
        }
        assert_int_equal(play_stream(source, which->kernel, false, &peak, &room), 0);
        assert_int_equal(peak, 0);
    }
    stream_destroy(source);
}

static void on_each_kernel(const char *text) {
    on_each_kernel_play(stream_from_text(text));
}

static void malloc_threaded_is_for_one_thread(void **state) {
    (void)state;
    subject_run run;
    assert_true(subject_run_init(&run, 4, 2, 64));
    assert_false(subject_kernel_malloc_threaded.prepare(&run));
    assert_int_equal(atomic_load(&run.failure), SUBJECT_UNSERVED);
    assert_non_null(strstr(run.reason, "2 threads"));
    subject_run_fini(&run);
}

static void every_kernel_plays_pingpong(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD
                   "phases:\n  - {kind: pingpong, operations: 300, sizes: {each: [1, 3, 16, 300, 70000]}}\n");
}

static void every_kernel_plays_churn(void **state) {
    (void)state;
    on_each_kernel(
        SCENARIO_HEAD
        "phases:\n  - {kind: churn, live: 50, operations: 1000, sizes: {log_uniform: {low: 1, high: 30000}}}\n");
}

static void every_kernel_touches_every_page(void **state) {
    (void)state;
    on_each_kernel(
        SCENARIO_HEAD
        "phases:\n"
        "  - {kind: churn, live: 50, operations: 500, touch: pages, sizes: {log_uniform: {low: 1, high: 30000}}}\n");
}

static void every_kernel_plays_bursts(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD
                   "phases:\n  - {kind: burst, live: 64, operations: 700, sizes: {each: [1, 256, 16384]}}\n");
}

/* With more buffers a call than a thread's cache holds, too. */
static void every_kernel_allocates_in_bulk(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD
                   "phases:\n"
                   "  - {name: few, kind: bulk, burst: 32, operations: 1000, sizes: {each: [1, 3, 256]}}\n"
                   "  - {name: many, kind: bulk, burst: 2048, operations: 5000, sizes: {fixed: 4096}}\n");
}

static void every_kernel_hands_buffers_over(void **state) {
    (void)state;
    on_each_kernel(
        SCENARIO_HEAD
        "threads: 2\nphases:\n"
        "  - {name: a, kind: handoff, live: 16, operations: 500, sizes: {fixed: 256}}\n"
        "  - {name: b, kind: handoff, live: 16, burst: 4, operations: 500, sizes: {uniform: {low: 1, high: 900}}}\n");
}

static void every_kernel_shares_messages(void **state) {
    (void)state;
    on_each_kernel(
        SCENARIO_HEAD
        "threads: 2\nphases:\n"
        "  - {name: a, kind: fanout, live: 8, operations: 700, sizes: {log_uniform: {low: 1, high: 9000}}}\n"
        "  - {name: b, kind: fanout, live: 8, operations: 700, share: view, sizes: {uniform: {low: 1, high: 900}}}\n");
}

/* References that go from thread to thread, of buffers that grow, over checkpoints: at each, all hold what they did. */
static void every_kernel_replays_references(void **state) {
    (void)state;
    for (uint64_t seed = 2; seed < 5; seed++) {
        for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
            tape *from = tape_new();
            builder into;
            tape_put_random(from, seed, true);
            assert_true(builder_init(&into, threads));
            generate_replay(&into, "t", &from->trace, threads);
            stream *made = builder_finish(&into);
            assert_non_null(made);
            on_each_kernel_play(made);
            free(from);
        }
    }
}

static void every_kernel_cuts_frames(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD
                   "phases:\n"
                   "  - {name: a, kind: frames, live: 5, buffer: 4096, header: 9, operations: 500,\n"
                   "     sizes: {log_uniform: {low: 1, high: 4087}}}\n"
                   "  - {name: b, kind: frames, live: 1, buffer: 64, operations: 500, sizes: {each: [1, 64]}}\n");
}

static void every_kernel_appends(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD "phases:\n"
                                 "  - {name: a, kind: append, buffer: 70000, operations: 3000,\n"
                                 "     sizes: {log_uniform: {low: 1, high: 3000}}}\n"
                                 "  - {name: b, kind: append, buffer: 3, operations: 30, sizes: {fixed: 1}}\n");
}

static void every_kernel_ships_batches(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD "threads: 2\nphases:\n"
                                 "  - {kind: ship, live: 4, buffer: 5000, operations: 3000,\n"
                                 "     sizes: {uniform: {low: 1, high: 300}}}\n");
}

static void every_kernel_assembles(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD "phases:\n"
                                 "  - {name: a, kind: assemble, burst: 1, operations: 30, sizes: {fixed: 1}}\n"
                                 "  - {name: b, kind: assemble, burst: 64, operations: 3000,\n"
                                 "     sizes: {uniform: {low: 1, high: 3000}}}\n");
}

static void every_kernel_pins_pages(void **state) {
    (void)state;
    on_each_kernel(SCENARIO_HEAD
                   "phases:\n  - {kind: pages, live: 40, miss: 10, operations: 900, sizes: {fixed: 8192}}\n");
}

/* No scenario kind resizes yet; traces do. */
static void every_kernel_resizes_and_keeps_contents(void **state) {
    (void)state;
    const uint32_t asked[] = {100, 5000, 200000, 40, 0, 17, 1 << 20, 1};
    const subject *which = NULL;
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        subject_run run;
        if (!has_kernel(which)) {
            continue;
        }
        assert_true(subject_run_init(&run, 4, 1, 1 << 20));
        assert_true(which->kernel->prepare(&run));
        stream_op op = stream_op_make(STREAM_ALLOCATE, 3, 64);
        assert_true(which->kernel->audit(&run, &op, 1, 1));
        for (size_t j = 0; j < sizeof asked / sizeof asked[0]; j++) {
            op = stream_op_make(STREAM_RESIZE, 3, asked[j]);
            assert_true(which->kernel->audit(&run, &op, 1, 1));
            assert_int_equal(which->kernel->held(&run).bytes, asked[j]);
        }
        which->kernel->discard(&run);
        assert_true(which->kernel->finish(&run));
        subject_run_fini(&run);
    }
}

/* One buffer of each size in each kernel that tells: the room is what its classes promise. */
static void pools_of_powers_of_two_tell_what_they_waste(void **state) {
    (void)state;
    static const char *const names[] = {"fixed", "dpdk", "boost"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const subject *which = subject_find(names[i]);
        subject_run run;
        if (which->kernel == NULL) {
            continue;
        }
        assert_true(which->kernel->tells_room);
        assert_true(subject_run_init(&run, 4, 1, 5000));
        assert_true(which->kernel->prepare(&run));
        const stream_op ops[] = {stream_op_make(STREAM_ALLOCATE, 0, 1), stream_op_make(STREAM_ALLOCATE, 1, 16),
                                 stream_op_make(STREAM_ALLOCATE, 2, 17), stream_op_make(STREAM_ALLOCATE, 3, 5000)};
        assert_true(which->kernel->audit(&run, ops, sizeof ops / sizeof ops[0], 1));
        assert_int_equal(atomic_load(&run.live_bytes), 1 + 16 + 17 + 5000);
        assert_int_equal(atomic_load(&run.live_room), 16 + 16 + 32 + 8192);
        which->kernel->discard(&run);
        assert_true(which->kernel->finish(&run));
        subject_run_fini(&run);
    }
}

/* Plays so many allocations on a subject of ours and reads its allocator's books. */
static poolbuf_metrics books_of(const char *name) {
    const subject *which = subject_find(name);
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    subject_run run;
    assert_true(subject_run_init(&run, 1, 1, 256));
    assert_true(which->kernel->prepare(&run));
    const stream_op op = stream_op_make(STREAM_PINGPONG, PINGPONGS, 256);
    assert_true(which->kernel->play(&run, &op, 1, 1));
    assert_int_equal(poolbuf_allocator_metrics(run.state, &metrics), POOLBUF_OK);
    assert_true(which->kernel->finish(&run));
    subject_run_fini(&run);
    return metrics;
}

static void pooled_caches_what_pooled_nocache_does_not(void **state) {
    (void)state;
    const poolbuf_metrics cached = books_of("pooled");
    const poolbuf_metrics uncached = books_of("pooled-nocache");
    assert_true(cached.cached_buffers > 0);
    assert_true(cached.arena_allocations < PINGPONGS);
    assert_int_equal(uncached.cached_buffers, 0);
    assert_int_equal(uncached.arena_allocations, PINGPONGS);
}

/* How many buffers the detector has tracked in a play of a subject. */
static uint64_t tracked_by(const char *name) {
    leakdetect_counts before = {.struct_size = sizeof before};
    leakdetect_counts after = {.struct_size = sizeof after};
    assert_int_equal(leakdetect_count(&before), POOLBUF_OK);
    (void)books_of(name);
    assert_int_equal(leakdetect_count(&after), POOLBUF_OK);
    assert_int_equal(leakdetect_get_level(), LEAKDETECT_DISABLED);
    return after.seen - before.seen;
}

static void leak_levels_track_what_they_say(void **state) {
    (void)state;
    const leakdetect_level level = leakdetect_get_level();
    assert_int_equal(leakdetect_set_level(LEAKDETECT_DISABLED), POOLBUF_OK);
    assert_int_equal(tracked_by("pooled"), 0);
    assert_int_equal(tracked_by("pooled-paranoid"), PINGPONGS);
    /* The plays before this one have used up the dense start; one in 128 is tracked now, so one play may miss all. */
    static const char *const sampled[] = {"pooled-simple", "pooled-advanced"};
    for (int i = 0; i < 2; i++) {
        uint64_t seen = 0;
        for (int turn = 0; turn < 20; turn++) {
            seen += tracked_by(sampled[i]);
        }
        assert_in_range(seen, 1, 20 * PINGPONGS - 1);
    }
    assert_int_equal(leakdetect_set_level(level), POOLBUF_OK);
}

static void unpooled_takes_no_chunk(void **state) {
    (void)state;
    const poolbuf_metrics books = books_of("unpooled");
    assert_int_equal(books.allocations, PINGPONGS);
    assert_int_equal(books.chunk_count, 0);
    assert_int_equal(books.cached_buffers, 0);
}

static void a_subject_that_cannot_serve_says_why(void **state) {
    (void)state;
    subject_run run;
    assert_true(subject_run_init(&run, 0, 1, 0));
    assert_false(subject_cannot_serve(&run, "its largest buffer has %d bytes", 64));
    assert_string_equal(run.reason, "its largest buffer has 64 bytes");
    assert_int_equal(atomic_load(&run.failure), SUBJECT_UNSERVED);
    assert_false(subject_cannot_serve(&run, "%*d", SUBJECT_REASON_SIZE + 9, 1));
    assert_int_equal(strlen(run.reason), SUBJECT_REASON_SIZE - 1);
    subject_run_fini(&run);
}

#ifdef TEST_DPDK
/* 256 MiB for each of 2,000 slots: no machine that runs this has so much. */
static void dpdk_cannot_serve_what_no_memory_holds(void **state) {
    (void)state;
    subject_run run;
    assert_true(subject_run_init(&run, 2000, 1, STREAM_SIZE_MAX));
    assert_false(subject_kernel_dpdk.prepare(&run));
    assert_int_equal(atomic_load(&run.failure), SUBJECT_UNSERVED);
    assert_non_null(strstr(run.reason, "MiB up front"));
    subject_run_fini(&run);
}
#endif

#ifdef TEST_DPDK
static void *play_and_look(void *argument) {
    subject_run *run = argument;
    const stream_op op = stream_op_make(STREAM_PINGPONG, 10, 256);
    const bool was_unknown = rte_lcore_id() == LCORE_ID_ANY;
    const bool good = subject_kernel_dpdk.play(run, &op, 1, 1);
    return good && was_unknown && rte_lcore_id() != LCORE_ID_ANY ? run : NULL;
}

/* A thread that DPDK does not know has no cache; and it knows no more than RTE_MAX_LCORE at a time. */
static void dpdk_knows_each_thread_that_plays_and_forgets_it_after(void **state) {
    (void)state;
    subject_run run;
    cpu_set_t before;
    cpu_set_t after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_true(subject_run_init(&run, 1, 2, 256));
    assert_true(subject_kernel_dpdk.prepare(&run));
    for (int i = 0; i < RTE_MAX_LCORE + 10; i++) {
        pthread_t thread;
        void *good = NULL;
        assert_int_equal(pthread_create(&thread, NULL, play_and_look, &run), 0);
        assert_int_equal(pthread_join(thread, &good), 0);
        assert_non_null(good);
    }
    assert_true(subject_kernel_dpdk.finish(&run));
    subject_run_fini(&run);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}
#endif

static void subjects_have_names_of_their_own_and_are_found_by_them(void **state) {
    (void)state;
    size_t count = 0;
    const subject *which = NULL;
    for (; (which = subject_at(count)) != NULL; count++) {
        assert_ptr_equal(subject_find(which->name), which);
        assert_non_null(which->about);
        assert_true(which->preload == NULL || which->package != NULL);
        assert_true(which->worker != NULL || which->kernel != NULL);
    }
    assert_true(count >= SUBJECT_COUNT_LEAST);
    assert_null(subject_find("no such subject"));
    assert_null(subject_find(""));
    assert_non_null(subject_find(SUBJECT_BASELINE));
}

static void every_failure_has_a_text_of_its_own(void **state) {
    (void)state;
    for (unsigned i = 0; i <= SUBJECT_FAILURE_COUNT; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(subject_failure_text((subject_failure)i), subject_failure_text((subject_failure)j));
        }
    }
}

static void the_first_failure_is_the_one_that_counts(void **state) {
    (void)state;
    subject_run run;
    assert_true(subject_run_init(&run, 0, 1, 0));
    assert_false(subject_fail(&run, SUBJECT_CONTENTS_LOST));
    assert_false(subject_fail(&run, SUBJECT_NO_MEMORY));
    assert_int_equal(atomic_load(&run.failure), SUBJECT_CONTENTS_LOST);
    subject_run_fini(&run);
}

int main(void) {
#ifdef TEST_DPDK
    subject_provide("dpdk", &subject_kernel_dpdk, &subject_kernel_dpdk, "DPDK");
#endif
#ifdef TEST_BOOST
    subject_provide("boost", &subject_kernel_boost, &subject_kernel_boost, subject_boost_version());
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_threaded_is_for_one_thread),
        cmocka_unit_test(every_kernel_plays_pingpong),
        cmocka_unit_test(every_kernel_plays_churn),
        cmocka_unit_test(every_kernel_touches_every_page),
        cmocka_unit_test(every_kernel_plays_bursts),
        cmocka_unit_test(every_kernel_allocates_in_bulk),
        cmocka_unit_test(every_kernel_hands_buffers_over),
        cmocka_unit_test(every_kernel_shares_messages),
        cmocka_unit_test(every_kernel_replays_references),
        cmocka_unit_test(every_kernel_cuts_frames),
        cmocka_unit_test(every_kernel_appends),
        cmocka_unit_test(every_kernel_ships_batches),
        cmocka_unit_test(every_kernel_assembles),
        cmocka_unit_test(every_kernel_pins_pages),
        cmocka_unit_test(every_kernel_resizes_and_keeps_contents),
        cmocka_unit_test(pools_of_powers_of_two_tell_what_they_waste),
        cmocka_unit_test(pooled_caches_what_pooled_nocache_does_not),
        cmocka_unit_test(leak_levels_track_what_they_say),
        cmocka_unit_test(unpooled_takes_no_chunk),
        cmocka_unit_test(a_subject_that_cannot_serve_says_why),
#ifdef TEST_DPDK
        cmocka_unit_test(dpdk_knows_each_thread_that_plays_and_forgets_it_after),
        cmocka_unit_test(dpdk_cannot_serve_what_no_memory_holds),
#endif
        cmocka_unit_test(subjects_have_names_of_their_own_and_are_found_by_them),
        cmocka_unit_test(every_failure_has_a_text_of_its_own),
        cmocka_unit_test(the_first_failure_is_the_one_that_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
