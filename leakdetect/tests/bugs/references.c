/* References that are counted wrongly: one release too few, or one retain too many, and where. */
#include "bugs.h"

#include <setjmp.h>

enum {
    SESSIONS = 10
};

APART static poolbuf *make(void) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 512, 512)); /* @make */
    bugs_work++;
    return buffer;
}

/* A reader that gives up on bad input, and on the buffer with it. */
APART static int read_message(int input) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 256, 256)); /* @error-return */
    if (input % 10 == 3) {
        bugs_lost = buffer;
        return -1; /* the bug */
    }
    poolbuf_release(buffer);
    return bugs_work++;
}

static void error_return(void) {
    for (int i = 0; i < 30; i++) {
        (void)read_message(i);
    }
}

APART static int parse(poolbuf *buffer, int input) {
    poolbuf_retain(buffer); /* @parse-retain */
    if (input % 10 == 7) {
        return -1; /* the bug */
    }
    poolbuf_release(buffer); /* @parse-release */
    return bugs_work++;
}

/* Each request is held by its owner and by parse(); it is parse() that forgets, on the way that is rarely taken. */
static void error_path(void) {
    for (int i = 0; i < 50; i++) {
        poolbuf *buffer = make();
        bugs_work += parse(buffer, i) < 0;
        poolbuf_release(buffer);
    }
}

APART static void session_open(poolbuf *buffer) {
    poolbuf_retain(buffer); /* @session-open */
    bugs_work++;
}

APART static void session_close(poolbuf *buffer) {
    poolbuf_release(buffer); /* @session-close */
    bugs_work++;
}

static void sessions(int opened, int closed) {
    poolbuf *buffer = make();
    for (int i = 0; i < opened; i++) {
        session_open(buffer);
    }
    for (int i = 0; i < closed; i++) {
        session_close(buffer);
    }
    poolbuf_release(buffer);
}

static void release_missing_of_ten(void) {
    sessions(SESSIONS, SESSIONS - 1);
}

APART static void use(poolbuf *buffer, bool fails) {
    poolbuf_retain(buffer); /* @use-retain */
    bugs_work++;
    if (!fails) {
        poolbuf_release(buffer);
    }
    bugs_work++;
}

/* The same within one function, where the release of the owner stands beside the calls. */
static void release_missing_in_one_function(void) {
    poolbuf *buffer = make();
    for (int i = 0; i < SESSIONS; i++) {
        use(buffer, i == SESSIONS - 3);
    }
    poolbuf_release(buffer);
    bugs_work++;
}

static void retain_too_many(void) {
    sessions(SESSIONS + 1, SESSIONS);
}

/* The sessions are even; who made the buffer is not. */
static void owner_forgets(void) {
    poolbuf *buffer = make();
    for (int i = 0; i < SESSIONS; i++) {
        session_open(buffer);
        session_close(buffer);
    }
    bugs_work++;
}

APART static void hold_left(poolbuf *buffer) {
    poolbuf_retain(buffer);
    bugs_work++;
}

APART static void hold_right(poolbuf *buffer) {
    poolbuf_retain(buffer);
    bugs_work += 2;
}

/* Two hold it, one let go, and nobody can know which: the report must not guess. */
static void cannot_be_told(void) {
    poolbuf *buffer = make();
    hold_left(buffer);
    hold_right(buffer);
    session_close(buffer);
    poolbuf_release(buffer);
}

APART static void lose_left(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 128, 128)); /* @lose-left */
    bugs_work++;
}

APART static void lose_right(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 128, 128)); /* @lose-right */
    bugs_work += 2;                                          /* or the compiler would make one function of the two */
}

/* Stacks that are equally deep, and differ in one frame. */
static void same_depth(void) {
    for (int i = 0; i < 7; i++) {
        if (i % 2 == 0) {
            lose_left();
        } else {
            lose_right();
        }
    }
    bugs_work++;
}

/* Two leaks in one function, a line apart. */
APART static void lose_twice(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 64, 64)); /* @first-line */
    bugs_work++;
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 640, 640)); /* @second-line */
    bugs_work++;
}

static void two_lines(void) {
    lose_twice();
    bugs_work++;
}

APART static void descend(int depth) { // NOLINT(misc-no-recursion) as a parser of nested things does
    if (depth == 0) {
        bugs_lost = bugs_need(poolbuf_allocate(NULL, 96, 96)); /* @descend */
    } else {
        descend(depth - 1); /* @descend-again */
    }
    bugs_work++;
}

/* The same bug, found at three depths. */
static void recursion(void) {
    for (int depth = 2; depth <= 6; depth += 2) {
        descend(depth); /* @descend-begin */
    }
    bugs_work++;
}

static poolbuf *kept[2];

APART static void on_data(poolbuf *lent) {
    kept[0] = poolbuf_retain(lent); /* @on-data */
    bugs_work++;
}

APART static void deliver(void (*callback)(poolbuf *)) {
    poolbuf *buffer = make();
    callback(buffer);
    poolbuf_release(buffer);
    bugs_work++;
}

/* A callback is lent the buffer for the call, and keeps it. */
static void callback_retains(void) {
    deliver(on_data);
    bugs_work++;
}

static jmp_buf way_out;

APART static void validate(int value) {
    if (value < 0) {
        longjmp(way_out, 1);
    }
    bugs_work++;
}

APART static void handle_value(int value) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 200, 200)); /* @longjmp */
    bugs_lost = buffer;
    validate(value); /* does not come back for values below 0 */
    poolbuf_release(buffer);
}

static void longjmp_skips(void) {
    static int value;
    for (value = -2; value < 3; value++) {
        if (setjmp(way_out) == 0) {
            handle_value(value);
        }
    }
}

APART static void store(poolbuf *buffer) {
    kept[1] = buffer; /* the bug: what was there is not released */
    bugs_work++;
}

/* A field is set anew, and its old value forgotten. */
static void overwritten(void) {
    for (int i = 0; i < 4; i++) {
        poolbuf *buffer = make();
        poolbuf_touch(buffer, "stored in kept[1]");
        store(buffer);
    }
    poolbuf_release(kept[1]);
}

const bugs_case bugs_references[] = {{"error-return", error_return},
                                     {"error-path", error_path},
                                     {"release-missing-of-ten", release_missing_of_ten},
                                     {"release-missing-in-one-function", release_missing_in_one_function},
                                     {"retain-too-many", retain_too_many},
                                     {"owner-forgets", owner_forgets},
                                     {"cannot-be-told", cannot_be_told},
                                     {"same-depth", same_depth},
                                     {"two-lines", two_lines},
                                     {"recursion", recursion},
                                     {"callback-retains", callback_retains},
                                     {"longjmp-skips", longjmp_skips},
                                     {"overwritten", overwritten},
                                     {NULL, NULL}};
