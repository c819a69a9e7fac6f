/* Frames with a length in front, cut out of a stream without copying: a client and a server over loopback TCP.
 *
 *     frames [SEED]     the seed of lengths and of what is sent and received at once
 *
 *      from the socket       [ 7 bytes ][ 1 byte ][ 1,802 bytes             ][ 64 bytes ]    a buffer each, as they
 *                            come
 *      one composite         [ length | payload        ][ length | payload   ][ length | pa
 *      frames                           [ retained slice ]         [ retained slice ]
 *
 * What arrives becomes a component of the composite. A frame is a retained slice of it, which keeps just the components
 * that it lies in; so the composite can drop what was read, and a frame can outlive the connection. A length above
 * FRAME_LIMIT is refused before a byte of that frame is waited for. Every byte of every frame is checked.
 *
 * Exit codes: 0 all frames came and the last one was refused, 1 something else. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <poolbuf/composite.h>
#include <poolbuf/poolbuf.h>

enum {
    FRAME_LIMIT = 65536, /* bytes of a payload */
    FRAMES = 2000,
    LARGE_EVERY = 40,      /* one frame in so many may be as long as the limit */
    HELD = 8,              /* frames that are kept while later ones arrive */
    PIECE_MOST = 2048,     /* bytes received or sent at once */
    COMPONENTS_MOST = 512, /* of the composite: FRAME_LIMIT in small pieces; more would be copied into one */
    HEADER_BYTES = 4
};

static const uint32_t OVERSIZED = 0x7fffffff;

typedef struct side {
    const char *name;
    uint64_t random; /* the state of its generator */
    int socket;
    uint64_t bytes, pieces; /* sent, or received */
    unsigned frames;
    bool failed;
} side;

/* What the server keeps of its connection. */
typedef struct decoder {
    side *self;
    poolbuf *stream; /* the composite */
    poolbuf *held[HELD];
    unsigned in_one_piece, in_several, components_most;
    bool refused;
} decoder;

static bool complain(side *self, const char *what, int error) {
    (void)fprintf(stderr, "frames: %s: %s: %s\n", self->name, what, strerror(error));
    self->failed = true;
    return false;
}

/* From 1 to most; xorshift. */
static size_t some(side *self, size_t most) {
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return 1 + (size_t)(self->random % most);
}

static uint8_t byte_of(unsigned frame, size_t i) {
    return (uint8_t)((size_t)frame * 89u + i * 3u + (i >> 8));
}

/* ---- The client ---------------------------------------------------------------------------------------------------
 * */

static size_t length_of(side *self, unsigned frame) {
    if (frame % LARGE_EVERY == LARGE_EVERY - 1) {
        return frame % (2 * LARGE_EVERY) == LARGE_EVERY - 1 ? FRAME_LIMIT : some(self, FRAME_LIMIT);
    }
    return some(self, 600) - 1; /* none at times */
}

static bool append_frame(side *self, poolbuf *out, unsigned frame) {
    size_t length = length_of(self, frame);
    bool good = poolbuf_write_u32_be(out, (uint32_t)length) == POOLBUF_OK;
    for (size_t i = 0; i < length && good; i++) {
        good = poolbuf_write_u8(out, byte_of(frame, i)) == POOLBUF_OK;
    }
    return good || complain(self, "a frame does not fit", ENOBUFS);
}

/* Sends some of what is there; where it is cut has nothing to do with where frames end. */
static bool send_some(side *self, poolbuf *out) {
    size_t readable = poolbuf_readable_bytes(out);
    size_t sent = 0;
    size_t wanted = some(self, readable < PIECE_MOST ? readable : PIECE_MOST);
    if (poolbuf_send(out, self->socket, wanted, 0, &sent) != POOLBUF_OK) {
        return complain(self, "cannot send", errno);
    }
    self->bytes += sent;
    self->pieces++;
    return poolbuf_discard_some_read_bytes(out) == POOLBUF_OK;
}

/* The last header announces too much. Nobody listens after it: the server closes, and may do so with bytes unread. */
static bool announce_too_much(side *self, poolbuf *out) {
    size_t moved = 0;
    poolbuf_clear(out);
    if (poolbuf_write_u32_be(out, OVERSIZED) != POOLBUF_OK ||
        poolbuf_send(out, self->socket, HEADER_BYTES, 0, &moved) != POOLBUF_OK) {
        return complain(self, "cannot send", errno);
    }
    poolbuf_status status = poolbuf_recv(out, self->socket, 1, 0, &moved);
    bool closed = (status == POOLBUF_OK && moved == 0) || (status == POOLBUF_ERROR_SYSTEM && errno == ECONNRESET);
    return closed || complain(self, "the server did not close", EPROTO);
}

