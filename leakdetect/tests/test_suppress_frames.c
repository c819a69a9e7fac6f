/* Unit tests of suppress_frames.c: it says of each stack what suppress_matches() does, and looks at each frame once. */
#include "suppress_rules.h"

#include "arithmetic.h"
#include "suppress_frames.h"

enum {
    FRAMES = SUPPRESS_FRAMES_KEPT + 50,
    DEPTH = 8
};

static symbol_frame frames[FRAMES];
static unsigned blocks_in_vain;
static char names[FRAMES][16];

static void name_frames(void) {
    for (size_t i = 0; i < FRAMES; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        frames[i] = (symbol_frame){.function = names[i], .file = i % 3 == 0 ? "server.c" : NULL};
    }
}

/* Of 150 rules each second is a block. */
static void parse_many(void) {
    static const struct {
        const char *before, *after;
    } SHAPES[] = {{"leak:^f", "$\n"},
                  {"{\n x\n Memcheck:Leak\n ...\n fun:f", "*\n}\n"},
                  {"leak:f", "*1\n"},
                  {"{\n x\n Memcheck:Leak\n fun:malloc\n fun:f", "*\n ...\n src:server.c\n}\n"}};
    static char rules[32768];
    size_t used = 0;
    for (int i = 0; i < 150; i++) {
        used += (size_t)snprintf(rules + used, sizeof rules - used, "%s%d%s", SHAPES[i % 4].before, i * 7,
                                 SHAPES[i % 4].after);
    }
    assert_int_equal(parse(rules), 150);
}

static report_frames stack_of(const symbol_frame **items, const size_t *which, size_t count) {
    for (size_t i = 0; i < count; i++) {
        items[i] = &frames[which[i]];
    }
    return (report_frames){.items = items, .count = count};
}

/* Whether each rule is chosen that matches, no `leak:` rule that does not, and few blocks that do not. */
static void assert_chosen_are_right(suppress_frames *self, const report_frames *stack) {
    const suppress_place *places = file.places.items;
    size_t next = 0;
    suppress_frames_choose(self, stack);
    for (size_t i = 0; i < file.rules.count; i++) {
        next = next < i ? suppress_frames_next(self, i) : next;
        next = i == 0 ? suppress_frames_next(self, 0) : next;
        const bool is_block = places[rule_at(i)->first_place].kind != SUPPRESS_ANYWHERE;
        const bool matches = suppress_matches(&file, rule_at(i), stack);
        assert_true(next == i ? matches || is_block : !matches);
        blocks_in_vain += next == i && !matches;
    }
    assert_int_equal(suppress_frames_next(self, file.rules.count), file.rules.count);
}

static void chosen_rules_are_those_that_match(void **state) {
    (void)state;
    const symbol_frame *items[DEPTH];
    uint64_t random = 5;
    suppress_frames self;
    parse_many();
    assert_true(suppress_frames_init(&self, &file));
    for (int round = 0; round < 20000; round++) { /* of more frames than are kept */
        size_t which[DEPTH];
        const size_t depth = random_next(&random) % (DEPTH + 1);
        for (size_t i = 0; i < depth; i++) {
            which[i] = (random_next(&random) >> 20) % (i % 2 == 0 ? FRAMES : 1100);
        }
        const report_frames stack = stack_of(items, which, depth);
        assert_chosen_are_right(&self, &stack);
    }
    assert_int_equal(self.kept, SUPPRESS_FRAMES_KEPT);
    assert_in_range(blocks_in_vain, 1, 150 * 20000 / 2 / 100);
    suppress_frames_fini(&self);
}

static void each_frame_is_looked_at_once(void **state) {
    (void)state;
    const symbol_frame *items[DEPTH];
    suppress_frames self;
    assert_int_equal(parse("leak:nobody\nleak:^f1$\n{\n x\n Memcheck:Leak\n fun:f2\n}\n"), 3);
    assert_true(suppress_frames_init(&self, &file));
    for (size_t bits = 0; bits < 1 << DEPTH; bits++) { /* 256 stacks of 16 frames */
        size_t which[DEPTH];
        for (size_t i = 0; i < DEPTH; i++) {
            which[i] = 2 * i + (bits >> i & 1);
        }
        const report_frames stack = stack_of(items, which, DEPTH);
        suppress_frames_choose(&self, &stack);
        assert_int_equal(suppress_frames_next(&self, 0), (bits & 1) != 0 ? 1 : (bits & 2) == 0 ? 2 : 3);
    }
    assert_int_equal(self.looks, 3 * 2 * DEPTH);
    suppress_frames_fini(&self);
}

static void without_rules_nothing_is_chosen(void **state) {
    (void)state;
    const symbol_frame *items[DEPTH];
    const size_t which[] = {1, 2};
    suppress_frames self;
    assert_int_equal(parse("# none\n"), 0);
    assert_true(suppress_frames_init(&self, &file));
    const report_frames stack = stack_of(items, which, 2);
    suppress_frames_choose(&self, &stack);
    assert_int_equal(suppress_frames_next(&self, 0), 0);
    suppress_frames_fini(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(chosen_rules_are_those_that_match),
        TEST(each_frame_is_looked_at_once),
        TEST(without_rules_nothing_is_chosen),
    };
    name_frames();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
