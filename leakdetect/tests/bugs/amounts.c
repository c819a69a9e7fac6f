/* Leaks that are too rare, too many, too large, or only visible over time; and things that are no buffers. */
#include "bugs.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <poolbuf/leakdetect.h>

APART static int operate(int number) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 256, 256)); /* @rare */
    if (number == 7777) {
        bugs_lost = buffer;
        return -1;
    }
    poolbuf_release(buffer);
    return bugs_work++;
}

/* One operation in 10,000. */
static void rare(void) {
    for (int i = 0; i < 10000; i++) {
        (void)operate(i);
    }
}

APART static void lose_tiny(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 16, 16)); /* @tiny */
    bugs_work++;
}

static void million_tiny(void) {
    for (int i = 0; i < 1000000; i++) {
        lose_tiny();
    }
    bugs_work++;
}

APART static void lose_large(size_t size) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, size, size)); /* @large */
    bugs_work++;
}

/* One of more than 1 MiB, and one that is larger than a chunk. */
static void huge(void) {
    lose_large((size_t)1 << 21);
    lose_large((size_t)6 << 20);
    bugs_work++;
}

APART static void request(int number) {
    poolbuf *reply = bugs_need(poolbuf_allocate(NULL, 1000, 1000)); /* @request */
    if (number % 3 == 0) {
        bugs_lost = reply;
        return;
    }
    poolbuf_release(reply);
    bugs_work++;
}

static poolbuf *warm[20];

APART static void warm_up(void) {
    for (int i = 0; i < 20; i++) {
        warm[i] = bugs_need(poolbuf_allocate(NULL, 2000, 2000));
    }
}

/* A cache that is full stays as it is; what requests lose grows. The report of the difference goes to stdout. */
static void growth(void) {
    warm_up();
    for (int i = 0; i < 30; i++) {
        request(i);
    }
    uint64_t then = leakdetect_checkpoint();
    for (int i = 0; i < 60; i++) {
        request(i);
    }
    poolbuf_release(warm[0]);
    bugs_must(leakdetect_report_since(stdout, LEAKDETECT_JSON, then) == POOLBUF_OK);
    for (int i = 1; i < 20; i++) {
        poolbuf_release(warm[i]);
    }
}

static poolbuf *found[3];

APART static void drop_all(void) {
    for (int i = 0; i < 3; i++) {
        found[i] = bugs_need(poolbuf_allocate(NULL, 500, 500)); /* @dropped */
    }
    bugs_work++;
}

APART static void keep_one(void) {
    warm[1] = bugs_need(poolbuf_allocate(NULL, 700, 700));
    bugs_work++;
}

/* Overwrites what earlier calls have left on the stack: words there would be references. */
APART static void wipe_stack(void) {
    volatile uint8_t room[16384];
    for (size_t i = 0; i < sizeof room; i++) {
        room[i] = 0;
    }
    bugs_work++;
}

/* The last pointers go while the program runs, and a scan says so then. */
static void lost_while_running(void) {
    leakdetect_scan_result result = {.struct_size = sizeof result};
    drop_all();
    keep_one();
    memset(found, 0, sizeof found);
    bugs_lost = NULL;
    wipe_stack();
    bugs_must(
        leakdetect_scan(&(leakdetect_scan_options){.struct_size = sizeof(leakdetect_scan_options), .apart_ms = 20},
                        &result) == POOLBUF_OK);
    bugs_must(leakdetect_report(stdout, LEAKDETECT_JSON) == POOLBUF_OK);
    poolbuf_release(warm[1]);
}

APART static void open_session(int number) {
    static char sessions[64];                                 /* a resource is its address */
    (void)leakdetect_track(&sessions[number], 48, "session"); /* @open-session */
    if (number % 5 != 0) {
        (void)leakdetect_untrack(&sessions[number]);
    }
    bugs_work++;
}

/* No buffer at all: what the program itself counts. */
static void own_type(void) {
    for (int i = 0; i < 20; i++) {
        open_session(i);
    }
}

APART static void lose_of(poolbuf_allocator *allocator, size_t size) {
    bugs_lost = bugs_need(poolbuf_allocate(allocator, size, size)); /* @lose-of */
    bugs_work++;
}

/* Two allocators lose one each, and the default one another; a third is clean. */
static void several_allocators(void) {
    poolbuf_allocator *allocators[3];
    for (int i = 0; i < 3; i++) {
        bugs_must(poolbuf_allocator_create(NULL, &allocators[i]) == POOLBUF_OK);
    }
    lose_of(allocators[0], 100);
    lose_of(allocators[1], 100);
    lose_of(NULL, 100);
    poolbuf_release(bugs_need(poolbuf_allocate(allocators[2], 100, 100)));
    bugs_must(poolbuf_allocator_destroy(allocators[0]) == POOLBUF_ERROR_LIVE_BUFFERS);
    bugs_must(poolbuf_allocator_destroy(allocators[1]) == POOLBUF_ERROR_LIVE_BUFFERS);
    bugs_must(poolbuf_allocator_destroy(allocators[2]) == POOLBUF_OK);
}

APART static void grow(poolbuf *buffer) {
    bugs_must(poolbuf_set_capacity(buffer, 20000) == POOLBUF_OK); /* @grow */
    bugs_work++;
}

/* It was small when it was allocated, and is not when it leaks. */
static void grown(void) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 100, 100000)); /* @grown */
    grow(buffer);
    bugs_lost = buffer;
}

const bugs_case bugs_amounts[] = {{"rare", rare},
                                  {"million-tiny", million_tiny},
                                  {"huge", huge},
                                  {"growth", growth},
                                  {"lost-while-running", lost_while_running},
                                  {"own-type", own_type},
                                  {"several-allocators", several_allocators},
                                  {"grown", grown},
                                  {NULL, NULL}};
