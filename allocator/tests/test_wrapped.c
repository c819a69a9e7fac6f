/* Unit tests of wrapped.c: buffers of the caller's memory, of files, of malloc's own, and of none. */
#include "composite_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <poolbuf/io.h>
#include <poolbuf/tracker.h>

/* ---- Wrapping ----------------------------------------------------------------------------------------------------- */

static struct {
    unsigned calls;
    void *memory;
    size_t length;
    void *context;
    pthread_t thread;
} told;

static void tell(void *memory, size_t length, void *context) {
    told.calls++;
    told.memory = memory;
    told.length = length;
    told.context = context;
    told.thread = pthread_self();
}

static poolbuf *wrapped(char *bytes) {
    memset(&told, 0, sizeof told);
    return poolbuf_wrap(allocator, bytes, strlen(bytes), tell, bytes + 1);
}

static void wrapped_memory_is_readable_writable_and_of_fixed_size(void **state) {
    (void)state;
    char bytes[] = "abcdef";
    poolbuf *b = wrapped(bytes);
    expect_text(b, "abcdef");
    assert_ptr_equal(poolbuf_memory(b), bytes);
    assert_ptr_equal(poolbuf_owner(b), allocator);
    assert_true(poolbuf_is_contiguous(b));
    assert_int_equal(poolbuf_max_capacity(b), 6);
    assert_int_equal(poolbuf_pinned_bytes(b), 6);
    UNIT_OK(poolbuf_set_u8(b, 0, 'A'));
    assert_string_equal(bytes, "Abcdef"); /* no copy */
    bytes[5] = 'F';
    expect_text(b, "AbcdeF");
    assert_int_equal(poolbuf_write_u8(b, 1), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_set_capacity(b, 7), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(poolbuf_set_capacity(b, 5), POOLBUF_ERROR_UNSUPPORTED);
    UNIT_OK(poolbuf_set_reader_index(b, 4));
    UNIT_OK(poolbuf_discard_read_bytes(b));
    expect_text(b, "eF");
    assert_int_equal(told.calls, 0);
    assert_true(poolbuf_release(b));
    assert_string_equal(bytes, "eFcdeF");
}

static void whoever_drops_the_last_reference_tells_once(void **state) {
    (void)state;
    char bytes[] = "abcdef";
    poolbuf *b = wrapped(bytes);
    assert_false(poolbuf_release(poolbuf_retain(b)));
    assert_int_equal(told.calls, 0);
    assert_true(poolbuf_release(b));
    assert_int_equal(told.calls, 1);
    assert_ptr_equal(told.memory, bytes);
    assert_int_equal(told.length, 6);
    assert_ptr_equal(told.context, bytes + 1);
    assert_true(poolbuf_release(poolbuf_wrap(allocator, bytes, 6, NULL, NULL))); /* nobody has to be told */
    assert_int_equal(told.calls, 1);
}

static void memory_is_held_by_views_and_composites(void **state) {
    (void)state;
    char bytes[] = "abcdef";
    for (unsigned how = 0; how < 5; how++) {
        poolbuf *b = wrapped(bytes);
        poolbuf *held = NULL;
        switch (how) {
        case 0:
            held = poolbuf_retained_slice(b, 2, 3);
            break;
        case 1:
            held = poolbuf_retained_slice(poolbuf_slice(b, 1, 5), 1, 3);
            break;
        case 2:
            held = poolbuf_slice(poolbuf_retain(b), 2, 3);
            break;
        case 3:
            held = poolbuf_allocate_composite(allocator, 0);
            UNIT_OK(poolbuf_composite_add_component(held, poolbuf_slice(poolbuf_retain(b), 2, 3), true));
            break;
        default: {
            poolbuf *c = composed("xy");
            UNIT_OK(poolbuf_composite_add_component(c, poolbuf_retain(b), true));
            held = poolbuf_retained_slice(c, 4, 3);
            assert_true(poolbuf_release(c));
            break;
        }
        }
        assert_false(poolbuf_release(b));
        expect_text(held, "cde");
        assert_int_equal(told.calls, 0);
        assert_true(poolbuf_release(held));
        assert_int_equal(told.calls, 1);
        assert_int_equal(told.length, 6);
        assert_int_equal(live(), 0);
    }
}

static void *release_it(void *buffer) {
    return poolbuf_release(buffer) ? buffer : NULL;
}

static void another_thread_may_drop_the_last_reference(void **state) {
    (void)state;
    char bytes[] = "abc";
    poolbuf *b = wrapped(bytes);
    pthread_t thread;
    void *result = NULL;
    poolbuf *r = poolbuf_retained_slice(b, 0, 3);
    assert_false(poolbuf_release(b));
    assert_int_equal(pthread_create(&thread, NULL, release_it, r), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, r);
    assert_int_equal(told.calls, 1);
    assert_true(pthread_equal(told.thread, thread) != 0);
}

/* Frees the memory, and uses buffers meanwhile. */
static void free_and_allocate(void *memory, size_t length, void *context) {
    poolbuf **made = context;
    *made = poolbuf_allocate_copy(allocator, memory, length);
    free(memory);
}

static void the_callback_may_free_the_memory_and_use_buffers(void **state) {
    (void)state;
    poolbuf *made = NULL;
    char *block = malloc(4);
    assert_non_null(block);
    memset(block, 'a', 4);
    poolbuf *c = composed("xy");
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap(allocator, block, 4, free_and_allocate, &made), true));
    assert_true(poolbuf_release(c));
    expect_text(made, "aaaa");
    assert_true(poolbuf_release(made));
}

