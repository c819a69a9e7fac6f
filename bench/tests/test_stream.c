/* Unit tests of the streams that scenarios turn into: generate.c, sizes.c and builder.c; test_audit.c has stream.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario/generate.h"
#include "scenario_text.h"

#define HEAD "name: t\nasks: q?\nsource: s\n"

static char error[512];

static stream *stream_of(const char *text, uint64_t seed, bool quick) {
    scenario *from = scenario_from_text(text, error);
    if (from == NULL) {
        fail_msg("%s", error);
    }
    stream *made = NULL;
    if (!stream_generate(from, seed, quick, &made, error, sizeof error)) {
        fail_msg("%s", error);
    }
    scenario_destroy(from);
    if (!stream_audit(made, error, sizeof error)) {
        fail_msg("%s", error);
    }
    return made;
}

static bool same(const stream *a, const stream *b) {
    if (a->thread_count != b->thread_count || a->phase_count != b->phase_count || a->slot_count != b->slot_count ||
        a->operation_count != b->operation_count || a->peak_live_bytes != b->peak_live_bytes) {
        return false;
    }
    for (uint32_t p = 0; p < a->phase_count; p++) {
        for (uint32_t t = 0; t < a->thread_count; t++) {
            const stream_thread *x = &a->phases[p].threads[t];
            const stream_thread *y = &b->phases[p].threads[t];
            if (x->op_count != y->op_count ||
                (x->op_count > 0 && memcmp(x->ops, y->ops, x->op_count * sizeof *x->ops) != 0)) {
                return false;
            }
        }
    }
    return true;
}

static const char churn[] =
    HEAD "threads: 3\nphases:\n"
         "  - {kind: churn, live: 100, operations: 5000, sizes: {log_uniform: {low: 16, high: 4096}}}\n";

static void a_seed_decides_the_whole_stream(void **state) {
    (void)state;
    stream *a = stream_of(churn, 7, false);
    stream *b = stream_of(churn, 7, false);
    stream *c = stream_of(churn, 8, false);
    assert_true(same(a, b));
    assert_false(same(a, c));
    stream_destroy(a);
    stream_destroy(b);
    stream_destroy(c);
}

static void the_generator_never_changes_what_a_seed_means(void **state) {
    (void)state;
    random_state random;
    random_init(&random, 1, 0);
    assert_int_equal(random_next(&random), UINT64_C(0xee127fe613436e33));
    uint64_t mix = 0;
    assert_int_equal(random_mix(&mix),
                     UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64's published first output for seed 0 */
}

static void churn_keeps_its_live_set_and_drains_it(void **state) {
    (void)state;
    stream *made = stream_of(churn, 1, false);
    assert_int_equal(made->thread_count, 3);
    assert_int_equal(made->phase_count, 3);
    assert_string_equal(made->phases[0].name, "churn.fill");
    assert_string_equal(made->phases[1].name, "churn");
    assert_string_equal(made->phases[2].name, "churn.drain");
    assert_int_equal(made->phases[0].end_live_buffers, 300);
    assert_int_equal(made->phases[1].end_live_buffers, 300);
    assert_true(made->phases[1].end_live_bytes != made->phases[0].end_live_bytes);
    assert_int_equal(made->phases[2].end_live_buffers, 0);
    assert_int_equal(made->phases[2].end_live_bytes, 0);
    assert_int_equal(made->allocation_count, 3 * 5100);
    assert_int_equal(made->operation_count, 3 * 5200);
    stream_destroy(made);
}

static void threads_of_a_churn_share_no_cache_line_of_slots(void **state) {
    (void)state;
    stream *made = stream_of(churn, 1, false);
    for (uint32_t t = 0; t < 3; t++) {
        assert_int_equal(made->phases[0].threads[t].ops[0].slot % GENERATE_SLOT_ALIGN, 0);
    }
    stream_destroy(made);
}

static void pingpong_has_a_phase_for_each_size(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "threads: 2\nphases: [{kind: pingpong, operations: 1000, sizes: {each: [16, 4096]}}]\n", 1, false);
    assert_int_equal(made->phase_count, 2);
    assert_string_equal(made->phases[1].name, "pingpong-4096");
    const stream_thread *thread = &made->phases[1].threads[1];
    assert_int_equal(thread->op_count, 1);
    assert_int_equal(stream_op_kind(thread->ops[0]), STREAM_PINGPONG);
    assert_int_equal(thread->ops[0].slot, 1000);
    assert_int_equal(stream_op_size(thread->ops[0]), 4096);
    assert_int_equal(thread->operation_count, 1000);
    assert_int_equal(made->operation_count, 4000);
    assert_int_equal(made->max_size, 4096);
    stream_destroy(made);
}

