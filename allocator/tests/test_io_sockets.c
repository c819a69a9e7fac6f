/* Unit tests of io.c over sockets: streams that take or give less than was asked for, peers that have gone, messages. */
#include "io_shapes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

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

/* A connected pair; the system doubles the size of the buffer, and has a least one. */
static void make_pair(int type, int ends[2]) {
    const int small = 2048;
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    }
}

static void close_both(const int ends[2]) {
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* ---- Streams ------------------------------------------------------------------------------------------------------ */

/* What is sent in parts that end anywhere in a component goes on there, whatever the components are. */
static void gathering_writes_that_are_cut_short_go_on_where_they_stopped(void **state) {
    (void)state;
    enum {
        PARTS = 90,
        BYTES = 333,
        TOTAL = PARTS * BYTES
    };
    for (unsigned shape = 0; shape < 64; shape++) {
        const part_shape even = {(shape & 1) != 0, (shape & 2) != 0, (shape & 4) != 0};
        const part_shape odd = {(shape & 8) != 0, (shape & 16) != 0, (shape & 32) != 0};
        poolbuf *from = make_parts(allocator, unpooled, even, odd, PARTS, BYTES);
        poolbuf *to = poolbuf_allocate(allocator, 64, TOTAL);
        int ends[2];
        unsigned cut_in_a_component = 0;
        make_pair(SOCK_STREAM, ends);
        while (poolbuf_readable_bytes(to) < TOTAL) {
            size_t moved = 0;
            size_t left = poolbuf_readable_bytes(from);
            poolbuf_status status = poolbuf_send(from, ends[0], left, MSG_DONTWAIT, &moved);
            if (status == POOLBUF_OK && moved < left) {
                assert_int_equal(errno, EAGAIN);
                cut_in_a_component += poolbuf_reader_index(from) % BYTES != 0 ? 1 : 0;
            } else if (status != POOLBUF_OK) {
                assert_int_equal(status, POOLBUF_ERROR_WOULD_BLOCK);
            }
            UNIT_OK(poolbuf_recv(to, ends[1], TOTAL - poolbuf_readable_bytes(to), MSG_DONTWAIT, &moved));
        }
        assert_true(cut_in_a_component != 0);
        assert_int_equal(poolbuf_readable_bytes(from), 0);
        assert_readable_payload(to, 0, TOTAL);
        close_both(ends);
        assert_true(poolbuf_release(from));
        assert_true(poolbuf_release(to));
    }
}

typedef struct job {
    poolbuf *buffer;
    int descriptor;
    size_t length, moved;
    poolbuf_status status;
} job;

static void *send_all(void *argument) {
    job *self = argument;
    self->status = poolbuf_send(self->buffer, self->descriptor, self->length, 0, &self->moved);
    return NULL;
}

static void blocking_sockets_carry_all_whatever_they_hold(void **state) {
    (void)state;
    enum {
        PARTS = 1500,
        BYTES = 211,
        TOTAL = PARTS * BYTES
    };
    int ends[2];
    make_pair(SOCK_STREAM, ends);
    job self = {.buffer = make_parts(allocator, unpooled, heap_part, direct_part, PARTS, BYTES),
                .descriptor = ends[0],
                .length = TOTAL};
    poolbuf *to = make_parts(allocator, unpooled, direct_part, heap_part, PARTS / 3, (size_t)BYTES * 3);
    UNIT_OK(poolbuf_set_zero(to, 0, TOTAL));
    poolbuf_clear(to);
    pthread_t thread;
    size_t moved = 0;
    assert_int_equal(pthread_create(&thread, NULL, send_all, &self), 0);
    UNIT_OK(poolbuf_recv(to, ends[1], TOTAL, 0, &moved));
    assert_int_equal(moved, TOTAL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    UNIT_OK(self.status);
    assert_int_equal(self.moved, TOTAL);
    assert_readable_payload(to, 0, TOTAL);
    close_both(ends);
    assert_true(poolbuf_release(self.buffer));
    assert_true(poolbuf_release(to));
}

static unsigned broken_pipes; /* atomic */

static void on_broken_pipe(int number) {
    (void)number;
    (void)__atomic_fetch_add(&broken_pipes, 1, __ATOMIC_RELAXED);
}

static void sending_to_a_closed_peer_is_an_error_and_no_signal(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = on_broken_pipe};
    struct sigaction before;
    assert_int_equal(sigaction(SIGPIPE, &action, &before), 0);
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 100);
    int ends[2];
    size_t moved = 77;
    make_pair(SOCK_STREAM, ends);
    assert_int_equal(close(ends[1]), 0);
    errno = 0;
    assert_int_equal(poolbuf_send(b, ends[0], 100, 0, &moved), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EPIPE);
    errno = 0;
    assert_int_equal(poolbuf_send_to(b, ends[0], 100, 0, NULL, 0, &moved), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(__atomic_load_n(&broken_pipes, __ATOMIC_RELAXED), 0);
    assert_int_equal(poolbuf_read_to_fd(b, ends[0], 100, &moved), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(__atomic_load_n(&broken_pipes, __ATOMIC_RELAXED), 1); /* as write() has it */
    assert_int_equal(moved, 77);
    assert_readable_payload(b, 0, 100);
    assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_true(poolbuf_release(b));
}

/* A connection over loopback; the first end is the one that connected. */
static void connect_over_loopback(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&address, size), 0);
    ends[1] = accept(listener, NULL, NULL);
    assert_true(ends[1] >= 0);
    assert_int_equal(close(listener), 0);
}

