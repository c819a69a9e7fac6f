/* A server that echoes lines, over epoll and without ever waiting for one client: one buffer a connection.
 *
 *     line_echo [PORT [CONNECTIONS]]
 *
 *   PORT         to listen on, at 127.0.0.1; 0 or none: the system's choice, which is printed
 *   CONNECTIONS  ends after so many have come and gone; 0 or none: goes on until SIGTERM or SIGINT
 *
 * What a connection's buffer holds, and where it goes:
 *
 *      reader index           + complete                    writer index
 *      [ lines to be sent     ][ a line that has begun      ][ room ]
 *        poolbuf_read_to_fd()                                 poolbuf_write_from_fd()
 *
 * Lines are sent as they end. A client that does not read what it is sent is not read from either, so it can make the
 * server keep no more than one buffer. A line longer than LINE_LIMIT gets an error line and the end of the connection.
 * What comes after the last newline is no line, and is dropped when the client closes. There are no timeouts, which a
 * server in the open would want. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

enum {
    LINE_LIMIT = 4096,      /* bytes of a line, its newline included */
    FIRST_ROOM = 256,       /* what a buffer begins with; it grows up to LINE_LIMIT */
    CLIENTS = 64,           /* connections at once; more of them wait to be accepted */
    SEND_ROOM = 64 << 10,   /* bytes that the system keeps of what a client does not read */
    DRAIN_LIMIT = 16 << 20, /* bytes that are read, and thrown away, after an error line */
    EVENTS = 16
};

typedef enum phase {
    PHASE_FREE = 0, /* no connection */
    PHASE_ECHO,
    PHASE_REFUSE, /* what is in the buffer is an error line: it is sent, and then nothing more */
    PHASE_DRAIN   /* all is sent; what the client still sends is thrown away until it closes */
} phase;

typedef struct client {
    poolbuf *buffer;
    size_t complete; /* bytes from the reader index on that are lines to be sent */
    size_t drained;
    int socket;
    uint32_t interest; /* what epoll watches the socket for */
    phase phase;
    bool stalled; /* has been told of */
} client;

typedef struct server {
    client clients[CLIENTS];
    int epoll, listener, signals;
    unsigned long wanted, ended; /* connections */
    uint64_t lines, bytes;       /* echoed */
    unsigned long refused, stalls;
    bool paused; /* no connection is accepted until one has ended */
    bool stop;
} server;

static bool complain(const char *what) {
    (void)fprintf(stderr, "line_echo: %s: %s\n", what, strerror(errno));
    return false;
}

/* ---- Connections --------------------------------------------------------------------------------------------------
 * */

static bool watch(const server *self, int operation, int descriptor, uint32_t events, void *who) {
    struct epoll_event event = {.events = events, .data.ptr = who};
    return epoll_ctl(self->epoll, operation, descriptor, &event) == 0;
}

static void end(server *self, client *who) {
    (void)close(who->socket); /* epoll forgets it */
    (void)poolbuf_release(who->buffer);
    *who = (client){.phase = PHASE_FREE};
    self->ended++;
    self->stop = self->stop || (self->wanted != 0 && self->ended >= self->wanted);
    if (self->paused) {
        self->paused = !watch(self, EPOLL_CTL_MOD, self->listener, EPOLLIN, &self->listener);
    }
}

/* Waits for either side: with something to send, nothing is read. */
static void wait_for(server *self, client *who, uint32_t events) {
    if (who->interest != events) {
        who->interest = events;
        if (!watch(self, EPOLL_CTL_MOD, who->socket, events, who)) {
            end(self, who);
        }
    }
}

/* No place, no descriptor or no memory for one more: those who wait are left in the queue until somebody goes. Not to
 * pause would be to be woken for them all the time. */
static void pause_accepting(server *self) {
    self->paused = watch(self, EPOLL_CTL_MOD, self->listener, 0, &self->listener);
}

