/* Reading and writing: bytes, numbers, other buffers, zeros, iovecs. Part of buffer.h, which includes it.
 *
 * _get_ and _set_ work at an index below the capacity and leave both indices alone; _read_ takes from the reader index and
 * moves it on; _write_ appends at the writer index, moves it on, and grows the buffer up to max_capacity. Each checks its bounds
 * once, and a call that fails changes nothing.
 *
 * Errors of all of them:
 *   POOLBUF_ERROR_OUT_OF_BOUNDS  get, set, read: the range does not lie within the capacity, or the readable bytes.
 *   POOLBUF_ERROR_READ_ONLY      set, write: the buffer, or a component that the range lies in, is read-only.
 *   what poolbuf_set_capacity() fails for  write: there is no room, and none can be made.
 * A call for no bytes does nothing, and may succeed where one for some would be refused.
 *
 * Threads: the one owner that is using the bytes; any number may get from a buffer that nobody changes.
 * Cost: one comparison and a copy. Read-only buffers and composites take a call into the library where the text says inline, but
 * for reading from a read-only buffer that is contiguous. */
#ifndef POOLBUF_ACCESS_H
#define POOLBUF_ACCESS_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint8_t and its kind */
#include <string.h>  /* memcpy */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

struct iovec;

POOLBUF_BEGIN_DECLS

/* POOLBUF_RECORD_ACCESS 1 makes the inline functions of the including file tell the leak detector about each read and
 * write of a tracked buffer, at the price of one more test each. It is on where assertions are on. Retain, release,
 * slice, growth and touch are reported in every build. */
#ifndef POOLBUF_RECORD_ACCESS
#ifdef NDEBUG
#define POOLBUF_RECORD_ACCESS 0
#else
#define POOLBUF_RECORD_ACCESS 1
#endif
#endif

/* ---- Bytes -------------------------------------------------------------------------------------------------------- */

