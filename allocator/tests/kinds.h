/* Buffers of every kind, so that one test says of all of them what it says of one.
 *
 * A specimen has a capacity that was asked for, both indices 0, and bytes that may be written. How it came to be is
 * the kind's: plain, wrapped, a view, several pieces cut at odd places, views of those. A failed EXPECT() names the
 * kind. */
#ifndef KINDS_H
#define KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/composite.h>
#include <poolbuf/poolbuf.h>
#include <poolbuf/wrapped.h>

typedef struct specimen {
    const char *kind;
    poolbuf *buffer;
    poolbuf *owner;  /* whose last release ends all of it; the buffer itself, but for an unreleasable one */
    size_t capacity; /* what was asked for */
    bool grows;      /* max_capacity is POOLBUF_CAPACITY_LIMIT, and the memory is free to move */
    bool in_pieces;
} specimen;

enum {
    KINDS_MOST = 32 /* more than there are */
};

size_t kinds_count(void);

/* A specimen of a kind, by number; ends the test where there is no memory. */
specimen kinds_make(poolbuf_allocator *allocator, size_t number, size_t capacity);

/* Releases it: the last reference to everything that it was made of. */
void kinds_release(specimen *subject);

/* Calls check() with a specimen of each kind, in turn; nothing of it may be alive afterwards. */
void kinds_each(poolbuf_allocator *allocator, size_t capacity, void (*check)(const specimen *));

/* Fills a buffer's first bytes with numbers that follow from the seed, and the model with the same ones. */
void kinds_fill(poolbuf *buffer, uint8_t *model, size_t length, uint32_t seed);

/* Whether a buffer's first bytes are those of the model; with fetches of several lengths. */
bool kinds_holds(const poolbuf *buffer, const uint8_t *model, size_t length);

/* Ends the test, with the name of the kind that is being tested. */
_Noreturn void kinds_failed(const char *condition, const char *file, int line);

#define EXPECT(condition)          ((condition) ? (void)0 : kinds_failed(#condition, __FILE__, __LINE__))
#define EXPECT_OK(call)            EXPECT((call) == POOLBUF_OK)
#define EXPECT_STATUS(call, which) EXPECT((call) == POOLBUF_ERROR_##which)

#endif
