/* Integers of variable length: small numbers in few bytes, as protocols have them.
 *
 * Unsigned ones are DWARF's unsigned LEB128: seven bits a byte, the lowest ones first, and the highest bit of each byte
 * says that another one follows. Signed ones are mapped to unsigned ones first by the zigzag of Protocol Buffers: 0,
 * -1, 1, -2, 2 become 0, 1, 2, 3, 4, so that small negative numbers are short too. (Protocol Buffers' plain int32
 * writes a negative number as the ten bytes of its 64 bits: for these, cast to uint64_t and use _varint_u64.)
 *
 *     300 = 10 0101100   ->   1 0101100   0 0000010   =   ac 02
 *
 * What is written is as short as can be. What is read may be padded with zeros (80 00 is 0 too) as long as it has no
 * more bytes than the largest number of its type: 5 for 32 bits, 10 for 64. A protocol that wants each number to have
 * one form compares the length with poolbuf_varint_size_*().
 *
 * Errors of all of them; the call has then changed nothing and set nothing:
 *   POOLBUF_ERROR_OUT_OF_BOUNDS  read, get: the bytes end before the number does. More may come: a decoder waits and
 *                                calls again.
 *                                set: the number does not lie within the capacity.
 *   POOLBUF_ERROR_BAD_DATA       read, get: no number of this type: too many bytes, or bits above its width. It will
 *                                not get better.
 *   what poolbuf_write_bytes() and poolbuf_set_bytes() fail for  write, set.
 * Threads: as in access.h. Cost: of one byte, in a plain buffer, a comparison or two, inline; of more, a call and a
 * loop. */
#ifndef POOLBUF_VARINT_H
#define POOLBUF_VARINT_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint32_t and its kind */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* The most bytes that a number takes. */
#define POOLBUF_VARINT_SIZE_MAX_U32 5u
#define POOLBUF_VARINT_SIZE_MAX_U64 10u

/* poolbuf_varint_size_*() tells how many bytes a number takes when it is written, 1 to the maximum above.
 *   errors  none.     threads  any.     cost  a few instructions. */
static inline size_t poolbuf_varint_size_u32(uint32_t value);
static inline size_t poolbuf_varint_size_u64(uint64_t value);

/* poolbuf_zigzag_encode_*() and poolbuf_zigzag_decode_*() are the mapping alone; every value has an image, both ways.
 *   errors  none.     threads  any.     cost  a few instructions. */
static inline uint32_t poolbuf_zigzag_encode_i32(int32_t value);
static inline uint64_t poolbuf_zigzag_encode_i64(int64_t value);
static inline int32_t poolbuf_zigzag_decode_i32(uint32_t value);
static inline int64_t poolbuf_zigzag_decode_i64(uint64_t value);

/* For each TYPE of varint_u32, varint_u64, zigzag_i32 and zigzag_i64, with its C type T,
 *     poolbuf_status poolbuf_write_TYPE(poolbuf *buffer, T value);
 *     poolbuf_status poolbuf_read_TYPE(poolbuf *buffer, T *value);
 *     poolbuf_status poolbuf_set_TYPE(poolbuf *buffer, size_t index, T value);
 *     poolbuf_status poolbuf_get_TYPE(const poolbuf *buffer, size_t index, T *value, size_t *length);
 * such as poolbuf_write_varint_u32().
 *   length  get: set to how many bytes the number takes there; NULL if that is not wanted. get looks at bytes up to the
 *           capacity, read at those that are readable. set writes as many as the size above says, whatever lay there
 *           before. */

/* ---- What the inline functions are made of; not for callers ------------------------------------------------------ */

POOLBUF_API poolbuf_status poolbuf_write_varint_slow_(poolbuf *buffer, uint64_t value);
POOLBUF_API poolbuf_status poolbuf_set_varint_slow_(poolbuf *buffer, size_t index, uint64_t value);
POOLBUF_API poolbuf_status poolbuf_read_varint_slow_(poolbuf *buffer, unsigned width, uint64_t *value);
POOLBUF_API poolbuf_status poolbuf_get_varint_slow_(const poolbuf *buffer, size_t index, unsigned width,
                                                    uint64_t *value, size_t *length);