static void welcome(server *self) {
    const int room = SEND_ROOM;
    client *who = self->clients;
    while (who < self->clients + CLIENTS && who->phase != PHASE_FREE) {
        who++;
    }
    poolbuf *buffer = who < self->clients + CLIENTS ? poolbuf_allocate(NULL, FIRST_ROOM, LINE_LIMIT) : NULL;
    if (buffer == NULL) {
        pause_accepting(self);
        return;
    }
    int descriptor = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        (void)poolbuf_release(buffer);
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(self);
        }
        return; /* for other reasons: the one who came has gone again */
    }
    *who = (client){.buffer = buffer, .socket = descriptor, .interest = EPOLLIN, .phase = PHASE_ECHO};
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) != 0 ||
        !watch(self, EPOLL_CTL_ADD, descriptor, EPOLLIN, who)) {
        end(self, who);
    }
}

/* ---- Lines --------------------------------------------------------------------------------------------------------
 * */

/* Looks for ends of lines in the bytes from an index on: the buffer is contiguous, so they lie in one piece. */
static void find_lines(server *self, client *who, size_t from) {
    size_t length = poolbuf_writer_index(who->buffer) - from;
    const uint8_t *bytes = poolbuf_bytes_at(who->buffer, from, length);
    const uint8_t *const behind = bytes + length;
    for (const uint8_t *newline = NULL; bytes < behind; bytes = newline + 1) {
        newline = memchr(bytes, '\n', (size_t)(behind - bytes));
        if (newline == NULL) {
            break;
        }
        self->lines++;
        who->complete = (size_t)(newline + 1 - poolbuf_memory(who->buffer)) - poolbuf_reader_index(who->buffer);
    }
}

static void refuse(server *self, client *who) {
    char text[64];
    int length = snprintf(text, sizeof text, "ERROR: a line is longer than %d bytes\n", LINE_LIMIT);
    poolbuf_clear(who->buffer);
    if (poolbuf_write_bytes(who->buffer, text, (size_t)length) == POOLBUF_OK) {
        who->complete = (size_t)length;
    }
    who->phase = PHASE_REFUSE;
    self->refused++;
}

/* Takes in what there is, as far as the buffer goes. False: the connection is at its end. */
static bool take_in(server *self, client *who) {
    poolbuf *buffer = who->buffer;
    if (poolbuf_discard_read_bytes(buffer) != POOLBUF_OK) {
        return false;
    }
    size_t from = poolbuf_writer_index(buffer);
    size_t room = poolbuf_writable_bytes(buffer);
    if (room == 0) { /* a line that is longer than the buffer is now */
        room = from < LINE_LIMIT - from ? from : LINE_LIMIT - from;
    }
    size_t got = 0;
    poolbuf_status status = poolbuf_write_from_fd(buffer, who->socket, room, &got);
    if (status == POOLBUF_ERROR_WOULD_BLOCK) {
        return true;
    }
    if (status != POOLBUF_OK || got == 0) {
        return false;
    }
    find_lines(self, who, from);
    if (who->complete == 0 && poolbuf_readable_bytes(buffer) == LINE_LIMIT) {
        refuse(self, who);
    }
    return true;
}

/* Sends what is complete, as far as it is taken. False: the connection is at its end. */
static bool send_out(server *self, client *who) {
    size_t sent = 0;
    poolbuf_status status = poolbuf_read_to_fd(who->buffer, who->socket, who->complete, &sent);
    if (status != POOLBUF_OK && status != POOLBUF_ERROR_WOULD_BLOCK) {
        return false;
    }
    if (status == POOLBUF_OK) {
        who->complete -= sent;
        self->bytes += sent;
    }
    if (who->complete != 0) {
        self->stalls++;
        if (!who->stalled) {
            who->stalled = true;
            (void)fprintf(stderr, "line_echo: a client does not read: it is not read from until it does\n");
        }
    }
    return true;
}

/* Throws away what still comes. To close with unread bytes would be a reset, which may overtake the error line. */
static bool drain(client *who) {
    size_t got = 0;
    poolbuf_clear(who->buffer);
    poolbuf_status status = poolbuf_write_from_fd(who->buffer, who->socket, LINE_LIMIT, &got);
    who->drained += status == POOLBUF_OK ? got : 0;
    return status == POOLBUF_ERROR_WOULD_BLOCK || (status == POOLBUF_OK && got != 0 && who->drained < DRAIN_LIMIT);
}

