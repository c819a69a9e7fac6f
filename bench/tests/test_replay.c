/* Unit tests of replay_plan.c and of what replay.c makes of a plan: which recorded references are played, by whom, and
 * what is left out and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/generate.h"
#include "scenario/replay_plan.h"
#include "trace_tape.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* A phase ends at each checkpoint and holds what the tape did. Where all between two is left out, there is no phase, and
 * what was live at the one is live at the other. */
static void check_curve(const tape *from, const stream *made) {
    uint32_t p = 0;
    for (uint32_t c = 0; c < from->trace.checkpoint_count; c++) {
        char name[32];
        (void)snprintf(name, sizeof name, "t.%uof%u", c + 1, from->trace.checkpoint_count + 1);
        const trace_checkpoint *recorded = &from->checkpoints[c];
        if (p < made->phase_count && strcmp(made->phases[p].name, name) == 0) {
            assert_int_equal(made->phases[p].end_live_buffers, recorded->live_buffers);
            assert_int_equal(made->phases[p].end_live_bytes, recorded->live_bytes);
            p++;
        } else {
            assert_int_equal(recorded->live_bytes, p > 0 ? made->phases[p - 1].end_live_bytes : 0);
        }
    }
    assert_in_range(made->phase_count, p, p + 2); /* after the last checkpoint, and the drain */
}

/* The stream, which is sound. */
static stream *play(const tape *from, uint32_t threads, replay_counts *counts) {
    char error[512];
    builder into;
    replay_plan plan;
    assert_true(builder_init(&into, threads));
    generate_replay(&into, "t", &from->trace, threads);
    stream *made = builder_finish(&into);
    if (made == NULL) {
        fail_msg("%s", into.failure);
        abort(); /* not reached */
    }
    if (!stream_audit(made, error, sizeof error)) {
        fail_msg("%s", error);
    }
    check_curve(from, made);
    assert_null(replay_plan_make(&plan, &from->trace, threads));
    *counts = plan.counts;
    replay_plan_destroy(&plan);
    return made;
}

static uint64_t count_kind(const stream *made, stream_kind kind) {
    uint64_t count = 0;
    for (size_t i = 0; i < (size_t)made->phase_count * made->thread_count; i++) {
        const stream_thread *thread = &made->phases[i / made->thread_count].threads[i % made->thread_count];
        for (size_t at = 0; at < thread->op_count; at++) {
            count += stream_op_kind(thread->ops[at]) == kind && !stream_op_is_give(thread->ops[at]);
        }
    }
    return count;
}

static uint64_t count_gives(const stream *made) {
    uint64_t count = 0;
    for (size_t i = 0; i < (size_t)made->phase_count * made->thread_count; i++) {
        const stream_thread *thread = &made->phases[i / made->thread_count].threads[i % made->thread_count];
        for (size_t at = 0; at < thread->op_count; at++) {
            count += stream_op_is_give(thread->ops[at]);
        }
    }
    return count;
}

/* Every opcode is played as often as it was recorded, but for what is left out. */
static void check_counts(const tape *from, const stream *made, const replay_counts *counts) {
    uint64_t recorded[16] = {0};
    replay_count left = {0, 0, 0};
    for (uint64_t i = 0; i < from->trace.event_count; i++) {
        recorded[from->events[i].kind]++;
    }
    for (int why = 0; why < REPLAY_REASON_COUNT; why++) {
        left.retains += counts->left_out[why].retains;
        left.slices += counts->left_out[why].slices;
        left.drops += counts->left_out[why].drops;
    }
    assert_int_equal(count_kind(made, STREAM_ALLOCATE), recorded[TRACE_ALLOCATE]);
    assert_int_equal(count_kind(made, STREAM_RESIZE), recorded[TRACE_RESIZE]);
    assert_int_equal(count_kind(made, STREAM_RELEASE), recorded[TRACE_ALLOCATE]); /* what stays is drained */
    assert_int_equal(count_kind(made, STREAM_RETAIN), counts->recorded.retains - left.retains);
    assert_int_equal(count_kind(made, STREAM_SLICE), counts->recorded.slices - left.slices);
    assert_int_equal(count_kind(made, STREAM_DROP),
                     counts->recorded.drops - left.drops + counts->by_last + counts->kept);
}

/* A letter for each operation: a small one for what is not given on, and not a view. */
static char letter_of(stream_op op) {
    const uint32_t form = stream_op_size(op);
    switch (stream_op_kind(op)) {
    case STREAM_ALLOCATE:
        return 'a';
    case STREAM_RELEASE:
        return form == STREAM_RELEASE_GIVEN ? 'F' : 'f';
    case STREAM_RESIZE:
        return 'z';
    case STREAM_HOLD:
        return stream_op_is_give(op) ? 'g' : 'h';
    case STREAM_RETAIN:
        return 'r';
    case STREAM_SLICE:
        return 's';
    case STREAM_DROP:
        return form == STREAM_FORM_VIEW ? 'D' : 'd';
    default:
        return '?';
    }
}