/* Seven bits a byte: ceil(bits / 7), without a division, for 1 to 64 bits. */
static inline size_t poolbuf_varint_size_u64(uint64_t value) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits * 9 + 64) / 64;
}

static inline size_t poolbuf_varint_size_u32(uint32_t value) {
    return poolbuf_varint_size_u64(value);
}

static inline uint32_t poolbuf_zigzag_encode_i32(int32_t value) {
    return (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0);
}

static inline uint64_t poolbuf_zigzag_encode_i64(int64_t value) {
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int32_t poolbuf_zigzag_decode_i32(uint32_t value) {
    return (int32_t)(value >> 1 ^ (0 - (value & 1)));
}

static inline int64_t poolbuf_zigzag_decode_i64(uint64_t value) {
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

/* One type: T is what callers see, U the unsigned type of its width; to() and from() are the way to U and back.
 * NOLINTBEGIN(bugprone-macro-parentheses): types take none */
#define POOLBUF_VARINT_(name, T, U, to, from)                                                                          \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_##name(poolbuf *buffer, T value) {                    \
        U number = to(value);                                                                                          \
        return POOLBUF_LIKELY_(number < 0x80) ? poolbuf_write_u8(buffer, (uint8_t)number)                              \
                                              : poolbuf_write_varint_slow_(buffer, number);                            \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_##name(poolbuf *buffer, size_t index, T value) {        \
        U number = to(value);                                                                                          \
        return POOLBUF_LIKELY_(number < 0x80) ? poolbuf_set_u8(buffer, index, (uint8_t)number)                         \
                                              : poolbuf_set_varint_slow_(buffer, index, number);                       \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_##name(poolbuf *buffer, T *value) {                    \
        uint64_t number = 0;                                                                                           \
        if (POOLBUF_LIKELY_(poolbuf_varint_short_(buffer, buffer->reader_index, buffer->writer_index))) {              \
            poolbuf_note_access_(buffer, false);                                                                       \
            number = buffer->memory[buffer->reader_index++];                                                           \
        } else {                                                                                                       \
            poolbuf_status status = poolbuf_read_varint_slow_(buffer, sizeof(U) * 8, &number);                         \
            if (status != POOLBUF_OK) {                                                                                \
                return status;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
        *value = from((U)number);                                                                                      \
        return POOLBUF_OK;                                                                                             \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_##name(const poolbuf *buffer, size_t index, T *value,   \
                                                                      size_t *length) {                                \
        uint64_t number = 0;                                                                                           \
        size_t taken = 1;                                                                                              \
        if (POOLBUF_LIKELY_(poolbuf_varint_short_(buffer, index, buffer->capacity))) {                                 \
            poolbuf_note_access_(buffer, false);                                                                       \
            number = buffer->memory[index];                                                                            \
        } else {                                                                                                       \
            poolbuf_status status = poolbuf_get_varint_slow_(buffer, index, sizeof(U) * 8, &number, &taken);           \
            if (status != POOLBUF_OK) {                                                                                \
                return status;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
        *value = from((U)number);                                                                                      \
        if (length != NULL) {                                                                                          \
            *length = taken;                                                                                           \
        }                                                                                                              \
        return POOLBUF_OK;                                                                                             \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* Whether a number of one byte lies at an index, in plain sight. */
static inline bool poolbuf_varint_short_(const poolbuf *buffer, size_t index, size_t end) {
    return index < end && buffer->memory != NULL && buffer->memory[index] < 0x80;
}

POOLBUF_VARINT_(varint_u32, uint32_t, uint32_t, POOLBUF_SAME_, POOLBUF_SAME_)
POOLBUF_VARINT_(varint_u64, uint64_t, uint64_t, POOLBUF_SAME_, POOLBUF_SAME_)
POOLBUF_VARINT_(zigzag_i32, int32_t, uint32_t, poolbuf_zigzag_encode_i32, poolbuf_zigzag_decode_i32)
POOLBUF_VARINT_(zigzag_i64, int64_t, uint64_t, poolbuf_zigzag_encode_i64, poolbuf_zigzag_decode_i64)

POOLBUF_END_DECLS

#endif
