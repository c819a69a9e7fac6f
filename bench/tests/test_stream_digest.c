/* Unit tests of fnv1a.h and stream_digest.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scenario/fnv1a.h"
#include "scenario/stream_digest.h"
#include "scenario_text.h"

static uint64_t hash_of(const char *text) {
    return fnv1a_bytes(FNV1A_START, text, strlen(text));
}

/* From the tables of its authors. */
static void the_hash_is_the_published_one(void **state) {
    (void)state;
    assert_true(hash_of("") == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_of("a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_of("foobar") == UINT64_C(0x85944171f73967e8));
}

static void numbers_are_hashed_lowest_byte_first(void **state) {
    (void)state;
    static const unsigned char bytes[] = {8, 7, 6, 5, 4, 3, 2, 1};
    assert_true(fnv1a_u32(FNV1A_START, 0x05060708) == fnv1a_bytes(FNV1A_START, bytes, 4));
    assert_true(fnv1a_u64(FNV1A_START, UINT64_C(0x0102030405060708)) == fnv1a_bytes(FNV1A_START, bytes, 8));
}

/* Two threads: one fills two slots, the other empties one of them. It need not be playable to be hashed. */
typedef struct made {
    stream_op ops[3];
    stream_thread threads[2];
    stream_phase phase;
    stream stream;
} made;

static void make(made *self) {
    *self = (made){.ops = {stream_op_make(STREAM_ALLOCATE, 0, 4096), stream_op_make(STREAM_ALLOCATE, 2, 7),
                           stream_op_make(STREAM_RELEASE, 0, 0)}};
    self->threads[0] = (stream_thread){.ops = self->ops, .op_count = 2};
    self->threads[1] = (stream_thread){.ops = self->ops + 2, .op_count = 1};
    self->phase = (stream_phase){.name = "one", .threads = self->threads, .repeat = 2, .idle_ms = 5, .is_fresh = true};
    self->stream =
        (stream){.thread_count = 2, .phase_count = 1, .slot_count = 3, .max_size = 4096, .phases = &self->phase};
}

/* The number was computed apart from this code, from the bytes that stream_digest.h describes. */
static void a_digest_is_of_what_the_header_describes(void **state) {
    (void)state;
    made one;
    char text[STREAM_DIGEST_TEXT_SIZE];
    make(&one);
    stream_digest_text(&one.stream, text);
    assert_string_equal(text, "fnv1a64:08125de0a0526ec4");
}

static void each_part_of_the_work_changes_it(void **state) {
    (void)state;
    made one;
    make(&one);
    const uint64_t whole = stream_digest(&one.stream);
    uint32_t *const numbers[] = {&one.stream.slot_count, &one.stream.max_size, &one.phase.repeat,
                                 &one.phase.idle_ms,     &one.ops[0].slot,     &one.ops[2].word};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ++*numbers[i];
        assert_true(stream_digest(&one.stream) != whole);
        --*numbers[i];
    }
    one.ops[1] = stream_op_make(STREAM_REPLACE, 2, 7);
    assert_true(stream_digest(&one.stream) != whole);
    make(&one);
    one.phase.is_fresh = false;
    assert_true(stream_digest(&one.stream) != whole);
    make(&one);
    one.threads[0].op_count = 1; /* the same operations, by another thread */
    one.threads[1] = (stream_thread){.ops = one.ops + 1, .op_count = 2};
    assert_true(stream_digest(&one.stream) != whole);
    make(&one);
    one.stream.thread_count = 1;
    assert_true(stream_digest(&one.stream) != whole);
    one.stream.thread_count = 2;
    one.stream.phase_count = 0;
    assert_true(stream_digest(&one.stream) != whole);
}

static void names_do_not_change_it(void **state) {
    (void)state;
    made one;
    make(&one);
    const uint64_t whole = stream_digest(&one.stream);
    one.phase.name = "another";
    assert_true(stream_digest(&one.stream) == whole);
}

static void digest_of(const char *phase, uint64_t seed, char text[STREAM_DIGEST_TEXT_SIZE]) {
    char document[512];
    char error[512];
    stream *generated = NULL;
    (void)snprintf(document, sizeof document, "name: t\nasks: q?\nsource: s\nphases:\n  - {%s}\n", phase);
    scenario *from = scenario_from_text(document, error);
    if (from == NULL || !stream_generate(from, seed, true, &generated, error, sizeof error)) {
        fail_msg("%s", error);
    }
    stream_digest_text(generated, text);
    stream_destroy(generated);
    scenario_destroy(from);
}

#define SMALL "kind: churn, live: 10, operations: 1000, sizes: {uniform: {low: 8, high: 100}}"
#define LARGE "kind: churn, live: 10, operations: 1000, sizes: {uniform: {low: 8000, high: 10000}}"
#define FIXED "kind: churn, live: 10, operations: 1000, sizes: {fixed: 64}"
#define SHORT "kind: pingpong, operations: 1000, sizes: {fixed: 64}"

/* Generated on whatever machine: a change of this text means that older results are refused beside newer ones. */
static void a_scenario_has_its_digest_on_every_machine(void **state) {
    (void)state;
    char text[STREAM_DIGEST_TEXT_SIZE];
    digest_of(SMALL, 1, text);
    assert_string_equal(text, "fnv1a64:84292be1a181616d");
}

static void other_sizes_and_seeds_have_other_digests_where_counts_are_the_same(void **state) {
    (void)state;
    char small[STREAM_DIGEST_TEXT_SIZE];
    char other[STREAM_DIGEST_TEXT_SIZE];
    digest_of(SMALL, 1, small);
    digest_of(LARGE, 1, other);
    assert_string_not_equal(small, other);
    digest_of(FIXED, 1, other);
    assert_string_not_equal(small, other);
    digest_of(SMALL, 2, other);
    assert_string_not_equal(small, other);
    digest_of(SMALL, 1, other);
    assert_string_equal(small, other);
}

static void a_seed_that_decides_nothing_does_not_change_it(void **state) {
    (void)state;
    char one[STREAM_DIGEST_TEXT_SIZE];
    char two[STREAM_DIGEST_TEXT_SIZE];
    digest_of(SHORT, 1, one);
    digest_of(SHORT, 2, two);
    assert_string_equal(one, two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_the_published_one),
        cmocka_unit_test(numbers_are_hashed_lowest_byte_first),
        cmocka_unit_test(a_digest_is_of_what_the_header_describes),
        cmocka_unit_test(each_part_of_the_work_changes_it),
        cmocka_unit_test(names_do_not_change_it),
        cmocka_unit_test(a_scenario_has_its_digest_on_every_machine),
        cmocka_unit_test(other_sizes_and_seeds_have_other_digests_where_counts_are_the_same),
        cmocka_unit_test(a_seed_that_decides_nothing_does_not_change_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