static void handoff_allocates_in_one_thread_and_releases_in_the_other(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "threads: 4\nphases: [{kind: handoff, live: 8, operations: 100, sizes: {fixed: 64}}]\n", 1, false);
    for (uint32_t t = 0; t < 4; t++) {
        const stream_thread *thread = &made->phases[0].threads[t];
        assert_int_equal(thread->op_count, 100);
        assert_non_null(thread->pairs);
        for (size_t i = 0; i < thread->op_count; i++) {
            assert_int_equal(stream_op_kind(thread->ops[i]), t % 2 == 0 ? STREAM_ALLOCATE : STREAM_RELEASE);
            assert_int_equal(thread->pairs[i].slot, thread->ops[i].slot);
            assert_int_equal(thread->pairs[i].size, stream_op_size(thread->ops[i]));
        }
    }
    assert_int_equal(made->peak_live_bytes, 2 * 8 * 64);
    stream_destroy(made);
}

static void a_part_is_pure_if_its_kernel_need_not_look(void **state) {
    (void)state;
    static const struct {
        bool is_pure;
        size_t count;
        uint32_t kinds[3], sizes[3], slot;
    } rows[] = {
        {false, 0, {0}, {0}, 0},
        {true, 1, {STREAM_ALLOCATE}, {1}, 0},
        {true, 3, {STREAM_ALLOCATE, STREAM_ALLOCATE, STREAM_ALLOCATE}, {1, UINT16_MAX, 7}, UINT16_MAX},
        {true, 2, {STREAM_RELEASE, STREAM_RELEASE}, {STREAM_RELEASE_OWN, STREAM_RELEASE_GIVEN}, 0},
        {true, 2, {STREAM_REPLACE, STREAM_REPLACE}, {5, 6}, 0},
        {false, 3, {STREAM_ALLOCATE, STREAM_ALLOCATE, STREAM_RELEASE}, {1, 1, 0}, 0}, /* another kind at the end */
        {false, 2, {STREAM_TOUCH, STREAM_TOUCH}, {1, 1}, 0},                          /* a kind that has no such loop */
        {false, 3, {STREAM_ALLOCATE, STREAM_ALLOCATE, STREAM_ALLOCATE}, {1, 2, 0}, 0}, /* an empty buffer */
        {false, 2, {STREAM_REPLACE, STREAM_REPLACE}, {0, 2}, 0},
        {false, 2, {STREAM_ALLOCATE, STREAM_ALLOCATE}, {1, UINT16_MAX + 1}, 0}, /* what no pair can say */
        {false, 1, {STREAM_RELEASE}, {0}, UINT16_MAX + 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stream_op ops[3];
        for (size_t j = 0; j < rows[i].count; j++) {
            ops[j] = stream_op_make((stream_kind)rows[i].kinds[j], rows[i].slot, rows[i].sizes[j]);
        }
        assert_int_equal(stream_is_pure(ops, rows[i].count), rows[i].is_pure);
    }
}

static void a_burst_is_taken_from_its_last_buffer(void **state) {
    (void)state;
    stream *made =
        stream_of(HEAD "phases: [{kind: handoff, live: 8, burst: 4, operations: 10, sizes: {fixed: 64}}]\n", 1, false);
    static const uint32_t slots[] = {3, 0, 1, 2, 7, 4, 5, 6};
    const stream_thread *taker = &made->phases[0].threads[1];
    assert_int_equal(made->thread_count, 2);
    assert_int_equal(taker->op_count, 8); /* whole bursts */
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(taker->ops[i].slot, slots[i]);
    }
    stream_destroy(made);
}

