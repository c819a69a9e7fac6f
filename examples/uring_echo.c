/* An echo server and its client over loopback, with io_uring and registered buffers: the kernel pins the memory once a chunk,
 * when the allocator maps it, instead of once an operation.
 *
 *      chunk_mapped    ->  slot chunk->index of the ring's table of buffers is filled
 *      a buffer        ->  poolbuf_chunk_location(): the slot, for READ_FIXED and WRITE_FIXED
 *      chunk_unmapped  ->  the slot is emptied
 *
 * Server and client are a thread each, with a ring and an allocator of their own. The client checks every byte that comes
 * back. Exit codes: 0 all came back, 1 something failed, 77 the kernel offers no io_uring, or none that is new enough. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <liburing.h>

#include <poolbuf/poolbuf.h>

enum {
    SLOTS = 256, /* of a ring's table; a chunk with a larger index is refused */
    MESSAGES = 500,
    HELD = 24,            /* messages that the client keeps, so that they fill several chunks */
    LARGE_EVERY = 50,     /* one message in so many is larger than a chunk, and has a region of its own */
    PIECE_BYTES = 16384,  /* what the server reads at once */
    UNAVAILABLE_EXIT = 77 /* the exit code that says so */
};

static const size_t CHUNK_BYTES = 262144; /* small, so that a few megabytes need several */

typedef struct endpoint {
    const char *name;
    struct io_uring ring;
    poolbuf_allocator *allocator;
    int socket;
    uint64_t moved;                           /* bytes read */
    unsigned chunks, chunks_now, chunks_most; /* registered: ever, now, and at most at once */
    bool failed;
} endpoint;

static bool complain(endpoint *self, const char *what, int error) {
    (void)fprintf(stderr, "uring_echo: %s: %s: %s\n", self->name, what, strerror(error));
    self->failed = true;
    return false;
}

/* ---- Registration ------------------------------------------------------------------------------------------------- */

/* An empty vector empties the slot. */
static bool set_slot(endpoint *self, uint32_t index, void *base, size_t bytes) {
    struct iovec vector = {.iov_base = base, .iov_len = bytes};
    __u64 tag = 0;
    int done = index < SLOTS ? io_uring_register_buffers_update_tag(&self->ring, index, &vector, &tag, 1) : -ERANGE;
    return done == 1 || complain(self, "a chunk cannot be registered", done < 0 ? -done : EIO);
}

static bool on_chunk_mapped(void *context, const poolbuf_chunk *chunk) {
    endpoint *self = context;
    if (!set_slot(self, chunk->index, chunk->base, chunk->bytes)) {
        return false; /* then nothing lies in it: the allocation fails */
    }
    self->chunks++;
    self->chunks_now++;
    self->chunks_most = self->chunks_now > self->chunks_most ? self->chunks_now : self->chunks_most;
    return true;
}

static void on_chunk_unmapped(void *context, const poolbuf_chunk *chunk) {
    endpoint *self = context;
    (void)set_slot(self, chunk->index, NULL, 0);
    self->chunks_now--;
}

/* 0, or the exit code. */
static int open_endpoint(endpoint *self, const char *name) {
    *self = (endpoint){.name = name, .socket = -1};
    int error = io_uring_queue_init(8, &self->ring, 0);
    if (error != 0) {
        (void)complain(self, "no io_uring", -error);
        return error == -ENOSYS || error == -EPERM || error == -EACCES ? UNAVAILABLE_EXIT : 1;
    }
    error = io_uring_register_buffers_sparse(&self->ring, SLOTS);
    if (error != 0) {
        (void)complain(self, "no sparse table of buffers", -error);
        io_uring_queue_exit(&self->ring);
        return error == -EINVAL ? UNAVAILABLE_EXIT : 1; /* a kernel before 5.19 */
    }
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.pooling = true;
    options.prefer_direct = true;
    options.direct_arenas = 1;
    options.chunk_size = CHUNK_BYTES;
    options.decay_ms = 0; /* a chunk goes in the call that empties it: each callback comes on this endpoint's thread */
    options.chunk_mapped = on_chunk_mapped;
    options.chunk_unmapped = on_chunk_unmapped;
    options.chunk_context = self;
    if (poolbuf_allocator_create(&options, &self->allocator) != POOLBUF_OK) {
        (void)complain(self, "no allocator", ENOMEM);
        io_uring_queue_exit(&self->ring);
        return 1;
    }
    return 0;
}

