/* Unit tests of stream.c and model.c: what the audit of a stream refuses, and what it lets pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "scenario/generate.h"
#include "stream_text.h"

static char error[512];

static const char churn[] =
    SCENARIO_HEAD "threads: 3\nphases:\n"
                  "  - {kind: churn, live: 100, operations: 5000, sizes: {log_uniform: {low: 16, high: 4096}}}\n";

/* A stream broken by hand. */
static void audit_refuses(stream *made, const char *why) {
    assert_false(stream_audit(made, error, sizeof error));
    if (strstr(error, why) == NULL) {
        fail_msg("expected \"%s\" in: %s", why, error);
    }
    stream_destroy(made);
}

static stream_op *ops_of(stream *made, uint32_t phase, uint32_t thread) {
    return (stream_op *)(uintptr_t)made->phases[phase].threads[thread].ops;
}

static void the_audit_finds_broken_streams(void **state) {
    (void)state;
    static const char handoff[] =
        SCENARIO_HEAD "phases: [{kind: handoff, live: 8, operations: 100, sizes: {fixed: 64}}]\n";
    stream *made = stream_from_text(churn);
    made->phases[1].end_live_bytes++;
    audit_refuses(made, "but says");

    made = stream_from_text(churn);
    made->operation_count++;
    audit_refuses(made, "were played");

    made = stream_from_text(churn);
    ops_of(made, 1, 0)[0].slot = ops_of(made, 1, 1)[0].slot;
    audit_refuses(made, "(S1)");

    made = stream_from_text(handoff);
    ops_of(made, 0, 1)[0].slot = 1;
    ops_of(made, 0, 1)[1].slot = 1;
    audit_refuses(made, "(S2)");

    static const char pipeline[] =
        SCENARIO_HEAD "threads: 3\nphases: [{kind: pipeline, live: 8, operations: 9, sizes: {fixed: 1}}]\n";
    made = stream_from_text(pipeline); /* before what it waits for has gone */
    ops_of(made, 0, 1)[0] = stream_op_make(STREAM_MOVE, 0, GENERATE_SLOT_ALIGN + 1);
    audit_refuses(made, "(S2)");

    made = stream_from_text(pipeline);
    ops_of(made, 0, 1)[0] = stream_op_make(STREAM_MOVE, 0, 0);
    audit_refuses(made, "no such slot to move to");

    made = stream_from_text(pipeline); /* two threads fill one slot */
    ops_of(made, 0, 1)[0] = stream_op_make(STREAM_MOVE, 0, 7);
    audit_refuses(made, "(S1)");

    made = stream_from_text(SCENARIO_HEAD "phases: [{kind: bulk, burst: 8, operations: 100, sizes: {fixed: 64}}]\n");
    ops_of(made, 0, 0)[0].slot = stream_bulk_make(0, 8);
    audit_refuses(made, "repeats 0 times");

    made = stream_from_text(churn);
    made->phases[0].repeat = 2;
    audit_refuses(made, "(S2)");

    made = stream_from_text(churn);
    ops_of(made, 0, 0)[0].slot = 1u << 30;
    audit_refuses(made, "no such slot");
}

/* A stream of one phase whose threads have these operations; nothing of it is allocated. */
typedef struct loose_stream {
    stream stream;
    stream_phase phase;
    stream_thread threads[2];
} loose_stream;

static stream *loose(loose_stream *self, const stream_op *first, size_t first_count, const stream_op *second,
                     size_t second_count) {
    memset(self, 0, sizeof *self);
    self->threads[0] = (stream_thread){.ops = first, .op_count = first_count};
    self->threads[1] = (stream_thread){.ops = second, .op_count = second_count};
    self->phase = (stream_phase){.name = "p", .threads = self->threads, .repeat = 1};
    self->stream = (stream){.thread_count = 2, .phase_count = 1, .slot_count = 4, .max_size = 4096};
    self->stream.phases = &self->phase;
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; i < self->threads[t].op_count; i++) {
            self->stream.operation_count += stream_op_operations(self->threads[t].ops[i]);
            self->stream.allocation_count += stream_op_allocations(self->threads[t].ops[i]);
        }
    }
    return &self->stream;
}

