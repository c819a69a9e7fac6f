/* Searching: bytes, sets of bytes and runs of bytes within a buffer; and many needles at once in a stream of buffers.
 *
 * A range is an index and a length, and lies within the capacity. What is found is told as an index of the buffer, or
 * of the stream; POOLBUF_NOT_FOUND says that it is not there. A range out of bounds holds nothing, so nothing is found
 * in it either; who cannot know his range asks poolbuf_capacity() first. Neither index of a buffer moves. Components of
 * a composite make no difference: what is looked for may begin in one and end in another.
 *
 *     size_t line = poolbuf_bytes_before(buffer, '\n');
 *     if (line != POOLBUF_NOT_FOUND) { poolbuf *text = poolbuf_read_retained_slice(buffer, line); ...
 *
 * All of these, unless they say otherwise: errors: none but POOLBUF_NOT_FOUND. Threads: the one owner that is using the
 * bytes; any number may search a buffer that nobody changes. Cost: a call of memchr() or its like for each piece that
 * the bytes lie in, up to where something is found: a buffer other than a composite has one, a composite one a
 * component, which has to be found. So a component that has lost its bytes, as somebody has cut its own capacity, ends a
 * search that comes to it: nothing is found there or behind it. */
#ifndef POOLBUF_SEARCH_H
#define POOLBUF_SEARCH_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint8_t, SIZE_MAX */
#include <string.h>  /* memchr */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* Larger than any index. */
#define POOLBUF_NOT_FOUND SIZE_MAX

/* ---- One byte ----------------------------------------------------------------------------------------------------- */

/* poolbuf_index_of() gives the index of the first byte of a range that has a value; _last_index_of(), of the last one.
 *   cost  poolbuf_index_of() is inline: a comparison and memchr(); read-only buffers and composites take a call into
 *         the library. */
static inline size_t poolbuf_index_of(const poolbuf *buffer, size_t index, size_t length, uint8_t byte);
POOLBUF_API size_t poolbuf_last_index_of(const poolbuf *buffer, size_t index, size_t length, uint8_t byte);

/* poolbuf_bytes_before() counts the readable bytes before the first one that has a value: what to read to come up to
 * it. _bytes_before_within() looks at the next length readable bytes alone, of which there are so many;
 * _bytes_before_from() at any range, and counts from its index.
 *   cost  inline: a comparison and memchr(), also for read-only buffers where the bytes are readable. */
static inline size_t poolbuf_bytes_before(const poolbuf *buffer, uint8_t byte);
static inline size_t poolbuf_bytes_before_within(const poolbuf *buffer, size_t length, uint8_t byte);
static inline size_t poolbuf_bytes_before_from(const poolbuf *buffer, size_t index, size_t length, uint8_t byte);

/* ---- A set of bytes ----------------------------------------------------------------------------------------------- */

/* Sets that protocols ask for. Each stands for two arguments, set and count:
 *     poolbuf_index_of_any(buffer, index, length, POOLBUF_SET_CRLF) */
#define POOLBUF_SET_NUL          "\0", POOLBUF_CAST_(size_t, 1)
#define POOLBUF_SET_CR           "\r", POOLBUF_CAST_(size_t, 1)
#define POOLBUF_SET_LF           "\n", POOLBUF_CAST_(size_t, 1)
#define POOLBUF_SET_CRLF         "\r\n", POOLBUF_CAST_(size_t, 2)
#define POOLBUF_SET_SPACE        " ", POOLBUF_CAST_(size_t, 1)
#define POOLBUF_SET_LINEAR_SPACE " \t", POOLBUF_CAST_(size_t, 2)
#define POOLBUF_SET_COMMA        ",", POOLBUF_CAST_(size_t, 1)
#define POOLBUF_SET_SEMICOLON    ";", POOLBUF_CAST_(size_t, 1)

/* poolbuf_index_of_any() gives the index of the first byte of a range that is in a set, _index_of_none() of the first
 * one that is not; with last_, of the last one.
 *   set    count bytes, in any order; may be NULL where count is 0. Nothing is in that set.
 *   cost   _index_of_any() with up to 4 bytes: so many calls of memchr() for each 512 bytes. The others: a look-up a
 *          byte. */
POOLBUF_API size_t poolbuf_index_of_any(const poolbuf *buffer, size_t index, size_t length, const void *set,
                                        size_t count);
POOLBUF_API size_t poolbuf_index_of_none(const poolbuf *buffer, size_t index, size_t length, const void *set,
                                         size_t count);
