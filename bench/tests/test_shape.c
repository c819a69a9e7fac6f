/* Unit tests of shape.c and shape_play.c: what is counted is exact, what is played has the same counts, and a file that is
 * no shape is refused at its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "record/shape.h"
#include "scenario/random.h"
#include "scenario/stream.h"
#include "scenario_text.h"

static char error[1024];

enum {
    SAME,
    OTHER
};

static void sizes_and_lives_have_a_class_a_doubling(void **state) {
    (void)state;
    assert_int_equal(shape_size_class(1), 0);
    assert_int_equal(shape_size_class(2), 1);
    assert_int_equal(shape_size_class(3), 2);
    assert_int_equal(shape_size_class(4), 2);
    assert_int_equal(shape_size_class(5), 3);
    assert_int_equal(shape_size_class(TRACE_SIZE_MAX), SHAPE_SIZES - 1);
    assert_int_equal(shape_life_class(0), 0);
    assert_int_equal(shape_life_class(1), 1);
    assert_int_equal(shape_life_class(3), 2);
    assert_int_equal(shape_life_class(4), 3);
    for (unsigned i = 0; i < SHAPE_LIVES; i++) {
        assert_int_equal(shape_life_class(shape_life_low(i)), i);
        assert_true(i == 0 || shape_life_class(shape_life_low(i) - 1) == i - 1);
    }
    assert_true(shape_life_low(SHAPE_LIVES - 1) == TRACE_EVENTS_MAX);
}

/* By hand: lives of 0, 1, 2 and 3 allocations, a hop, a buffer that grew and shrank, one that is kept. */
static void what_a_trace_has_is_counted_exactly(void **state) {
    (void)state;
    trace_event events[] = {
        {.slot = 0, .size = 100, .kind = TRACE_ALLOCATE},             /* lives for 3, hops */
        {.slot = 1, .size = 64, .kind = TRACE_ALLOCATE},              /* lives for 1 */
        {.slot = 2, .size = 65, .kind = TRACE_ALLOCATE, .thread = 1}, /* kept, at most 5000 */
        {.slot = 1, .kind = TRACE_RELEASE},                           /* */
        {.slot = 2, .size = 3, .kind = TRACE_RETAIN, .thread = 1},    /* nothing */
        {.slot = 2, .size = 5000, .kind = TRACE_RESIZE, .thread = 1}, /* */
        {.slot = 2, .size = 10, .kind = TRACE_RESIZE, .thread = 1},   /* */
        {.slot = 1, .size = 1, .kind = TRACE_ALLOCATE},               /* lives for 0 */
        {.slot = 1, .kind = TRACE_RELEASE},                           /* */
        {.slot = 0, .kind = TRACE_RELEASE, .thread = 1},              /* */
    };
    const trace of = {.events = events,
                      .event_count = sizeof events / sizeof events[0],
                      .thread_count = 2,
                      .slot_count = 3,
                      .peak_live_bytes = 5101};
    shape expected = {.threads = 2, .resizes = 2, .peak_live_buffers = 3, .peak_live_bytes = 5101, .buffer_count = 4};
    shape found;
    expected.counts[shape_size_class(100)][shape_life_class(3)][OTHER] = 1;
    expected.counts[shape_size_class(64)][shape_life_class(1)][SAME] = 1;
    expected.counts[shape_size_class(5000)][SHAPE_KEPT][SAME] = 1;
    expected.counts[shape_size_class(1)][shape_life_class(0)][SAME] = 1;
    assert_true(shape_measure(&of, &found, error, sizeof error));
    assert_memory_equal(&found, &expected, sizeof found);
}

static void nothing_has_no_shape(void **state) {
    (void)state;
    const trace of = {.thread_count = 1};
    shape found;
    assert_false(shape_measure(&of, &found, error, sizeof error));
    assert_non_null(strstr(error, "a shape is of 1 to 16777216 buffers, and here are 0"));
}