/* What each thread plays, over all phases. */
static void check_play(const tape *from, const char *const *threads, replay_counts *counts) {
    stream *made = play(from, from->trace.thread_count, counts);
    check_counts(from, made, counts);
    for (uint32_t t = 0; t < made->thread_count; t++) {
        char found[128];
        size_t length = 0;
        for (uint32_t p = 0; p < made->phase_count; p++) {
            const stream_thread *thread = &made->phases[p].threads[t];
            for (size_t at = 0; at < thread->op_count && length + 1 < sizeof found; at++) {
                found[length++] = letter_of(thread->ops[at]);
            }
        }
        found[length] = '\0';
        assert_string_equal(found, threads[t]);
    }
    stream_destroy(made);
}

/* A program, an event a word: the thread's digit, what it does to buffer 0, and how many. */
static tape *tape_of(const char *program) {
    static const struct {
        char letter;
        trace_kind kind;
    } kinds[] = {{'a', TRACE_ALLOCATE}, {'f', TRACE_RELEASE}, {'z', TRACE_RESIZE},
                 {'r', TRACE_RETAIN},   {'s', TRACE_SLICE},   {'d', TRACE_DROP}};
    tape *made = tape_new();
    for (const char *at = program; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (*at == '|') {
            tape_put_checkpoint(made);
            continue;
        }
        for (size_t k = 0; k < COUNT(kinds); k++) {
            if (at[1] == kinds[k].letter) {
                tape_put(made, (uint32_t)(at[0] - '0'), kinds[k].kind, 0, (uint32_t)strtoul(at + 2, NULL, 10));
            }
        }
    }
    tape_put_checkpoint(made); /* so that what lies before it is not cut */
    return made;
}

typedef struct example {
    const char *program;
    const char *threads[4];
} example;

static void check_examples(const example *examples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        tape *from = tape_of(examples[i].program);
        replay_counts counts;
        check_play(from, examples[i].threads, &counts);
        for (int why = 0; why < REPLAY_REASON_COUNT; why++) {
            assert_int_equal(counts.left_out[why].retains + counts.left_out[why].slices + counts.left_out[why].drops,
                             0);
        }
        free(from);
    }
}

static void a_reference_is_given_back_by_who_gave_it_back(void **state) {
    (void)state;
    static const example examples[] = {
        {"0a9 0r1 0d1 0f", {"ahrdf"}},
        {"0a9 0r1 1d1 0f", {"ahrf", "d"}},
        {"0a9 1r1 0d1 1f", {"ad", "hrf"}},
        {"0a9 0r1 0d1 0r1 0r1 0d2 0f", {"ahrdrrddf"}},                     /* one look is enough */
        {"0a9 0r2 1r1 1d1 2r1 2d1 1d1 2d1 0f", {"ahrrf", "hrdd", "hrdd"}}, /* each from its own; nobody waits */
    };
    check_examples(examples, COUNT(examples));
}

static void a_buffers_own_reference_goes_to_who_needs_it(void **state) {
    (void)state;
    static const example examples[] = {
        {"0a9 0r1 1d1 1f", {"ahrg", "dF"}},
        {"0a9 0r3 1d1 0d1 2d1 3f", {"ahrrrgd", "d", "d", "F"}},
        {"0a9 0r1 1r1 0d1 0d1 0f", {"ahrgddF", "hrg"}}, /* the second thread has it for a moment */
        {"0a9 0r1 1d1 1r1 0d1 1f", {"ahrgd", "dhrF"}},
        {"0a9 0r1 0d1", {"ahrdf"}}, /* nobody releases it: the last who had it does */
        {"0a9 0r1 1r1 1d1 0d1", {"ahrgd", "hrdF"}},
        {"0a9 0r1 1d1 | 1f", {"ahrg", "dF"}},
        {"0a9 0r1 0d1 | 0r1 0d1 | 1r1 1d1 0f", {"ahrdhrgdF", "hrgd"}}, /* hands are empty when a phase begins */
    };
    check_examples(examples, COUNT(examples));
}