POOLBUF_API size_t poolbuf_last_index_of_any(const poolbuf *buffer, size_t index, size_t length, const void *set,
                                             size_t count);
POOLBUF_API size_t poolbuf_last_index_of_none(const poolbuf *buffer, size_t index, size_t length, const void *set,
                                              size_t count);

/* ---- Bytes that the caller looks at ------------------------------------------------------------------------------- */

/* Is shown a byte; says whether to go on. It may read the buffer, and does not change it. */
typedef bool poolbuf_byte_visitor(uint8_t byte, void *context);

/* poolbuf_for_each_byte() shows the bytes of a range, first to last; _desc(), last to first.
 *   returns  the index of the byte at which the visitor stopped; POOLBUF_NOT_FOUND: it has seen all of them.
 *   cost     a call of the visitor a byte. */
POOLBUF_API size_t poolbuf_for_each_byte(const poolbuf *buffer, size_t index, size_t length,
                                         poolbuf_byte_visitor *visitor, void *context);
POOLBUF_API size_t poolbuf_for_each_byte_desc(const poolbuf *buffer, size_t index, size_t length,
                                              poolbuf_byte_visitor *visitor, void *context);

/* ---- A run of bytes ----------------------------------------------------------------------------------------------- */

/* poolbuf_index_of_bytes() gives the index where a needle first lies in a range as a whole; _index_of_buffer() takes
 * the readable bytes of another buffer for the needle.
 *   needle   one of no bytes is found at the range's start. Bytes: not NULL unless needle_length is 0; they may be
 *            bytes of the buffer, and the needle the buffer itself.
 *   cost     memmem(). Where one component ends and the next begins bytes are copied aside to search them, at most
 *            twice those of the range in all; a needle of more than 1,024 bytes is compared byte by byte there, and one
 *            of so many that lies in pieces everywhere. No allocation; and beyond what memmem() takes, time in
 *            proportion to the range and the needle together, whatever their bytes. */
POOLBUF_API size_t poolbuf_index_of_bytes(const poolbuf *buffer, size_t index, size_t length, const void *needle,
                                          size_t needle_length);
POOLBUF_API size_t poolbuf_index_of_buffer(const poolbuf *buffer, size_t index, size_t length, const poolbuf *needle);

/* ---- Many needles in a stream ------------------------------------------------------------------------------------- */

/* A searcher looks for all its needles at once, in one pass, whatever their number (Aho and Corasick's automaton). It
 * is made once and never changes: any number of threads may use it. Where a stream has got to is kept apart, in a
 * poolbuf_search, one a stream; the stream's bytes come a buffer at a time, and a needle may begin in one buffer and
 * end in a later one.
 *
 *     poolbuf_search stream = poolbuf_search_begin(searcher);
 *     ... for each buffer that arrives:
 *     size_t at = poolbuf_reader_index(buffer), end = poolbuf_writer_index(buffer);
 *     uint32_t needle;
 *     while ((at = poolbuf_search_buffer(&stream, buffer, at, end - at, &needle)) != POOLBUF_NOT_FOUND) {
 *         ... the needle's last byte is the one before at; it is the longest that ends there ...
 *     }
 *
 * Matches may overlap. The needles that end where a longer one does are those that it ends with:
 * poolbuf_searcher_suffix(). */
typedef struct poolbuf_searcher poolbuf_searcher;

/* What to look for: length bytes, at least 1. */
typedef struct poolbuf_needle {
    const void *bytes;
    size_t length;
} poolbuf_needle;

/* The most bytes that the needles of a searcher may have together. */
#define POOLBUF_SEARCHER_BYTES_LIMIT POOLBUF_CAST_(size_t, 65536)

/* Stands for no needle. */
#define POOLBUF_NO_NEEDLE UINT32_MAX

/* poolbuf_searcher_create() makes a searcher.
 *   needles   count of them, at least 1; copied. A needle is named by its place in this list. Equal ones are all
 *             reported.
 *   searcher  set on success; the caller owns it.
 *   returns   POOLBUF_OK.
 *   errors    POOLBUF_ERROR_BAD_ARGUMENT: no needle, one without bytes, or more than POOLBUF_SEARCHER_BYTES_LIMIT
 *             bytes; POOLBUF_ERROR_NO_MEMORY.
 *   threads   any.
 *   cost      from malloc(), and as many steps: 4 bytes for each byte of the needles times the different values that
 *             occur in them plus one. Lower case words take some 110 bytes a letter, random bytes 1 KiB. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_searcher_create(const poolbuf_needle *needles, size_t count,
                                                                     poolbuf_searcher **searcher);

/* poolbuf_searcher_destroy() ends one; no search uses it any more.
 *   searcher  NULL does nothing.
 *   errors    none.     threads  any.     cost  one free(). */
