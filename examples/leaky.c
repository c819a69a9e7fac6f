/* A small server loop that loses buffers, for trying the leak detector on.
 *
 *     leaky [-v] [BUFFERS [LEAKS]]      default: 1000 buffers, of which 100 are never released
 *
 *     POOLBUF_LEAK_LEVEL=paranoid leaky
 *
 * Seven of ten leaks happen in keep_request(), which forgets the buffers of requests that it puts off; three of ten in
 * send_reply(), whose error path returns too early. The leaks are spread evenly over the run. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

/* Kept apart, so that each is a frame of its own in optimised builds too. */
#define OWN_FRAME __attribute__((noinline))

static unsigned long leaked_requests, leaked_replies;

static poolbuf *or_die(poolbuf *buffer) {
    if (buffer == NULL) {
        fputs("leaky: out of memory\n", stderr);
        exit(1);
    }
    return buffer;
}

OWN_FRAME static poolbuf *read_request(uint32_t number) {
    poolbuf *request = or_die(poolbuf_allocate(NULL, 256, 4096));
    if (poolbuf_write_u32_be(request, number) != POOLBUF_OK) {
        abort();
    }
    return request;
}

OWN_FRAME static void keep_request(uint32_t number, bool put_off) {
    poolbuf *request = read_request(number);
    if (put_off) {
        leaked_requests++; /* the bug: nobody remembers this request */
        return;
    }
    poolbuf_release(request);
}

OWN_FRAME static poolbuf *format_reply(uint32_t number) {
    poolbuf *reply = or_die(poolbuf_allocate(NULL, 1024, 1024));
    if (poolbuf_write_u64_le(reply, number) != POOLBUF_OK) {
        abort();
    }
    return reply;
}

OWN_FRAME static int send_reply(uint32_t number, bool peer_is_gone) {
    poolbuf *reply = format_reply(number);
    if (peer_is_gone) {
        leaked_replies++;
        return -1; /* the bug: this path owns the reply, too */
    }
    poolbuf_release(reply);
    return 0;
}

OWN_FRAME static void serve(uint32_t number, bool reply, bool lose) {
    if (reply) {
        if (send_reply(number, lose) != 0 && !lose) {
            fputs("leaky: the reply could not be sent\n", stderr);
        }
    } else {
        keep_request(number, lose);
    }
    __asm__ volatile(""); /* no tail call: this frame stays on the stack */
}

static unsigned long parse(const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > UINT32_MAX) {
        fprintf(stderr, "leaky: \"%s\" is no number; usage: leaky [-v] [BUFFERS [LEAKS]]\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv) {
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    char **arguments = argv + 1 + verbose;
    unsigned long buffers = arguments[0] == NULL ? 1000 : parse(arguments[0]);
    unsigned long leaks = arguments[0] == NULL || arguments[1] == NULL ? 100 : parse(arguments[1]);
    leaks = leaks < buffers ? leaks : buffers;

    unsigned long lost = 0;
    for (unsigned long i = 0; i < buffers; i++) {
        bool lose = lost < leaks && i * leaks >= lost * buffers; /* at the start of each of LEAKS equal stretches */
        unsigned long turn = lose ? lost : i;
        bool reply = turn % 10 == 2 || turn % 10 == 5 || turn % 10 == 8; /* three of ten */
        lost += lose;
        serve((uint32_t)i, reply, lose);
    }
    if (verbose) {
        printf("%lu buffers allocated; never released: %lu by keep_request(), %lu by send_reply()\n", buffers,
               leaked_requests, leaked_replies);
    }
    return 0;
}