/* The socket tells of the reset once, and that is while bytes from before it are handed over. */
static void a_reset_after_some_bytes_is_in_errno(void **state) {
    (void)state;
    const struct linger at_once = {.l_onoff = 1};
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    poolbuf *sent = make_part(allocator, unpooled, heap_part, 0, 10);
    int ends[2];
    size_t moved = 0;
    connect_over_loopback(ends);
    UNIT_OK(poolbuf_send(sent, ends[0], 10, 0, &moved));
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(ends[0]), 0); /* sends a reset */
    struct pollfd gone = {.fd = ends[1]};
    assert_int_equal(poll(&gone, 1, -1), 1);
    assert_true((gone.revents & POLLERR) != 0);
    errno = 0;
    poolbuf_status status = poolbuf_recv(b, ends[1], 100, 0, &moved);
    assert_int_equal(errno, ECONNRESET);
    if (status == POOLBUF_OK) { /* or the system threw the bytes away */
        assert_int_equal(moved, 10);
        assert_readable_payload(b, 0, 10);
    } else {
        assert_int_equal(status, POOLBUF_ERROR_SYSTEM);
        assert_int_equal(poolbuf_writer_index(b), 0);
    }
    UNIT_OK(poolbuf_recv(b, ends[1], 10, 0, &moved)); /* from here on it looks like a clean end */
    assert_int_equal(moved, 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(sent));
}

static void peeking_takes_what_is_there_once_and_leaves_it(void **state) {
    (void)state;
    poolbuf *from = make_part(allocator, unpooled, heap_part, 0, 10);
    poolbuf *to = poolbuf_allocate(allocator, 100, 100);
    int ends[2];
    size_t moved = 0;
    make_pair(SOCK_STREAM, ends);
    assert_int_equal(poolbuf_recv(to, ends[1], 50, MSG_PEEK | MSG_DONTWAIT, &moved), POOLBUF_ERROR_WOULD_BLOCK);
    UNIT_OK(poolbuf_send(from, ends[0], 10, 0, &moved));
    UNIT_OK(poolbuf_recv(to, ends[1], 50, MSG_PEEK, &moved)); /* does not wait for 40 more */
    assert_int_equal(moved, 10);
    assert_readable_payload(to, 0, 10);
    poolbuf_clear(to);
    UNIT_OK(poolbuf_recv(to, ends[1], 50, MSG_DONTWAIT, &moved));
    assert_int_equal(moved, 10);
    assert_readable_payload(to, 0, 10);
    close_both(ends);
    assert_true(poolbuf_release(from));
    assert_true(poolbuf_release(to));
}