/* A trace with lives of all lengths: at each step a random live buffer dies, or, now and then, one of the last few. */
static trace *random_trace(uint64_t seed, uint32_t threads, uint32_t allocations) {
    random_state random;
    trace *made = calloc(1, sizeof *made);
    uint32_t *live = calloc(allocations, sizeof *live);
    uint32_t *owner = calloc(allocations, sizeof *owner);
    random_init(&random, seed, 0);
    assert_non_null(made);
    assert_non_null(live);
    assert_non_null(owner);
    made->events = calloc((size_t)2 * allocations, sizeof *made->events);
    assert_non_null(made->events);
    uint32_t count = 0;
    for (uint32_t i = 0; i < allocations; i++) { /* a slot each: simple, and legal */
        owner[i] = (uint32_t)random_below(&random, threads);
        made->events[made->event_count++] =
            (trace_event){.slot = i,
                          .size = 1 + (uint32_t)random_below(&random, 1 + (UINT32_C(1) << random_below(&random, 20))),
                          .kind = TRACE_ALLOCATE,
                          .thread = owner[i] & 0xfffffffu};
        live[count++] = i;
        while (count > 0 && random_below(&random, 10) < 5) {
            const uint64_t recent = count < 4 ? count : 4;
            const uint64_t which = random_below(&random, 3) == 0 ? random_below(&random, count)
                                                                 : count - 1 - random_below(&random, recent);
            const uint32_t dead = live[which];
            live[which] = live[--count];
            made->events[made->event_count++] = (trace_event){
                .slot = dead,
                .kind = TRACE_RELEASE,
                .thread = (random_below(&random, 4) == 0 ? (uint32_t)random_below(&random, threads) : owner[dead]) &
                          0xfffffffu};
        }
    }
    made->slot_count = allocations;
    made->thread_count = threads;
    free(live);
    free(owner);
    return made;
}

static void what_is_played_has_exactly_the_counts_of_the_shape(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        const uint32_t threads = 1 + (uint32_t)seed % 5;
        trace *recorded = random_trace(seed, threads, 1 + 97 * (uint32_t)seed);
        trace *played = NULL;
        shape before;
        shape after;
        assert_true(shape_measure(recorded, &before, error, sizeof error));
        assert_true(shape_play(&before, threads, seed, &played));
        assert_true(shape_measure(played, &after, error, sizeof error));
        assert_memory_equal(before.counts, after.counts, sizeof before.counts);
        assert_int_equal(before.buffer_count, after.buffer_count);
        trace_destroy(recorded);
        trace_destroy(played);
    }
}

static bool same_events(const trace *a, const trace *b) {
    return a->event_count == b->event_count &&
           memcmp(a->events, b->events, (size_t)a->event_count * sizeof *a->events) == 0;
}

static void a_seed_decides_the_whole_order(void **state) {
    (void)state;
    trace *recorded = random_trace(1, 3, 2000);
    trace *first = NULL;
    trace *again = NULL;
    trace *other = NULL;
    shape from;
    assert_true(shape_measure(recorded, &from, error, sizeof error));
    assert_true(shape_play(&from, 3, 7, &first));
    assert_true(shape_play(&from, 3, 7, &again));
    assert_true(shape_play(&from, 3, 8, &other));
    assert_true(same_events(first, again));
    assert_false(same_events(first, other));
    trace_destroy(recorded);
    trace_destroy(first);
    trace_destroy(again);
    trace_destroy(other);
}

/* Inside a class sizes and lives are drawn alike: chi-square over 16 parts of each, which a right program passes with these
 * seeds; 15 degrees of freedom pass 37.7 once in a thousand. */
static void inside_a_class_everything_is_as_likely(void **state) {
    (void)state;
    shape from = {.threads = 1, .buffer_count = 200000};
    from.counts[shape_size_class(4096)][shape_life_class(1024)][SAME] = 100000;
    from.counts[0][0][SAME] = 100000;
    trace *played = NULL;
    assert_true(shape_play(&from, 1, 3, &played));
    uint64_t sizes[16] = {0};
    uint64_t lives[16] = {0};
    uint64_t *born = calloc(played->slot_count, sizeof *born);
    uint32_t *size = calloc(played->slot_count, sizeof *size);
    uint64_t allocations = 0;
    assert_non_null(born);
    assert_non_null(size);
    for (uint64_t i = 0; i < played->event_count; i++) {
        const trace_event *event = &played->events[i];
        if (event->kind == TRACE_ALLOCATE) {
            born[event->slot] = allocations++;
            size[event->slot] = event->size;
        } else if (size[event->slot] > 1) {
            const uint64_t life = allocations - born[event->slot] - 1;
            assert_in_range(size[event->slot], 2049, 4096);
            assert_in_range(life, 1024, 2047);
            sizes[(size[event->slot] - 2049) / 128]++;
            lives[(life - 1024) / 64]++;
        }
    }
    double of_sizes = 0;
    double of_lives = 0;
    for (unsigned i = 0; i < 16; i++) {
        of_sizes += ((double)sizes[i] - 6250) * ((double)sizes[i] - 6250) / 6250;
        of_lives += ((double)lives[i] - 6250) * ((double)lives[i] - 6250) / 6250;
    }
    assert_true(of_sizes < 37.7);
    assert_true(of_lives < 37.7);
    free(born);
    free(size);
    trace_destroy(played);
}

