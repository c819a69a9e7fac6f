/* Buffers against a plain model: random calls, which must agree (buffers_model.h says what with what).
 *
 * Short by default. UNIT_OPERATIONS sets the number of operations, of all seeds together; UNIT_SEED chooses one seed.
 * UNIT_COUNTS=1 prints how often each operation was called, and how often it did what it is there for. */
#include "unit.h"

#include <valgrind/valgrind.h>

#include "buffers_model.h"

#define OPERATIONS_DEFAULT  120000u
#define OPERATIONS_VALGRIND 8000u
#define ROUND_OPERATIONS    1000u

static const uint64_t SEEDS[] = {1, 2, 3, 4};

static uint64_t operations_wanted(void) {
    const char *text = getenv("UNIT_OPERATIONS");
    if (text != NULL) {
        return strtoull(text, NULL, 10);
    }
    return RUNNING_ON_VALGRIND ? OPERATIONS_VALGRIND : OPERATIONS_DEFAULT;
}

/* With few buffers they meet often; many are what composites are made of. */
static void run_rounds(unit_random random, uint64_t operations) {
    static const uint32_t BUFFERS[] = {8, 20, 50, 100};
    for (uint64_t round = 0; operations > 0; round++) {
        choices source = choices_random((unit_random){unit_random_next(&random)});
        const model_limits limits = {
            .operations = (uint32_t)(operations < ROUND_OPERATIONS ? operations : ROUND_OPERATIONS),
            .audit_interval = round % 8 == 0 ? 1 : 31,
            .buffers = BUFFERS[unit_random_below(&random, sizeof BUFFERS / sizeof BUFFERS[0])],
            .live_bytes = (size_t)1 << (16 + unit_random_below(&random, 6)),
            .system_fails = round % 2 == 1,
        };
        model_run(&source, &limits);
        operations -= limits.operations;
    }
}

static void random_calls_agree_with_a_plain_model(void **state) {
    (void)state;
    size_t seeds = getenv("UNIT_SEED") != NULL ? 1 : sizeof SEEDS / sizeof SEEDS[0];
    uint64_t wanted = operations_wanted();
    uint64_t left = wanted;
    for (size_t i = 0; i < seeds; i++) {
        uint64_t share = left / (seeds - i);
        run_rounds(unit_random_start("buffers model", SEEDS[i]), share);
        left -= share;
    }
    FILE *stream = getenv("UNIT_COUNTS") != NULL ? stdout : fopen("/dev/null", "w");
    assert_non_null(stream);
    bool each_was_done = model_counts(stream);
    if (stream != stdout) {
        (void)fclose(stream);
    }
    assert_true(each_was_done || wanted < OPERATIONS_VALGRIND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_agree_with_a_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
