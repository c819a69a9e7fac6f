/* Unit tests of the trails of unwind_cfi.c: what changed since the last walk is seen, and a stack is named again only where
 * nothing did. */
#include <stdatomic.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "arithmetic.h"
#include "stack_paths.h"
#include "unwind_memo.h"

/* Walks begin as the one before, differ for a few frames and go on as it did: deeper inside, further out, or
 * nowhere. */
static void change_a_few(uint64_t seed, const uint8_t *among, size_t count) {
    uint64_t random = seed;
    uint8_t kinds[24] = {0};
    const int rounds = RUNNING_ON_VALGRIND ? RANDOM_ROUNDS / 20 : RANDOM_ROUNDS;
    for (int i = 0; i < rounds; i++) {
        for (uint64_t changes = random_next(&random) % 4; changes > 0; changes--) {
            const uint64_t draw = random_next(&random);
            kinds[draw % sizeof kinds] = among[(draw >> 32) % count];
        }
        const size_t depth = sizeof kinds - random_next(&random) % 3 * 8;
        go_on((path){kinds, depth, compare_here});
        assert_same((int)depth);
    }
}

static void what_changed_since_the_last_walk_is_seen(void **state) {
    (void)state;
    static const uint8_t AMONG[] = {0, PLAIN_TOO};
    change_a_few(23, AMONG, sizeof AMONG);
}

/* Some of these find their caller by a frame pointer, some keep anything in that register, and some leave it alone. */
static void a_frame_pointer_that_changed_is_seen_where_it_matters(void **state) {
    (void)state;
    static const uint8_t AMONG[] = {2, 5, 6, 6, 7};
    change_a_few(24, AMONG, sizeof AMONG);
}

/* Of two stacks that are as deep in bytes and not in frames, the shorter one has words of the longer one where that had
 * them. What tells them apart is a frame pointer. */
static void what_an_older_call_left_behind_is_not_believed(void **state) {
    (void)state;
    static const uint8_t AMONG[] = {5, 6, 6, 7};
    uint64_t random = 25;
    bottom = (uintptr_t)__builtin_frame_address(0) - 32768;
    const int rounds = RUNNING_ON_VALGRIND ? RANDOM_ROUNDS / 20 : RANDOM_ROUNDS;
    uint8_t inner[4] = {5, 6, 7, 6};
    for (int i = 0; i < rounds; i++) {
        uint8_t kinds[20] = {0};
        const size_t outer = 2 + random_next(&random) % 3 * 3;
        kinds[outer] = TO_BOTTOM;
        inner[random_next(&random) % sizeof inner] = AMONG[random_next(&random) % sizeof AMONG];
        memcpy(kinds + outer + 1, inner, sizeof inner);
        for (int again = 0; again < 8; again++) {
            go_on((path){kinds, outer + 1 + sizeof inner, compare_here});
            assert_same((int)(outer + 1 + sizeof inner));
        }
    }
}

static unsigned repetitions, walks;

/* Says for each reason which stack it was: 100 and that. What is named must be what was said. */
OWN_FRAME static void repeat_here(void) {
    void *frames[STACK_MAX_FRAMES];
    for (volatile unsigned i = 0; i < 6 * UNWIND_REASONS; i++) {
        const unsigned reason = i % UNWIND_REASONS;
        const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
        const uint32_t stack = unwind_cfi.recall(frame, (unwind_reason)reason, STACK_MAX_FRAMES);
        walks++;
        if (stack != 0) {
            assert_int_equal(stack, 100 + reason);
            repetitions++;
        } else {
            unwind_query query = {.reason = (unwind_reason)reason, .frames = STACK_MAX_FRAMES, .frame = frame};
            assert_true(unwind_cfi.capture(frames, STACK_MAX_FRAMES, &query) > 1);
            if (query.remember != NULL) {
                atomic_store(query.remember, query.remembered | (100 + reason));
            }
        }
    }
}

static void a_repetition_names_the_stack_that_was_told(void **state) {
    (void)state;
    const uint8_t kinds[] = {0, 5, 7, 6};
    repetitions = walks = 0;
    (void)cfi_look();
    for (int i = 0; i < 20; i++) { /* the stack before may have left a trail that helps, which is kept for a while */
        go_on((path){kinds, sizeof kinds, repeat_here});
    }
    assert_in_range(repetitions, walks / 2, walks - UNWIND_REASONS);
}