static void burst_releases_in_the_order_in_which_it_allocated(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "threads: 2\nphases: [{kind: burst, live: 4, operations: 42, sizes: {each: [64, 4096]}}]\n", 1, false);
    assert_int_equal(made->phase_count, 2);
    assert_string_equal(made->phases[1].name, "burst-4096");
    assert_int_equal(made->phases[0].repeat, 10); /* whole bursts */
    for (uint32_t t = 0; t < 2; t++) {
        const stream_thread *thread = &made->phases[0].threads[t];
        assert_int_equal(thread->op_count, 8);
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(stream_op_kind(thread->ops[i]), i < 4 ? STREAM_ALLOCATE : STREAM_RELEASE);
            assert_int_equal(thread->ops[i].slot, t * GENERATE_SLOT_ALIGN + i % 4);
        }
    }
    assert_int_equal(made->allocation_count, 2 * 2 * 40);
    assert_int_equal(made->operation_count, 2 * 2 * 80);
    assert_int_equal(made->peak_live_bytes, 4 * 4096);
    assert_int_equal(made->phases[1].end_live_buffers, 0);
    stream_destroy(made);

    made = stream_of(HEAD "phases: [{kind: burst, live: 4, operations: 42, sizes: {uniform: {low: 1, high: 9}}}]\n", 1,
                     false);
    assert_int_equal(made->phases[0].repeat, 1);
    assert_int_equal(made->phases[0].threads[0].op_count, 80);
    stream_destroy(made);
}

static void bulk_counts_each_buffer_of_a_call(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "threads: 2\nphases: [{kind: bulk, burst: 32, operations: 1000, sizes: {fixed: 256}}]\n", 1, false);
    const stream_thread *thread = &made->phases[0].threads[1];
    assert_int_equal(thread->op_count, 1);
    assert_int_equal(stream_op_kind(thread->ops[0]), STREAM_BULK);
    assert_int_equal(stream_bulk_count(thread->ops[0]), 32);
    assert_int_equal(stream_bulk_times(thread->ops[0]), 31); /* whole calls */
    assert_int_equal(made->allocation_count, 2 * 31 * 32);
    assert_int_equal(made->operation_count, 2 * 31 * 32);
    assert_int_equal(made->peak_live_bytes, 32 * 256);
    assert_int_equal(made->slot_count, 0);
    stream_destroy(made);

    made = stream_of(HEAD "phases: [{kind: bulk, burst: 4096, operations: 1, sizes: {uniform: {low: 1, high: 9}}}]\n",
                     1, false);
    assert_int_equal(stream_bulk_count(made->phases[0].threads[0].ops[0]), 4096);
    assert_int_equal(made->allocation_count, 4096);
    stream_destroy(made);
}

/* More calls than one operation can say. */
static void a_long_bulk_is_several_operations(void **state) {
    (void)state;
    stream *made =
        stream_of(HEAD "phases: [{kind: bulk, burst: 1, operations: 3000000, sizes: {fixed: 1}}]\n", 1, false);
    assert_int_equal(made->phases[0].threads[0].op_count, 3);
    assert_int_equal(made->allocation_count, 3000000);
    stream_destroy(made);
}

static void a_churn_that_touches_pages_writes_each_new_buffer(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "phases: [{kind: churn, live: 10, operations: 50, touch: pages, sizes: {fixed: 9000}}]\n", 1, false);
    for (uint32_t p = 0; p < 2; p++) {
        const stream_thread *thread = &made->phases[p].threads[0];
        assert_int_equal(thread->op_count, p == 0 ? 20 : 100);
        for (size_t i = 0; i < thread->op_count; i += 2) {
            assert_int_equal(stream_op_kind(thread->ops[i]), p == 0 ? STREAM_ALLOCATE : STREAM_REPLACE);
            assert_int_equal(stream_op_kind(thread->ops[i + 1]), STREAM_WRITE);
            assert_int_equal(thread->ops[i + 1].slot, thread->ops[i].slot);
        }
    }
    assert_int_equal(made->allocation_count, 60);
    stream_destroy(made);
}

static stream_kind kind_at(const stream *made, uint32_t phase, uint32_t thread, size_t at) {
    return stream_op_kind(made->phases[phase].threads[thread].ops[at]);
}

static void a_burst_is_released_in_the_order_that_it_asks_for(void **state) {
    (void)state;
    static const struct {
        const char *order;
        uint32_t slots[5];
    } orders[] = {{"fifo", {0, 1, 2, 3, 4}}, {"lifo", {4, 3, 2, 1, 0}}, {"halves", {0, 1, 4, 3, 2}}};
    for (size_t o = 0; o < 3; o++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       HEAD "phases: [{kind: burst, live: 5, operations: 50, order: %s, sizes: {fixed: 64}}]\n",
                       orders[o].order);
        stream *made = stream_of(text, 1, false);
        assert_int_equal(made->phases[0].repeat, 10);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(kind_at(made, 0, 0, 5 + i), STREAM_RELEASE);
            assert_int_equal(made->phases[0].threads[0].ops[5 + i].slot, orders[o].slots[i]);
        }
        stream_destroy(made);
    }
}