/* The allocator first: it takes its chunks out of the table. */
static bool close_endpoint(endpoint *self) {
    if (poolbuf_allocator_destroy(self->allocator) != POOLBUF_OK || self->chunks_now != 0) {
        (void)complain(self, "buffers or chunks are left", EBUSY);
    }
    if (self->socket >= 0) {
        (void)close(self->socket);
    }
    io_uring_queue_exit(&self->ring);
    return !self->failed;
}

/* ---- Moving bytes ------------------------------------------------------------------------------------------------- */

/* Queues a read into, or a write from, bytes first to end of a buffer. id comes back with the completion. */
static bool queue_fixed(endpoint *self, bool write, poolbuf *buffer, size_t first, size_t end, uint64_t id) {
    poolbuf_location at;
    struct io_uring_sqe *entry = io_uring_get_sqe(&self->ring);
    if (entry == NULL || poolbuf_chunk_location(buffer, &at) != POOLBUF_OK) {
        return complain(self, "no place in a registered chunk", EINVAL);
    }
    uint8_t *memory = poolbuf_memory(buffer) + first;
    if (write) {
        io_uring_prep_write_fixed(entry, self->socket, memory, (unsigned)(end - first), 0, (int)at.chunk_index);
    } else {
        io_uring_prep_read_fixed(entry, self->socket, memory, (unsigned)(end - first), 0, (int)at.chunk_index);
    }
    io_uring_sqe_set_data64(entry, id);
    return true;
}

/* Submits what is queued and waits for one completion: its id, and the bytes that it moved. */
static bool complete_one(endpoint *self, uint64_t *id, size_t *bytes) {
    struct io_uring_cqe *entry = NULL;
    int error = 0;
    do {
        error = io_uring_submit_and_wait(&self->ring, 1);
    } while (error == -EINTR);
    if (error >= 0) {
        error = io_uring_wait_cqe(&self->ring, &entry);
    }
    if (error < 0) {
        return complain(self, "io_uring", -error);
    }
    int result = entry->res;
    *id = io_uring_cqe_get_data64(entry);
    io_uring_cqe_seen(&self->ring, entry);
    if (result < 0) {
        return complain(self, *id == 0 ? "READ_FIXED" : "WRITE_FIXED", -result);
    }
    *bytes = (size_t)result;
    return true;
}

/* ---- The server --------------------------------------------------------------------------------------------------- */

/* Sends back what comes in, until the other side has closed. */
static void *serve(void *argument) {
    endpoint *self = argument;
    for (bool open = true; open && !self->failed;) {
        poolbuf *piece = poolbuf_allocate(self->allocator, PIECE_BYTES, PIECE_BYTES);
        uint64_t id = 0;
        size_t length = 0;
        if (piece == NULL) {
            (void)complain(self, "no buffer", ENOMEM);
            break;
        }
        open = queue_fixed(self, false, piece, 0, PIECE_BYTES, 0) && complete_one(self, &id, &length) && length != 0;
        self->moved += length;
        for (size_t sent = 0, more = 0; open && sent < length; sent += more) {
            open = queue_fixed(self, true, piece, sent, length, 1) && complete_one(self, &id, &more);
        }
        (void)poolbuf_release(piece);
    }
    (void)shutdown(self->socket, SHUT_RDWR); /* also after an error, so that the client does not wait */
    return NULL;
}

/* ---- The client --------------------------------------------------------------------------------------------------- */

static uint8_t byte_of(unsigned message, size_t i) {
    return (uint8_t)((size_t)message * 131u + i * 7u + (i >> 8));
}

