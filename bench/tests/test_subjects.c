/* Unit tests of the subjects: each kernel, played in its auditing form, does what the stream's model does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "stream_text.h"
#include "subjects/subject.h"

enum {
    THREADS_MAX = 2,
    SUBJECT_COUNT_LEAST = 7
};

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
        (void)(self->is_audit ? self->kernel->audit : self->kernel->play)(self->run, own->ops, own->op_count,
                                                                          phase->repeat);
        subject_barrier_wait(self->barrier);
        if (self->thread == 0) {
            const subject_held held = self->kernel->held(self->run);
            self->wrong += held.buffers != phase->end_live_buffers || held.bytes != phase->end_live_bytes;
        }
        subject_barrier_wait(self->barrier);
    }
    return NULL;
}

/* Plays a stream on a kernel; returns the number of wrong phases. */
static int play_stream(const stream *source, const subject_kernel *kernel, bool is_audit, uint64_t *peak) {
    subject_run run;
    pthread_t threads[THREADS_MAX] = {0};
    part parts[THREADS_MAX];
    subject_barrier barrier = {.thread_count = source->thread_count};
    assert_true(source->thread_count <= THREADS_MAX);
    assert_true(subject_run_init(&run, source->slot_count, source->thread_count, source->max_size));
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
    *peak = atomic_load(&run.peak_live_bytes);
    assert_true(kernel->finish(&run));
    subject_run_fini(&run);
    return parts[0].wrong;
}

/* Every kernel once, whatever subjects share it. */
static void on_each_kernel(const char *text) {
    stream *source = stream_from_text(text);
    const subject *which = NULL;
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        uint64_t peak = 0;
        if (which->preload != NULL) {
            continue;
        }
        assert_int_equal(play_stream(source, which->kernel, true, &peak), 0);
        if (source->thread_count == 1) {
            assert_int_equal(peak, source->peak_live_bytes);
        }
        assert_int_equal(play_stream(source, which->kernel, false, &peak), 0);
        assert_int_equal(peak, 0);
    }
    stream_destroy(source);
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

/* No scenario kind resizes yet; traces do. */
static void every_kernel_resizes_and_keeps_contents(void **state) {
    (void)state;
    const uint32_t sizes[] = {100, 5000, 200000, 40, 0, 17, 1 << 20, 1};
    const subject *which = NULL;
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        subject_run run;
        if (which->preload != NULL) {
            continue;
        }
        assert_true(subject_run_init(&run, 4, 1, 1 << 20));
        assert_true(which->kernel->prepare(&run));
        stream_op op = stream_op_make(STREAM_ALLOCATE, 3, 64);
        assert_true(which->kernel->audit(&run, &op, 1, 1));
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            op = stream_op_make(STREAM_RESIZE, 3, sizes[j]);
            assert_true(which->kernel->audit(&run, &op, 1, 1));
            assert_int_equal(which->kernel->held(&run).bytes, sizes[j]);
        }
        which->kernel->discard(&run);
        assert_true(which->kernel->finish(&run));
        subject_run_fini(&run);
    }
}

static void subjects_have_names_of_their_own_and_are_found_by_them(void **state) {
    (void)state;
    size_t count = 0;
    const subject *which = NULL;
    for (; (which = subject_at(count)) != NULL; count++) {
        assert_ptr_equal(subject_find(which->name), which);
        assert_non_null(which->about);
        assert_true((which->preload == NULL) == (which->package == NULL));
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_plays_pingpong),
        cmocka_unit_test(every_kernel_plays_churn),
        cmocka_unit_test(every_kernel_touches_every_page),
        cmocka_unit_test(every_kernel_plays_bursts),
        cmocka_unit_test(every_kernel_allocates_in_bulk),
        cmocka_unit_test(every_kernel_hands_buffers_over),
        cmocka_unit_test(every_kernel_resizes_and_keeps_contents),
        cmocka_unit_test(subjects_have_names_of_their_own_and_are_found_by_them),
        cmocka_unit_test(every_failure_has_a_text_of_its_own),
        cmocka_unit_test(the_first_failure_is_the_one_that_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
