/* Torture of composites and of wrapped memory: the first, the second, ... request for memory fails, until the whole scenario passes.
 * A call that fails has changed nothing but that it has released what it was given; each round ends with nothing alive, every
 * callback called, every region given back, and an allocator that works on. */
#include "unit.h"

#include <unistd.h>

#include <poolbuf/composite.h>
#include <poolbuf/wrapped.h>

#include "allocator.h"
#include "composite.h"
#include "os/os.h"

enum {
    PARTS = 24 /* more than a composite has room for at first, so that its block grows */
};

typedef struct scenario {
    poolbuf_allocator *allocator;
    int file;
    bool good; /* nothing has failed */
    unsigned wrapped;
} scenario;

static unsigned told;

static void tell(void *memory, size_t length, void *context) {
    (void)memory;
    (void)length;
    (void)context;
    told++;
}

/* The only reason there may be. */
static bool passed(scenario *self, poolbuf_status status) {
    if (status != POOLBUF_OK) {
        assert_int_equal(status, POOLBUF_ERROR_NO_MEMORY);
        self->good = false;
    }
    return status == POOLBUF_OK;
}

static poolbuf *got(scenario *self, poolbuf *buffer) {
    self->good = self->good && buffer != NULL;
    return buffer;
}

static void drop(poolbuf *buffer) {
    if (buffer != NULL) {
        (void)poolbuf_release(buffer);
    }
}

/* A part of four bytes, of one kind or the other. */
static poolbuf *part(scenario *self, unsigned number) {
    static char bytes[] = "abcd";
    if (number % 3 == 0) {
        poolbuf *b = poolbuf_wrap(self->allocator, bytes, 4, tell, NULL);
        self->wrapped += b != NULL;
        return got(self, b);
    }
    poolbuf *b = got(self, number % 3 == 1 ? poolbuf_allocate_copy(self->allocator, "abcd", 4)
                                           : poolbuf_allocate_unpooled(self->allocator, 4, 400));
    if (b != NULL && number % 3 == 2) {
        UNIT_OK(poolbuf_write_bytes(b, "abcd", 4));
    }
    return b;
}

static void expect_parts(const poolbuf *b) {
    size_t readable = poolbuf_readable_bytes(b);
    for (size_t i = 0; i < readable; i++) {
        uint8_t byte = 0;
        UNIT_OK(poolbuf_get_u8(b, poolbuf_reader_index(b) + i, &byte));
        assert_int_equal(byte, "abcd"[i % 4]);
    }
}

static poolbuf *build(scenario *self) {
    poolbuf *c = got(self, poolbuf_allocate_composite(self->allocator, 100));
    for (unsigned i = 0; i < PARTS && c != NULL; i++) {
        poolbuf *b = part(self, i);
        if (b == NULL) {
            continue;
        }
        uint32_t count = poolbuf_composite_component_count(c);
        size_t capacity = poolbuf_capacity(c);
        bool added = passed(self, poolbuf_composite_add_component(c, b, true));
        assert_int_equal(poolbuf_composite_component_count(c), count + added);
        assert_int_equal(poolbuf_capacity(c), capacity + (added ? 4 : 0));
        assert_true(composite_audit(c));
    }
    return c;
}

/* Views of it, which live on when it is gone. */
static void slice(scenario *self, poolbuf *c, poolbuf *kept[3]) {
    size_t capacity = poolbuf_capacity(c);
    (void)got(self, poolbuf_slice(c, 0, capacity));
    poolbuf *duplicate = got(self, poolbuf_duplicate(c));
    (void)passed(self, poolbuf_mark_reader_index(c));
    kept[0] = got(self, poolbuf_retained_slice(c, capacity / 8 * 4, capacity / 2));
    kept[1] = got(self, poolbuf_retained_duplicate(duplicate != NULL ? duplicate : c));
    kept[2] = capacity == 0 ? NULL : got(self, poolbuf_retained_slice(c, 0, 2));
    poolbuf *slices[PARTS];
    size_t count = PARTS;
    if (passed(self, poolbuf_composite_decompose(c, 0, capacity, slices, &count))) {
        assert_int_equal(poolbuf_release_many(slices, count), count);
    }
}

/* Each of these changes the composite, or fails and leaves it as it is. */
static void restructure(scenario *self, poolbuf *c) {
    uint32_t count = poolbuf_composite_component_count(c);
    size_t capacity = poolbuf_capacity(c);
    size_t writer_index = poolbuf_writer_index(c);
    poolbuf_status status = poolbuf_composite_consolidate(c, 0, count / 2);
    assert_int_equal(poolbuf_composite_component_count(c),
                     passed(self, status) && count / 2 > 1 ? count - count / 2 + 1 : count);
    expect_parts(c);
    status = poolbuf_set_capacity(c, capacity + 100);
    assert_int_equal(poolbuf_capacity(c), passed(self, status) ? capacity + 100 : capacity);
    capacity = poolbuf_capacity(c);
    static const char zeros[4000];
    status = poolbuf_write_bytes(c, zeros, sizeof zeros);
    bool wrote = passed(self, status);
    assert_int_equal(poolbuf_writer_index(c), writer_index + (wrote ? sizeof zeros : 0));
    assert_true(wrote || poolbuf_capacity(c) == capacity);
    assert_true(composite_audit(c));
    UNIT_OK(poolbuf_set_writer_index(c, writer_index));
    UNIT_OK(poolbuf_set_reader_index(c, writer_index / 8 * 4));
    UNIT_OK(poolbuf_discard_read_bytes(c));
    expect_parts(c);
    assert_true(composite_audit(c));
}