static void flags_that_make_counts_lie_are_refused(void **state) {
    (void)state;
    poolbuf *b = poolbuf_allocate(allocator, 100, 100);
    size_t moved = 77;
    int ends[2];
    make_pair(SOCK_STREAM, ends);
    static const int refused[] = {MSG_TRUNC, MSG_ERRQUEUE, MSG_TRUNC | MSG_DONTWAIT};
    for (size_t i = 0; i < 3; i++) {
        int flags = refused[i];
        assert_int_equal(poolbuf_recv(b, ends[0], 10, refused[i], &moved), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(poolbuf_receive_from(b, ends[0], 10, &flags, NULL, NULL, &moved), POOLBUF_ERROR_BAD_ARGUMENT);
        assert_int_equal(flags, refused[i]);
    }
    assert_int_equal(moved, 77);
    close_both(ends);
    assert_true(poolbuf_release(b));
}

/* ---- Messages ----------------------------------------------------------------------------------------------------- */

static void a_message_is_one_however_many_pieces_it_lies_in(void **state) {
    (void)state;
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < 2; i++) {
        poolbuf *from = make_parts(allocator, unpooled, heap_part, direct_part, POOLBUF_IOVEC_LIMIT, 2);
        poolbuf *to = make_parts(allocator, unpooled, direct_part, heap_part, 100, 21);
        int ends[2];
        size_t moved = 0;
        int flags = 0;
        make_pair(types[i], ends);
        poolbuf_clear(to);
        UNIT_OK(poolbuf_send_to(from, ends[0], 2048, 0, NULL, 0, &moved)); /* as many pieces as there may be */
        assert_int_equal(moved, 2048);
        assert_int_equal(poolbuf_readable_bytes(from), 0);
        UNIT_OK(poolbuf_receive_from(to, ends[1], 2100, &flags, NULL, NULL, &moved));
        assert_int_equal(moved, 2048);
        assert_int_equal(flags & MSG_TRUNC, 0);
        assert_readable_payload(to, 0, 2048);
        for (size_t part = 0; part < 2; part++) { /* two messages do not become one */
            UNIT_OK(poolbuf_set_indices(from, part * 500, 2048));
            UNIT_OK(poolbuf_send_to(from, ends[0], 500, 0, NULL, 0, &moved));
        }
        poolbuf_clear(to);
        for (size_t part = 0; part < 2; part++) {
            UNIT_OK(poolbuf_receive_from(to, ends[1], 1000, NULL, NULL, NULL, &moved));
            assert_int_equal(moved, 500);
        }
        assert_readable_payload(to, 0, 1000);
        flags = MSG_DONTWAIT;
        assert_int_equal(poolbuf_receive_from(to, ends[1], 10, &flags, NULL, NULL, &moved), POOLBUF_ERROR_WOULD_BLOCK);
        assert_int_equal(flags, MSG_DONTWAIT);
        close_both(ends);
        assert_true(poolbuf_release(from));
        assert_true(poolbuf_release(to));
    }
}