POOLBUF_API void poolbuf_searcher_destroy(poolbuf_searcher *searcher);

/* poolbuf_searcher_suffix() gives the next of the needles that end where this one ends: the longest that it ends with,
 * and of equal ones each in the list's order.
 *   needle    one that a search has found, or that this call has given.
 *   returns   a needle, or POOLBUF_NO_NEEDLE after the last, and for what is no needle.
 *   errors    none.     threads  any.     cost  a load. */
POOLBUF_API uint32_t poolbuf_searcher_suffix(const poolbuf_searcher *searcher, uint32_t needle);

/* Where in its stream a search is. Copied, it goes on from there in two streams. */
typedef struct poolbuf_search {
    const poolbuf_searcher *searcher;
    uint64_t taken; /* bytes of the stream so far; after a match, the place behind it: for callers to read */
    uint32_t state; /* nobody's but the search's */
} poolbuf_search;

/* poolbuf_search_begin() gives a search that has seen nothing yet.
 *   errors  none.     threads  any.     cost  a few stores. */
POOLBUF_API poolbuf_search poolbuf_search_begin(const poolbuf_searcher *searcher);

/* poolbuf_search_bytes() takes the next bytes of the stream, up to one that a needle ends with. poolbuf_search_buffer()
 * takes them from a range of a buffer.
 *   needle   set if one was found: the longest that ends here, the first in the list among equal ones.
 *   returns  how many bytes were taken, the needle's last one included; of a buffer, the index behind that one. The
 *            stream goes on there. POOLBUF_NOT_FOUND: all were taken, and no needle ends among them. A range out of
 *            bounds: nothing was taken.
 *   threads  one for each search.
 *   cost     two loads a byte; while no needle has begun, and all begin with the same byte, memchr(). */
POOLBUF_API POOLBUF_NODISCARD size_t poolbuf_search_bytes(poolbuf_search *search, const void *bytes, size_t length,
                                                          uint32_t *needle);
POOLBUF_API POOLBUF_NODISCARD size_t poolbuf_search_buffer(poolbuf_search *search, const poolbuf *buffer, size_t index,
                                                           size_t length, uint32_t *needle);

/* ---- What the inline functions are made of; not for callers ------------------------------------------------------- */

POOLBUF_API size_t poolbuf_index_of_slow_(const poolbuf *buffer, size_t index, size_t length, uint8_t byte);
POOLBUF_API size_t poolbuf_bytes_before_slow_(const poolbuf *buffer, size_t length, uint8_t byte);

static inline size_t poolbuf_index_of(const poolbuf *buffer, size_t index, size_t length, uint8_t byte) {
    if (POOLBUF_UNLIKELY_(!poolbuf_range_ok_(buffer, index, length) || buffer->capacity == 0)) {
        return poolbuf_index_of_slow_(buffer, index, length, byte);
    }
    poolbuf_note_access_(buffer, false);
    const uint8_t *found = (const uint8_t *)memchr(buffer->memory + index, byte, length);
    return found != NULL ? (size_t)(found - buffer->memory) : POOLBUF_NOT_FOUND;
}

static inline size_t poolbuf_bytes_before_from(const poolbuf *buffer, size_t index, size_t length, uint8_t byte) {
    size_t found = poolbuf_index_of(buffer, index, length, byte);
    return found != POOLBUF_NOT_FOUND ? found - index : POOLBUF_NOT_FOUND;
}

/* What is readable and contiguous needs no look at the capacity, which may be hidden; a dead buffer has nothing
 * readable. */
static inline size_t poolbuf_bytes_before_within(const poolbuf *buffer, size_t length, uint8_t byte) {
    if (POOLBUF_UNLIKELY_(length - 1 >= poolbuf_readable_bytes(buffer) || buffer->memory == NULL)) {
        return poolbuf_bytes_before_slow_(buffer, length, byte);
    }
    poolbuf_note_access_(buffer, false);
    const uint8_t *first = buffer->memory + buffer->reader_index;
    const uint8_t *found = (const uint8_t *)memchr(first, byte, length);
    return found != NULL ? (size_t)(found - first) : POOLBUF_NOT_FOUND;
}

static inline size_t poolbuf_bytes_before(const poolbuf *buffer, uint8_t byte) {
    return poolbuf_bytes_before_within(buffer, poolbuf_readable_bytes(buffer), byte);
}

POOLBUF_END_DECLS

#endif
