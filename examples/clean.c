/* The same small server loop as leaky.c without its bugs: every buffer is released, on every path.
 *
 *     clean [-v] [BUFFERS]      default: 1000 buffers
 *
 * Buffers change hands here as they do in real programs: a request outlives the function that read it, in a queue, and a
 * reply is shared by two owners for a while. The leak detector has nothing to say about any of it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

enum {
    QUEUE_LENGTH = 16
};

static poolbuf *queue[QUEUE_LENGTH];

static poolbuf *or_die(poolbuf *buffer) {
    if (buffer == NULL) {
        fputs("clean: out of memory\n", stderr);
        exit(1);
    }
    return buffer;
}

/* Puts a request off; the one that waited in its place is done. */
static void keep_request(uint32_t number) {
    poolbuf *request = or_die(poolbuf_allocate(NULL, 256, 4096));
    if (poolbuf_write_u32_be(request, number) != POOLBUF_OK) {
        abort();
    }
    poolbuf **place = &queue[number % QUEUE_LENGTH];
    if (*place != NULL) {
        poolbuf_release(*place);
    }
    *place = request;
}

/* Sends a reply that a log wants to see as well: two owners, two releases. */
static void send_reply(uint32_t number) {
    poolbuf *reply = or_die(poolbuf_allocate(NULL, 1024, 1024));
    poolbuf *logged = poolbuf_retain(reply);
    if (poolbuf_write_u64_le(reply, number) != POOLBUF_OK) {
        abort();
    }
    poolbuf_release(reply);
    poolbuf_touch(logged, "log");
    poolbuf_release(logged);
}

static void drain_queue(void) {
    for (size_t i = 0; i < QUEUE_LENGTH; i++) {
        if (queue[i] != NULL) {
            poolbuf_release(queue[i]);
        }
    }
}

int main(int argc, char **argv) {
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    const char *count = argv[1 + verbose];
    unsigned long buffers = count == NULL ? 1000 : strtoul(count, NULL, 10);
    for (unsigned long i = 0; i < buffers; i++) {
        if (i % 10 < 7) {
            keep_request((uint32_t)i);
        } else {
            send_reply((uint32_t)i);
        }
    }
    drain_queue();
    if (verbose) {
        printf("%lu buffers allocated, all of them released\n", buffers);
    }
    return 0;
}