static void literals_are_read_only(void **state) {
    (void)state;
    memset(&told, 0, sizeof told);
    static const char literal[] = "abcdef";
    poolbuf *b = poolbuf_wrap_read_only(allocator, literal, 6, tell, NULL);
    assert_true(poolbuf_is_read_only(b));
    expect_text(b, "abcdef");
    assert_int_equal(poolbuf_capacity(b), 6);
    assert_ptr_equal(poolbuf_bytes_at(b, 2, 4), literal + 2);
    poolbuf *views[] = {b, poolbuf_slice(b, 0, 3), poolbuf_duplicate(b), poolbuf_retained_slice(b, 0, 3)};
    for (unsigned i = 0; i < 4; i++) {
        poolbuf_clear(views[i]);
        assert_int_equal(poolbuf_set_u8(views[i], 0, 0), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_u8(views[i], 0), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_zero(views[i], 0, 1), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_capacity(views[i], 1), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_writable_bytes(views[i]), 0);
        assert_false(poolbuf_is_writable(views[i], 1));
    }
    poolbuf *copy = poolbuf_copy(b, 0, 6);
    assert_false(poolbuf_is_read_only(copy));
    UNIT_OK(poolbuf_set_u8(copy, 0, 'x'));
    assert_true(poolbuf_release(copy));
    assert_false(poolbuf_release(b));
    assert_int_equal(told.calls, 0);
    assert_true(poolbuf_release(views[3]));
    assert_int_equal(told.calls, 1);
    assert_ptr_equal(told.memory, literal);
}

static void memory_that_is_too_long_stays_the_callers(void **state) {
    (void)state;
    char bytes[] = "abc";
    memset(&told, 0, sizeof told);
    assert_null(poolbuf_wrap(allocator, bytes, POOLBUF_CAPACITY_LIMIT + 1, tell, NULL));
    assert_null(poolbuf_wrap_read_only(allocator, bytes, SIZE_MAX, tell, NULL));
    assert_int_equal(told.calls, 0);
    poolbuf *none = poolbuf_wrap(allocator, bytes, 0, tell, NULL);
    assert_int_equal(poolbuf_capacity(none), 0);
    assert_ptr_equal(poolbuf_memory(none), bytes);
    assert_true(poolbuf_release(none));
    assert_int_equal(told.calls, 1);
}

static void wrapped_buffers_and_composites_are_alive_without_bytes(void **state) {
    (void)state;
    char bytes[] = "abc";
    poolbuf_metrics before = unit_metrics(allocator);
    poolbuf *all[] = {wrapped(bytes), poolbuf_wrap_read_only(allocator, "x", 1, NULL, NULL),
                      poolbuf_allocate_composite(allocator, 0)};
    poolbuf_metrics then = unit_metrics(allocator);
    assert_int_equal(then.live_buffers, 3);
    assert_int_equal(then.live_bytes, 0);
    assert_int_equal(then.allocations, before.allocations + 3);
    assert_int_equal(poolbuf_release_many(all, 3), 3);
    assert_int_equal(unit_metrics(allocator).live_buffers, 0);
    assert_int_equal(unit_metrics(allocator).releases, before.releases + 3);
}

static void one_kind_of_arena_is_enough_for_handles(void **state) {
    (void)state;
    for (unsigned kinds = 0; kinds < 4; kinds++) {
        poolbuf_allocator_options options;
        poolbuf_allocator_options_init(&options);
        options.direct_arenas = kinds & 1;
        options.heap_arenas = kinds / 2;
        poolbuf_allocator *other = NULL;
        UNIT_OK(poolbuf_allocator_create(&options, &other));
        poolbuf *c = poolbuf_allocate_composite(other, 0);
        UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap_read_only(other, "abc", 3, NULL, NULL), true));
        UNIT_OK(poolbuf_write_u8(c, 'd')); /* with arenas of its kind or without */
        poolbuf *r = poolbuf_retained_slice(c, 1, 3);
        expect_text(r, "bcd");
        assert_int_equal(unit_metrics(other).thread_caches, 1); /* of however many kinds */
        assert_true(poolbuf_release(c));
        assert_true(poolbuf_release(r));
        assert_int_equal(unit_metrics(other).live_buffers, 0);
        UNIT_OK(poolbuf_allocator_destroy(other));
    }
}