static void *send_frames(void *argument) {
    side *self = argument;
    poolbuf *out = poolbuf_allocate(NULL, PIECE_MOST, (size_t)4 * FRAME_LIMIT);
    bool good = out != NULL || complain(self, "no buffer", ENOMEM);
    while (good && (self->frames < FRAMES || poolbuf_is_readable(out, 1))) {
        if (self->frames < FRAMES && !poolbuf_is_readable(out, PIECE_MOST)) {
            good = append_frame(self, out, self->frames);
            self->frames++;
        }
        good = good && send_some(self, out);
    }
    if (good) {
        (void)announce_too_much(self, out);
    }
    (void)shutdown(self->socket, SHUT_RDWR); /* also after an error, so that the server does not wait */
    if (out != NULL) {
        (void)poolbuf_release(out);
    }
    return NULL;
}

/* ---- The server ---------------------------------------------------------------------------------------------------
 * */

/* Waits for bytes, and makes those that are there a component. False: there are no more, or something failed. */
static bool take_in(decoder *in) {
    side *self = in->self;
    struct pollfd ready = {.fd = self->socket, .events = POLLIN};
    while (poll(&ready, 1, -1) < 0) {
        if (errno != EINTR) {
            return complain(self, "cannot wait", errno);
        }
    }
    size_t most = some(self, PIECE_MOST);
    poolbuf *piece = poolbuf_allocate(NULL, most, most);
    size_t got = 0;
    if (piece == NULL) {
        return complain(self, "no buffer", ENOMEM);
    }
    poolbuf_status status = poolbuf_recv(piece, self->socket, most, MSG_DONTWAIT, &got);
    if (status != POOLBUF_OK || got == 0) {
        (void)poolbuf_release(piece);
        return status == POOLBUF_ERROR_WOULD_BLOCK || (status != POOLBUF_OK && complain(self, "cannot receive", errno));
    }
    self->bytes += got;
    self->pieces++;
    if (poolbuf_composite_add_component(in->stream, piece, true) !=
        POOLBUF_OK) { /* it has been released all the same */
        return complain(self, "a piece could not be added", ENOMEM);
    }
    unsigned components = poolbuf_composite_component_count(in->stream);
    in->components_most = components > in->components_most ? components : in->components_most;
    return true;
}

/* Looks at each byte where it lies, a few pieces at a time. */
static bool check(decoder *in, const poolbuf *frame, unsigned number) {
    size_t at = poolbuf_reader_index(frame);
    size_t end = poolbuf_writer_index(frame);
    for (size_t covered = 0, i = 0; at < end; at += covered) {
        struct iovec pieces[8];
        size_t count = 8;
        if (poolbuf_readable_iovec(frame, at, end - at, pieces, &count, &covered) != POOLBUF_OK) {
            return complain(in->self, "a frame has no bytes", EIO);
        }
        for (size_t p = 0; p < count; p++) {
            const uint8_t *bytes = pieces[p].iov_base;
            for (size_t j = 0; j < pieces[p].iov_len; j++, i++) {
                if (bytes[j] != byte_of(number, i)) {
                    return complain(in->self, "a byte came that was not sent", EIO);
                }
            }
        }
    }
    return true;
}

/* A frame is looked at when HELD more have come: by then the composite has dropped it. */
static bool let_go(decoder *in, unsigned number) {
    poolbuf **place = &in->held[number % HELD];
    bool good = true;
    if (*place != NULL) {
        good = check(in, *place, number - HELD);
        (void)poolbuf_release(*place);
        *place = NULL;
    }
    return good;
}