/* Held at a checkpoint, by any thread, or when the trace ends. */
static void a_reference_outlives_its_phase(void **state) {
    (void)state;
    static const example examples[] = {
        {"0a9 0r1 | 0d1 0f", {"ahrdf"}},
        {"0a9 0r1 0s1 | 1d1 | 1r1 1d1 0d1 0f", {"ahrhsgDF", "dhrgd"}},
        {"0a9 0r2 | 1r1 | 1d1 1d1 0d1 0f", {"ahrrdf", "hrdd"}}, /* made from what was there before */
        {"0a9 0r1 0d1 | 0z20 0f", {"ahrdzf"}},
        {"0a9 0r1 | 0d1 0z20 0f", {"ahrdzf"}},
        {"0a9 0r2 1d1", {"ahrrdf", "d"}}, /* the trace ends */
        {"0a9 0r1 | 0s1 | 1r1", {"ahrghsdD", "hrdF"}},
    };
    check_examples(examples, COUNT(examples));
    replay_counts counts;
    char text[256];
    tape *from = tape_of("0a9 0r3 1d1");
    stream_destroy(play(from, 2, &counts));
    (void)replay_plan_tell(&counts, text, sizeof text);
    assert_non_null(
        strstr(text, "plays 3 of 3 retains, 0 of 0 slices, 1 of 1 releases between; 2 more given back behind"));
    free(from);
}

static void the_last_release_gives_back_all_that_is_left(void **state) {
    (void)state;
    static const example examples[] = {
        {"0a9 0r1 0s1 0f", {"ahrhsdDf"}},
        {"0a9 0r3 1d1 1f", {"ahrrrg", "dddF"}}, /* it is the thread's that releases */
        {"0a9 0r2 | 1r1 1f", {"ahrrg", "hrdddF"}},
        {"0a9 0z20 0r1 0f 0a9 1r2 0f", {"azhrdfaddF", "hrrg"}},
    };
    check_examples(examples, COUNT(examples));
    replay_counts counts;
    char text[256];
    tape *from = tape_of("0a9 0r3 1d1 1f");
    stream_destroy(play(from, 2, &counts));
    (void)replay_plan_tell(&counts, text, sizeof text);
    assert_non_null(strstr(text, "plays 3 of 3 retains, 0 of 0 slices, 1 of 1 releases between; 2 more given back by"));
    free(from);
}

static void a_slice_is_a_view_that_nothing_is_made_from(void **state) {
    (void)state;
    static const example examples[] = {
        {"0a9 0s1 0d1 0f", {"ahsDf"}},
        {"0a9 0s1 0s1 1d1 2d1 0f", {"ahshsf", "D", "D"}}, /* each from the first byte */
        {"0a9 0s1 1r1 1d1 1d1 0f", {"ahsgF", "hrgdD"}},   /* not from the view that it gives back later */
    };
    check_examples(examples, COUNT(examples));
}

static void a_buffer_is_resized_where_it_is_and_then_shared(void **state) {
    (void)state;
    static const example examples[] = {
        {"0a9 0z20 0r1 1d1 1f", {"azhrg", "dF"}},
        {"0a9 0r1 0d1 0z20 0r1 1d1 0f", {"ahrdzhrf", "d"}},
        {"0a9 0r1 0d1 0z20 0z30 1r1 1d1 0f", {"ahrdzzgF", "hrgd"}},
        {"0a9 1z20 1r1 0d1 0f", {"adF", "zhrg"}},
        {"0a9 0z20 1z30 1r1 1d1 1f", {"a", "zzhrdf"}}, /* by several: all by who releases it */
        {"0a9 0z20 1z30 1r1 0d1 0f", {"azzgdF", "hrg"}},
    };
    check_examples(examples, COUNT(examples));
}

