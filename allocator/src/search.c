/* Searching within a buffer: a byte, a set of bytes, a run of bytes. Many needles at once are searcher.c's.
 *
 * A piece is searched by libc. A run of bytes may also begin in one piece and end in a later one. Where the needle does
 * not fit into what is left of a piece, the bytes from there on, across as many pieces as it takes, are copied into a
 * window on the stack and searched there; the next look begins needle length - 1 bytes before the window's end:
 *
 *     pieces    [..............][...][..][.....][...................]
 *     memmem     ------------>
 *     window                 [--------------------->]
 *     memmem                                    [------------------->
 *
 * A window is several times as long as the needle and moves on by most of its length, so many small pieces cost no more
 * than few large ones. The first is short, as what is near is not to wait for thousands of pieces behind it; each one is
 * twice as long as the one before. Longer needles, and those that lie in pieces themselves, are two_way.h's: it reads
 * bytes one by one where they are, needs no memory, and takes time in proportion to them. */
#include <poolbuf/search.h>

#include "buffer.h"
#include "composite.h"
#include "handle.h"
#include "pieces.h"
#include "two_way.h"

/* Of the longest window, of the first one unless the needle needs more, and of the longest needle that is searched in
 * one, which search.h tells as well. */
#define WINDOW_BYTES        ((size_t)4096)
#define WINDOW_FIRST_BYTES  ((size_t)64)
#define WINDOW_NEEDLE_BYTES ((size_t)1024)
_Static_assert(4 * WINDOW_NEEDLE_BYTES <= WINDOW_BYTES, "the first window of the longest needle is no longer than any");

/* The most bytes of a set for which memchr() of each is faster than a look-up a byte, and how far each looks at a time:
 * what is near is not to wait for a long search after what is not there. */
#define FEW_BYTES   ((size_t)4)
#define BLOCK_BYTES ((size_t)512)

/* Whether there is something to search. */
static bool begin(const poolbuf *buffer, size_t index, size_t length) {
    if (pieces_check_bounds(buffer, index, length) != POOLBUF_OK) {
        return false;
    }
    poolbuf_note_access_(buffer, false);
    return true;
}

/* The other way round than piece_below(): where the piece ends that holds the byte before index, and how many of its
 * bytes up to there lie at start or above. */
static const uint8_t *piece_above(const poolbuf *buffer, size_t start, size_t index, size_t *length) {
    size_t left = index - start;
    while (left != 0 && index <= handle_capacity(buffer)) {
        if (buffer->memory != NULL) {
            *length = left;
            return buffer->memory + index;
        }
        if ((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_SLICE) != 0) {
            index += buffer->position;
            buffer = buffer->origin;
            continue;
        }
        const component *part = composite_find(buffer->origin, index - 1);
        if (part == NULL) {
            break;
        }
        left = smaller(left, index - part->start);
        index = part->offset + (index - part->start);
        buffer = part->buffer;
    }
    *length = 0;
    return NULL;
}

/* ---- One byte ----------------------------------------------------------------------------------------------------- */

size_t poolbuf_index_of_slow_(const poolbuf *buffer, size_t index, size_t length, uint8_t byte) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    const uint8_t *bytes = NULL;
    for (size_t end = index + length, run = 0; (bytes = piece_below(buffer, index, end, &run)) != NULL; index += run) {
        const uint8_t *found = memchr(bytes, byte, run);
        if (found != NULL) {
            return index + (size_t)(found - bytes);
        }
    }
    return POOLBUF_NOT_FOUND;
}

size_t poolbuf_bytes_before_slow_(const poolbuf *buffer, size_t length, uint8_t byte) {
    if (length > poolbuf_readable_bytes(buffer)) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_NOT_FOUND;
    }
    return poolbuf_bytes_before_from(buffer, buffer->reader_index, length, byte);
}

size_t poolbuf_last_index_of(const poolbuf *buffer, size_t index, size_t length, uint8_t byte) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    const uint8_t *behind = NULL;
    for (size_t end = index + length, run = 0; (behind = piece_above(buffer, index, end, &run)) != NULL; end -= run) {
        const uint8_t *found = memrchr(behind - run, byte, run);
        if (found != NULL) {
            return end - (size_t)(behind - found);
        }
    }
    return POOLBUF_NOT_FOUND;
}

