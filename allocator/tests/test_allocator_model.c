/* The allocator against a plain model: random calls, which must agree (allocator_model.h says what with what).
 *
 * Short by default. UNIT_OPERATIONS sets the number of operations, of all seeds together; UNIT_SEED chooses one seed. Each
 * round of 2,000 has allocators, options and limits of its own. Short runs audit after each operation in every other round;
 * long ones, of more than LONG operations, in every 16th; the rest audit after each 61st. */
#include "unit.h"

#include <valgrind/valgrind.h>

#include "allocator_model.h"

#define OPERATIONS_DEFAULT  60000u
#define OPERATIONS_VALGRIND 6000u /* which is some fifty times slower */
#define ROUND_OPERATIONS    2000u
#define AUDIT_INTERVAL      61u
#define LONG                1000000u

static const uint64_t SEEDS[] = {1, 2, 3, 4};

static uint64_t operations_wanted(void) {
    const char *text = getenv("UNIT_OPERATIONS");
    if (text != NULL) {
        return strtoull(text, NULL, 10);
    }
    return RUNNING_ON_VALGRIND ? OPERATIONS_VALGRIND : OPERATIONS_DEFAULT;
}

/* Few buffers reach the places where lists are empty; many, those where chunks are full. */
static void run_rounds(unit_random random, uint64_t operations, uint32_t each_step_every) {
    static const uint32_t BUFFERS[] = {MODEL_BULK + 8, 200, 500, MODEL_BUFFERS};
    for (uint64_t round = 0; operations > 0; round++) {
        choices source = choices_random((unit_random){unit_random_next(&random)});
        model_limits limits = {
            .operations = (uint32_t)(operations < ROUND_OPERATIONS ? operations : ROUND_OPERATIONS),
            .audit_interval = round % each_step_every == 0 ? 1 : AUDIT_INTERVAL,
            .buffers = BUFFERS[unit_random_below(&random, sizeof BUFFERS / sizeof BUFFERS[0])],
            .live_bytes = (size_t)1 << (18 + unit_random_below(&random, 8)),
            .largest_chunk = (size_t)1 << (18 + unit_random_below(&random, 9)),
        };
        model_run(&source, &limits);
        operations -= limits.operations;
    }
}

static void random_operations_agree_with_a_plain_model(void **state) {
    (void)state;
    size_t seeds = getenv("UNIT_SEED") != NULL ? 1 : sizeof SEEDS / sizeof SEEDS[0];
    uint64_t left = operations_wanted();
    uint32_t each_step_every = left > LONG ? 16 : 2;
    for (size_t i = 0; i < seeds; i++) {
        uint64_t share = left / (seeds - i);
        unit_random random = unit_random_start("allocator model", SEEDS[i]);
        run_rounds(random, share, each_step_every);
        left -= share;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