/* Into another, whose limit makes it consolidate; without memory for that it has more components than it may. */
static void flatten(scenario *self, poolbuf *c) {
    poolbuf *flat = got(self, poolbuf_allocate_composite(self->allocator, 10));
    size_t readable = poolbuf_readable_bytes(c);
    if (flat == NULL) {
        (void)poolbuf_release(c);
        return;
    }
    bool added = passed(self, poolbuf_composite_add_flattened(flat, c, true)); /* c is gone, either way */
    assert_int_equal(poolbuf_readable_bytes(flat), added ? readable : 0);
    expect_parts(flat);
    assert_true(composite_audit(flat));
    poolbuf *list[3] = {part(self, 1), part(self, 2), part(self, 3)};
    if (list[0] == NULL || list[1] == NULL || list[2] == NULL) {
        for (unsigned i = 0; i < 3; i++) {
            drop(list[i]);
        }
    } else {
        readable = poolbuf_readable_bytes(flat);
        added = passed(self, poolbuf_composite_add_components(flat, list, 3, true));
        assert_int_equal(poolbuf_readable_bytes(flat), readable + (added ? 12 : 0));
        expect_parts(flat);
        self->good = self->good && poolbuf_composite_component_count(flat) <= 10;
    }
    drop(flat);
}

static void wrap_and_map(scenario *self) {
    poolbuf *list[PARTS];
    size_t count = 0;
    for (unsigned i = 0; i < PARTS; i++) {
        list[count] = part(self, i);
        count += list[count] != NULL;
    }
    poolbuf *whole = got(self, poolbuf_wrap_buffers(self->allocator, list, count));
    if (whole != NULL) {
        expect_parts(whole);
        assert_int_equal(poolbuf_readable_bytes(whole), 4 * count);
        drop(whole);
    }
    poolbuf *mapped = NULL;
    if (passed(self, poolbuf_map_file(self->allocator, self->file, 1, 5, POOLBUF_MAP_PRIVATE, &mapped))) {
        drop(got(self, poolbuf_retained_slice(mapped, 0, 5)));
        drop(mapped);
    } else {
        assert_null(mapped);
    }
    poolbuf *b = got(self, poolbuf_allocate_unpooled(self->allocator, 10, 10000));
    if (b != NULL) {
        (void)passed(self, poolbuf_set_capacity(b, 10000));
        drop(b);
    }
}

/* True if nothing has failed. */
static bool run_scenario(poolbuf_allocator *allocator, int file) {
    scenario self = {.allocator = allocator, .file = file, .good = true};
    poolbuf *kept[3] = {NULL, NULL, NULL};
    told = 0;
    poolbuf *c = build(&self);
    if (c != NULL) {
        slice(&self, c, kept);
        restructure(&self, c);
        flatten(&self, c);
    }
    for (unsigned i = 0; i < 3; i++) {
        if (kept[i] != NULL) {
            expect_parts(kept[i]);
            drop(kept[i]);
        }
    }
    wrap_and_map(&self);
    assert_int_equal(told, self.wrapped);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    assert_true(allocator_audit(allocator));
    return self.good;
}

static bool round_passes(bool pooling, int file, unsigned long failures, bool once) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = 262144;
    options.direct_arenas = 1;
    options.heap_arenas = 1;
    options.pooling = pooling;
    poolbuf_allocator *allocator = NULL;
    os_fault_arm(failures, once);
    poolbuf_status status = poolbuf_allocator_create(&options, &allocator);
    if (status != POOLBUF_OK) {
        assert_int_equal(status, POOLBUF_ERROR_NO_MEMORY);
        os_fault_disarm();
        assert_int_equal(os_fault_regions(), 0);
        return false;
    }
    bool good = run_scenario(allocator, file);
    bool all_passed = os_fault_calls() <= failures;
    assert_true(good || !all_passed);
    os_fault_disarm();
    assert_true(run_scenario(allocator, file)); /* it works again */
    UNIT_OK(poolbuf_allocator_destroy(allocator));
    assert_int_equal(os_fault_regions(), 0);
    return all_passed;
}

static void run(bool pooling, bool once) {
    char name[] = "/tmp/poolbuf-torture-XXXXXX";
    int file = mkstemp(name);
    assert_true(file >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(write(file, "0123456789", 10), 10);
    os = &os_fault;
    unsigned long failures = 0;
    for (bool all_passed = false; !all_passed; failures++) {
        assert_true(failures < 2000);
        all_passed = round_passes(pooling, file, failures, once);
    }
    print_message("%s, %s: %lu points of failure\n", pooling ? "pooled" : "unpooled", once ? "once" : "from there on",
                  failures);
    assert_true(failures > 30);
    os = &os_linux;
    assert_int_equal(close(file), 0);
}

static void composites_and_wrapped_memory_survive_one_failure_at_each_point(void **state) {
    (void)state;
    run(true, true);
}

static void they_survive_no_memory_from_each_point_on(void **state) {
    (void)state;
    run(true, false);
}

static void without_pooling_they_survive_each_failure(void **state) {
    (void)state;
    run(false, true);
    run(false, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composites_and_wrapped_memory_survive_one_failure_at_each_point),
        cmocka_unit_test(they_survive_no_memory_from_each_point_on),
        cmocka_unit_test(without_pooling_they_survive_each_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