static void what_a_stream_cannot_say_is_left_out_and_counted(void **state) {
    (void)state;
    static const struct {
        example example;
        replay_reason why;
        replay_count left;
        const char *told;
    } rows[] = {
        {{"0a9 0r1 0z20 0d1 0f", {"azf"}},
         REPLAY_RESIZED,
         {1, 0, 1},
         "plays 0 of 1 retains, 0 of 0 slices, 0 of 1 releases between; left out, held over a resize: 1 retains, 1 "
         "releases"},
        {{"0a9 0r1 | 0z20 0d1 0f", {"azf"}}, REPLAY_RESIZED, {1, 0, 1}, "held over a resize: 1 retains, 1 releases"},
        {{"0a9 0r1 1d1 0z20 0f", {"azf", ""}}, REPLAY_RESIZED, {1, 0, 1}, "held over a resize"}, /* or later */
        {{"0a9 1r1 1d1 0z20 0f", {"azf", ""}}, REPLAY_RESIZED, {1, 0, 1}, "held over a resize"},
        {{"0a9 0r1 1r1 1d1 0d1 0z20 0f", {"ahrdzf", ""}}, REPLAY_RESIZED, {1, 0, 1}, "plays 1 of 2 retains"},
        {{"0a9 0s0 0f", {"af"}}, REPLAY_BORROWS, {0, 1, 0}, "left out, without a reference of their own: 1 slices"},
        {{"0a9 0d2 0f", {"af"}}, REPLAY_UNBALANCED, {0, 0, 2}, "left out, without a counterpart: 2 releases"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        tape *from = tape_of(rows[i].example.program);
        replay_counts counts;
        char text[512];
        check_play(from, rows[i].example.threads, &counts);
        const replay_count *left = &counts.left_out[rows[i].why];
        assert_int_equal(left->retains, rows[i].left.retains);
        assert_int_equal(left->slices, rows[i].left.slices);
        assert_int_equal(left->drops, rows[i].left.drops);
        const int length = replay_plan_tell(&counts, text, sizeof text);
        assert_int_equal(length, strlen(text));
        if (strstr(text, rows[i].told) == NULL) {
            fail_msg("%s: %s", rows[i].example.program, text);
        }
        free(from);
    }
}

static void any_program_replays_on_any_number_of_threads(void **state) {
    (void)state;
    uint64_t recorded = 0;
    uint64_t played = 0;
    uint64_t gives = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        tape *from = tape_new();
        tape_put_random(from, seed, seed % 4 != 0);
        for (uint32_t threads = 1; threads <= TAPE_THREADS; threads++) {
            replay_counts counts;
            stream *made = play(from, threads, &counts);
            check_counts(from, made, &counts);
            if (seed % 4 != 0) {
                assert_int_equal(counts.left_out[REPLAY_UNBALANCED].drops, 0);
                assert_int_equal(counts.by_last, 0);
            }
            recorded += counts.recorded.drops;
            played += count_kind(made, STREAM_DROP);
            gives += count_gives(made);
            stream_destroy(made);
        }
        free(from);
    }
    assert_true(2 * played > recorded); /* what is left out must not be the rule */
    assert_true(gives > 10000);
}

/* One buffer with more references than are looked at in search of one. */
static void a_crowd_of_references_is_played_whole(void **state) {
    (void)state;
    tape *from = tape_of("0a9 0r1000 1r1000 1d500 0d1000 1d500 0f");
    replay_counts counts;
    stream *made = play(from, 2, &counts);
    check_counts(from, made, &counts);
    assert_int_equal(count_kind(made, STREAM_RETAIN), 2000);
    assert_int_equal(count_kind(made, STREAM_DROP), 2000);
    stream_destroy(made);
    free(from);
}

static void more_references_than_memory_holds_are_refused(void **state) {
    (void)state;
    tape *from = tape_of("0a9 0r1073741824 0f");
    builder into;
    assert_true(builder_init(&into, 1));
    generate_replay(&into, "t", &from->trace, 1);
    assert_null(builder_finish(&into));
    assert_string_equal(into.failure, "more references than fit in 1 GiB; record a shorter run");
    free(from);
}

/* A slot holds a buffer's own reference always, or never: fixed pools have so much for each that it may hold. */
static void own_references_and_others_have_slots_of_their_own(void **state) {
    (void)state;
    tape *from = tape_of("0a9 0r2 0d1 0d1 0f 0a9 0r1 0d1 0f");
    replay_counts counts;
    stream *made = play(from, 1, &counts);
    bool is_own[2 * GENERATE_SLOT_ALIGN] = {false};
    assert_int_equal(made->slot_count, GENERATE_SLOT_ALIGN + 2);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t p = 0; p < made->phase_count; p++) {
            const stream_thread *thread = &made->phases[p].threads[0];
            for (size_t at = 0; at < thread->op_count; at++) {
                const stream_kind kind = stream_op_kind(thread->ops[at]);
                if (pass == 0 && kind == STREAM_ALLOCATE) {
                    is_own[thread->ops[at].slot] = true;
                } else if (pass == 1 && kind == STREAM_RETAIN) {
                    assert_false(is_own[thread->ops[at].slot]);
                }
            }
        }
    }
    stream_destroy(made);
    free(from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_is_given_back_by_who_gave_it_back),
        cmocka_unit_test(a_buffers_own_reference_goes_to_who_needs_it),
        cmocka_unit_test(a_reference_outlives_its_phase),
        cmocka_unit_test(the_last_release_gives_back_all_that_is_left),
        cmocka_unit_test(a_slice_is_a_view_that_nothing_is_made_from),
        cmocka_unit_test(a_buffer_is_resized_where_it_is_and_then_shared),
        cmocka_unit_test(what_a_stream_cannot_say_is_left_out_and_counted),
        cmocka_unit_test(any_program_replays_on_any_number_of_threads),
        cmocka_unit_test(a_crowd_of_references_is_played_whole),
        cmocka_unit_test(more_references_than_memory_holds_are_refused),
        cmocka_unit_test(own_references_and_others_have_slots_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