/* One turn of a connection: a bounded one, so that no client keeps the others waiting; epoll brings it back. */
static void serve(server *self, client *who) {
    bool good = true;
    if (who->phase == PHASE_DRAIN) {
        good = drain(who);
    } else if (who->complete == 0) {
        good = take_in(self, who);
    }
    if (good && who->complete != 0) {
        good = send_out(self, who);
    }
    if (good && who->phase == PHASE_REFUSE && who->complete == 0) {
        who->phase = PHASE_DRAIN;
        good = shutdown(who->socket, SHUT_WR) == 0;
    }
    if (good) {
        wait_for(self, who, who->complete != 0 ? EPOLLOUT : EPOLLIN);
    } else {
        end(self, who);
    }
}

/* ---- Beginning and end --------------------------------------------------------------------------------------------
 * */

static bool number_of(const char *text, unsigned long most, unsigned long *value) {
    char *behind = NULL;
    errno = 0;
    *value = strtoul(text, &behind, 10);
    if (*text < '0' || *text > '9' || *behind != '\0' || errno != 0 || *value > most) {
        (void)fprintf(stderr, "line_echo: %s: a number from 0 to %lu was expected\n", text, most);
        return false;
    }
    return true;
}

/* SIGTERM and SIGINT come as events like all others, and a client that is gone is an error of the call, not a signal.
 * */
static bool open_all(server *self, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;
    sigset_t ending;
    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGINT);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &ending, NULL) != 0 ||
        (self->signals = signalfd(-1, &ending, SFD_CLOEXEC)) < 0 || (self->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) {
        return complain("cannot begin");
    }
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->listener < 0 || setsockopt(self->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(self->listener, (struct sockaddr *)&address, size) != 0 || listen(self->listener, CLIENTS) != 0 ||
        getsockname(self->listener, (struct sockaddr *)&address, &size) != 0) {
        return complain("cannot listen");
    }
    if (!watch(self, EPOLL_CTL_ADD, self->signals, EPOLLIN, &self->signals) ||
        !watch(self, EPOLL_CTL_ADD, self->listener, EPOLLIN, &self->listener)) {
        return complain("cannot wait");
    }
    printf("listening on 127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    return fflush(stdout) == 0;
}

static bool run(server *self) {
    while (!self->stop) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(self->epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) {
            return complain("cannot wait");
        }
        for (int i = 0; i < count; i++) {
            void *who = events[i].data.ptr;
            if (who == &self->listener) {
                welcome(self);
            } else if (who == &self->signals) {
                self->stop = true;
            } else {
                serve(self, who);
            }
        }
    }
    return true;
}

/* Releases what is left, and tells what there was. */
static bool close_all(server *self) {
    const int descriptors[] = {self->listener, self->signals, self->epoll};
    for (client *who = self->clients; who < self->clients + CLIENTS; who++) {
        if (who->phase != PHASE_FREE) {
            end(self, who);
        }
    }
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i] >= 0) {
            (void)close(descriptors[i]);
        }
    }
    poolbuf_metrics metrics = {.struct_size = sizeof metrics};
    if (poolbuf_allocator_metrics(NULL, &metrics) != POOLBUF_OK) {
        return false;
    }
    printf("%lu connections, %llu lines, %llu bytes sent, %lu too long, %lu stalls, %llu buffers alive\n", self->ended,
           (unsigned long long)self->lines, (unsigned long long)self->bytes, self->refused, self->stalls,
           (unsigned long long)metrics.live_buffers);
    return metrics.live_buffers == 0;
}

int main(int argc, char **argv) {
    static server self = {.epoll = -1, .listener = -1, .signals = -1};
    unsigned long port = 0;
    if (argc > 3 || (argc > 1 && !number_of(argv[1], UINT16_MAX, &port)) ||
        (argc > 2 && !number_of(argv[2], 1000000, &self.wanted))) {
        (void)fprintf(stderr, "usage: line_echo [PORT [CONNECTIONS]]\n");
        return 2;
    }
    bool good = open_all(&self, (uint16_t)port) && run(&self);
    return close_all(&self) && good ? 0 : 1;
}