static void a_message_of_too_many_pieces_is_refused_whole(void **state) {
    (void)state;
    poolbuf *c = make_parts(allocator, unpooled, heap_part, direct_part, POOLBUF_IOVEC_LIMIT + 1, 1);
    poolbuf *whole = make_part(allocator, unpooled, heap_part, 0, POOLBUF_IOVEC_LIMIT + 1);
    int ends[2];
    size_t moved = 77;
    make_pair(SOCK_DGRAM, ends);
    assert_int_equal(poolbuf_send_to(c, ends[0], POOLBUF_IOVEC_LIMIT + 1, 0, NULL, 0, &moved),
                     POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(poolbuf_reader_index(c), 0);
    assert_int_equal(moved, 77);
    UNIT_OK(poolbuf_send_to(whole, ends[0], POOLBUF_IOVEC_LIMIT + 1, 0, NULL, 0, &moved));
    poolbuf_clear(c);
    assert_int_equal(poolbuf_receive_from(c, ends[1], POOLBUF_IOVEC_LIMIT + 1, NULL, NULL, NULL, &moved),
                     POOLBUF_ERROR_UNSUPPORTED);
    UNIT_OK(poolbuf_composite_consolidate(c, 0, UINT32_MAX));
    UNIT_OK(
        poolbuf_receive_from(c, ends[1], POOLBUF_IOVEC_LIMIT + 1, NULL, NULL, NULL, &moved)); /* it is still there */
    assert_readable_payload(c, 0, POOLBUF_IOVEC_LIMIT + 1);
    close_both(ends);
    assert_true(poolbuf_release(c));
    assert_true(poolbuf_release(whole));
}

static void a_message_that_does_not_fit_is_cut_and_says_so(void **state) {
    (void)state;
    poolbuf *from = make_part(allocator, unpooled, heap_part, 0, 200);
    poolbuf *to = poolbuf_allocate(allocator, 16, 4096);
    int ends[2];
    size_t moved = 0;
    int flags = 0;
    make_pair(SOCK_DGRAM, ends);
    UNIT_OK(poolbuf_send_to(from, ends[0], 100, 0, NULL, 0, &moved));
    UNIT_OK(poolbuf_send_to(from, ends[0], 100, 0, NULL, 0, &moved));
    UNIT_OK(poolbuf_receive_from(to, ends[1], 60, &flags, NULL, NULL, &moved));
    assert_int_equal(moved, 60);
    assert_true((flags & MSG_TRUNC) != 0);
    assert_readable_payload(to, 0, 60);
    poolbuf_clear(to);
    flags = 0;
    UNIT_OK(poolbuf_receive_from(to, ends[1], 4096, &flags, NULL, NULL, &moved));
    assert_int_equal(flags & MSG_TRUNC, 0);
    assert_readable_payload(to, 100, 100);
    close_both(ends);
    assert_true(poolbuf_release(from));
    assert_true(poolbuf_release(to));
}

static void empty_messages_are_sent_and_received(void **state) {
    (void)state;
    poolbuf *to = poolbuf_allocate(allocator, 16, 16);
    int ends[2];
    size_t moved = 77;
    int flags = 0;
    make_pair(SOCK_DGRAM, ends);
    UNIT_OK(poolbuf_send_to(poolbuf_empty(), ends[0], 0, 0, NULL, 0, &moved));
    assert_int_equal(moved, 0);
    moved = 77;
    UNIT_OK(poolbuf_receive_from(to, ends[1], 16, &flags, NULL, NULL, &moved));
    assert_int_equal(moved, 0);
    flags = MSG_DONTWAIT;
    assert_int_equal(poolbuf_receive_from(to, ends[1], 16, &flags, NULL, NULL, &moved), POOLBUF_ERROR_WOULD_BLOCK);
    close_both(ends);
    assert_true(poolbuf_release(to));
}

static void records_end_where_the_peer_has_closed(void **state) {
    (void)state;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 10);
    poolbuf *to = poolbuf_allocate(allocator, 16, 16);
    int ends[2];
    size_t moved = 77;
    make_pair(SOCK_SEQPACKET, ends);
    UNIT_OK(poolbuf_send_to(b, ends[0], 10, 0, NULL, 0, &moved));
    assert_int_equal(close(ends[0]), 0);
    UNIT_OK(poolbuf_receive_from(to, ends[1], 16, NULL, NULL, NULL, &moved));
    assert_readable_payload(to, 0, 10);
    UNIT_OK(poolbuf_receive_from(to, ends[1], 6, NULL, NULL, NULL, &moved));
    assert_int_equal(moved, 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(to));
}

static int open_udp(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)address, size), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)address, &size), 0);
    return descriptor;
}

static void datagrams_find_their_address_and_tell_where_they_came_from(void **state) {
    (void)state;
    struct sockaddr_in addresses[2];
    struct sockaddr_in sender;
    const int ends[2] = {open_udp(&addresses[0]), open_udp(&addresses[1])};
    poolbuf *b = make_parts(allocator, unpooled, heap_part, direct_part, 10, 10);
    poolbuf *to = poolbuf_allocate(allocator, 16, 4096);
    size_t moved = 0;
    UNIT_OK(poolbuf_send_to(b, ends[0], 100, 0, (const struct sockaddr *)&addresses[1], sizeof addresses[1], &moved));
    assert_int_equal(moved, 100);
    socklen_t size = sizeof sender;
    UNIT_OK(poolbuf_receive_from(to, ends[1], 1000, NULL, (struct sockaddr *)&sender, &size, &moved));
    assert_int_equal(size, sizeof sender);
    assert_int_equal(sender.sin_port, addresses[0].sin_port);
    assert_int_equal(sender.sin_addr.s_addr, addresses[0].sin_addr.s_addr);
    assert_readable_payload(to, 0, 100);
    close_both(ends);
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(to));
}

static void a_sender_without_an_address_has_an_address_of_no_bytes(void **state) {
    (void)state;
    struct sockaddr_un sender;
    socklen_t size = sizeof sender;
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 10);
    int ends[2];
    size_t moved = 0;
    make_pair(SOCK_DGRAM, ends);
    UNIT_OK(poolbuf_send_to(b, ends[0], 10, 0, NULL, 0, &moved));
    poolbuf_clear(b);
    UNIT_OK(poolbuf_receive_from(b, ends[1], 10, NULL, (struct sockaddr *)&sender, &size, &moved));
    assert_int_equal(size, 0);
    size = sizeof sender;
    int flags = MSG_DONTWAIT;
    poolbuf_clear(b);
    assert_int_equal(poolbuf_receive_from(b, ends[1], 10, &flags, (struct sockaddr *)&sender, &size, &moved),
                     POOLBUF_ERROR_WOULD_BLOCK);
    assert_int_equal(size, sizeof sender);
    close_both(ends);
    assert_true(poolbuf_release(b));
}