static void handles_of_wrapped_memory_are_used_again(void **state) {
    (void)state;
    char bytes[] = "abc";
    assert_true(poolbuf_release(wrapped(bytes)));
    uint64_t metadata_bytes = unit_metrics(allocator).metadata_bytes;
    for (unsigned i = 0; i < 10000; i++) {
        assert_true(poolbuf_release(wrapped(bytes)));
    }
    assert_int_equal(unit_metrics(allocator).metadata_bytes, metadata_bytes);
}

/* ---- Several as one ----------------------------------------------------------------------------------------------- */

static void several_buffers_read_as_one(void **state) {
    (void)state;
    poolbuf *list[] = {text(""), text("abc"), text(""), text("def"), composed("g|h")};
    UNIT_OK(poolbuf_set_reader_index(list[3], 1));
    poolbuf *c = poolbuf_wrap_buffers(allocator, list, 5);
    expect_layout(c, "abc|ef|gh");
    expect_text(c, "abcefgh");
    assert_null(poolbuf_memory(c));
    assert_int_equal(live(), 6); /* those without readable bytes are gone */
    poolbuf *copy = text("0123456789");
    UNIT_OK(poolbuf_set_buffer(copy, 1, poolbuf_as_read_only(c), 1, 6));
    expect_text(copy, "0bcefgh789");
    assert_true(poolbuf_release(copy));
    poolbuf *many[100];
    for (unsigned i = 0; i < 100; i++) {
        many[i] = text("ab");
    }
    poolbuf *m = poolbuf_wrap_buffers(allocator, many, 100);
    assert_int_equal(poolbuf_composite_component_count(m), 100); /* and nothing was copied */
    assert_ptr_equal(poolbuf_composite_component(m, 57), many[57]);
    assert_int_equal(poolbuf_readable_bytes(m), 200);
    assert_true(poolbuf_release(m));
    assert_true(poolbuf_release(c));
}

static void of_one_readable_buffer_it_is_that(void **state) {
    (void)state;
    poolbuf *list[] = {text(""), text("abc"), text("")};
    poolbuf *only = list[1];
    assert_ptr_equal(poolbuf_wrap_buffers(allocator, list, 3), only);
    assert_int_equal(poolbuf_ref_count(only), 1);
    assert_int_equal(live(), 1);
    assert_ptr_equal(poolbuf_wrap_buffers(allocator, &only, 1), only);
    assert_int_equal(poolbuf_ref_count(only), 1);
    assert_true(poolbuf_release(only));
}

static void of_nothing_readable_it_is_the_empty_buffer(void **state) {
    (void)state;
    poolbuf *list[] = {text(""), text("abc"), poolbuf_retain(text(""))};
    poolbuf *shared = list[2];
    UNIT_OK(poolbuf_skip_bytes(list[1], 3));
    assert_ptr_equal(poolbuf_wrap_buffers(allocator, list, 3), poolbuf_empty());
    assert_int_equal(live(), 1);
    assert_int_equal(poolbuf_ref_count(shared), 1);
    assert_true(poolbuf_release(shared));
    assert_ptr_equal(poolbuf_wrap_buffers(allocator, NULL, 0), poolbuf_empty());
}

static void too_many_bytes_release_every_buffer(void **state) {
    (void)state;
    const size_t half = (size_t)1 << 30;
    char bytes[] = "abc";
    void *space = mmap(NULL, half, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(space, MAP_FAILED);
    poolbuf *b = wrapped(bytes);
    poolbuf *huge = poolbuf_wrap(allocator, space, half, NULL, NULL);
    poolbuf *list[] = {b, huge, poolbuf_retain(huge), poolbuf_retain(b), text("")};
    assert_null(poolbuf_wrap_buffers(allocator, list, 5));
    assert_int_equal(told.calls, 1);
    assert_int_equal(live(), 0);
    assert_int_equal(munmap(space, half), 0);
}

/* ---- Files -------------------------------------------------------------------------------------------------------- */

#define FILE_BYTES 20000

static uint8_t file_byte(size_t index) {
    return (uint8_t)(index * 7 + index / 256);
}

/* A file of known bytes that has no name any more. */
static int make_file(void) {
    char name[] = "/tmp/poolbuf-wrapped-XXXXXX";
    int file = mkstemp(name);
    uint8_t bytes[FILE_BYTES];
    assert_true(file >= 0);
    assert_int_equal(unlink(name), 0);
    for (size_t i = 0; i < FILE_BYTES; i++) {
        bytes[i] = file_byte(i);
    }
    assert_int_equal(write(file, bytes, FILE_BYTES), FILE_BYTES);
    return file;
}

static void expect_file_bytes(const poolbuf *b, size_t offset, size_t length) {
    assert_int_equal(poolbuf_readable_bytes(b), length);
    assert_int_equal(poolbuf_capacity(b), length);
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = 0;
        UNIT_OK(poolbuf_get_u8(b, i, &byte));
        assert_int_equal(byte, file_byte(offset + i));
    }
}