/* ---- A set of bytes ----------------------------------------------------------------------------------------------- */

typedef struct byte_set {
    uint64_t words[4]; /* a bit a value */
} byte_set;

static byte_set byte_set_of(const uint8_t *bytes, size_t count) {
    byte_set set = {{0}};
    for (size_t i = 0; i < count; i++) {
        set.words[bytes[i] / 64] |= (uint64_t)1 << bytes[i] % 64;
    }
    return set;
}

static inline bool byte_set_has(const byte_set *set, uint8_t byte) {
    return (set->words[byte / 64] >> byte % 64 & 1) != 0;
}

/* How far away in a piece the first of a few bytes is; length: none of them is there. */
static size_t first_of_few(const uint8_t *bytes, size_t length, const uint8_t *few, size_t count) {
    for (size_t start = 0, block = 0; start < length; start += block) {
        block = smaller(BLOCK_BYTES, length - start);
        size_t first = block;
        for (size_t i = 0; i < count; i++) {
            const uint8_t *found = memchr(bytes + start, few[i], first);
            first = found != NULL ? (size_t)(found - (bytes + start)) : first;
        }
        if (first < block) {
            return start + first;
        }
    }
    return length;
}

static size_t first_in_set(const poolbuf *buffer, size_t index, size_t length, const byte_set *set, bool wanted) {
    const uint8_t *bytes = NULL;
    for (size_t end = index + length, run = 0; (bytes = piece_below(buffer, index, end, &run)) != NULL; index += run) {
        for (size_t i = 0; i < run; i++) {
            if (byte_set_has(set, bytes[i]) == wanted) {
                return index + i;
            }
        }
    }
    return POOLBUF_NOT_FOUND;
}

static size_t last_in_set(const poolbuf *buffer, size_t index, size_t length, const byte_set *set, bool wanted) {
    const uint8_t *behind = NULL;
    for (size_t end = index + length, run = 0; (behind = piece_above(buffer, index, end, &run)) != NULL; end -= run) {
        for (size_t i = 1; i <= run; i++) {
            if (byte_set_has(set, *(behind - i)) == wanted) {
                return end - i;
            }
        }
    }
    return POOLBUF_NOT_FOUND;
}

size_t poolbuf_index_of_any(const poolbuf *buffer, size_t index, size_t length, const void *set, size_t count) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    if (count > FEW_BYTES) {
        byte_set wanted = byte_set_of(set, count);
        return first_in_set(buffer, index, length, &wanted, true);
    }
    const uint8_t *bytes = NULL;
    for (size_t end = index + length, run = 0; (bytes = piece_below(buffer, index, end, &run)) != NULL; index += run) {
        size_t first = first_of_few(bytes, run, set, count);
        if (first < run) {
            return index + first;
        }
    }
    return POOLBUF_NOT_FOUND;
}

size_t poolbuf_index_of_none(const poolbuf *buffer, size_t index, size_t length, const void *set, size_t count) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    byte_set unwanted = byte_set_of(set, count);
    return first_in_set(buffer, index, length, &unwanted, false);
}

size_t poolbuf_last_index_of_any(const poolbuf *buffer, size_t index, size_t length, const void *set, size_t count) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    byte_set wanted = byte_set_of(set, count);
    return last_in_set(buffer, index, length, &wanted, true);
}

size_t poolbuf_last_index_of_none(const poolbuf *buffer, size_t index, size_t length, const void *set, size_t count) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    byte_set unwanted = byte_set_of(set, count);
    return last_in_set(buffer, index, length, &unwanted, false);
}

/* ---- Bytes that the caller looks at ------------------------------------------------------------------------------- */

size_t poolbuf_for_each_byte(const poolbuf *buffer, size_t index, size_t length, poolbuf_byte_visitor *visitor,
                             void *context) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    const uint8_t *bytes = NULL;
    for (size_t end = index + length, run = 0; (bytes = piece_below(buffer, index, end, &run)) != NULL; index += run) {
        for (size_t i = 0; i < run; i++) {
            if (!visitor(bytes[i], context)) {
                return index + i;
            }
        }
    }
    return POOLBUF_NOT_FOUND;
}

