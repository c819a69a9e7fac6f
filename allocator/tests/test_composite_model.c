/* The composite against a plain array: seeded changes of every kind, and after each one all bytes, both indices, both marks, a
 * duplicate, and retained slices taken earlier are as the array says. UNIT_SEED sets the seed. */
#include "composite_fixture.h"

enum {
    ROOM = 3000, /* bytes of the model; changes keep below */
    SLICES = 8,
    STEPS = 400,
    SEEDS = 12
};

typedef struct kept_slice {
    poolbuf *slice; /* NULL: none */
    uint8_t bytes[ROOM];
    size_t length;
} kept_slice;

typedef struct model {
    unit_random random;
    poolbuf *c;
    poolbuf *duplicate; /* of c */
    bool writes;        /* to bytes that slices may show; without, those must never change */
    uint8_t bytes[ROOM];
    size_t capacity;
    size_t reader_index, writer_index;
    size_t reader_mark, writer_mark;
    kept_slice kept[SLICES];
} model;

static uint32_t below(model *m, size_t limit) {
    return unit_random_below(&m->random, (uint32_t)limit);
}

/* ---- What the array does ------------------------------------------------------------------------------------------ */

static void cut_indices(model *m) {
    m->writer_index = m->writer_index < m->capacity ? m->writer_index : m->capacity;
    m->reader_index = m->reader_index < m->capacity ? m->reader_index : m->capacity;
}

static void model_insert(model *m, size_t at, const uint8_t *bytes, size_t length) {
    memmove(m->bytes + at + length, m->bytes + at, m->capacity - at);
    memcpy(m->bytes + at, bytes, length);
    m->capacity += length;
}

static void model_remove(model *m, size_t at, size_t length) {
    memmove(m->bytes + at, m->bytes + at + length, m->capacity - at - length);
    m->capacity -= length;
}

static void model_drop_front(model *m, size_t count) {
    model_remove(m, 0, count);
    m->reader_index -= count;
    m->writer_index -= count;
    m->reader_mark -= m->reader_mark < count ? m->reader_mark : count;
    m->writer_mark -= m->writer_mark < count ? m->writer_mark : count;
}

/* Where component index begins; the capacity, behind the last one. */
static size_t start_of(const model *m, uint32_t index) {
    size_t offset = m->capacity;
    if (index < poolbuf_composite_component_count(m->c)) {
        UNIT_OK(poolbuf_composite_to_byte_index(m->c, index, &offset));
    }
    return offset;
}

/* ---- Changes ------------------------------------------------------------------------------------------------------ */

static void insert_component(model *m) {
    uint8_t bytes[64];
    size_t length = below(m, 3) == 0 ? 0 : below(m, 40);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)below(m, 256);
    }
    if (m->capacity + length > ROOM - 200) {
        return;
    }
    poolbuf *b = poolbuf_allocate_copy(allocator, bytes, length);
    if (below(m, 4) == 0) { /* as a composite of its own */
        poolbuf *parts[] = {poolbuf_retained_slice(b, 0, length / 2),
                            poolbuf_retained_slice(b, length / 2, length - length / 2)};
        assert_false(poolbuf_release(b));
        b = poolbuf_allocate_composite(allocator, 0);
        UNIT_OK(poolbuf_composite_add_components(b, parts, 2, true));
    }
    bool increase = below(m, 2) == 0;
    uint32_t count = poolbuf_composite_component_count(m->c);
    uint32_t index = below(m, count + 1);
    bool most = count == poolbuf_composite_max_components(m->c);
    model_insert(m, start_of(m, index), bytes, length);
    UNIT_OK(poolbuf_composite_insert_component(m->c, index, b, increase));
    m->writer_index += increase ? length : 0;
    assert_int_equal(poolbuf_composite_component_count(m->c), most && count > 0 ? 1 : count + 1);
}

static void remove_some(model *m) {
    uint32_t count = poolbuf_composite_component_count(m->c);
    uint32_t index = below(m, count + 1);
    uint32_t some = below(m, count - index + 1);
    some = some < 4 ? some : 4;
    size_t start = start_of(m, index);
    model_remove(m, start, start_of(m, index + some) - start);
    UNIT_OK(poolbuf_composite_remove_components(m->c, index, some));
    cut_indices(m);
}

static void consolidate_some(model *m) {
    uint32_t count = poolbuf_composite_component_count(m->c);
    uint32_t index = below(m, count + 1);
    uint32_t some = below(m, count - index + 1);
    UNIT_OK(poolbuf_composite_consolidate(m->c, index, some));
    assert_int_equal(poolbuf_composite_component_count(m->c), some > 1 ? count - some + 1 : count);
}

static void resize(model *m) {
    size_t capacity = below(m, 3) == 0 ? below(m, m->capacity + 1) : m->capacity + below(m, 30);
    if (capacity > ROOM - 200) {
        return;
    }
    poolbuf *through = below(m, 2) == 0 ? m->duplicate : m->c;
    UNIT_OK(poolbuf_set_capacity(through, capacity));
    if (capacity > m->capacity) {
        memset(m->bytes + m->capacity, 0, capacity - m->capacity);
        UNIT_OK(poolbuf_set_zero(m->c, m->capacity, capacity - m->capacity));
    }
    m->capacity = capacity;
    cut_indices(m);
}