static void a_random_order_is_another_one_in_each_burst(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "phases: [{kind: burst, live: 64, operations: 640, order: random, sizes: {fixed: 64}}]\n", 1, false);
    const stream_op *ops = made->phases[0].threads[0].ops;
    unsigned moved = 0;
    unsigned differ = 0;
    assert_int_equal(made->phases[0].repeat, 1);
    assert_int_equal(made->phases[0].threads[0].op_count, 1280);
    for (uint32_t i = 0; i < 64; i++) {
        moved += ops[64 + i].slot != i;
        differ += ops[64 + i].slot != ops[128 + 64 + i].slot;
    }
    assert_true(moved > 48);
    assert_true(differ > 48);
    stream_destroy(made);
}

static void each_of_a_succession_plays_its_share(void **state) {
    (void)state;
    static const char text[] =
        HEAD "threads: 2\nphases:\n"
             "  - {kind: churn, live: 10, operations: 5000, succession: 50, sizes: {uniform: {low: 1, high: 9}}}\n"
             "  - {kind: burst, live: 100, operations: 1600, succession: 16, sizes: {fixed: 9}}\n";
    stream *made = stream_of(text, 1, false);
    assert_int_equal(made->phase_count, 4);
    assert_false(made->phases[0].is_fresh); /* who fills and drains, stays */
    assert_true(made->phases[1].is_fresh);
    assert_int_equal(made->phases[1].repeat, 50);
    assert_int_equal(made->phases[1].threads[1].op_count, 100);
    assert_false(made->phases[2].is_fresh);
    assert_true(made->phases[3].is_fresh);
    assert_int_equal(made->phases[3].repeat, 16);
    assert_int_equal(made->phases[3].threads[0].op_count, 200);
    stream_destroy(made);

    made = stream_of(text, 1, true); /* fewer lives, each as long */
    assert_int_equal(made->phases[1].repeat, 50 / 8 + 1);
    assert_int_equal(made->phases[3].repeat, 3);
    assert_int_equal(made->phases[3].threads[0].op_count, 200);
    stream_destroy(made);
}

static void a_phase_is_followed_by_its_idle_time(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "phases:\n"
             "  - {kind: churn, live: 10, operations: 50, idle_ms: 20, sizes: {fixed: 9}}\n"
             "  - {kind: burst, live: 10, operations: 50, idle_ms: 30, touch: pages, sizes: {each: [9, 9000]}}\n",
        1, false);
    static const uint32_t idle[] = {0, 0, 20, 30, 30};
    assert_int_equal(made->phase_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(made->phases[i].idle_ms, idle[i]);
    }
    assert_int_equal(kind_at(made, 3, 0, 1), STREAM_WRITE);
    stream_destroy(made);
}

static void producers_deal_out_to_all_consumers(void **state) {
    (void)state;
    stream *made = stream_of(HEAD "phases: [{kind: handoff, producers: 3, consumers: 2, live: 8, burst: 4, operations: "
                                  "100, sizes: {fixed: 64}}]\n",
                             1, false);
    uint64_t from[3][2] = {{0}};
    assert_int_equal(made->thread_count, 5);
    assert_int_equal(made->peak_live_bytes, 3 * 2 * 8 * 64); /* all queues full */
    for (uint32_t t = 0; t < 5; t++) {
        const stream_thread *thread = &made->phases[0].threads[t];
        for (size_t i = 0; i < thread->op_count; i++) {
            const uint32_t queue = thread->ops[i].slot / GENERATE_SLOT_ALIGN;
            assert_int_equal(stream_op_kind(thread->ops[i]), t < 3 ? STREAM_ALLOCATE : STREAM_RELEASE);
            assert_int_equal(t < 3 ? queue / 2 : queue % 2, t < 3 ? t : t - 3);
            from[queue / 2][queue % 2] += t < 3;
        }
        assert_in_range(thread->op_count, t < 3 ? 100 : 144, t < 3 ? 100 : 156);
    }
    for (uint32_t p = 0; p < 3; p++) { /* 25 bursts */
        assert_int_equal(from[p][0] + from[p][1], 100);
        assert_in_range(from[p][0], 48, 52);
    }
    stream_destroy(made);
}