size_t poolbuf_for_each_byte_desc(const poolbuf *buffer, size_t index, size_t length, poolbuf_byte_visitor *visitor,
                                  void *context) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    const uint8_t *behind = NULL;
    for (size_t end = index + length, run = 0; (behind = piece_above(buffer, index, end, &run)) != NULL; end -= run) {
        for (size_t i = 1; i <= run; i++) {
            if (!visitor(*(behind - i), context)) {
                return end - i;
            }
        }
    }
    return POOLBUF_NOT_FOUND;
}

/* ---- A run of bytes ----------------------------------------------------------------------------------------------- */

static size_t find_in_window(const two_way_needle *self, const poolbuf *buffer, size_t index, size_t length) {
    uint8_t window[WINDOW_BYTES];
    pieces_get(buffer, index, window, length);
    const uint8_t *found = memmem(window, length, self->whole, self->length);
    return found != NULL ? index + (size_t)(found - window) : POOLBUF_NOT_FOUND;
}

static size_t find_across(two_way_needle *self, const poolbuf *buffer, size_t index, size_t length) {
    size_t overlap = self->length - 1;
    bool fits = self->length <= WINDOW_NEEDLE_BYTES;
    size_t window = 4 * self->length > WINDOW_FIRST_BYTES ? 4 * self->length : WINDOW_FIRST_BYTES;
    size_t found = POOLBUF_NOT_FOUND;
    for (size_t end = index + length, run = 0; found == POOLBUF_NOT_FOUND && end - index > overlap;) {
        const uint8_t *bytes = piece_below(buffer, index, end, &run);
        if (run > overlap) {
            const uint8_t *inside = memmem(bytes, run, self->whole, self->length);
            found = inside != NULL ? index + (size_t)(inside - bytes) : POOLBUF_NOT_FOUND;
        } else {
            run = smaller(fits ? window : 2 * self->length, end - index);
            window = smaller(2 * window, WINDOW_BYTES);
            if (pieces_check(buffer, index, run, false) != POOLBUF_OK) {
                break; /* a component has lost its bytes */
            }
            found = fits ? find_in_window(self, buffer, index, run) : two_way_find(self, buffer, index, run);
        }
        index += run - overlap;
    }
    return found;
}

static size_t find_whole(const poolbuf *buffer, size_t index, size_t length, const uint8_t *needle,
                         size_t needle_length) {
    if (needle_length == 0) {
        return index;
    }
    if (buffer->memory != NULL) {
        const uint8_t *found = memmem(buffer->memory + index, length, needle, needle_length);
        return found != NULL ? (size_t)(found - buffer->memory) : POOLBUF_NOT_FOUND;
    }
    two_way_needle whole = two_way_whole(needle, needle_length);
    return find_across(&whole, buffer, index, length);
}

size_t poolbuf_index_of_bytes(const poolbuf *buffer, size_t index, size_t length, const void *needle,
                              size_t needle_length) {
    if (!begin(buffer, index, length)) {
        return POOLBUF_NOT_FOUND;
    }
    return find_whole(buffer, index, length, needle, needle_length);
}

size_t poolbuf_index_of_buffer(const poolbuf *buffer, size_t index, size_t length, const poolbuf *needle) {
    size_t from = needle->reader_index;
    size_t needle_length = poolbuf_readable_bytes(needle);
    if (!begin(needle, from, needle_length) || !begin(buffer, index, length) || needle_length > length ||
        pieces_check(needle, from, needle_length, false) != POOLBUF_OK) {
        return POOLBUF_NOT_FOUND;
    }
    size_t run = 0;
    const uint8_t *bytes = piece_at(needle, from, &run);
    if (needle_length == 0 || run >= needle_length) {
        return find_whole(buffer, index, length, bytes, needle_length);
    }
    if (needle_length <= WINDOW_NEEDLE_BYTES) {
        uint8_t copy[WINDOW_NEEDLE_BYTES];
        pieces_get(needle, from, copy, needle_length);
        return find_whole(buffer, index, length, copy, needle_length);
    }
    if (pieces_check(buffer, index, length, false) != POOLBUF_OK) {
        return POOLBUF_NOT_FOUND;
    }
    two_way_needle pieces = two_way_pieces(needle, from, needle_length);
    return two_way_find(&pieces, buffer, index, length);
}
