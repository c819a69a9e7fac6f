/* Comparing what buffers hold, and hashing it. */
#include <poolbuf/compare.h>

#include <string.h>

#include "buffer.h"
#include "pieces.h"

/* Whether there are bytes to look at; false after a misuse was told, too. */
static bool begin(const poolbuf *buffer, size_t index, size_t length) {
    if (pieces_check(buffer, index, length, false) != POOLBUF_OK) {
        return false;
    }
    poolbuf_note_access_(buffer, false);
    return true;
}

/* The same where the bytes are looked at one piece after the other, and that may end early. */
static bool begin_walk(const poolbuf *buffer, size_t index, size_t length) {
    if (pieces_check_bounds(buffer, index, length) != POOLBUF_OK) {
        return false;
    }
    poolbuf_note_access_(buffer, false);
    return true;
}

/* Whether two ranges that passed begin_walk() hold the same. */
static bool same(const poolbuf *a, size_t a_index, const poolbuf *b, size_t b_index, size_t length) {
    for (size_t run = 0, other = 0; length != 0; length -= run, a_index += run, b_index += run) {
        const uint8_t *ours = piece_at(a, a_index, &run);
        const uint8_t *theirs = piece_at(b, b_index, &other);
        run = smaller(smaller(run, other), length);
        if (ours == NULL || theirs == NULL || memcmp(ours, theirs, run) != 0) {
            return false;
        }
    }
    return true;
}

/* memcmp() of two ranges that have been checked. */
static int order_of(const poolbuf *a, size_t a_index, const poolbuf *b, size_t b_index, size_t length) {
    int order = 0;
    for (size_t run = 0, other = 0; length != 0 && order == 0; length -= run, a_index += run, b_index += run) {
        const uint8_t *ours = piece_at(a, a_index, &run);
        const uint8_t *theirs = piece_at(b, b_index, &other);
        run = smaller(smaller(run, other), length);
        order = memcmp(ours, theirs, run);
    }
    return order;
}

bool poolbuf_equals_range(const poolbuf *a, size_t a_index, const poolbuf *b, size_t b_index, size_t length) {
    return begin_walk(a, a_index, length) && begin_walk(b, b_index, length) && same(a, a_index, b, b_index, length);
}

bool poolbuf_equals(const poolbuf *a, const poolbuf *b) {
    size_t length = poolbuf_readable_bytes(a);
    bool readable = begin_walk(a, a->reader_index, length) && begin_walk(b, b->reader_index, poolbuf_readable_bytes(b));
    return readable && length == poolbuf_readable_bytes(b) && same(a, a->reader_index, b, b->reader_index, length);
}

int poolbuf_compare(const poolbuf *a, const poolbuf *b) {
    size_t a_length = poolbuf_readable_bytes(a);
    size_t b_length = poolbuf_readable_bytes(b);
    bool a_readable = begin(a, a->reader_index, a_length);
    bool b_readable = begin(b, b->reader_index, b_length);
    if (!a_readable || !b_readable) {
        return (int)a_readable - (int)b_readable;
    }
    int order = order_of(a, a->reader_index, b, b->reader_index, smaller(a_length, b_length));
    if (order == 0) {
        order = (a_length > b_length) - (a_length < b_length);
    }
    return (order > 0) - (order < 0);
}

/* Whether a range that passed begin_walk() holds these bytes. */
static bool holds(const poolbuf *buffer, size_t index, const uint8_t *expected, size_t length) {
    for (size_t run = 0; length != 0; length -= run, index += run, expected += run) {
        const uint8_t *bytes = piece_at(buffer, index, &run);
        run = smaller(run, length);
        if (bytes == NULL || memcmp(bytes, expected, run) != 0) {
            return false;
        }
    }
    return true;
}

bool poolbuf_starts_with(const poolbuf *buffer, const void *bytes, size_t length) {
    size_t readable = poolbuf_readable_bytes(buffer);
    size_t first = buffer->reader_index;
    return begin_walk(buffer, first, readable) && length <= readable && holds(buffer, first, bytes, length);
}

bool poolbuf_ends_with(const poolbuf *buffer, const void *bytes, size_t length) {
    size_t readable = poolbuf_readable_bytes(buffer);
    return begin_walk(buffer, buffer->reader_index, readable) && length <= readable &&
           holds(buffer, poolbuf_writer_index(buffer) - length, bytes, length);
}

/* ---- XXH64 -------------------------------------------------------------------------------------------------------- */

/* Four lanes take 8 bytes each of every stripe; what is left at the end, and inputs shorter than a stripe, are mixed in
 * one after the other. Numbers are read from memory in little endian order. A stripe that begins in one piece is
 * completed from the next. */