static void a_buffer_of_a_pipeline_passes_through_every_thread(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "threads: 4\nphases: [{kind: pipeline, live: 8, operations: 100, sizes: {uniform: {low: 1, high: 99}}}]\n",
        1, false);
    static const stream_kind kinds[] = {STREAM_ALLOCATE, STREAM_MOVE, STREAM_MOVE, STREAM_RELEASE};
    assert_int_equal(made->slot_count, 2 * GENERATE_SLOT_ALIGN + 8);
    for (uint32_t t = 0; t < 4; t++) {
        const stream_thread *thread = &made->phases[0].threads[t];
        assert_int_equal(thread->op_count, 100);
        for (size_t i = 0; i < thread->op_count; i++) {
            assert_int_equal(stream_op_kind(thread->ops[i]), kinds[t]);
            assert_int_equal(thread->ops[i].slot, (size_t)(t == 0 ? 0 : t - 1) * GENERATE_SLOT_ALIGN + i % 8);
            if (kinds[t] == STREAM_MOVE) {
                assert_int_equal(stream_op_target(thread->ops[i]), (size_t)t * GENERATE_SLOT_ALIGN + i % 8);
            }
        }
    }
    assert_true(made->max_size <= 99); /* no slot is taken for a size */
    stream_destroy(made);
}

static void a_relay_leaves_a_part_to_the_threads_that_come_after(void **state) {
    (void)state;
    stream *made = stream_of(HEAD "threads: 3\nphases: [{kind: relay, live: 40, retain: 25, succession: 7, sizes: "
                                  "{uniform: {low: 1, high: 99}}}]\n",
                             1, false);
    assert_int_equal(made->phase_count, 3);
    assert_true(made->phases[1].is_fresh);
    assert_int_equal(made->phases[1].repeat, 7);
    assert_int_equal(made->phases[0].end_live_buffers, 3 * 10);
    assert_int_equal(made->phases[1].end_live_buffers, 3 * 10);
    assert_int_equal(made->allocation_count, 3 * (10 + 7 * 40));
    const stream_thread *thread = &made->phases[1].threads[1];
    assert_int_equal(thread->op_count, 10 + 40 + 30);
    for (size_t i = 0; i < 10; i++) { /* what thread 0 has left */
        assert_int_equal(stream_op_kind(thread->ops[i]), STREAM_RELEASE);
        assert_in_range(thread->ops[i].slot, 0, 9);
    }
    stream_destroy(made);

    /* All of them, in one thread: nobody but its successor can have them. */
    made =
        stream_of(HEAD "phases: [{kind: relay, live: 40, retain: 100, succession: 7, sizes: {fixed: 9}}]\n", 1, false);
    assert_int_equal(made->phases[1].threads[0].op_count, 80);
    assert_int_equal(made->peak_live_bytes, 40 * 9);
    stream_destroy(made);

    /* What is left to another thread has been written to before: there, it would race with its release. */
    made =
        stream_of(HEAD "threads: 3\nphases: [{kind: relay, live: 40, retain: 25, succession: 7, touch: pages, sizes: "
                       "{fixed: 9}}]\n",
                  1, false);
    assert_int_equal(made->phases[1].end_live_buffers, 3 * 10);
    assert_int_equal(made->allocation_count, 3 * (10 + 7 * 40));
    thread = &made->phases[1].threads[1];
    size_t moved = 0;
    for (size_t i = 2; i < thread->op_count; i++) {
        if (stream_op_kind(thread->ops[i]) == STREAM_MOVE) {
            moved++;
            assert_int_equal(stream_op_kind(thread->ops[i - 1]), STREAM_WRITE);
            assert_int_equal(stream_op_kind(thread->ops[i - 2]), STREAM_ALLOCATE);
            assert_int_equal(thread->ops[i - 1].slot, thread->ops[i].slot);
        }
    }
    assert_int_equal(moved, 10);
    stream_destroy(made);
}