static const char *write_file(char path[SCENARIO_TEXT_PATH_SIZE], const shape *from) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_true(shape_write(file, from, error, sizeof error));
    assert_int_equal(fclose(file), 0);
    assert_true(size < 16384);
    (void)scenario_text_file(path, ".pbshape", text, size);
    free(text);
    return path;
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    char path[SCENARIO_TEXT_PATH_SIZE];
    trace *recorded = random_trace(5, 4, 5000);
    shape from;
    shape read;
    recorded->peak_live_bytes = 12345;
    assert_true(shape_measure(recorded, &from, error, sizeof error));
    from.resizes = 77;
    if (!shape_read(write_file(path, &from), &read, error, sizeof error)) {
        fail_msg("%s", error);
    }
    assert_memory_equal(&from, &read, sizeof from);
    (void)unlink(path);
    trace_destroy(recorded);
}

static bool starts_with(const char *path, const char *line) {
    char first[64] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(first, sizeof first, file));
    (void)fclose(file);
    return strcmp(first, line) == 0;
}

/* Who knows version 1 alone would play it as if it were whole, so only what is whole is written as that. */
static void a_shape_that_lacks_something_says_so_where_it_is_played(void **state) {
    (void)state;
    static const struct {
        uint64_t clamped_sizes, dropped_events;
        const char *title, *source;
    } cases[] = {
        {0, 0, "poolbuf-shape 1\n", "a recorded shape: 500 buffers, 2 threads"},
        {0, 1, "poolbuf-shape 2\n",
         "a recorded shape: 500 buffers, 2 threads; the recording ends before the program did"},
        {3, 0, "poolbuf-shape 2\n",
         "a recorded shape: 500 buffers, 2 threads; 3 sizes were larger than 256 MiB, and count as that"},
        {1, 1, "poolbuf-shape 2\n",
         "a recorded shape: 500 buffers, 2 threads; 1 sizes were larger than 256 MiB, and count as that; the recording "
         "ends before the program did"},
    };
    trace *recorded = random_trace(7, 2, 500);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[SCENARIO_TEXT_PATH_SIZE];
        shape from;
        shape read;
        scenario *loaded = NULL;
        recorded->summary.clamped_sizes = cases[i].clamped_sizes;
        recorded->summary.dropped_events = cases[i].dropped_events;
        assert_true(shape_measure(recorded, &from, error, sizeof error));
        assert_int_equal(from.clamped_sizes, cases[i].clamped_sizes);
        assert_int_equal(from.dropped_events, cases[i].dropped_events);
        assert_true(shape_read(write_file(path, &from), &read, error, sizeof error));
        assert_memory_equal(&from, &read, sizeof from);
        assert_true(starts_with(path, cases[i].title));
        assert_true(scenario_load(path, &loaded, error, sizeof error));
        assert_string_equal(loaded->source, cases[i].source);
        scenario_destroy(loaded);
        (void)unlink(path);
    }
    trace_destroy(recorded);
}

/* As a scenario, by its file and as a phase: as many threads as recorded, hops between them, each buffer once. */
static void a_shape_is_a_scenario(void **state) {
    (void)state;
    char path[SCENARIO_TEXT_PATH_SIZE];
    char text[512];
    trace *recorded = random_trace(6, 3, 3000);
    shape from;
    assert_true(shape_measure(recorded, &from, error, sizeof error));
    (void)write_file(path, &from);
    for (int as_phase = 0; as_phase < 2; as_phase++) {
        scenario *loaded = NULL;
        stream *made = NULL;
        (void)snprintf(text, sizeof text, "name: t\nasks: q?\nsource: s\nphases:\n  - name: p\n    shape: %s\n", path);
        if (as_phase != 0) {
            loaded = scenario_from_text(text, error);
        } else if (!scenario_load(path, &loaded, error, sizeof error)) {
            loaded = NULL;
        }
        if (loaded == NULL || !stream_generate(loaded, 1, false, &made, error, sizeof error) ||
            !stream_audit(made, error, sizeof error)) {
            fail_msg("%s", error);
            return;
        }
        assert_int_equal(made->thread_count, 3);
        assert_int_equal(made->allocation_count, 3000);
        assert_string_equal(made->phases[0].name, as_phase != 0 ? "p.1of8" : "shape.1of8");
        stream_destroy(made);
        scenario_destroy(loaded);
    }
    (void)unlink(path);
    trace_destroy(recorded);
}

