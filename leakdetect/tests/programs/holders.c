/* Loses one reference, in a way that the argument names; what the report must say about it is in reports.sh. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

enum {
    SESSIONS = 10
};

#define APART __attribute__((noinline))

static int bystander; /* keeps calls from being the last thing that a function does, which would hide the caller */

APART static poolbuf *make(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 512, 512);
    if (buffer == NULL) {
        exit(1);
    }
    bystander++;
    return buffer;
}

APART static void session_open(poolbuf *buffer) {
    poolbuf_retain(buffer);
    bystander++;
}

APART static void session_close(poolbuf *buffer) {
    poolbuf_release(buffer);
    bystander++;
}

/* Ten sessions hold the buffer, and nine let go of it. */
static void one_of_ten(void) {
    poolbuf *buffer = make();
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
    }
    for (int i = 1; i < SESSIONS; i++) {
        session_close(buffer);
    }
    poolbuf_release(buffer);
}

/* One session opens twice. */
static void one_too_many(void) {
    poolbuf *buffer = make();
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
    }
    session_open(buffer);
    for (int i = 0; i < SESSIONS; i++) {
        session_close(buffer);
    }
    poolbuf_release(buffer);
}

APART static int parse(poolbuf *buffer, int input) {
    poolbuf_retain(buffer);
    if (input % 10 == 7) {
        return -1; /* the error path that forgets it */
    }
    poolbuf_release(buffer);
    return bystander++;
}

/* Most requests are fine; what is lost is lost in parse(), though its own owner and parse() each hold one reference. */
static void error_path(void) {
    for (int i = 0; i < 50; i++) {
        poolbuf *buffer = make();
        bystander += parse(buffer, i) < 0;
        poolbuf_release(buffer);
    }
}

static poolbuf *header;

APART static void keep_header(poolbuf *buffer) {
    header = poolbuf_retained_slice(buffer, 0, 16);
    bystander++;
}

/* Sixteen bytes that somebody keeps pin all of it. */
static void pinned(void) {
    poolbuf *buffer = make();
    keep_header(buffer);
    poolbuf_release(buffer);
}

APART static void *consume(void *argument) {
    poolbuf *buffer = argument;
    (void)pthread_setname_np(pthread_self(), "consumer");
    for (int i = 2; i < SESSIONS; i++) {
        session_close(buffer);
    }
    bystander++;
    return NULL;
}

/* One thread takes a reference for each message, another gives them back, but for two. */
static void handed_over(void) {
    pthread_t thread;
    poolbuf *buffer = make();
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
    }
    if (pthread_create(&thread, NULL, consume, buffer) != 0 || pthread_join(thread, NULL) != 0) {
        exit(1);
    }
    poolbuf_release(buffer);
}

APART static void on_request(poolbuf *buffer) {
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
        session_close(buffer);
    }
    bystander++;
}

APART static void on_timer(poolbuf *buffer) {
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
    }
    for (int i = 3; i < SESSIONS; i++) {
        session_close(buffer);
    }
    bystander++;
}

/* Everybody goes through session_open() and session_close(); on_timer() is the one that is short. */
static void behind_a_wrapper(void) {
    poolbuf *buffer = make();
    on_request(buffer);
    on_timer(buffer);
    poolbuf_release(buffer);
}

/* All that was retained was given back, but not what the allocation gave. */
static void owner_forgets(void) {
    poolbuf *buffer = make();
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
    }
    for (int i = 0; i < SESSIONS; i++) {
        session_close(buffer);
    }
}

APART static void hold_a(poolbuf *buffer) {
    poolbuf_retain(buffer);
    bystander += 2;
}

APART static void hold_b(poolbuf *buffer) {
    poolbuf_retain(buffer);
    bystander += 3;
}

/* Two hold it, and somebody lets go once: nobody can tell for whom. */
static void cannot_be_told(void) {
    poolbuf *buffer = make();
    hold_a(buffer);
    hold_b(buffer);
    session_close(buffer);
    poolbuf_release(buffer);
}

static void nothing_lost(void) {
    poolbuf *buffer = make();
    on_request(buffer);
    keep_header(buffer);
    poolbuf_release(buffer);
    poolbuf_release(header);
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*run)(void);
    } CASES[] = {
        {"one-of-ten", one_of_ten},       {"one-too-many", one_too_many},
        {"error-path", error_path},       {"pinned", pinned},
        {"handed-over", handed_over},     {"wrapper", behind_a_wrapper},
        {"owner-forgets", owner_forgets}, {"cannot-be-told", cannot_be_told},
        {"nothing-lost", nothing_lost},
    };
    for (size_t i = 0; count == 2 && i < sizeof CASES / sizeof CASES[0]; i++) {
        if (strcmp(arguments[1], CASES[i].name) == 0) {
            CASES[i].run();
            return bystander > 0 ? 0 : 1;
        }
    }
    (void)fprintf(stderr, "usage: holders CASE\n");
    return 2;
}