static void a_fragment_comes_back_to_as_many_bytes_as_it_had(void **state) {
    (void)state;
    stream *made =
        stream_of(HEAD "threads: 2\nphases:\n"
                       "  - {kind: fragment, operations: 1000, retain: 10, touch: pages, sizes: {fixed: 4096},\n"
                       "     sizes_retained: {fixed: 64}, sizes_after: {uniform: {low: 5000, high: 9000}}}\n",
                  1, false);
    assert_int_equal(made->phase_count, 4);
    assert_int_equal(made->phases[0].end_live_bytes, 2 * (900 * 4096 + 100 * 64));
    assert_int_equal(made->phases[1].end_live_buffers, 2 * 100);
    assert_int_equal(made->phases[1].end_live_bytes, 2 * 100 * 64);
    assert_in_range(made->phases[2].end_live_bytes, 2 * (900 * 4096 + 100 * 64 - 9000), 2 * (900 * 4096 + 100 * 64));
    assert_int_equal(made->phases[3].end_live_bytes, 0);
    assert_int_equal(made->peak_live_bytes, made->phases[0].end_live_bytes);
    assert_int_equal(kind_at(made, 2, 1, 1), STREAM_WRITE);
    stream_destroy(made);
}

static void each_write_of_a_thrash_is_an_operation(void **state) {
    (void)state;
    stream *made =
        stream_of(HEAD "phases: [{kind: thrash, operations: 50, writes: 1000, sizes: {fixed: 8}}]\n", 1, false);
    assert_int_equal(made->thread_count, 2);
    assert_int_equal(made->phases[0].repeat, 50);
    assert_int_equal(made->phases[0].threads[1].op_count, 3);
    assert_int_equal(made->operation_count, 2 * 50 * 1002);
    assert_int_equal(made->allocation_count, 2 * 50);
    assert_int_equal(made->max_size, 8); /* no count is taken for a size */
    stream_destroy(made);
}

static void a_scratch_is_handed_out_by_one_thread(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "threads: 3\nphases: [{kind: scratch, operations: 50, writes: 100, sizes: {fixed: 8}}]\n", 1, false);
    assert_int_equal(made->phase_count, 3);
    assert_int_equal(made->phases[0].threads[0].op_count, 3);
    assert_int_equal(made->phases[0].threads[1].op_count, 0);
    assert_int_equal(made->phases[0].end_live_buffers, 3);
    for (uint32_t t = 0; t < 3; t++) {
        assert_int_equal(kind_at(made, 1, t, 0), STREAM_TOUCH);
        assert_int_equal(kind_at(made, 1, t, 1), STREAM_RELEASE);
    }
    assert_int_equal(made->phases[1].end_live_buffers, 0);
    stream_destroy(made);
}

static void a_long_phase_repeats_a_pass(void **state) {
    (void)state;
    static const char *const texts[] = {
        HEAD "phases: [{kind: churn, live: 10, operations: 600000, sizes: {uniform: {low: 1, high: 9}}}]\n",
        HEAD "phases: [{kind: handoff, live: 24, burst: 8, operations: 270000, sizes: {fixed: 9}}]\n",
        HEAD "phases: [{kind: pingpong, operations: 270000, sizes: {uniform: {low: 1, high: 9}}}]\n",
        HEAD "phases: [{kind: burst, live: 8, operations: 270000, sizes: {uniform: {low: 1, high: 9}}}]\n",
        HEAD "phases: [{kind: bulk, burst: 8, operations: 2400000, sizes: {uniform: {low: 1, high: 9}}}]\n",
        HEAD "threads: 3\nphases: [{kind: pipeline, live: 8, operations: 270000, sizes: {fixed: 9}}]\n",
        HEAD "phases: [{kind: thrash, writes: 9, operations: 270000, sizes: {uniform: {low: 1, high: 9}}}]\n",
    };
    static const unsigned phases[] = {1, 0, 0, 0, 0, 0, 0};
    static const unsigned repeats[] = {3, 2, 2, 2, 2, 2, 2};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        stream *made = stream_of(texts[i], 1, false);
        assert_int_equal(made->phases[phases[i]].repeat, repeats[i]);
        stream_destroy(made);
    }
}

static void quick_keeps_the_shape_with_an_eighth_of_the_steps(void **state) {
    (void)state;
    stream *made = stream_of(churn, 1, true);
    assert_int_equal(made->phases[0].end_live_buffers, 300);
    assert_int_equal(made->phases[1].threads[0].op_count, 5000 / 8 + 1);
    stream_destroy(made);
}