static void any_range_of_a_file_can_be_mapped(void **state) {
    (void)state;
    static const size_t ranges[][2] = {{0, FILE_BYTES}, {0, 1},          {1, 5},     {4095, 2},    {4096, 4096},
                                       {4097, 10000},   {FILE_BYTES, 0}, {19999, 1}, {8191, 11809}};
    static const poolbuf_map modes[] = {POOLBUF_MAP_READ_ONLY, POOLBUF_MAP_PRIVATE, POOLBUF_MAP_SHARED};
    int file = make_file();
    for (unsigned mode = 0; mode < 3; mode++) {
        for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
            poolbuf *b = NULL;
            UNIT_OK(poolbuf_map_file(allocator, file, ranges[i][0], ranges[i][1], modes[mode], &b));
            expect_file_bytes(b, ranges[i][0], ranges[i][1]);
            assert_int_equal(unit_metrics(allocator).live_buffers, 1);
            assert_true(poolbuf_release(b));
        }
    }
    poolbuf *b = NULL;
    UNIT_OK(poolbuf_map_file(allocator, file, 4097, 0, POOLBUF_MAP_READ_ONLY, &b)); /* up to the end */
    assert_int_equal(close(file), 0);
    poolbuf *r = poolbuf_retained_slice(b, 3, 100); /* neither descriptor nor buffer is needed any more */
    assert_false(poolbuf_release(b));
    expect_file_bytes(r, 4100, 100);
    assert_true(poolbuf_release(r));
}

static uint8_t file_has(int file, size_t offset) {
    uint8_t byte = 0;
    assert_int_equal(pread(file, &byte, 1, (off_t)offset), 1);
    return byte;
}

static void only_shared_writes_reach_the_file(void **state) {
    (void)state;
    int file = make_file();
    poolbuf *b = NULL;
    UNIT_OK(poolbuf_map_file(allocator, file, 5001, 100, POOLBUF_MAP_READ_ONLY, &b));
    assert_true(poolbuf_is_read_only(b));
    assert_int_equal(poolbuf_set_u8(b, 0, 1), POOLBUF_ERROR_READ_ONLY);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_map_file(allocator, file, 5001, 100, POOLBUF_MAP_PRIVATE, &b));
    UNIT_OK(poolbuf_set_u8(b, 10, (uint8_t)~file_byte(5011)));
    assert_int_equal(poolbuf_set_capacity(b, 200), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(file_has(file, 5011), file_byte(5011));
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_map_file(allocator, file, 5001, 100, POOLBUF_MAP_SHARED, &b));
    expect_file_bytes(b, 5001, 100);
    UNIT_OK(poolbuf_set_u8(b, 10, (uint8_t)~file_byte(5011)));
    assert_int_equal(file_has(file, 5011), (uint8_t)~file_byte(5011));
    assert_true(poolbuf_release(b));
    assert_int_equal(file_has(file, 5011), (uint8_t)~file_byte(5011));
    assert_int_equal(file_has(file, 5010), file_byte(5010));
    assert_int_equal(close(file), 0);
}

static poolbuf_status map_status(int file, uint64_t offset, size_t length, poolbuf_map mode) {
    poolbuf *unset = poolbuf_empty();
    poolbuf *b = unset;
    errno = 0;
    poolbuf_status status = poolbuf_map_file(allocator, file, offset, length, mode, &b);
    assert_ptr_equal(b, unset);
    return status;
}