/* Bytes, inline.
 *   source, destination  not NULL unless length is 0; must not overlap the range of the buffer. A source may be other
 *                        bytes of the buffer, and goes with them where they move as it grows; but not a component's of
 *                        a composite that is written to, as growing may release that: poolbuf_write_buffer(buffer,
 *                        buffer, length) may do so. */
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_bytes(poolbuf *buffer, const void *source, size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_bytes(poolbuf *buffer, void *destination, size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_bytes(poolbuf *buffer, size_t index, const void *source,
                                                                 size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_bytes(const poolbuf *buffer, size_t index, void *destination,
                                                                 size_t length);

/* Zeros. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_zero(poolbuf *buffer, size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_zero(poolbuf *buffer, size_t index, size_t length);

/* From buffer to buffer. _write_ and _read_ move the reader index of the source and the writer index of the destination: they
 * are the same transfer, seen from either side. _set_ and _get_ leave all four indices alone. The two may be one buffer, or
 * share bytes; what is copied are the bytes as they were before the call.
 *   errors   of either side, as above; nothing has been copied, but that the destination may have grown.
 *   cost     where both lie in many pieces: those of one are sorted, to see whether the two share bytes; if they do, or
 *            if there is no memory to sort in, the bytes are copied twice. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_buffer(poolbuf *buffer, poolbuf *source, size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_buffer(poolbuf *buffer, poolbuf *destination, size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_buffer(poolbuf *buffer, size_t index, const poolbuf *source,
                                                                size_t source_index, size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_buffer(const poolbuf *buffer, size_t index,
                                                                poolbuf *destination, size_t destination_index,
                                                                size_t length);

/* From and to memory in pieces: all that the list names, in its order. For sockets and files see io.h.
 *   pieces   count of them; may be NULL where count is 0. What they name is as source and destination are above.
 *   errors   as above, and POOLBUF_ERROR_BAD_ARGUMENT: their sum is larger than POOLBUF_CAPACITY_LIMIT. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_iovec(poolbuf *buffer, const struct iovec *pieces,
                                                                 size_t count);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_iovec(poolbuf *buffer, const struct iovec *pieces,
                                                                size_t count);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_iovec(poolbuf *buffer, size_t index,
                                                               const struct iovec *pieces, size_t count);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_iovec(const poolbuf *buffer, size_t index,
                                                               const struct iovec *pieces, size_t count);

/* poolbuf_copy() gives a buffer with a copy of a range, whatever the source is: pooled, writable, in one piece, of the same
 * allocator and kind. poolbuf_read_copy() does so with the next readable bytes and skips them.
 *   returns  the copy, readable as a whole, its maximum capacity that of the source, or its length if that is larger; the caller
 *            owns one reference.
 *   errors   NULL: the range is out of bounds, or no memory. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_copy(const poolbuf *buffer, size_t index, size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_read_copy(poolbuf *buffer, size_t length);

/* ---- Numbers ------------------------------------------------------------------------------------------------------ */

/* Numbers, inline: for each TYPE of
 *     bool u8 i8            bool is a byte: 0, or anything else; true is written as 1
 *     u16 i16 u24 i24 u32 i32 u64 i64 float double, in big (_be) and little (_le) endian order
 * with its C type T (of 24 bits: uint32_t, int32_t; the highest byte of what is written is ignored),
 *     poolbuf_status poolbuf_write_TYPE(poolbuf *buffer, T value);
 *     poolbuf_status poolbuf_read_TYPE(poolbuf *buffer, T *value);
 *     poolbuf_status poolbuf_set_TYPE(poolbuf *buffer, size_t index, T value);
 *     poolbuf_status poolbuf_get_TYPE(const poolbuf *buffer, size_t index, T *value);
 * such as poolbuf_write_u32_be(). They behave as the calls on bytes do; *value is set on success alone. float and double are
 * IEEE 754's, bit by bit. Numbers of variable length are in varint.h. */

/* ---- What the inline functions are made of; not for callers ------------------------------------------------------- */

#if defined(__GNUC__)
#define POOLBUF_PURE_ __attribute__((pure))
#else
#define POOLBUF_PURE_
#endif

POOLBUF_API poolbuf_status poolbuf_write_slow_(poolbuf *buffer, const void *source, size_t length);
POOLBUF_API poolbuf_status poolbuf_read_slow_(poolbuf *buffer, void *destination, size_t length);
POOLBUF_API poolbuf_status poolbuf_set_slow_(poolbuf *buffer, size_t index, const void *source, size_t length);
POOLBUF_API poolbuf_status poolbuf_get_slow_(const poolbuf *buffer, size_t index, void *destination, size_t length);
/* The same for numbers, whose bytes lie at the start of `bits`. Handing them over in a register keeps the loops of callers free of
 * stores that are only there for the slow path. Reading ones change nothing that a caller could see, and say so (pure), so that
 * a compiler keeps what it knows of the handle across them; the reader index is then moved on by the caller. */
typedef struct poolbuf_number_ {
    uint64_t bits;
    poolbuf_status status;
} poolbuf_number_;

POOLBUF_API POOLBUF_PURE_ poolbuf_number_ poolbuf_get_number_(const poolbuf *buffer, size_t index, size_t length);
POOLBUF_API POOLBUF_PURE_ poolbuf_number_ poolbuf_peek_number_(const poolbuf *buffer, size_t length);
POOLBUF_API poolbuf_status poolbuf_set_number_(poolbuf *buffer, size_t index, uint64_t bits, size_t length);
POOLBUF_API poolbuf_status poolbuf_write_number_(poolbuf *buffer, uint64_t bits, size_t length);
POOLBUF_API void poolbuf_record_access_(const poolbuf *buffer, bool write);

static inline void poolbuf_note_access_(const poolbuf *buffer, bool write) {
#if POOLBUF_RECORD_ACCESS
    if (POOLBUF_UNLIKELY_((poolbuf_state_(buffer) >> 32) != 0)) {
        poolbuf_record_access_(buffer, write);
    }
#else
    (void)buffer;
    (void)write;
#endif
}

static inline poolbuf_status poolbuf_write_bytes(poolbuf *buffer, const void *source, size_t length) {
    if (POOLBUF_UNLIKELY_(!poolbuf_room_ok_(buffer, length))) {
        return poolbuf_write_slow_(buffer, source, length);
    }
    poolbuf_note_access_(buffer, true);
    if (length != 0) { /* else nothing is stored either: threads share the empty buffer */
        memcpy(buffer->memory + buffer->writer_index, source, length);
        buffer->writer_index += (uint32_t)length;
    }
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_read_bytes(poolbuf *buffer, void *destination, size_t length) {
    if (POOLBUF_UNLIKELY_(!poolbuf_readable_ok_(buffer, length))) {
        return poolbuf_read_slow_(buffer, destination, length);
    }
    poolbuf_note_access_(buffer, false);
    if (length != 0) {
        memcpy(destination, buffer->memory + buffer->reader_index, length);
        buffer->reader_index += (uint32_t)length;
    }
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_set_bytes(poolbuf *buffer, size_t index, const void *source, size_t length) {
    if (POOLBUF_UNLIKELY_(!poolbuf_range_ok_(buffer, index, length))) {
        return poolbuf_set_slow_(buffer, index, source, length);
    }
    poolbuf_note_access_(buffer, true);
    if (length != 0) {
        memcpy(buffer->memory + index, source, length);
    }
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_get_bytes(const poolbuf *buffer, size_t index, void *destination, size_t length) {
    if (POOLBUF_UNLIKELY_(!poolbuf_range_ok_(buffer, index, length))) {
        return poolbuf_get_slow_(buffer, index, destination, length);
    }
    poolbuf_note_access_(buffer, false);
    if (length != 0) {
        memcpy(destination, buffer->memory + index, length);
    }
    return POOLBUF_OK;
}

#define POOLBUF_SAME_(value) (value)
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define POOLBUF_BE_(bits, value) (value)
#define POOLBUF_LE_(bits, value) __builtin_bswap##bits(value)
#else
#define POOLBUF_BE_(bits, value) __builtin_bswap##bits(value)
#define POOLBUF_LE_(bits, value) (value)
#endif
#define POOLBUF_BE16_(value) POOLBUF_BE_(16, value)
#define POOLBUF_LE16_(value) POOLBUF_LE_(16, value)
#define POOLBUF_BE32_(value) POOLBUF_BE_(32, value)
#define POOLBUF_LE32_(value) POOLBUF_LE_(32, value)
#define POOLBUF_BE64_(value) POOLBUF_BE_(64, value)
#define POOLBUF_LE64_(value) POOLBUF_LE_(64, value)

/* The check of a number is one comparison, in the form that compilers make least of: widths are small constants, so nothing but
 * the index could wrap, and as a signed number it cannot. */
static inline bool poolbuf_number_range_ok_(const poolbuf *buffer, size_t index, size_t length) {
    return ((int64_t)index >= 0) & ((int64_t)index <= (int64_t)buffer->capacity - (int64_t)length);
}

/* One integer type: T is what callers see, U the unsigned type of its width, order() the way to and from memory.
 * NOLINTBEGIN(bugprone-macro-parentheses): types take none */
#define POOLBUF_INTEGER_(name, T, U, order)                                                                            \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_##name(poolbuf *buffer, T value) {                    \
        U stored = (U)order((U)value);                                                                                 \
        uint32_t writer_index = buffer->writer_index;                                                                  \
        uint32_t end = writer_index + (uint32_t)sizeof stored; /* at most 2^31 + 7 */                                  \
        if (POOLBUF_UNLIKELY_(end > buffer->capacity)) {                                                               \
            uint64_t bits = 0;                                                                                         \
            memcpy(&bits, &stored, sizeof stored);                                                                     \
            return poolbuf_write_number_(buffer, bits, sizeof stored);                                                 \
        }                                                                                                              \
        poolbuf_note_access_(buffer, true);                                                                            \
        memcpy(buffer->memory + writer_index, &stored, sizeof stored);                                                 \
        buffer->writer_index = end;                                                                                    \
        return POOLBUF_OK;                                                                                             \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_##name(poolbuf *buffer, T *value) {                    \
        U stored = 0;                                                                                                  \
        uint32_t reader_index = buffer->reader_index;                                                                  \
        uint32_t end = reader_index + (uint32_t)sizeof stored;                                                         \
        if (POOLBUF_UNLIKELY_(end > buffer->writer_index)) {                                                           \
            poolbuf_number_ number = poolbuf_peek_number_(buffer, sizeof stored);                                      \
            if (number.status != POOLBUF_OK) {                                                                         \
                return number.status;                                                                                  \
            }                                                                                                          \
            memcpy(&stored, &number.bits, sizeof stored);                                                              \
        } else {                                                                                                       \
            poolbuf_note_access_(buffer, false);                                                                       \
            memcpy(&stored, buffer->memory + reader_index, sizeof stored);                                             \
        }                                                                                                              \
        buffer->reader_index = end;                                                                                    \
        *value = (T)order(stored);                                                                                     \
        return POOLBUF_OK;                                                                                             \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_##name(poolbuf *buffer, size_t index, T value) {        \
        U stored = (U)order((U)value);                                                                                 \
        if (POOLBUF_UNLIKELY_(!poolbuf_number_range_ok_(buffer, index, sizeof stored))) {                              \
            uint64_t bits = 0;                                                                                         \
            memcpy(&bits, &stored, sizeof stored);                                                                     \
            return poolbuf_set_number_(buffer, index, bits, sizeof stored);                                            \
        }                                                                                                              \
        poolbuf_note_access_(buffer, true);                                                                            \
        memcpy(buffer->memory + index, &stored, sizeof stored);                                                        \
        return POOLBUF_OK;                                                                                             \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_##name(const poolbuf *buffer, size_t index, T *value) { \
        U stored = 0;                                                                                                  \
        if (POOLBUF_UNLIKELY_(!poolbuf_number_range_ok_(buffer, index, sizeof stored))) {                              \
            poolbuf_number_ number = poolbuf_get_number_(buffer, index, sizeof stored);                                \
            if (number.status != POOLBUF_OK) {                                                                         \
                return number.status;                                                                                  \
            }                                                                                                          \
            memcpy(&stored, &number.bits, sizeof stored);                                                              \
        } else {                                                                                                       \
            poolbuf_note_access_(buffer, false);                                                                       \
            memcpy(&stored, buffer->memory + index, sizeof stored);                                                    \
        }                                                                                                              \
        *value = (T)order(stored);                                                                                     \
        return POOLBUF_OK;                                                                                             \
    }

POOLBUF_INTEGER_(u8, uint8_t, uint8_t, POOLBUF_SAME_)
POOLBUF_INTEGER_(i8, int8_t, uint8_t, POOLBUF_SAME_)
POOLBUF_INTEGER_(u16_be, uint16_t, uint16_t, POOLBUF_BE16_)
POOLBUF_INTEGER_(u16_le, uint16_t, uint16_t, POOLBUF_LE16_)
POOLBUF_INTEGER_(i16_be, int16_t, uint16_t, POOLBUF_BE16_)
POOLBUF_INTEGER_(i16_le, int16_t, uint16_t, POOLBUF_LE16_)
POOLBUF_INTEGER_(u32_be, uint32_t, uint32_t, POOLBUF_BE32_)
POOLBUF_INTEGER_(u32_le, uint32_t, uint32_t, POOLBUF_LE32_)
POOLBUF_INTEGER_(i32_be, int32_t, uint32_t, POOLBUF_BE32_)
POOLBUF_INTEGER_(i32_le, int32_t, uint32_t, POOLBUF_LE32_)
POOLBUF_INTEGER_(u64_be, uint64_t, uint64_t, POOLBUF_BE64_)
POOLBUF_INTEGER_(u64_le, uint64_t, uint64_t, POOLBUF_LE64_)
POOLBUF_INTEGER_(i64_be, int64_t, uint64_t, POOLBUF_BE64_)
POOLBUF_INTEGER_(i64_le, int64_t, uint64_t, POOLBUF_LE64_)

/* 24 bits: as a 32-bit number without its highest byte, which comes first in big endian order and last in little. */
#define POOLBUF_MEDIUM_(name, T, order, skip, extend)                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_##name(poolbuf *buffer, T value) {                    \
        uint32_t stored = order((uint32_t)value);                                                                      \
        return poolbuf_write_bytes(buffer, (const uint8_t *)&stored + (skip), 3);                                      \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_##name(poolbuf *buffer, T *value) {                    \
        uint32_t stored = 0;                                                                                           \
        poolbuf_status status = poolbuf_read_bytes(buffer, (uint8_t *)&stored + (skip), 3);                            \
        if (POOLBUF_LIKELY_(status == POOLBUF_OK)) {                                                                   \
            *value = extend(order(stored));                                                                            \
        }                                                                                                              \
        return status;                                                                                                 \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_##name(poolbuf *buffer, size_t index, T value) {        \
        uint32_t stored = order((uint32_t)value);                                                                      \
        return poolbuf_set_bytes(buffer, index, (const uint8_t *)&stored + (skip), 3);                                 \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_##name(const poolbuf *buffer, size_t index, T *value) { \
        uint32_t stored = 0;                                                                                           \
        poolbuf_status status = poolbuf_get_bytes(buffer, index, (uint8_t *)&stored + (skip), 3);                      \
        if (POOLBUF_LIKELY_(status == POOLBUF_OK)) {                                                                   \
            *value = extend(order(stored));                                                                            \
        }                                                                                                              \
        return status;                                                                                                 \
    }

/* The sign of 24 bits, carried into 32. */
static inline int32_t poolbuf_extend24_(uint32_t value) {
    return (int32_t)((value ^ 0x800000u) - 0x800000u);
}

/* Big endian order means that the number's bytes lie the other way round in a little endian register, and so does the byte to
 * skip: it is the first one stored in both kinds of machine. */
POOLBUF_MEDIUM_(u24_be, uint32_t, POOLBUF_BE32_, 1, POOLBUF_SAME_)
POOLBUF_MEDIUM_(u24_le, uint32_t, POOLBUF_LE32_, 0, POOLBUF_SAME_)
POOLBUF_MEDIUM_(i24_be, int32_t, POOLBUF_BE32_, 1, poolbuf_extend24_)
POOLBUF_MEDIUM_(i24_le, int32_t, POOLBUF_LE32_, 0, poolbuf_extend24_)

/* Numbers that have the bits of an integer: to() and from() are the way to it and back. */
#define POOLBUF_AS_INTEGER_(name, T, U, integer, to, from)                                                             \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_##name(poolbuf *buffer, T value) {                    \
        return poolbuf_write_##integer(buffer, to(value));                                                             \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_##name(poolbuf *buffer, T *value) {                    \
        U stored = 0;                                                                                                  \
        poolbuf_status status = poolbuf_read_##integer(buffer, &stored);                                               \
        if (POOLBUF_LIKELY_(status == POOLBUF_OK)) {                                                                   \
            *value = from(stored);                                                                                     \
        }                                                                                                              \
        return status;                                                                                                 \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_##name(poolbuf *buffer, size_t index, T value) {        \
        return poolbuf_set_##integer(buffer, index, to(value));                                                        \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_##name(const poolbuf *buffer, size_t index, T *value) { \
        U stored = 0;                                                                                                  \
        poolbuf_status status = poolbuf_get_##integer(buffer, index, &stored);                                         \
        if (POOLBUF_LIKELY_(status == POOLBUF_OK)) {                                                                   \
            *value = from(stored);                                                                                     \
        }                                                                                                              \
        return status;                                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static inline uint8_t poolbuf_bool_bits_(bool value) {
    return value ? 1 : 0;
}

static inline bool poolbuf_bool_of_(uint8_t bits) {
    return bits != 0;
}

static inline uint32_t poolbuf_float_bits_(float value) {
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float poolbuf_float_of_(uint32_t bits) {
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t poolbuf_double_bits_(double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double poolbuf_double_of_(uint64_t bits) {
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

POOLBUF_AS_INTEGER_(bool, bool, uint8_t, u8, poolbuf_bool_bits_, poolbuf_bool_of_)
POOLBUF_AS_INTEGER_(float_be, float, uint32_t, u32_be, poolbuf_float_bits_, poolbuf_float_of_)
POOLBUF_AS_INTEGER_(float_le, float, uint32_t, u32_le, poolbuf_float_bits_, poolbuf_float_of_)
POOLBUF_AS_INTEGER_(double_be, double, uint64_t, u64_be, poolbuf_double_bits_, poolbuf_double_of_)
POOLBUF_AS_INTEGER_(double_le, double, uint64_t, u64_le, poolbuf_double_bits_, poolbuf_double_of_)

POOLBUF_END_DECLS

#endif