/* Operations up to the first that is all zero. */
static size_t count_ops(const stream_op *ops, size_t most) {
    size_t count = 0;
    while (count < most && (ops[count].word != 0 || ops[count].slot != 0)) {
        count++;
    }
    return count;
}

/* why: what is wrong with it; NULL: nothing. */
static void check_row(size_t row, const stream *made, const char *why) {
    const bool sound = stream_audit(made, error, sizeof error);
    if (sound != (why == NULL) || (!sound && strstr(error, why) == NULL)) {
        fail_msg("row %zu: %s", row, sound ? "it was found to be sound" : error);
    }
}

#define OP(kind, slot, size) stream_op_make(STREAM_##kind, slot, size)
#define MADE                 OP(ALLOCATE, 0, 100), OP(WRITE, 0, STREAM_WRITE_ALL), OP(HOLD, 0, 0)

static void shared_buffers_are_only_read_and_dropped(void **state) {
    (void)state;
    const struct {
        stream_op ops[8];
        const char *why; /* NULL: it is sound */
    } rows[] = {
        {{MADE, OP(RETAIN, 1, 0), OP(RELEASE, 0, 0), OP(READ, 1, 0), OP(DROP, 1, 0)}, NULL},
        {{MADE, OP(SLICE, 1, 60), OP(SLICE, 2, 40), OP(RELEASE, 0, 0), OP(DROP, 1, 1), OP(DROP, 2, 1)}, NULL},
        {{MADE, OP(SLICE, 1, 60), OP(SLICE, 2, 41)}, "past the end of the held buffer"},
        {{OP(RETAIN, 1, 0)}, "holds no buffer (S5)"},
        {{MADE, OP(RELEASE, 0, 0), OP(RETAIN, 1, 0)}, "holds no buffer (S5)"},
        {{MADE, OP(RESIZE, 0, 50), OP(RETAIN, 1, 0)}, "holds no buffer (S5)"},
        {{OP(ALLOCATE, 0, 100), OP(HOLD, 0, 0), OP(SLICE, 1, 2)}, "nobody wrote (S6)"},
        {{OP(ALLOCATE, 0, 100), OP(HOLD, 0, 0), OP(SLICE, 1, 1), OP(SLICE, 2, 1)}, "nobody wrote (S6)"},
        {{OP(ALLOCATE, 0, 100), OP(HOLD, 0, 0), OP(SLICE, 1, 1), OP(DROP, 1, 1), OP(RELEASE, 0, 0)}, NULL},
        {{OP(ALLOCATE, 0, 100), OP(READ, 0, 0)}, "nobody wrote (S6)"},
        {{MADE, OP(RETAIN, 1, 0), OP(WRITE, 0, 1)}, "writes to a shared buffer (S5)"},
        {{MADE, OP(RETAIN, 1, 0), OP(DROP, 1, 0), OP(TOUCH, 0, 0), OP(RELEASE, 0, 0)}, NULL},
        {{MADE, OP(RETAIN, 1, 0), OP(RETAIN, 2, 0), OP(DROP, 1, 0), OP(TOUCH, 0, 0)}, "writes to a shared buffer (S5)"},
        {{MADE, OP(RETAIN, 1, 0), OP(APPEND, 0, 1)}, "writes to a shared buffer (S5)"},
        {{MADE, OP(RETAIN, 1, 0), OP(ASSEMBLE, 0, 1)}, "assembles what is shared (S5)"},
        {{MADE, OP(RETAIN, 1, 0), OP(RELEASE, 1, 0)}, "more than to read and drop"},
        {{MADE, OP(SLICE, 1, 1), OP(HOLD, 1, 0)}, "more than to read and drop"},
        {{MADE, OP(SLICE, 1, 1), OP(DROP, 1, 0)}, "a view for a buffer"},
        {{MADE, OP(RETAIN, 1, 0), OP(READ, 1, 1)}, "a view for a buffer"},
        {{MADE, OP(DROP, 0, 0)}, "RELEASE does that"},
        {{MADE, OP(RETAIN, 1, 0), OP(RELEASE, 0, 0)}, "shared references in its slots (S5)"},
        {{MADE, OP(APPEND, 0, 9), OP(RESIZE, 0, 9)}, "appended to (S6)"},
        {{MADE, OP(APPEND, 0, 9), OP(WRITE, 0, 0)}, "appended to (S6)"},
        {{MADE, OP(APPEND, 0, 4000)}, "more than the stream's largest size"},
        {{MADE, OP(APPEND, 0, 3996), OP(READ, 0, 0), OP(RELEASE, 0, 0)}, NULL},
        {{OP(ALLOCATE, 0, 9), OP(ALLOCATE, 1, 9), OP(ASSEMBLE, 0, 2)}, NULL},
        {{OP(ALLOCATE, 0, 9), OP(ASSEMBLE, 0, 2)}, "waits for another (S2)"},
        {{OP(ASSEMBLE, 0, 5)}, "no such slot"},
        {{OP(ASSEMBLE, 0, 0)}, "no parts"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        loose_stream self;
        check_row(i, loose(&self, rows[i].ops, count_ops(rows[i].ops, 8), NULL, 0), rows[i].why);
    }
}

static void what_was_given_on_is_held_and_released_and_nothing_else(void **state) {
    (void)state;
    const stream_op give = stream_give_make(0, 2);
    const struct {
        stream_op ops[8];
        const char *why; /* NULL: it is sound */
    } rows[] = {
        {{MADE, give, OP(RELEASE, 2, STREAM_RELEASE_GIVEN)}, NULL},
        {{MADE, OP(RETAIN, 1, 0), give, OP(HOLD, 2, 0), OP(DROP, 1, 0), OP(RELEASE, 2, STREAM_RELEASE_GIVEN)}, NULL},
        {{MADE, OP(RETAIN, 1, 0), stream_give_make(1, 2), OP(RELEASE, 0, 0), OP(READ, 2, 0), OP(DROP, 2, 0)}, NULL},
        {{MADE, give, OP(RELEASE, 2, STREAM_RELEASE_OWN)}, "given on for one that was not"},
        {{MADE, OP(RELEASE, 0, STREAM_RELEASE_GIVEN)}, "given on for one that was not"},
        {{MADE, give, OP(REPLACE, 2, 10)}, "given on for one that was not"},
        {{MADE, give, OP(RESIZE, 2, 10)}, "writes to a buffer that was given on (S5)"},
        {{MADE, give, OP(TOUCH, 2, 0)}, "writes to a buffer that was given on (S5)"},
        {{MADE, give, OP(MOVE, 2, 1)}, "moves what is shared"},
        {{MADE, give, OP(ASSEMBLE, 2, 1)}, "assembles what is shared"},
        {{MADE, give, OP(RETAIN, 1, 0)}, "holds no buffer (S5)"},
        {{MADE, give, OP(DROP, 2, 0)}, "RELEASE does that"},
        {{MADE, OP(SLICE, 1, 1), stream_give_make(1, 2)}, "gives a view on"},
        {{MADE, stream_give_make(0, 0)}, "no such slot to move to"},
        {{MADE, stream_give_make(0, 4)}, "no such slot to move to"},
        {{MADE, OP(ALLOCATE, 2, 9), give}, "waits for another (S2)"},
        {{give}, "waits for another (S2)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        loose_stream self;
        check_row(i, loose(&self, rows[i].ops, count_ops(rows[i].ops, 8), NULL, 0), rows[i].why);
    }
    assert_int_equal(stream_op_operations(give), 0);
    assert_int_equal(stream_op_target(give), 2);
}

/* The second thread's reference is gone when the first one writes, in this order of threads; in another it may not be.
 * Only the end of a phase tells all of them. */
static void a_buffer_that_another_thread_shared_is_written_to_in_a_later_phase(void **state) {
    (void)state;
    const stream_op first[] = {OP(ALLOCATE, 0, 100), OP(HOLD, 0, 0),  OP(RETAIN, 1, 0),
                               OP(RELEASE, 2, 0),    OP(TOUCH, 0, 0), OP(RELEASE, 0, 0)};
    const stream_op second[] = {OP(DROP, 1, 0), OP(ALLOCATE, 2, 100)};
    loose_stream self;
    assert_false(stream_audit(loose(&self, first, 6, second, 2), error, sizeof error));
    assert_non_null(strstr(error, "writes to a shared buffer (S5)"));

    stream *made = loose(&self, first, 4, second, 2);
    stream_thread last[] = {{.ops = first + 4, .op_count = 2}, {.op_count = 0}};
    stream_phase phases[] = {self.phase, {.name = "q", .threads = last, .repeat = 1}};
    phases[0].end_live_buffers = 1;
    phases[0].end_live_bytes = 100;
    made->phases = phases;
    made->phase_count = 2;
    made->operation_count += 2;
    if (!stream_audit(made, error, sizeof error)) {
        fail_msg("%s", error);
    }
}

/* Over the end of a phase, where the phase says that they are, and with the buffer's own in another place. */
static void a_shared_reference_stays_where_no_buffer_is(void **state) {
    (void)state;
    const struct {
        stream_op first[6], second[4];
        uint32_t references_from;
        const char *why; /* NULL: it is sound */
    } rows[] = {
        {{MADE, OP(RETAIN, 1, 0), OP(SLICE, 2, 9)}, {OP(DROP, 1, 0), OP(DROP, 2, 1), OP(RELEASE, 0, 0)}, 1, NULL},
        {{MADE, OP(RETAIN, 1, 0)}, {OP(RELEASE, 0, 0), OP(DROP, 1, 0)}, 1, NULL},
        {{MADE, OP(RETAIN, 1, 0)}, {OP(DROP, 1, 0), OP(TOUCH, 0, 0), OP(RELEASE, 0, 0)}, 1, NULL},
        {{MADE, OP(RETAIN, 1, 0)},
         {OP(TOUCH, 0, 0), OP(DROP, 1, 0), OP(RELEASE, 0, 0)},
         1,
         "writes to a shared buffer"},
        {{MADE, OP(RETAIN, 1, 0)}, {OP(DROP, 1, 0), OP(RELEASE, 0, 0)}, 2, "shared references in its slots (S5)"},
        {{MADE, OP(RETAIN, 1, 0)}, {OP(DROP, 1, 0), OP(RELEASE, 0, 0)}, 0, "shared references in its slots (S5)"},
        {{MADE, OP(RETAIN, 1, 0), OP(RELEASE, 0, 0)}, {OP(DROP, 1, 0)}, 1, "shared references in its slots (S5)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        loose_stream self;
        const size_t count = count_ops(rows[i].second, 4);
        stream *made = loose(&self, rows[i].first, count_ops(rows[i].first, 6), NULL, 0);
        stream_thread last[] = {{.ops = rows[i].second, .op_count = count}, {.op_count = 0}};
        stream_phase phases[] = {self.phase, {.name = "q", .threads = last, .repeat = 1}};
        phases[0].references_from = rows[i].references_from;
        phases[0].end_live_buffers = 1;
        phases[0].end_live_bytes = 100;
        made->phases = phases;
        made->phase_count = 2;
        made->operation_count += count;
        check_row(i, made, rows[i].why);
    }
}

static void only_a_slots_own_thread_holds_its_buffer(void **state) {
    (void)state;
    const stream_op first[] = {MADE, OP(RELEASE, 0, 0)};
    const stream_op second[] = {OP(HOLD, 0, 0), OP(RETAIN, 1, 0), OP(DROP, 1, 0)};
    loose_stream self;
    assert_false(stream_audit(loose(&self, first, 4, second, 3), error, sizeof error));
    assert_non_null(strstr(error, "(S1)"));
    assert_false(stream_audit(loose(&self, first, 3, second, 3), error, sizeof error));
    assert_non_null(strstr(error, "(S1)"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_audit_finds_broken_streams),
        cmocka_unit_test(shared_buffers_are_only_read_and_dropped),
        cmocka_unit_test(what_was_given_on_is_held_and_released_and_nothing_else),
        cmocka_unit_test(a_buffer_that_another_thread_shared_is_written_to_in_a_later_phase),
        cmocka_unit_test(a_shared_reference_stays_where_no_buffer_is),
        cmocka_unit_test(only_a_slots_own_thread_holds_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