static void move_indices(model *m) {
    m->writer_index = below(m, m->capacity + 1);
    m->reader_index = below(m, m->writer_index + 1);
    UNIT_OK(poolbuf_set_indices(m->c, m->reader_index, m->writer_index));
    if (below(m, 3) == 0) {
        UNIT_OK(poolbuf_mark_reader_index(m->c));
        UNIT_OK(poolbuf_mark_writer_index(m->c));
        m->reader_mark = m->reader_index;
        m->writer_mark = m->writer_index;
    }
}

static void discard_some(model *m) {
    uint32_t how = below(m, 3);
    size_t drop = m->reader_index;
    if (how != 0) { /* whole components */
        drop = 0;
        for (uint32_t i = 1; i <= poolbuf_composite_component_count(m->c); i++) {
            drop = start_of(m, i) <= m->reader_index ? start_of(m, i) : drop;
        }
    }
    UNIT_OK(how == 0   ? poolbuf_discard_read_bytes(m->c)
            : how == 1 ? poolbuf_discard_some_read_bytes(m->c)
                       : poolbuf_composite_discard_read_components(m->c));
    model_drop_front(m, drop);
}

static void write_some(model *m) {
    uint8_t bytes[64];
    size_t length = below(m, 64);
    size_t index = below(m, m->capacity + 1);
    length = length < m->capacity - index ? length : m->capacity - index;
    if (!m->writes) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)below(m, 256);
    }
    memcpy(m->bytes + index, bytes, length);
    UNIT_OK(poolbuf_set_bytes(below(m, 2) == 0 ? m->duplicate : m->c, index, bytes, length));
}

static void keep_slice(model *m) {
    kept_slice *kept = &m->kept[below(m, SLICES)];
    if (kept->slice != NULL) {
        (void)poolbuf_release(kept->slice);
    }
    size_t index = below(m, m->capacity + 1);
    kept->length = below(m, m->capacity - index + 1);
    memcpy(kept->bytes, m->bytes + index, kept->length);
    kept->slice = poolbuf_retained_slice(below(m, 2) == 0 ? m->duplicate : m->c, index, kept->length);
    assert_non_null(kept->slice);
}

/* ---- Comparing ---------------------------------------------------------------------------------------------------- */

static void compare(const model *m) {
    uint8_t got[ROOM];
    assert_true(composite_audit(m->c));
    assert_int_equal(poolbuf_capacity(m->c), m->capacity);
    expect_indices(m->c, m->reader_index, m->writer_index);
    UNIT_OK(poolbuf_get_bytes(m->c, 0, got, m->capacity));
    assert_memory_equal(got, m->bytes, m->capacity);
    assert_int_equal(poolbuf_capacity(m->duplicate), m->capacity);
    assert_true(poolbuf_writer_index(m->duplicate) <= m->capacity);
    UNIT_OK(poolbuf_get_bytes(m->duplicate, 0, got, m->capacity));
    assert_memory_equal(got, m->bytes, m->capacity);
    for (unsigned i = 0; i < SLICES; i++) {
        const kept_slice *kept = &m->kept[i];
        if (kept->slice != NULL) {
            assert_int_equal(poolbuf_readable_bytes(kept->slice), kept->length);
            UNIT_OK(poolbuf_get_bytes(kept->slice, 0, got, kept->length));
            if (!m->writes) {
                assert_memory_equal(got, kept->bytes, kept->length);
            }
        }
    }
}

static void compare_marks(model *m) {
    bool fits = m->reader_mark <= m->writer_index;
    assert_int_equal(poolbuf_reset_reader_index(m->c), fits ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS);
    m->reader_index = fits ? m->reader_mark : m->reader_index;
    fits = m->writer_mark <= m->capacity && m->writer_mark >= m->reader_index;
    assert_int_equal(poolbuf_reset_writer_index(m->c), fits ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS);
    m->writer_index = fits ? m->writer_mark : m->writer_index;
}

static void run(uint64_t seed) {
    static void (*const changes[])(model *) = {
        insert_component, insert_component, insert_component, insert_component, remove_some, consolidate_some, resize,
        move_indices,     move_indices,     discard_some,     write_some,       keep_slice,  compare_marks};
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->random = unit_random_start("model", seed);
    m->writes = below(m, 2) == 0;
    m->c = poolbuf_allocate_composite(allocator, 1 + below(m, 40));
    m->duplicate = poolbuf_duplicate(m->c);
    for (unsigned step = 0; step < STEPS; step++) {
        changes[below(m, sizeof changes / sizeof changes[0])](m);
        compare(m);
    }
    bool first = below(m, 2) == 0; /* retained slices outlive the composite */
    if (first) {
        assert_true(poolbuf_release(m->c));
    }
    for (unsigned i = 0; i < SLICES; i++) {
        if (m->kept[i].slice != NULL) {
            uint8_t got[ROOM];
            UNIT_OK(poolbuf_get_bytes(m->kept[i].slice, 0, got, m->kept[i].length));
            assert_true(m->writes || memcmp(got, m->kept[i].bytes, m->kept[i].length) == 0);
            assert_true(poolbuf_release(m->kept[i].slice));
        }
    }
    if (!first) {
        assert_true(poolbuf_release(m->c));
    }
    free(m);
    assert_int_equal(live(), 0);
}

static void random_changes_are_those_of_a_plain_array(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {COMPOSITE_TEST(random_changes_are_those_of_a_plain_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