#define STRIPE_BYTES 32u

static const uint64_t PRIME[] = {0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0x85ebca77c2b2ae63,
                                 0x27d4eb2f165667c5};

typedef struct hash {
    uint64_t lanes[4];
    uint64_t seed;
    uint64_t total;                /* bytes so far */
    uint8_t pending[STRIPE_BYTES]; /* the first total % STRIPE_BYTES are the stripe that is not complete */
} hash;

static inline uint64_t rotated(uint64_t value, unsigned bits) {
    return value << bits | value >> (64 - bits);
}

static inline uint64_t load_u64(const uint8_t *bytes) {
    uint64_t value = 0;
    memcpy(&value, bytes, sizeof value);
    return POOLBUF_LE64_(value);
}

static inline uint32_t load_u32(const uint8_t *bytes) {
    uint32_t value = 0;
    memcpy(&value, bytes, sizeof value);
    return POOLBUF_LE32_(value);
}

static inline uint64_t mixed_in(uint64_t lane, uint64_t value) {
    return rotated(lane + value * PRIME[1], 31) * PRIME[0];
}

static void hash_init(hash *self, uint64_t seed) {
    *self = (hash){
        .lanes = {seed + PRIME[0] + PRIME[1], seed + PRIME[1], seed, seed - PRIME[0]},
        .seed = seed,
    };
}

static void hash_stripes(hash *self, const uint8_t *bytes, size_t count) {
    uint64_t lanes[4];
    memcpy(lanes, self->lanes, sizeof lanes);
    for (; count != 0; count--, bytes += STRIPE_BYTES) {
        for (unsigned i = 0; i < 4; i++) {
            lanes[i] = mixed_in(lanes[i], load_u64(bytes + (size_t)8 * i));
        }
    }
    memcpy(self->lanes, lanes, sizeof lanes);
}

static void hash_update(hash *self, const uint8_t *bytes, size_t length) {
    size_t there = self->total % STRIPE_BYTES;
    self->total += length;
    if (there != 0) {
        size_t missing = smaller(STRIPE_BYTES - there, length);
        memcpy(self->pending + there, bytes, missing);
        if (there + missing < STRIPE_BYTES) {
            return;
        }
        hash_stripes(self, self->pending, 1);
        bytes += missing;
        length -= missing;
    }
    hash_stripes(self, bytes, length / STRIPE_BYTES);
    memcpy(self->pending, bytes + length / STRIPE_BYTES * STRIPE_BYTES, length % STRIPE_BYTES);
}

static uint64_t hash_rest(const hash *self, uint64_t value) {
    const uint8_t *bytes = self->pending;
    size_t left = self->total % STRIPE_BYTES;
    for (; left >= 8; left -= 8, bytes += 8) {
        value = rotated(value ^ mixed_in(0, load_u64(bytes)), 27) * PRIME[0] + PRIME[3];
    }
    if (left >= 4) {
        value = rotated(value ^ load_u32(bytes) * PRIME[0], 23) * PRIME[1] + PRIME[2];
        left -= 4;
        bytes += 4;
    }
    for (; left != 0; left--, bytes++) {
        value = rotated(value ^ *bytes * PRIME[4], 11) * PRIME[0];
    }
    return value;
}

static uint64_t hash_fini(const hash *self) {
    uint64_t value = self->seed + PRIME[4];
    if (self->total >= STRIPE_BYTES) {
        const uint64_t *lanes = self->lanes;
        value = rotated(lanes[0], 1) + rotated(lanes[1], 7) + rotated(lanes[2], 12) + rotated(lanes[3], 18);
        for (unsigned i = 0; i < 4; i++) {
            value = (value ^ mixed_in(0, lanes[i])) * PRIME[0] + PRIME[3];
        }
    }
    value = hash_rest(self, value + self->total);
    value = (value ^ value >> 33) * PRIME[1];
    value = (value ^ value >> 29) * PRIME[2];
    return value ^ value >> 32;
}

uint64_t poolbuf_hash(const poolbuf *buffer, uint64_t seed) {
    hash self;
    hash_init(&self, seed);
    size_t length = poolbuf_readable_bytes(buffer);
    if (begin(buffer, buffer->reader_index, length)) {
        for (size_t index = buffer->reader_index, run = 0; length != 0; index += run, length -= run) {
            const uint8_t *bytes = piece_at(buffer, index, &run);
            run = smaller(run, length);
            hash_update(&self, bytes, run);
        }
    }
    return hash_fini(&self);
}