static void a_bad_file_is_refused_at_its_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", ":0: it ends without buffers; at least one line"},
        {"name: x\n", ":1: this is not a shape: it does not start with \"poolbuf-shape 1\""},
        {"poolbuf-shape 3\n", ":1: shapes of version \"3\" are not known; this program reads 1 to 2"},
        {"poolbuf-shape one\n", ":1: shapes of version \"one\" are not known"},
        {"poolbuf-shape 1\ncut-off\n", ":2: \"cut-off\" with 1 words is no line of a shape; legal: "},
        {"poolbuf-shape 1\nclamped 1\n", ":2: \"clamped\" with 2 words is no line of a shape; legal: "},
        {"poolbuf-shape 2\nclamped 0\n", ":2: \"0\" is not a whole number from 1 to 67108864"},
        {"poolbuf-shape 2\ncut-off 1\n", ":2: \"cut-off\" with 2 words is no line of a shape; legal: "},
        {"poolbuf-shape 1\nthreads 1\n", ":2: it ends without buffers"},
        {"poolbuf-shape 1\n\n# note\nbuffers 16 0 same 1\n", ":4: \"threads N\" is missing"},
        {"poolbuf-shape 1\nthreads 0\n", ":2: \"0\" is not a whole number from 1 to 1048576"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 0 same\n", ":3: \"buffers\" with 4 words is no line of a shape"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 17 0 same 1\n", ":3: SIZE and LIFE are powers of two"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 3 same 1\n", ":3: SIZE and LIFE are powers of two"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 1073741824 0 same 1\n", ":3: \"1073741824\" is not a whole number"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 -1 same 1\n", ":3: \"-1\" is not a whole number"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 0 same 99999999999999999999\n", ":3: \"99999999999999999999\" is not"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 0 none 1\n", ":3: \"none\" is no HOP; legal: same, other"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 0 other 1\n", ":3: with one thread there is no other"},
        {"poolbuf-shape 1\nthreads 2\nbuffers 16 kept other 1\n", ":3: what is kept is released by nobody"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 0 same 1\nbuffers 16 0 same 2\n", ":4: these buffers are there twice"},
        {"poolbuf-shape 1\nthreads 1\nthreads 1\n", ":3: \"threads\" is there twice; once is right"},
        {"poolbuf-shape 1\nresizes 1\nresizes 2\n", ":3: \"resizes\" is there twice; once is right"},
        {"poolbuf-shape 1\npeak 0 buffers 0 bytes\npeak 2 buffers 2 bytes\n", ":3: \"peak\" is there twice"},
        {"poolbuf-shape 2\ncut-off\ncut-off\n", ":3: \"cut-off\" is there twice; once is right"},
        {"poolbuf-shape 2\nclamped 1\nclamped 5\n", ":3: \"clamped\" is there twice; once is right"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 0 same 16777216\nbuffers 8 0 same 1\n",
         ":4: there are more than 16777216"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 4 same 5\n",
         ":3: 5 of 5 buffers live for 4 allocations or more; at most 1 can"},
        {"poolbuf-shape 1\nthreads 1\nbuffers 16 4 same 3\n",
         ":3: 3 of 3 buffers live for 4 allocations or more; at most 0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[SCENARIO_TEXT_PATH_SIZE];
        shape read;
        scenario *loaded = NULL;
        (void)scenario_text_file(path, ".pbshape", bad[i].text, strlen(bad[i].text));
        assert_false(shape_read(path, &read, error, sizeof error));
        if (strstr(error, bad[i].why) == NULL || strstr(error, path) != error || strchr(error, '\n') != NULL) {
            fail_msg("expected \"%s\" in: %s", bad[i].why, error);
        }
        assert_false(scenario_load(path, &loaded, error, sizeof error));
        (void)unlink(path);
    }
}

/* The tightest that is legal: each of four buffers lives as long as it can. */
static void lives_that_only_just_fit_are_played(void **state) {
    (void)state;
    shape from = {.threads = 1, .buffer_count = 9};
    trace *played = NULL;
    shape after;
    from.counts[4][shape_life_class(8)][SAME] = 1;
    from.counts[4][shape_life_class(4)][SAME] = 4;
    from.counts[4][shape_life_class(2)][SAME] = 2;
    from.counts[4][shape_life_class(1)][SAME] = 1;
    from.counts[4][shape_life_class(0)][SAME] = 1;
    for (uint64_t seed = 0; seed < 200; seed++) {
        assert_true(shape_play(&from, 1, seed, &played));
        assert_true(shape_measure(played, &after, error, sizeof error));
        assert_memory_equal(from.counts, after.counts, sizeof from.counts);
        trace_destroy(played);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_lives_have_a_class_a_doubling),
        cmocka_unit_test(what_a_trace_has_is_counted_exactly),
        cmocka_unit_test(nothing_has_no_shape),
        cmocka_unit_test(what_is_played_has_exactly_the_counts_of_the_shape),
        cmocka_unit_test(a_seed_decides_the_whole_order),
        cmocka_unit_test(inside_a_class_everything_is_as_likely),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_shape_that_lacks_something_says_so_where_it_is_played),
        cmocka_unit_test(a_shape_is_a_scenario),
        cmocka_unit_test(a_bad_file_is_refused_at_its_line),
        cmocka_unit_test(lives_that_only_just_fit_are_played),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