/* Draws sizes by way of a churn's fill and checks that all lie in the range, and how many lie below the split. */
static void check_sizes(const char *distribution, uint32_t low, uint32_t high, uint32_t split, double share) {
    char text[512];
    (void)snprintf(text, sizeof text, HEAD "phases: [{kind: churn, live: 20000, operations: 1, sizes: {%s}}]\n",
                   distribution);
    stream *made = stream_of(text, 3, false);
    const stream_thread *fill = &made->phases[0].threads[0];
    size_t below = 0;
    for (size_t i = 0; i < fill->op_count; i++) {
        uint32_t size = stream_op_size(fill->ops[i]);
        assert_in_range(size, low, high);
        below += size < split;
    }
    double found = (double)below / 20000;
    assert_true(found > share - 0.02 && found < share + 0.02);
    stream_destroy(made);
}

static void sizes_follow_their_distribution(void **state) {
    (void)state;
    check_sizes("uniform: {low: 100, high: 299}", 100, 299, 200, 0.5);
    check_sizes("log_uniform: {low: 16, high: 4096}", 16, 4096, 256, 0.5);
    check_sizes("log_uniform: {low: 100, high: 1000}", 100, 1000, 316, 0.5);
    check_sizes("log_uniform: {low: 7, high: 7}", 7, 7, 8, 1.0);
    check_sizes("weighted: [{size: 10, weight: 3}, {low: 20, high: 40, weight: 1}]", 10, 40, 20, 0.75);
    check_sizes("fixed: 268435455", 268435455, 268435455, 1, 0.0);
}

static void too_many_operations_are_refused_in_one_line(void **state) {
    (void)state;
    scenario *from = scenario_from_text(HEAD "threads: 64\nphases:\n"
                                             "  - {kind: churn, live: 10000000, operations: 1, sizes: {fixed: 1}}\n",
                                        error);
    stream *made = NULL;
    assert_non_null(from);
    assert_false(stream_generate(from, 1, false, &made, error, sizeof error));
    assert_null(made);
    assert_non_null(strstr(error, "more operations than fit in 1 GiB"));
    scenario_destroy(from);
}

static uint64_t count_of(const stream_thread *thread, stream_kind kind) {
    uint64_t count = 0;
    for (size_t i = 0; i < thread->op_count; i++) {
        count += stream_op_kind(thread->ops[i]) == kind;
    }
    return count;
}

static void each_subscriber_reads_each_message(void **state) {
    (void)state;
    static const char *const shares[] = {"reference", "view"};
    for (int i = 0; i < 2; i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       HEAD "threads: 4\nphases:\n"
                            "  - {kind: fanout, live: 8, operations: 100, share: %s, sizes: {fixed: 100}}\n",
                       shares[i]);
        stream *made = stream_of(text, 1, false);
        const stream_thread *threads = made->phases[0].threads;
        assert_int_equal(made->allocation_count, 100);
        assert_int_equal(count_of(&threads[0], i == 0 ? STREAM_RETAIN : STREAM_SLICE), 300);
        for (int t = 1; t < 4; t++) {
            assert_int_equal(count_of(&threads[t], STREAM_READ), 100);
            assert_int_equal(count_of(&threads[t], STREAM_DROP), 100);
        }
        assert_int_equal(made->peak_live_bytes, 900); /* those that wait, and the one that is published */
        stream_destroy(made);
    }
}

static void frames_fill_their_buffer_and_keep_it_alive(void **state) {
    (void)state;
    stream *made = stream_of(HEAD "phases:\n  - {kind: frames, live: 4, buffer: 1000, header: 10, operations: 40,\n"
                                  "     sizes: {fixed: 240}}\n",
                             1, false);
    assert_int_equal(made->allocation_count, 10); /* four frames of 250 each */
    assert_int_equal(count_of(&made->phases[0].threads[0], STREAM_SLICE), 80);
    assert_int_equal(made->peak_live_bytes, 2000); /* the frames of the buffer before, and this one */
    stream_destroy(made);
}