/* Cuts out one frame, if it is there: *cut says so. */
static bool cut_frame(decoder *in, bool *cut) {
    side *self = in->self;
    uint32_t length = 0;
    *cut = false;
    if (poolbuf_get_u32_be(in->stream, poolbuf_reader_index(in->stream), &length) != POOLBUF_OK) {
        return true; /* not even its length */
    }
    if (length > FRAME_LIMIT) {
        printf("server: frame %u refused: %u bytes announced, %d is the limit\n", self->frames, (unsigned)length,
               FRAME_LIMIT);
        in->refused = true;
        return true;
    }
    if (!poolbuf_is_readable(in->stream, HEADER_BYTES + (size_t)length)) {
        return true;
    }
    if (!let_go(in, self->frames) || poolbuf_skip_bytes(in->stream, HEADER_BYTES) != POOLBUF_OK) {
        return false;
    }
    poolbuf *frame = poolbuf_read_retained_slice(in->stream, length);
    if (frame == NULL) {
        return complain(self, "no slice", ENOMEM);
    }
    *(poolbuf_iovec_count(frame, 0, length) <= 1 ? &in->in_one_piece : &in->in_several) += 1;
    in->held[self->frames % HELD] = frame;
    self->frames++;
    *cut = true;
    return true;
}

static bool receive_frames(side *self) {
    decoder in = {.self = self, .stream = poolbuf_allocate_composite(NULL, COMPONENTS_MOST)};
    if (in.stream == NULL) {
        return complain(self, "no composite", ENOMEM);
    }
    bool good = true;
    while (good && !in.refused && take_in(&in)) {
        for (bool cut = true; good && cut;) {
            good = cut_frame(&in, &cut);
        }
        good = good && poolbuf_composite_discard_read_components(in.stream) == POOLBUF_OK;
    }
    (void)shutdown(self->socket, SHUT_RDWR);
    (void)poolbuf_release(in.stream); /* the frames that are held stay as they are */
    for (unsigned i = 0; i < HELD; i++) {
        good = let_go(&in, self->frames + i) && good;
    }
    printf("server: %u frames cut out: %u in one piece, %u in several; at most %u components at once\n", self->frames,
           in.in_one_piece, in.in_several, in.components_most);
    return good && !self->failed && (in.refused || complain(self, "nothing was refused", EPROTO));
}

/* ---- Both ---------------------------------------------------------------------------------------------------------
 * */

/* A connected pair of sockets over 127.0.0.1. */
static bool connect_both(side *client, side *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1; /* small pieces go at once, without waiting to be joined with the next */
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    client->socket = socket(AF_INET, SOCK_STREAM, 0);
    bool good = listener >= 0 && client->socket >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
                listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
                connect(client->socket, (struct sockaddr *)&address, size) == 0 &&
                (server->socket = accept(listener, NULL, NULL)) >= 0 &&
                setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    if (!good) {
        (void)complain(client, "no connection over loopback", errno);
    }
    if (listener >= 0) {
        (void)close(listener);
    }
    return good;
}

static bool run(side *client, side *server) {
    pthread_t thread;
    if (!connect_both(client, server)) {
        return false;
    }
    if (pthread_create(&thread, NULL, send_frames, client) != 0) {
        return complain(client, "no thread", EAGAIN);
    }
    bool good = receive_frames(server);
    (void)pthread_join(thread, NULL);
    printf("client: %u frames sent, %llu bytes in %llu pieces\n", client->frames, (unsigned long long)client->bytes,
           (unsigned long long)client->pieces);
    printf("server: %llu bytes received in %llu pieces\n", (unsigned long long)server->bytes,
           (unsigned long long)server->pieces);
    /* The server has also received the header that it refused. */
    return good && !client->failed && server->frames == FRAMES && server->bytes == client->bytes + HEADER_BYTES;
}

int main(int argc, char **argv) {
    char *behind = NULL;
    unsigned long long seed = argc > 1 ? strtoull(argv[1], &behind, 10) : 1;
    if (argc > 2 || (argc > 1 && (behind == argv[1] || *behind != '\0' || seed == 0))) {
        (void)fprintf(stderr, "usage: frames [SEED]     a number above 0\n");
        return 2;
    }
    side client = {.name = "client", .random = seed, .socket = -1};
    side server = {.name = "server", .random = ~seed != 0 ? ~seed : 1, .socket = -1};
    bool good = run(&client, &server);
    if (client.socket >= 0) {
        (void)close(client.socket);
    }
    if (server.socket >= 0) {
        (void)close(server.socket);
    }
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    good = poolbuf_allocator_metrics(NULL, &metrics) == POOLBUF_OK && metrics.live_buffers == 0 && good;
    printf("%llu buffers alive\n", (unsigned long long)metrics.live_buffers);
    printf("%s\n", good ? "every byte of every frame was checked" : "FAILED");
    return good ? 0 : 1;
}