static void messages_that_fail_change_nothing(void **state) {
    (void)state;
    struct sockaddr_in address;
    const int udp = open_udp(&address);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    poolbuf *b = make_part(allocator, unpooled, heap_part, 0, 70000);
    poolbuf *read_only = poolbuf_wrap_read_only(allocator, "0123456789", 10, NULL, NULL);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    size_t moved = 77;
    assert_int_equal(poolbuf_send_to(b, udp, 70000, 0, to, sizeof address, &moved), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(poolbuf_send_to(b, -1, 10, 0, to, sizeof address, &moved), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, EBADF);
    assert_int_equal(poolbuf_send_to(b, ends[1], 10, 0, to, sizeof address, &moved), POOLBUF_ERROR_SYSTEM);
    assert_int_equal(errno, ENOTSOCK);
    assert_int_equal(poolbuf_send_to(b, udp, 70001, 0, to, sizeof address, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_send(b, udp, 70001, 0, &moved), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(poolbuf_receive_from(b, udp, 1, NULL, NULL, NULL, &moved), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_recv(b, udp, 1, 0, &moved), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(poolbuf_receive_from(read_only, udp, 1, NULL, NULL, NULL, &moved), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(poolbuf_recv(read_only, udp, 1, 0, &moved), POOLBUF_ERROR_READ_ONLY);
    assert_int_equal(moved, 77);
    assert_readable_payload(b, 0, 70000);
    close_both(ends);
    assert_int_equal(close(udp), 0);
    assert_true(poolbuf_release(b));
    assert_true(poolbuf_release(read_only));
}

static void every_kind_of_buffer_is_a_message(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        poolbuf *owned = NULL;
        poolbuf *b = make_kind(allocator, unpooled, kind, &owned);
        poolbuf *to = poolbuf_allocate(allocator, KIND_BYTES, KIND_BYTES);
        int ends[2];
        size_t moved = 0;
        make_pair(SOCK_DGRAM, ends);
        UNIT_OK(poolbuf_send_to(b, ends[0], KIND_BYTES, 0, NULL, 0, &moved));
        UNIT_OK(poolbuf_receive_from(to, ends[1], KIND_BYTES, NULL, NULL, NULL, &moved));
        assert_readable_payload(to, 0, KIND_BYTES);
        if (kind < KIND_FIRST_READ_ONLY) {
            UNIT_OK(poolbuf_send_to(to, ends[0], KIND_BYTES, 0, NULL, 0, &moved));
            UNIT_OK(poolbuf_set_zero(b, 0, KIND_BYTES));
            poolbuf_clear(b);
            UNIT_OK(poolbuf_receive_from(b, ends[1], KIND_BYTES, NULL, NULL, NULL, &moved));
            assert_readable_payload(b, 0, KIND_BYTES);
        }
        close_both(ends);
        assert_true(poolbuf_release(owned));
        assert_true(poolbuf_release(to));
    }
}

#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(gathering_writes_that_are_cut_short_go_on_where_they_stopped),
        SOCKET_TEST(blocking_sockets_carry_all_whatever_they_hold),
        SOCKET_TEST(sending_to_a_closed_peer_is_an_error_and_no_signal),
        SOCKET_TEST(a_reset_after_some_bytes_is_in_errno),
        SOCKET_TEST(peeking_takes_what_is_there_once_and_leaves_it),
        SOCKET_TEST(flags_that_make_counts_lie_are_refused),
        SOCKET_TEST(a_message_is_one_however_many_pieces_it_lies_in),
        SOCKET_TEST(a_message_of_too_many_pieces_is_refused_whole),
        SOCKET_TEST(a_message_that_does_not_fit_is_cut_and_says_so),
        SOCKET_TEST(empty_messages_are_sent_and_received),
        SOCKET_TEST(records_end_where_the_peer_has_closed),
        SOCKET_TEST(datagrams_find_their_address_and_tell_where_they_came_from),
        SOCKET_TEST(a_sender_without_an_address_has_an_address_of_no_bytes),
        SOCKET_TEST(messages_that_fail_change_nothing),
        SOCKET_TEST(every_kind_of_buffer_is_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