/* Sends a message and reads it back, both at once, as the server returns the beginning before it has the end. */
static bool exchange(endpoint *self, poolbuf *message, poolbuf *answer, size_t length) {
    size_t sent = 0;
    size_t received = 0;
    bool good = queue_fixed(self, true, message, 0, length, 1) && queue_fixed(self, false, answer, 0, length, 0);
    while (good && (sent < length || received < length)) {
        uint64_t id = 0;
        size_t bytes = 0;
        good = complete_one(self, &id, &bytes) && (bytes != 0 || complain(self, "the server has gone", EPIPE));
        if (good && id == 1) {
            sent += bytes;
            good = sent == length || queue_fixed(self, true, message, sent, length, 1);
        } else if (good) {
            received += bytes;
            good = received == length || queue_fixed(self, false, answer, received, length, 0);
        }
    }
    self->moved += received;
    return good;
}

static bool check(endpoint *self, const poolbuf *answer, unsigned message) {
    const uint8_t *memory = poolbuf_memory(answer);
    for (size_t i = 0; i < poolbuf_capacity(answer); i++) {
        if (memory[i] != byte_of(message, i)) {
            return complain(self, "a byte came back that was not sent", EIO);
        }
    }
    return true;
}

static bool talk(endpoint *self) {
    poolbuf *held[HELD] = {NULL};
    bool good = true;
    for (unsigned i = 0; i < MESSAGES + HELD && good; i++) {
        poolbuf **place = &held[i % HELD];
        if (*place != NULL) { /* an answer that has waited its turn among others in its chunk */
            good = check(self, *place, i - HELD);
            (void)poolbuf_release(*place);
            *place = NULL;
        }
        if (i >= MESSAGES || !good) {
            continue;
        }
        size_t length = i % LARGE_EVERY == LARGE_EVERY - 1 ? CHUNK_BYTES * 2 : 1 + (size_t)(i * 7919u % 60000);
        poolbuf *message = poolbuf_allocate(self->allocator, length, length);
        *place = poolbuf_allocate(self->allocator, length, length);
        if (message == NULL || *place == NULL) {
            good = complain(self, "no buffer", ENOMEM);
        } else {
            for (size_t j = 0; j < length; j++) {
                poolbuf_memory(message)[j] = byte_of(i, j);
            }
            good = exchange(self, message, *place, length);
        }
        if (message != NULL) {
            (void)poolbuf_release(message);
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i] != NULL) {
            (void)poolbuf_release(held[i]);
        }
    }
    return good;
}

/* ---- Both --------------------------------------------------------------------------------------------------------- */

/* A connected pair of sockets over 127.0.0.1. */
static bool connect_both(endpoint *client, endpoint *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1; /* small pieces go at once, without waiting to be joined with the next */
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    client->socket = socket(AF_INET, SOCK_STREAM, 0);
    bool good = listener >= 0 && client->socket >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
                listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
                connect(client->socket, (struct sockaddr *)&address, size) == 0 &&
                (server->socket = accept(listener, NULL, NULL)) >= 0 &&
                setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
                setsockopt(server->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    if (!good) {
        (void)complain(client, "no connection over loopback", errno);
    }
    if (listener >= 0) {
        (void)close(listener);
    }
    return good;
}

static void tell(const endpoint *self) {
    printf("%s: %llu bytes received, %u chunks registered, %u of them at once at most, %u now\n", self->name,
           (unsigned long long)self->moved, self->chunks, self->chunks_most, self->chunks_now);
}

static bool run(endpoint *client, endpoint *server) {
    pthread_t thread;
    if (!connect_both(client, server)) {
        return false;
    }
    if (pthread_create(&thread, NULL, serve, server) != 0) {
        return complain(server, "no thread", EAGAIN);
    }
    bool good = talk(client);
    (void)shutdown(client->socket, good ? SHUT_WR : SHUT_RDWR);
    (void)pthread_join(thread, NULL);
    return good;
}

int main(void) {
    endpoint client;
    endpoint server;
    int code = open_endpoint(&client, "client");
    if (code != 0) {
        return code;
    }
    code = open_endpoint(&server, "server");
    if (code != 0) {
        (void)close_endpoint(&client);
        return code;
    }
    bool good = run(&client, &server);
    good = close_endpoint(&client) && good;
    good = close_endpoint(&server) && good;
    tell(&client);
    tell(&server);
    good = good && client.moved == server.moved;
    printf("%s\n", good ? "every byte came back" : "FAILED");
    return good ? 0 : 1;
}
