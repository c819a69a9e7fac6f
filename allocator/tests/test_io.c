/* Unit tests of io.c: transfers from and to pipes and files. For pieces see test_iovec.c, for sockets test_io_sockets.c. */
#include "io_shapes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include <poolbuf/io.h>

#include "allocator.h"

static poolbuf_allocator *allocator;
static poolbuf_allocator *unpooled;

static int set_up(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.pooling = false;
    UNIT_OK(poolbuf_allocator_create(&options, &unpooled));
    return poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(allocator_audit(allocator));
    UNIT_OK(poolbuf_allocator_destroy(unpooled));
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static const part_shape heap_part = {.pooled = true};
static const part_shape direct_part = {.pooled = true, .direct = true};

static void make_pipe(int ends[2], bool blocking) {
    assert_int_equal(pipe2(ends, blocking ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK), 0);
}

static void close_both(const int ends[2]) {
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void put(int descriptor, size_t from, size_t length) {
    uint8_t bytes[4096];
    assert_true(length <= sizeof bytes);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = payload_at(from + i);
    }
    assert_int_equal(write(descriptor, bytes, length), length);
}

/* That the next bytes of a descriptor are those of the payload. */
static void expect(int descriptor, size_t from, size_t length) {
    uint8_t bytes[4096];
    assert_true(length <= sizeof bytes);
    for (size_t done = 0; done < length;) {
        ssize_t got = read(descriptor, bytes + done, length - done);
        assert_true(got > 0);
        done += (size_t)got;
    }
    assert_payload(bytes, from, length);
}

static void expect_nothing(int descriptor) {
    uint8_t byte = 0;
    assert_int_equal(read(descriptor, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

/* ---- Transfers ---------------------------------------------------------------------------------------------------- */

static void every_kind_of_buffer_goes_to_a_descriptor(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        int ends[2];
        size_t moved = 0;
        make_pipe(ends, false);
        UNIT_OK(poolbuf_skip_bytes(b, 3));
        UNIT_OK(poolbuf_read_to_fd(b, ends[1], 250, &moved));
        assert_int_equal(moved, 250);
        assert_int_equal(poolbuf_reader_index(b), 253);
        expect(ends[0], 3, 250);
        UNIT_OK(poolbuf_get_to_fd(b, 5, ends[1], 290, &moved));
        assert_int_equal(moved, 290);
        assert_int_equal(poolbuf_reader_index(b), 253);
        expect(ends[0], 5, 290);
        expect_nothing(ends[0]);
        close_both(ends);
        assert_true(poolbuf_release(owned));
    }
}

static void every_kind_that_can_be_written_comes_from_a_descriptor(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_FIRST_READ_ONLY; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        int ends[2];
        size_t moved = 0;
        make_pipe(ends, false);
        UNIT_OK(poolbuf_set_zero(b, 0, KIND_BYTES));
        UNIT_OK(poolbuf_set_indices(b, 0, 20));
        put(ends[1], 0, KIND_BYTES);
        UNIT_OK(poolbuf_set_from_fd(b, 0, ends[0], 20, &moved));
        assert_int_equal(moved, 20);
        assert_int_equal(poolbuf_writer_index(b), 20);
        UNIT_OK(poolbuf_write_from_fd(b, ends[0], 280, &moved));
        assert_int_equal(moved, 280);
        assert_readable_payload(b, 0, KIND_BYTES);
        close_both(ends);
        assert_true(poolbuf_release(owned));
    }
}

static void a_read_only_destination_is_refused_and_takes_nothing(void **state) {
    (void)state;
    for (unsigned kind = KIND_FIRST_READ_ONLY; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        int ends[2];
        size_t moved = 77;
        make_pipe(ends, false);
        put(ends[1], 50, 10);
        assert_int_equal(poolbuf_set_from_fd(b, 0, ends[0], 10, &moved), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_from_fd(b, ends[0], 10, &moved), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_set_from_file(b, 0, ends[0], 0, 10, &moved), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(poolbuf_write_from_file(b, ends[0], 0, 10, &moved), POOLBUF_ERROR_READ_ONLY);
        assert_int_equal(moved, 77);
        expect(ends[0], 50, 10);
        assert_readable_payload(b, 0, KIND_BYTES);
        close_both(ends);
        assert_true(poolbuf_release(owned));
    }
}

/* The first component could take all that is there, but not all that might come. */
static void a_read_only_component_is_refused_and_nothing_is_taken(void **state) {
    (void)state;
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, 1, 10);
    UNIT_OK(poolbuf_composite_add_component(c, poolbuf_wrap_read_only(allocator, "ten bytes!", 10, NULL, NULL), true));
    int ends[2];
    size_t moved = 77;
    make_pipe(ends, false);
    put(ends[1], 50, 5);
    assert_int_equal(poolbuf_set_from_fd(c, 0, ends[0], 11, &moved), POOLBUF_ERROR_READ_ONLY);
    poolbuf_clear(c);
    assert_int_equal(poolbuf_write_from_fd(c, ends[0], 20, &moved), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_write_from_fd(c, ends[0], 30, &moved), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_recv(c, ends[0], 30, 0, &moved), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_receive_from(c, ends[0], 20, NULL, NULL, NULL, &moved), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(moved, 77);
    assert_int_equal(poolbuf_capacity(c), 20);
    UNIT_OK(poolbuf_write_from_fd(c, ends[0], 10, &moved));
    assert_readable_payload(c, 50, 5);
    close_both(ends);
    assert_true(poolbuf_release(c));
}

static void gathering_writes_give_the_bytes_of_all_components(void **state) {
    (void)state;
    for (unsigned shape = 0; shape < 64; shape++) { /* two shapes of components, by turns */
        const part_shape even = {(shape & 1) != 0, (shape & 2) != 0, (shape & 4) != 0};
        const part_shape odd = {(shape & 8) != 0, (shape & 16) != 0, (shape & 32) != 0};
        poolbuf *c = make_parts(allocator, unpooled, even, odd, 9, 11);
        int ends[2];
        size_t moved = 0;
        make_pipe(ends, false);
        UNIT_OK(poolbuf_read_to_fd(c, ends[1], 99, &moved));
        assert_int_equal(moved, 99);
        expect(ends[0], 0, 99);
        UNIT_OK(poolbuf_get_to_fd(c, 95, ends[1], 4, &moved)); /* a single component */
        expect(ends[0], 95, 4);
        expect_nothing(ends[0]);
        close_both(ends);
        assert_true(poolbuf_release(c));
    }
}

static void the_empty_buffer_transfers_nothing(void **state) {
    (void)state;
    size_t moved = 1;
    UNIT_OK(
        poolbuf_read_to_fd(poolbuf_empty(), -1, 0, &moved)); /* no system call: a wrong descriptor does not matter */
    assert_int_equal(moved, 0);
    assert_int_equal(poolbuf_read_to_fd(poolbuf_empty(), 1, 1, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_set_from_fd(poolbuf_empty(), 0, 0, 1, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
}

static void a_buffer_grows_by_what_a_pipe_gives(void **state) {
    (void)state;
    poolbuf *buffers[] = {poolbuf_allocate(allocator, 16, 4096), poolbuf_allocate_composite(allocator, 4),
                          poolbuf_allocate_unpooled(allocator, 16, 4096)};
    for (size_t i = 0; i < 3; i++) {
        poolbuf *b = buffers[i];
        int ends[2];
        size_t moved = 0;
        make_pipe(ends, false);
        put(ends[1], 0, 3000);
        UNIT_OK(poolbuf_write_from_fd(b, ends[0], 1000, &moved));
        assert_int_equal(moved, 1000);
        UNIT_OK(poolbuf_write_from_fd(b, ends[0], 2000, &moved));
        assert_int_equal(moved, 2000);
        assert_readable_payload(b, 0, 3000);
        close_both(ends);
        assert_true(poolbuf_release(b));
    }
}

static void reading_ends_at_the_end_of_the_file(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    int ends[2];
    size_t moved = 77;
    make_pipe(ends, true);
    put(ends[1], 0, 10);
    assert_int_equal(close(ends[1]), 0);
    errno = EIO;
    UNIT_OK(poolbuf_write_from_fd(b, ends[0], 100, &moved));
    assert_int_equal(errno, 0);
    assert_int_equal(moved, 10);
    UNIT_OK(poolbuf_write_from_fd(b, ends[0], 90, &moved));
    assert_int_equal(moved, 0);
    assert_readable_payload(b, 0, 10);
    assert_int_equal(close(ends[0]), 0);
    assert_true(poolbuf_release(b));
}

static void what_would_block_gives_what_is_there_first(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 16, 4096);
    int ends[2];
    size_t moved = 77;
    make_pipe(ends, false);
    assert_int_equal(poolbuf_write_from_fd(b, ends[0], 1000, &moved), POOLBUF_ERROR_WOULD_BLOCK);
    assert_int_equal(moved, 77);
    assert_int_equal(poolbuf_writer_index(b), 0);
    put(ends[1], 0, 10);
    UNIT_OK(poolbuf_write_from_fd(b, ends[0], 1000, &moved));
    assert_int_equal(errno, EAGAIN);
    assert_readable_payload(b, 0, 10);
    assert_int_equal(poolbuf_set_from_fd(b, 0, ends[0], 10, &moved), POOLBUF_ERROR_WOULD_BLOCK);
    assert_readable_payload(b, 0, 10);
    close_both(ends);
    assert_true(poolbuf_release(b));
}

/* A full pipe takes a part, then nothing, and goes on after it was emptied. */
static void a_full_pipe_takes_the_rest_later(void **state) {
    (void)state;
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, 400, 501);
    const size_t total = (size_t)400 * 501;
    int ends[2];
    size_t received = 0;
    unsigned parts = 0;
    unsigned blocked = 0;
    make_pipe(ends, false);
    while (received < total) {
        size_t moved = 77;
        size_t before = poolbuf_reader_index(c);
        poolbuf_status status = poolbuf_read_to_fd(c, ends[1], poolbuf_readable_bytes(c), &moved);
        if (status == POOLBUF_OK) {
            assert_int_equal(poolbuf_reader_index(c), before + moved);
            parts += poolbuf_is_readable(c, 1) ? 1 : 0;
        } else {
            assert_int_equal(status, POOLBUF_ERROR_WOULD_BLOCK);
            assert_int_equal(poolbuf_reader_index(c), before);
            assert_int_equal(moved, 77);
            blocked++;
            expect(ends[0], received, 4096); /* the least that a pipe holds */
            received += 4096;
        }
        for (; !poolbuf_is_readable(c, 1) && received < total; received += moved) {
            moved = total - received < 4096 ? total - received : 4096;
            expect(ends[0], received, moved);
        }
    }
    assert_true(parts > 1);
    assert_true(blocked > 1);
    expect_nothing(ends[0]);
    close_both(ends);
    assert_true(poolbuf_release(c));
}

static void more_pieces_than_one_call_takes_take_several(void **state) {
    (void)state;
    enum {
        PIECES = 2 * 1024 + 700,
        TOTAL = PIECES * 3
    };
    poolbuf *from = make_parts(allocator, unpooled, heap_part, direct_part, PIECES, 3);
    poolbuf *to = make_parts(allocator, unpooled, direct_part, heap_part, PIECES, 3);
    assert_int_equal(poolbuf_iovec_count(from, 0, TOTAL), PIECES);
    FILE *file = tmpfile();
    assert_non_null(file);
    size_t moved = 0;
    UNIT_OK(poolbuf_set_zero(to, 0, TOTAL));
    UNIT_OK(poolbuf_get_to_file(from, 0, fileno(file), 5, TOTAL, &moved));
    assert_int_equal(moved, TOTAL);
    UNIT_OK(poolbuf_set_from_file(to, 0, fileno(file), 5, TOTAL, &moved));
    assert_int_equal(moved, TOTAL);
    assert_readable_payload(to, 0, TOTAL);
    UNIT_OK(poolbuf_read_to_fd(from, fileno(file), TOTAL, &moved));
    assert_int_equal(moved, TOTAL);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    UNIT_OK(poolbuf_set_zero(to, 0, TOTAL));
    poolbuf_clear(to);
    UNIT_OK(poolbuf_write_from_fd(to, fileno(file), TOTAL, &moved));
    assert_int_equal(moved, TOTAL);
    assert_readable_payload(to, 0, TOTAL);
    assert_int_equal(fclose(file), 0);
    assert_true(poolbuf_release(from));
    assert_true(poolbuf_release(to));
}

static void positions_of_a_file_leave_its_own_and_the_indices_alone(void **state) {
    (void)state;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 100);
    FILE *file = tmpfile();
    assert_non_null(file);
    size_t moved = 0;
    UNIT_OK(poolbuf_get_to_file(b, 10, fileno(file), 1000, 90, &moved));
    assert_int_equal(moved, 90);
    UNIT_OK(poolbuf_set_zero(b, 0, 100));
    UNIT_OK(poolbuf_set_from_file(b, 10, fileno(file), 1000, 90, &moved));
    assert_int_equal(moved, 90);
    assert_int_equal(lseek(fileno(file), 0, SEEK_CUR), 0);
    assert_int_equal(poolbuf_reader_index(b), 0);
    assert_int_equal(poolbuf_writer_index(b), 100);
    assert_payload(poolbuf_memory(b) + 10, 10, 90);
    UNIT_OK(poolbuf_set_from_file(b, 0, fileno(file), 1080, 100, &moved)); /* ten bytes are left */
    assert_int_equal(moved, 10);
    assert_payload(poolbuf_memory(b), 90, 10);
    UNIT_OK(poolbuf_set_from_file(b, 0, fileno(file), 5000, 100, &moved));
    assert_int_equal(moved, 0);
    assert_int_equal(fclose(file), 0);
    assert_true(poolbuf_release(b));
}

static void positions_of_a_file_move_the_indices_of_read_and_write(void **state) {
    (void)state;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 100);
    poolbuf *copy = poolbuf_allocate(allocator, 8, 1000);
    FILE *file = tmpfile();
    assert_non_null(file);
    size_t moved = 0;
    UNIT_OK(poolbuf_skip_bytes(b, 5));
    UNIT_OK(poolbuf_read_to_file(b, fileno(file), 33, 95, &moved));
    assert_int_equal(moved, 95);
    assert_int_equal(poolbuf_readable_bytes(b), 0);
    UNIT_OK(poolbuf_write_from_file(copy, fileno(file), 33, 200, &moved));
    assert_int_equal(moved, 95);
    assert_readable_payload(copy, 5, 95);
    assert_int_equal(lseek(fileno(file), 0, SEEK_CUR), 0);
    assert_int_equal(fclose(file), 0);
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(copy));
}

static void what_the_system_refuses_leaves_errno_and_changes_nothing(void **state) {
    (void)state;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 100);
    int ends[2];
    make_pipe(ends, false);
    FILE *file = tmpfile();
    assert_non_null(file);
    int wrong = dup(ends[0]);
    assert_int_equal(close(wrong), 0);
    size_t moved = 77;
    const struct {
        poolbuf_status status;
        int reason, wanted;
    } calls[] = {
        {poolbuf_set_from_fd(b, 0, wrong, 10, &moved), errno, EBADF},
        {poolbuf_read_to_fd(b, wrong, 10, &moved), errno, EBADF},
        {poolbuf_get_to_fd(b, 0, ends[0], 10, &moved), errno, EBADF},
        {poolbuf_set_from_file(b, 0, wrong, 0, 10, &moved), errno, EBADF},
        {poolbuf_get_to_file(b, 0, ends[1], 0, 10, &moved), errno, ESPIPE},
        {poolbuf_read_to_file(b, fileno(file), (uint64_t)1 << 63, 10, &moved), errno, EINVAL},
        {poolbuf_set_from_file(b, 0, fileno(file), UINT64_MAX - 5, 10, &moved), errno, EINVAL},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        assert_int_equal(calls[i].status, POOLBUF_ERROR_SYSTEM);
        assert_int_equal(calls[i].reason, calls[i].wanted);
    }
    assert_int_equal(moved, 77);
    assert_readable_payload(b, 0, 100);
    assert_int_equal(fclose(file), 0);
    close_both(ends);
    assert_true(poolbuf_release(b));
}