static void appended_buffers_stay_below_their_most(void **state) {
    (void)state;
    stream *made =
        stream_of(HEAD "phases: [{kind: append, buffer: 1000, operations: 100, sizes: {fixed: 300}}]\n", 1, false);
    assert_int_equal(made->allocation_count, 34); /* three pieces each; the last has one */
    assert_int_equal(made->peak_live_bytes, 900);
    assert_int_equal(made->max_size, 900);
    stream_destroy(made);
    made = stream_of(HEAD "phases: [{kind: ship, live: 2, buffer: 1000, operations: 90, sizes: {fixed: 300}}]\n", 1,
                     false);
    assert_int_equal(made->allocation_count, 30);
    assert_int_equal(count_of(&made->phases[0].threads[1], STREAM_DROP), 30);
    assert_int_equal(made->peak_live_bytes, 2700); /* two wait, and one is written */
    stream_destroy(made);
}

static void a_message_counts_its_parts(void **state) {
    (void)state;
    stream *made =
        stream_of(HEAD "phases: [{kind: assemble, burst: 5, operations: 50, sizes: {fixed: 30}}]\n", 1, false);
    assert_int_equal(made->allocation_count, 50);
    assert_int_equal(made->operation_count, 100);
    assert_int_equal(made->peak_live_bytes, 150);
    stream_destroy(made);
}

static void a_missed_page_takes_the_oldest_ones_place(void **state) {
    (void)state;
    stream *made = stream_of(
        HEAD "phases: [{kind: pages, live: 10, miss: 100, operations: 25, sizes: {fixed: 8192}}]\n", 1, false);
    const stream_thread *steady = &made->phases[1].threads[0];
    uint32_t expected = GENERATE_SLOT_ALIGN;
    for (size_t i = 0; i < steady->op_count; i++) {
        if (stream_op_kind(steady->ops[i]) == STREAM_REPLACE) {
            assert_int_equal(steady->ops[i].slot, expected);
            expected = expected + 1 == GENERATE_SLOT_ALIGN + 10 ? GENERATE_SLOT_ALIGN : expected + 1;
        }
    }
    assert_int_equal(count_of(steady, STREAM_REPLACE), 25);
    assert_int_equal(count_of(steady, STREAM_RETAIN), 0);
    assert_int_equal(made->phases[1].end_live_bytes, 81920);
    stream_destroy(made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_decides_the_whole_stream),
        cmocka_unit_test(the_generator_never_changes_what_a_seed_means),
        cmocka_unit_test(churn_keeps_its_live_set_and_drains_it),
        cmocka_unit_test(threads_of_a_churn_share_no_cache_line_of_slots),
        cmocka_unit_test(pingpong_has_a_phase_for_each_size),
        cmocka_unit_test(handoff_allocates_in_one_thread_and_releases_in_the_other),
        cmocka_unit_test(a_part_is_pure_if_its_kernel_need_not_look),
        cmocka_unit_test(a_burst_is_taken_from_its_last_buffer),
        cmocka_unit_test(burst_releases_in_the_order_in_which_it_allocated),
        cmocka_unit_test(bulk_counts_each_buffer_of_a_call),
        cmocka_unit_test(a_long_bulk_is_several_operations),
        cmocka_unit_test(a_churn_that_touches_pages_writes_each_new_buffer),
        cmocka_unit_test(a_burst_is_released_in_the_order_that_it_asks_for),
        cmocka_unit_test(a_random_order_is_another_one_in_each_burst),
        cmocka_unit_test(each_of_a_succession_plays_its_share),
        cmocka_unit_test(a_phase_is_followed_by_its_idle_time),
        cmocka_unit_test(producers_deal_out_to_all_consumers),
        cmocka_unit_test(a_buffer_of_a_pipeline_passes_through_every_thread),
        cmocka_unit_test(a_relay_leaves_a_part_to_the_threads_that_come_after),
        cmocka_unit_test(a_fragment_comes_back_to_as_many_bytes_as_it_had),
        cmocka_unit_test(each_write_of_a_thrash_is_an_operation),
        cmocka_unit_test(a_scratch_is_handed_out_by_one_thread),
        cmocka_unit_test(a_long_phase_repeats_a_pass),
        cmocka_unit_test(quick_keeps_the_shape_with_an_eighth_of_the_steps),
        cmocka_unit_test(sizes_follow_their_distribution),
        cmocka_unit_test(too_many_operations_are_refused_in_one_line),
        cmocka_unit_test(each_subscriber_reads_each_message),
        cmocka_unit_test(frames_fill_their_buffer_and_keep_it_alive),
        cmocka_unit_test(appended_buffers_stay_below_their_most),
        cmocka_unit_test(a_message_counts_its_parts),
        cmocka_unit_test(a_missed_page_takes_the_oldest_ones_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