/* A walk from here unless the stack is known, which is told to nobody: a handler may be about to. */
OWN_FRAME static uint32_t recall_or_walk(unwind_query *query, unwind_reason reason, uintptr_t frame) {
    void *frames[STACK_MAX_FRAMES];
    const uint32_t stack = unwind_cfi.recall(frame, reason, STACK_MAX_FRAMES);
    *query = (unwind_query){.reason = reason, .frames = STACK_MAX_FRAMES, .frame = frame};
    if (stack == 0) {
        (void)unwind_cfi.capture(frames, STACK_MAX_FRAMES, query);
    }
    return stack;
}

/* What is said after another trail was laid is not believed: a signal handler may walk between a walk and its stack. */
OWN_FRAME static void tell_late(void) {
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    unwind_query first = {.remember = NULL};
    unwind_query query = first;
    for (volatile int i = 0; i < 40; i++) {
        assert_int_equal(recall_or_walk(&query, UNWIND_USING, frame), 0);
        if (first.remember == NULL) {
            first = query;
        }
        if (query.remember != NULL && i > 35) {
            atomic_store(first.remember, first.remembered | 99);
        }
    }
    assert_non_null(first.remember);
    assert_non_null(query.remember);
    atomic_store(query.remember, query.remembered | 98);
    assert_int_equal(recall_or_walk(&query, UNWIND_USING, frame), 98);
}

/* Deeper, for stacks of more frames than are remembered, so that the trail that is laid here has no checks of its own:
 * those of the one before hold as well, as its frames are all still there. */
OWN_FRAME static void walk_deeper_and_tell(const unwind_query *about) {
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    void *frames[STACK_MAX_FRAMES];
    unwind_query query = {.remember = NULL};
    for (volatile int i = 0; i < 40; i++) {
        query = (unwind_query){.reason = UNWIND_OPENING, .frames = MEMO_LIMIT_MAX + 1, .frame = frame};
        (void)unwind_cfi.capture(frames, STACK_MAX_FRAMES, &query);
        assert_null(query.remember);
    }
    atomic_store(about->remember, about->remembered | 99);
    assert_int_equal(recall_or_walk(&query, UNWIND_OPENING, frame), 0);
    assert_non_null(query.remember); /* the walk was all trail */
}

OWN_FRAME static void tell_after_another_was_laid(void) {
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    unwind_query query = {.remember = NULL};
    for (volatile int i = 0; i < 40; i++) {
        assert_int_equal(recall_or_walk(&query, UNWIND_OPENING, frame), 0);
    }
    assert_non_null(query.remember);
    walk_deeper_and_tell(&query);
}

static void what_is_told_late_is_not_believed(void **state) {
    (void)state;
    tell_late();
    tell_after_another_was_laid();
}

/* As many frames as are asked for, whatever the last walk was asked for. */
OWN_FRAME static void capture_limits(void) {
    static const size_t LIMITS[] = {8, 12, 12, 5, 12, 8, 5};
    uint32_t stacks[STACK_MAX_FRAMES] = {0};
    for (volatile unsigned i = 0; i < 200; i++) {
        const size_t limit = LIMITS[i % (sizeof LIMITS / sizeof LIMITS[0])];
        const uint32_t stack = unwind_capture_stack(limit, UNWIND_CLOSING);
        size_t depth = 0;
        (void)stack_table_get(stack, &depth);
        assert_int_equal(depth, limit);
        assert_true(stacks[limit] == 0 || stacks[limit] == stack);
        stacks[limit] = stack;
    }
}

static void each_limit_has_a_stack_of_its_own(void **state) {
    (void)state;
    const uint8_t kinds[14] = {0};
    go_on((path){kinds, sizeof kinds, capture_limits});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_changed_since_the_last_walk_is_seen, set_up),
        cmocka_unit_test_setup(a_frame_pointer_that_changed_is_seen_where_it_matters, set_up),
        cmocka_unit_test_setup(what_an_older_call_left_behind_is_not_believed, set_up),
        cmocka_unit_test_setup(a_repetition_names_the_stack_that_was_told, set_up),
        cmocka_unit_test_setup(what_is_told_late_is_not_believed, set_up),
        cmocka_unit_test_setup(each_limit_has_a_stack_of_its_own, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