static void ranges_that_are_not_there_are_refused_before_the_system_is_asked(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_FIRST_READ_ONLY; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        size_t moved = 77;
        size_t too_many = poolbuf_max_capacity(b) - KIND_BYTES + 1;
        errno = 0;
        assert_int_equal(poolbuf_set_from_fd(b, 1, -1, KIND_BYTES, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_to_fd(b, SIZE_MAX, -1, 2, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_set_from_file(b, 1, -1, 0, KIND_BYTES, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_get_to_file(b, 301, -1, 0, 0, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_read_to_fd(b, -1, KIND_BYTES + 1, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_read_to_file(b, -1, 0, SIZE_MAX, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
        assert_int_equal(poolbuf_write_from_fd(b, -1, too_many, &moved), POOLBUF_ERROR_MAX_CAPACITY);
        assert_int_equal(poolbuf_write_from_file(b, -1, 0, SIZE_MAX, &moved), POOLBUF_ERROR_MAX_CAPACITY);
        assert_int_equal(errno, 0);
        assert_int_equal(moved, 77);
        assert_readable_payload(b, 0, KIND_BYTES);
        assert_true(poolbuf_release(owned));
    }
}

/* ---- Signals and threads ------------------------------------------------------------------------------------------ */

static unsigned interrupted; /* atomic; how often readv() ended in EINTR */

ssize_t __real_readv(int descriptor, const struct iovec *pieces, int count);
ssize_t __wrap_readv(int descriptor, const struct iovec *pieces, int count);

ssize_t __wrap_readv(int descriptor, const struct iovec *pieces, int count) {
    ssize_t moved = __real_readv(descriptor, pieces, count);
    if (moved < 0 && errno == EINTR) {
        (void)__atomic_fetch_add(&interrupted, 1, __ATOMIC_RELAXED);
    }
    return moved;
}

static void on_signal(int number) {
    (void)number;
}

typedef struct job {
    poolbuf *buffer;
    int descriptor;
    size_t length, moved;
    poolbuf_status status;
} job;

static void *fill(void *argument) {
    job *self = argument;
    self->status = poolbuf_write_from_fd(self->buffer, self->descriptor, self->length, &self->moved);
    return NULL;
}

/* Signals come until one of them has interrupted the system call: only then does the reader get what it waits for. */
static void interrupt_until(unsigned wanted, pthread_t thread) {
    const struct timespec pause = {.tv_nsec = 100000};
    while (__atomic_load_n(&interrupted, __ATOMIC_RELAXED) < wanted) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        (void)nanosleep(&pause, NULL);
    }
}

static void a_signal_does_not_end_a_transfer(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART */
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    int ends[2];
    make_pipe(ends, true);
    job self = {.buffer = poolbuf_allocate(allocator, 10, 10), .descriptor = ends[0], .length = 10};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fill, &self), 0);
    interrupt_until(1, thread); /* before anything came */
    put(ends[1], 0, 4);
    interrupt_until(__atomic_load_n(&interrupted, __ATOMIC_RELAXED) + 3, thread); /* and with a part of it */
    put(ends[1], 4, 6);
    assert_int_equal(pthread_join(thread, NULL), 0);
    UNIT_OK(self.status);
    assert_int_equal(self.moved, 10);
    assert_readable_payload(self.buffer, 0, 10);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    close_both(ends);
    assert_true(poolbuf_release(self.buffer));
}

enum {
    THREADS = 4,
    ROUNDS = 50
};

/* Each has a view of its own, and indices of its own, of the same bytes. */
static void *drain_views(void *argument) {
    job *self = argument;
    for (unsigned round = 0; round < ROUNDS && self->status == POOLBUF_OK; round++) {
        poolbuf *view = round % 2 == 0 ? poolbuf_retained_duplicate(self->buffer)
                                       : poolbuf_retained_slice(self->buffer, 0, self->length);
        if (view == NULL) {
            self->status = POOLBUF_ERROR_NO_MEMORY;
            break;
        }
        self->status = poolbuf_read_to_fd(view, self->descriptor, self->length, &self->moved);
        if (self->status == POOLBUF_OK && (self->moved != self->length || poolbuf_is_readable(view, 1))) {
            self->status = POOLBUF_ERROR_BAD_DATA;
        }
        (void)poolbuf_release(view);
    }
    (void)close(self->descriptor);
    return NULL;
}

static void threads_give_one_buffer_to_pipes_of_their_own(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        job jobs[THREADS];
        pthread_t threads[THREADS];
        int readers[THREADS];
        poolbuf *shared = make_kind(allocator, unpooled, kind, &owned);
        for (unsigned i = 0; i < THREADS; i++) {
            int ends[2];
            make_pipe(ends, true);
            readers[i] = ends[0];
            jobs[i] = (job){.buffer = shared, .descriptor = ends[1], .length = KIND_BYTES};
            assert_int_equal(pthread_create(&threads[i], NULL, drain_views, &jobs[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            for (unsigned round = 0; round < ROUNDS; round++) {
                expect(readers[i], 0, KIND_BYTES);
            }
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            UNIT_OK(jobs[i].status);
            assert_int_equal(close(readers[i]), 0);
        }
        assert_true(poolbuf_release(owned));
    }
}

/* ---- Misuse ------------------------------------------------------------------------------------------------------- */

static void every_call_on_a_dead_buffer_is_caught(void **state) {
    (void)state;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 100);
    assert_true(poolbuf_release(b));
    uint64_t before = unit_metrics(allocator).misuses;
    struct iovec piece;
    size_t count = 1;
    size_t moved = 77;
    int flags = 0;
    uint8_t byte = 0;
    const struct iovec list = {.iov_base = &byte, .iov_len = 1};
    const poolbuf_status calls[] = {
        poolbuf_get_bytes(b, 0, &byte, 1),
        poolbuf_set_bytes(b, 0, &byte, 1),
        poolbuf_read_bytes(b, &byte, 1),
        poolbuf_write_bytes(b, &byte, 1),
        poolbuf_get_iovec(b, 0, &list, 1),
        poolbuf_set_iovec(b, 0, &list, 1),
        poolbuf_read_iovec(b, &list, 1),
        poolbuf_write_iovec(b, &list, 1),
        poolbuf_readable_iovec(b, 0, 1, &piece, &count, &moved),
        poolbuf_readable_iovec(b, 0, 0, &piece, &count, &moved),
        poolbuf_writable_iovec(b, &piece, &count, &moved),
        poolbuf_write_from_fd(b, 0, 1, &moved),
        poolbuf_set_from_fd(b, 0, 0, 1, &moved),
        poolbuf_read_to_fd(b, 1, 1, &moved),
        poolbuf_get_to_fd(b, 0, 1, 1, &moved),
        poolbuf_write_from_file(b, 0, 0, 1, &moved),
        poolbuf_set_from_file(b, 0, 0, 0, 1, &moved),
        poolbuf_read_to_file(b, 1, 0, 1, &moved),
        poolbuf_get_to_file(b, 0, 1, 0, 1, &moved),
        poolbuf_recv(b, 0, 1, 0, &moved),
        poolbuf_send(b, 1, 1, 0, &moved),
        poolbuf_send_to(b, 1, 1, 0, NULL, 0, &moved),
        poolbuf_receive_from(b, 0, 1, &flags, NULL, NULL, &moved),
    };
    const size_t expected = sizeof calls / sizeof *calls;
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(calls[i], POOLBUF_ERROR_OUT_OF_BOUNDS);
    }
    assert_int_equal(unit_metrics(allocator).misuses, before + expected);
    assert_int_equal(poolbuf_iovec_count(b, 0, 1), 0);
    assert_null(poolbuf_bytes_at(b, 0, 1));
    assert_int_equal(unit_metrics(allocator).misuses, before + expected + 2);
    assert_int_equal(moved, 77);
}

#define IO_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IO_TEST(every_kind_of_buffer_goes_to_a_descriptor),
        IO_TEST(every_kind_that_can_be_written_comes_from_a_descriptor),
        IO_TEST(a_read_only_destination_is_refused_and_takes_nothing),
        IO_TEST(a_read_only_component_is_refused_and_nothing_is_taken),
        IO_TEST(gathering_writes_give_the_bytes_of_all_components),
        IO_TEST(the_empty_buffer_transfers_nothing),
        IO_TEST(a_buffer_grows_by_what_a_pipe_gives),
        IO_TEST(reading_ends_at_the_end_of_the_file),
        IO_TEST(what_would_block_gives_what_is_there_first),
        IO_TEST(a_full_pipe_takes_the_rest_later),
        IO_TEST(more_pieces_than_one_call_takes_take_several),
        IO_TEST(positions_of_a_file_leave_its_own_and_the_indices_alone),
        IO_TEST(positions_of_a_file_move_the_indices_of_read_and_write),
        IO_TEST(what_the_system_refuses_leaves_errno_and_changes_nothing),
        IO_TEST(ranges_that_are_not_there_are_refused_before_the_system_is_asked),
        IO_TEST(a_signal_does_not_end_a_transfer),
        IO_TEST(threads_give_one_buffer_to_pipes_of_their_own),
    };
    const struct CMUnitTest misuse_tests[] = {IO_TEST(every_call_on_a_dead_buffer_is_caught)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (RUNNING_ON_VALGRIND) {
        return failed; /* what the other one does is there for Memcheck to report */
    }
    return failed + cmocka_run_group_tests(misuse_tests, NULL, NULL);
}
