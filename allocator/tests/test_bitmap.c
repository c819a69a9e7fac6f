/* Unit tests of bitmap.c. */
#include "unit.h"

#include "bitmap.h"

static void fill_sets_exactly_the_first_bits(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= 200; count++) {
        uint64_t words[4] = {0};
        bitmap_fill(words, count);
        assert_int_equal(bitmap_population(words, count), count);
        for (uint32_t bit = 0; bit < 256; bit++) {
            assert_int_equal(bitmap_test(words, bit), bit < count);
        }
    }
}

static void first_finds_the_lowest_set_bit(void **state) {
    (void)state;
    unit_random random = unit_random_start("bitmap", 1);
    uint64_t words[8] = {0};
    for (int round = 0; round < 20000; round++) {
        uint32_t bit = unit_random_below(&random, 500);
        if (unit_random_below(&random, 2) == 0) {
            bitmap_set(words, bit);
        } else {
            bitmap_clear(words, bit);
        }
        uint32_t expected = BITMAP_NONE;
        for (uint32_t i = 0; i < 500 && expected == BITMAP_NONE; i++) {
            expected = bitmap_test(words, i) ? i : BITMAP_NONE;
        }
        assert_int_equal(bitmap_first(words, 500, 0), expected);
    }
}

static void a_hint_skips_whole_words_before_it(void **state) {
    (void)state;
    uint64_t words[4] = {0};
    bitmap_set(words, 10);
    bitmap_set(words, 140);
    assert_int_equal(bitmap_first(words, 256, 63), 10);
    assert_int_equal(bitmap_first(words, 256, 64), 140);
    assert_int_equal(bitmap_first(words, 256, 192), BITMAP_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill_sets_exactly_the_first_bits),
        cmocka_unit_test(first_finds_the_lowest_set_bit),
        cmocka_unit_test(a_hint_skips_whole_words_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