static void what_cannot_be_mapped_is_refused_with_the_reason(void **state) {
    (void)state;
    int file = make_file();
    assert_int_equal(map_status(file, 0, FILE_BYTES + 1, POOLBUF_MAP_PRIVATE), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(map_status(file, 19999, 2, POOLBUF_MAP_PRIVATE), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(map_status(file, FILE_BYTES + 1, 0, POOLBUF_MAP_PRIVATE), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(map_status(file, UINT64_MAX, 1, POOLBUF_MAP_PRIVATE), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(map_status(file, 1, SIZE_MAX, POOLBUF_MAP_PRIVATE), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(map_status(file, 0, 1, (poolbuf_map)3), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(ftruncate(file, (off_t)POOLBUF_CAPACITY_LIMIT + 10), 0); /* a hole, mostly */
    assert_int_equal(map_status(file, 0, 0, POOLBUF_MAP_READ_ONLY), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(map_status(file, 9, POOLBUF_CAPACITY_LIMIT + 1, POOLBUF_MAP_READ_ONLY),
                     POOLBUF_ERROR_OUT_OF_BOUNDS);
    int closed = dup(file);
    assert_int_equal(close(closed), 0);
    assert_int_equal(map_status(closed, 0, 1, POOLBUF_MAP_READ_ONLY), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EBADF);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(map_status(ends[0], 0, 1, POOLBUF_MAP_READ_ONLY), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(close(ends[0]) + close(ends[1]), 0);
    int directory = open("/tmp", O_RDONLY | O_DIRECTORY);
    assert_int_equal(map_status(directory, 0, 1, POOLBUF_MAP_READ_ONLY), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(close(directory), 0);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int for_reading = open(path, O_RDONLY);
    assert_true(for_reading >= 0);
    assert_int_equal(map_status(for_reading, 0, 1, POOLBUF_MAP_SHARED), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EACCES);
    assert_int_equal(close(for_reading), 0);
    assert_int_equal(close(file), 0);
}

/* ---- Memory of malloc's own, and copies --------------------------------------------------------------------------- */

static void an_unpooled_buffer_stays_so_when_it_grows(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate_unpooled(allocator, 100, 100000);
    assert_int_equal(poolbuf_capacity(b), 100);
    assert_int_equal(poolbuf_max_capacity(b), 100000);
    assert_false(poolbuf_is_direct(b));
    assert_ptr_equal(poolbuf_owner(b), allocator);
    static const size_t capacities[] = {100, 5000, 20, 100000, 50000, 0, 7};
    UNIT_OK(poolbuf_write_bytes(b, "abcdefghij", 10));
    for (unsigned i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        UNIT_OK(poolbuf_set_capacity(b, capacities[i]));
        poolbuf_metrics metrics = unit_metrics(allocator);
        assert_int_equal(metrics.live_buffers, 1);
        assert_int_equal(metrics.huge_buffers, 1); /* which counts the unpooled ones */
        assert_int_equal(metrics.arena_allocations, 0);
        assert_true(metrics.live_bytes >= capacities[i]);
        assert_int_equal(metrics.payload_bytes, metrics.live_bytes); /* no chunk was taken */
        if (capacities[i] >= 10) {
            expect_text(b, "abcdefghij");
        }
    }
    poolbuf *r = poolbuf_retained_slice(b, 0, 3);
    assert_false(poolbuf_release(b));
    assert_true(poolbuf_release(r));
    assert_int_equal(unit_metrics(allocator).payload_bytes, 0);
    assert_null(poolbuf_allocate_unpooled(allocator, 2, 1));
    assert_null(poolbuf_allocate_unpooled(allocator, POOLBUF_CAPACITY_LIMIT + 1, SIZE_MAX));
    b = poolbuf_allocate_unpooled(allocator, 0, SIZE_MAX);
    assert_int_equal(poolbuf_max_capacity(b), POOLBUF_CAPACITY_LIMIT);
    UNIT_OK(poolbuf_write_u8(b, 1));
    assert_true(poolbuf_release(b));
}

static poolbuf *ballast;

static bool drop_ballast(void *context, poolbuf_allocator *limited, size_t wanted_bytes, size_t used_bytes) {
    (void)context;
    (void)limited;
    (void)wanted_bytes;
    (void)used_bytes;
    bool again = ballast != NULL;
    if (again) {
        (void)poolbuf_release(ballast);
    }
    ballast = NULL;
    return again;
}

static void at_the_memory_limit_unpooled_buffers_ask_too(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = 262144;
    options.memory_limit_bytes = 262144;
    options.memory_limit_reached = drop_ballast;
    poolbuf_allocator *limited = NULL;
    UNIT_OK(poolbuf_allocator_create(&options, &limited));
    ballast = poolbuf_allocate_unpooled(limited, 160000, 160000);
    poolbuf *b = poolbuf_allocate_unpooled(limited, 160000, 262144);
    assert_non_null(b);
    assert_null(ballast);
    assert_null(poolbuf_allocate_unpooled(limited, 160000, 160000));
    ballast = poolbuf_allocate_unpooled(limited, 80000, 80000);
    assert_true(poolbuf_release(b));
    b = poolbuf_allocate_unpooled(limited, 1000, 262144);
    UNIT_OK(poolbuf_set_capacity(b, 200000)); /* growing as well */
    assert_null(ballast);
    assert_true(poolbuf_release(b));
    UNIT_OK(poolbuf_allocator_destroy(limited));
}

static void a_copy_is_of_what_was_given(void **state) {
    (void)state;
    char bytes[] = "abcdef";
    poolbuf *b = poolbuf_allocate_copy(allocator, bytes, 6);
    memset(bytes, 'x', 6);
    expect_text(b, "abcdef");
    UNIT_OK(poolbuf_write_bytes(b, "ghi", 3)); /* it may grow */
    expect_text(b, "abcdefghi");
    assert_int_equal(poolbuf_max_capacity(b), POOLBUF_CAPACITY_LIMIT);
    assert_true(poolbuf_release(b));
    b = poolbuf_allocate_copy(allocator, NULL, 0);
    expect_text(b, "");
    assert_true(poolbuf_release(b));
    assert_null(poolbuf_allocate_copy(allocator, bytes, POOLBUF_CAPACITY_LIMIT + 1));
}

/* ---- The empty buffer --------------------------------------------------------------------------------------------- */

static void the_empty_buffer_never_dies(void **state) {
    (void)state;
    poolbuf *e = poolbuf_empty();
    assert_ptr_equal(poolbuf_empty(), e);
    poolbuf *many[10];
    for (unsigned i = 0; i < 10; i++) {
        many[i] = e;
        assert_false(poolbuf_release(e));
        assert_ptr_equal(poolbuf_retain(e), e);
    }
    assert_int_equal(poolbuf_release_many(many, 10), 0);
    assert_false(poolbuf_release_n(e, 5));
    assert_ptr_equal(poolbuf_retain_n(e, 5), e);
    assert_int_equal(poolbuf_ref_count(e), 1);
    poolbuf_touch(e, "here");
    assert_int_equal(unit_metrics(allocator).misuses, 0);
    assert_int_equal(unit_metrics(NULL).live_buffers, 0); /* it is nobody's */
}

static void the_empty_buffer_has_nothing_to_give_and_no_room(void **state) {
    (void)state;
    poolbuf *e = poolbuf_empty();
    uint8_t byte = 7;
    poolbuf *b = text("abc");
    assert_int_equal(poolbuf_capacity(e) + poolbuf_max_capacity(e) + poolbuf_readable_bytes(e), 0);
    assert_int_equal(poolbuf_writable_bytes(e) + poolbuf_max_writable_bytes(e) + poolbuf_pinned_bytes(e), 0);
    assert_false(poolbuf_is_readable(e, 1));
    assert_false(poolbuf_is_writable(e, 1));
    assert_true(poolbuf_is_contiguous(e));
    assert_true(poolbuf_is_read_only(e));
    assert_non_null(poolbuf_memory(e));
    poolbuf *of_default = poolbuf_allocate(NULL, 1, 1);
    assert_ptr_equal(poolbuf_owner(e), poolbuf_owner(of_default));
    assert_true(poolbuf_release(of_default));
    assert_null(poolbuf_bytes_at(e, 0, 1));
    assert_int_equal(poolbuf_get_u8(e, 0, &byte), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_read_u8(e, &byte), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_not_equal(poolbuf_set_u8(e, 0, 1), POOLBUF_OK);
    assert_int_not_equal(poolbuf_write_u8(e, 1), POOLBUF_OK);
    assert_int_equal(poolbuf_set_capacity(e, 1), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_set_indices(e, 0, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_skip_bytes(e, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_ensure_writable_try(e, 1, true), POOLBUF_ROOM_CANNOT);
    UNIT_OK(poolbuf_get_bytes(e, 0, NULL, 0));
    UNIT_OK(poolbuf_read_bytes(e, NULL, 0));
    UNIT_OK(poolbuf_set_indices(e, 0, 0));
    UNIT_OK(poolbuf_write_buffer(b, e, 0));
    assert_int_not_equal(poolbuf_write_buffer(e, b, 1), POOLBUF_OK);
    UNIT_OK(poolbuf_set_buffer(b, 3, e, 0, 0));
    UNIT_OK(poolbuf_mark_reader_index(e));
    UNIT_OK(poolbuf_mark_writer_index(e));
    UNIT_OK(poolbuf_reset_reader_index(e));
    UNIT_OK(poolbuf_reset_writer_index(e));
    poolbuf_clear(e);
    assert_int_equal(poolbuf_discard_read_bytes(e), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(byte, 7);
    expect_text(b, "abc");
    assert_true(poolbuf_release(b));
}

/* Its page may only be read here: threads share it, so calls that have no bytes to move store nothing. */
static void the_empty_buffer_is_not_written_to(void **state) {
    (void)state;
    poolbuf *e = poolbuf_empty();
    poolbuf *b = poolbuf_allocate(allocator, 8, 8);
    const struct iovec none = {.iov_len = 0};
    uint8_t byte = 0;
    size_t moved = 1;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *start = (uint8_t *)e - (uintptr_t)e % page;
    assert_int_equal(mprotect(start, page, PROT_READ), 0);
    bool fine = poolbuf_write_bytes(e, &byte, 0) == POOLBUF_OK && poolbuf_read_bytes(e, &byte, 0) == POOLBUF_OK &&
                poolbuf_skip_bytes(e, 0) == POOLBUF_OK && poolbuf_write_buffer(b, e, 0) == POOLBUF_OK &&
                poolbuf_read_buffer(e, b, 0) == POOLBUF_OK && poolbuf_read_iovec(e, &none, 1) == POOLBUF_OK &&
                poolbuf_read_to_fd(e, -1, 0, &moved) == POOLBUF_OK && moved == 0 && poolbuf_read_slice(e, 0) == e &&
                poolbuf_read_retained_slice(e, 0) == e && poolbuf_retain(e) == e && !poolbuf_release(e);
    assert_int_equal(mprotect(start, page, PROT_READ | PROT_WRITE), 0);
    assert_true(fine);
    assert_true(poolbuf_release(b));
}

static void views_of_the_empty_buffer_are_the_empty_buffer(void **state) {
    (void)state;
    poolbuf *e = poolbuf_empty();
    poolbuf *views[] = {poolbuf_slice(e, 0, 0),        poolbuf_retained_slice(e, 0, 0),  poolbuf_duplicate(e),
                        poolbuf_retained_duplicate(e), poolbuf_as_read_only(e),          poolbuf_unreleasable(e),
                        poolbuf_read_slice(e, 0),      poolbuf_read_retained_slice(e, 0)};
    for (unsigned i = 0; i < 8; i++) {
        assert_ptr_equal(views[i], e);
    }
    assert_null(poolbuf_slice(e, 0, 1));
    assert_null(poolbuf_retained_slice(e, 1, 0));
    assert_null(poolbuf_read_slice(e, 1));
    assert_null(poolbuf_unwrap(e));
    poolbuf *copy = poolbuf_copy(e, 0, 0);
    assert_int_equal(poolbuf_capacity(copy), 0);
    assert_true(poolbuf_release(copy));
}

/* ---- Destroyed allocators ----------------------------------------------------------------------------------------- */

static uint64_t orphans(void) {
    uint64_t buffers = 0;
    poolbuf_orphan_totals(&buffers, NULL);
    return buffers;
}

static void buffers_without_the_pools_memory_outlive_their_allocator(void **state) {
    (void)state;
    for (unsigned last = 0; last < 4; last++) {
        char bytes[] = "abc";
        memset(&told, 0, sizeof told);
        poolbuf_allocator *other = NULL;
        UNIT_OK(poolbuf_allocator_create(NULL, &other));
        poolbuf *c = poolbuf_allocate_composite(other, 0);
        UNIT_OK(poolbuf_composite_add_component(c, poolbuf_allocate_copy(other, "defg", 4), true));
        UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap(other, bytes, 3, tell, NULL), true));
        poolbuf *w = poolbuf_wrap_read_only(other, "xyz", 3, tell, NULL);
        poolbuf *u = poolbuf_allocate_unpooled(other, 100, 1000);
        poolbuf *all[] = {c, w, u};
        assert_int_equal(poolbuf_allocator_destroy(other), POOLBUF_ERROR_LIVE_BUFFERS);
        assert_int_equal(orphans(), 5);
        expect_text(c, "defgabc");
        assert_int_equal(poolbuf_write_u8(c, 1), POOLBUF_ERROR_NO_MEMORY); /* nothing new comes from there */
        UNIT_OK(poolbuf_set_zero(u, 0, 100));
        for (unsigned i = 0; i < 3; i++) {
            assert_int_not_equal(orphans(), 0);
            assert_true(poolbuf_release(all[(i + last) % 3]));
        }
        assert_int_equal(orphans(), 0);
        assert_int_equal(told.calls, 2);
    }
}

static void retained_slices_of_orphaned_composites_are_orphans_too(void **state) {
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        poolbuf_allocator *other = NULL;
        UNIT_OK(poolbuf_allocator_create(NULL, &other));
        poolbuf *c = poolbuf_allocate_composite(other, 0);
        UNIT_OK(poolbuf_composite_add_component(c, text("abc"), true)); /* from elsewhere */
        UNIT_OK(poolbuf_composite_add_component(c, text("def"), true));
        assert_int_equal(poolbuf_allocator_destroy(other), POOLBUF_ERROR_LIVE_BUFFERS);
        assert_int_equal(orphans(), 1);
        poolbuf *r = poolbuf_retained_slice(c, 1, 4);
        assert_int_equal(orphans(), 2);
        assert_true(poolbuf_release(order == 0 ? c : r));
        assert_int_equal(orphans(), 1);
        expect_bytes_at(order == 0 ? r : c, 0, order == 0 ? "bcde" : "abcdef", 4);
        assert_true(poolbuf_release(order == 0 ? r : c));
        assert_int_equal(orphans(), 0);
    }
}

/* ---- The leak detector -------------------------------------------------------------------------------------------- */

static struct {
    unsigned allocated, released, accesses[POOLBUF_ACCESS_WRITE + 1];
    const poolbuf *last;
} seen;

static uint32_t each_one(void) {
    return 1;
}

static bool on_allocated(poolbuf *buffer, poolbuf_allocator *from, size_t capacity) {
    assert_ptr_equal(from, allocator);
    assert_int_equal(poolbuf_capacity(buffer), capacity);
    seen.allocated++;
    return true;
}

static void on_accessed(const poolbuf *buffer, poolbuf_access access, const char *hint) {
    (void)hint;
    seen.accesses[access]++;
    seen.last = buffer;
}

static void on_released(const poolbuf *buffer) {
    seen.released++;
    seen.last = buffer;
}

static const poolbuf_tracker tracker = {
    .struct_size = sizeof tracker,
    .next_gap = each_one,
    .allocated = on_allocated,
    .accessed = on_accessed,
    .released = on_released,
};

static void the_leak_detector_sees_composites_and_wrapped_memory(void **state) {
    (void)state;
    char bytes[] = "abc";
    memset(&seen, 0, sizeof seen);
    UNIT_OK(poolbuf_tracker_register(&tracker));
    poolbuf *b = poolbuf_wrap(allocator, bytes, 3, NULL, NULL);
    assert_int_equal(seen.allocated, 1);
    poolbuf *c = poolbuf_allocate_composite(allocator, 0);
    assert_int_equal(seen.allocated, 2);
    UNIT_OK(poolbuf_composite_add_component(c, b, true));
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_GROW], 1);
    assert_ptr_equal(seen.last, c);
    poolbuf_touch(c, "here");
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_TOUCH], 1);
    poolbuf *s = poolbuf_slice(c, 0, 2);
    poolbuf_touch(s, NULL);
    assert_ptr_equal(seen.last, c); /* of a view it is told as of the buffer */
    assert_int_equal(seen.accesses[POOLBUF_ACCESS_TOUCH], 2);
    poolbuf *r = poolbuf_retained_slice(c, 0, 2);
    poolbuf_touch(r, NULL);
    assert_ptr_equal(seen.last, b); /* of the one that it holds */
    assert_int_equal(seen.allocated, 2);
    assert_true(poolbuf_release(c));
    assert_ptr_equal(seen.last, b);
    assert_int_equal(seen.released, 1);
    assert_true(poolbuf_release(r));
    assert_int_equal(seen.released, 2);
    c = composed("abc|def");
    assert_int_equal(seen.allocated, 5);
    r = poolbuf_retained_slice(c, 1, 4);
    assert_int_equal(seen.allocated, 6); /* across components it is a composite of its own, and may be lost as one */
    assert_true(poolbuf_release(r));
    assert_true(poolbuf_release(c));
    assert_int_equal(seen.released, 6);
    UNIT_OK(poolbuf_tracker_register(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COMPOSITE_TEST(wrapped_memory_is_readable_writable_and_of_fixed_size),
        COMPOSITE_TEST(whoever_drops_the_last_reference_tells_once),
        COMPOSITE_TEST(memory_is_held_by_views_and_composites),
        COMPOSITE_TEST(another_thread_may_drop_the_last_reference),
        COMPOSITE_TEST(the_callback_may_free_the_memory_and_use_buffers),
        COMPOSITE_TEST(literals_are_read_only),
        COMPOSITE_TEST(memory_that_is_too_long_stays_the_callers),
        COMPOSITE_TEST(wrapped_buffers_and_composites_are_alive_without_bytes),
        COMPOSITE_TEST(one_kind_of_arena_is_enough_for_handles),
        COMPOSITE_TEST(handles_of_wrapped_memory_are_used_again),
        COMPOSITE_TEST(several_buffers_read_as_one),
        COMPOSITE_TEST(of_one_readable_buffer_it_is_that),
        COMPOSITE_TEST(of_nothing_readable_it_is_the_empty_buffer),
        COMPOSITE_TEST(too_many_bytes_release_every_buffer),
        COMPOSITE_TEST(any_range_of_a_file_can_be_mapped),
        COMPOSITE_TEST(only_shared_writes_reach_the_file),
        COMPOSITE_TEST(what_cannot_be_mapped_is_refused_with_the_reason),
        COMPOSITE_TEST(an_unpooled_buffer_stays_so_when_it_grows),
        COMPOSITE_TEST(at_the_memory_limit_unpooled_buffers_ask_too),
        COMPOSITE_TEST(a_copy_is_of_what_was_given),
        COMPOSITE_TEST(the_empty_buffer_never_dies),
        COMPOSITE_TEST(the_empty_buffer_has_nothing_to_give_and_no_room),
        COMPOSITE_TEST(the_empty_buffer_is_not_written_to),
        COMPOSITE_TEST(views_of_the_empty_buffer_are_the_empty_buffer),
        COMPOSITE_TEST(buffers_without_the_pools_memory_outlive_their_allocator),
        COMPOSITE_TEST(retained_slices_of_orphaned_composites_are_orphans_too),
        COMPOSITE_TEST(the_leak_detector_sees_composites_and_wrapped_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
