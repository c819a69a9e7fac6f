/* The accessors of every number type, as a table. */
#include "number_calls.h"

#include <string.h>

#define OF_INTEGER(T, bits)  ((T)(bits))
#define TO_INTEGER(T, value) ((uint64_t)(value))

static float float_of(uint64_t bits) {
    uint32_t narrow = (uint32_t)bits;
    float value = 0;
    memcpy(&value, &narrow, sizeof value);
    return value;
}

static uint64_t bits_of_float(float value) {
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits) {
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of_double(double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define OF_FLOAT(T, bits)   float_of(bits)
#define TO_FLOAT(T, value)  bits_of_float(value)
#define OF_DOUBLE(T, bits)  double_of(bits)
#define TO_DOUBLE(T, value) bits_of_double(value)

/* The four calls of one type; OF and TO are its way from bits and back.
 * NOLINTBEGIN(bugprone-macro-parentheses): types take none */
#define CALLS(name, T, OF, TO)                                                                                         \
    static poolbuf_status write_##name(poolbuf *buffer, uint64_t bits) {                                               \
        return poolbuf_write_##name(buffer, OF(T, bits));                                                              \
    }                                                                                                                  \
    static poolbuf_status read_##name(poolbuf *buffer, uint64_t *bits) {                                               \
        T value = OF(T, *bits);                                                                                        \
        poolbuf_status status = poolbuf_read_##name(buffer, &value);                                                   \
        *bits = TO(T, value);                                                                                          \
        return status;                                                                                                 \
    }                                                                                                                  \
    static poolbuf_status set_##name(poolbuf *buffer, size_t index, uint64_t bits) {                                   \
        return poolbuf_set_##name(buffer, index, OF(T, bits));                                                         \
    }                                                                                                                  \
    static poolbuf_status get_##name(const poolbuf *buffer, size_t index, uint64_t *bits) {                            \
        T value = OF(T, *bits);                                                                                        \
        poolbuf_status status = poolbuf_get_##name(buffer, index, &value);                                             \
        *bits = TO(T, value);                                                                                          \
        return status;                                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/*    name       C type    width big    signed from bits   and back */
#define NUMBERS(X)                                                                                                     \
    X(u8, uint8_t, 1, true, false, OF_INTEGER, TO_INTEGER)                                                             \
    X(i8, int8_t, 1, true, true, OF_INTEGER, TO_INTEGER)                                                               \
    X(u16_be, uint16_t, 2, true, false, OF_INTEGER, TO_INTEGER)                                                        \
    X(u16_le, uint16_t, 2, false, false, OF_INTEGER, TO_INTEGER)                                                       \
    X(i16_be, int16_t, 2, true, true, OF_INTEGER, TO_INTEGER)                                                          \
    X(i16_le, int16_t, 2, false, true, OF_INTEGER, TO_INTEGER)                                                         \
    X(u24_be, uint32_t, 3, true, false, OF_INTEGER, TO_INTEGER)                                                        \
    X(u24_le, uint32_t, 3, false, false, OF_INTEGER, TO_INTEGER)                                                       \
    X(i24_be, int32_t, 3, true, true, OF_INTEGER, TO_INTEGER)                                                          \
    X(i24_le, int32_t, 3, false, true, OF_INTEGER, TO_INTEGER)                                                         \
    X(u32_be, uint32_t, 4, true, false, OF_INTEGER, TO_INTEGER)                                                        \
    X(u32_le, uint32_t, 4, false, false, OF_INTEGER, TO_INTEGER)                                                       \
    X(i32_be, int32_t, 4, true, true, OF_INTEGER, TO_INTEGER)                                                          \
    X(i32_le, int32_t, 4, false, true, OF_INTEGER, TO_INTEGER)                                                         \
    X(u64_be, uint64_t, 8, true, false, OF_INTEGER, TO_INTEGER)                                                        \
    X(u64_le, uint64_t, 8, false, false, OF_INTEGER, TO_INTEGER)                                                       \
    X(i64_be, int64_t, 8, true, true, OF_INTEGER, TO_INTEGER)                                                          \
    X(i64_le, int64_t, 8, false, true, OF_INTEGER, TO_INTEGER)                                                         \
    X(float_be, float, 4, true, false, OF_FLOAT, TO_FLOAT)                                                             \
    X(float_le, float, 4, false, false, OF_FLOAT, TO_FLOAT)                                                            \
    X(double_be, double, 8, true, false, OF_DOUBLE, TO_DOUBLE)                                                         \
    X(double_le, double, 8, false, false, OF_DOUBLE, TO_DOUBLE)

/* bool is a macro, and so makes no names. */
static poolbuf_status write_truth(poolbuf *buffer, uint64_t bits) {
    return poolbuf_write_bool(buffer, bits != 0);
}

static poolbuf_status read_truth(poolbuf *buffer, uint64_t *bits) {
    bool value = *bits != 0;
    poolbuf_status status = poolbuf_read_bool(buffer, &value);
    *bits = value;
    return status;
}

static poolbuf_status set_truth(poolbuf *buffer, size_t index, uint64_t bits) {
    return poolbuf_set_bool(buffer, index, bits != 0);
}

static poolbuf_status get_truth(const poolbuf *buffer, size_t index, uint64_t *bits) {
    bool value = *bits != 0;
    poolbuf_status status = poolbuf_get_bool(buffer, index, &value);
    *bits = value;
    return status;
}

#define DEFINE(name, T, width, big, is_signed, OF, TO) CALLS(name, T, OF, TO)
NUMBERS(DEFINE)

#define ENTRY(name, T, width, big, is_signed, OF, TO)                                                                  \
    {#name, width, big, is_signed, false, write_##name, read_##name, set_##name, get_##name},
const number_calls number_table[] = {{"bool", 1, true, false, true, write_truth, read_truth, set_truth, get_truth},
                                     NUMBERS(ENTRY)};
const size_t number_count = sizeof number_table / sizeof number_table[0];

void number_bytes(const number_calls *number, uint64_t bits, uint8_t *bytes) {
    bits = number->is_bool ? bits != 0 : bits;
    for (size_t i = 0; i < number->width; i++) {
        size_t place = number->big ? number->width - 1 - i : i; /* of the byte, from the lowest */
        bytes[i] = (uint8_t)(bits >> (8 * place));
    }
}

uint64_t number_value(const number_calls *number, const uint8_t *bytes) {
    uint64_t bits = 0;
    for (size_t i = 0; i < number->width; i++) {
        size_t place = number->big ? number->width - 1 - i : i;
        bits |= (uint64_t)bytes[i] << (8 * place);
    }
    if (number->is_bool) {
        return bits != 0;
    }
    uint8_t highest = number->big ? bytes[0] : bytes[number->width - 1];
    bool negative = number->is_signed && highest >= 0x80;
    return negative && number->width < 8 ? bits | UINT64_MAX << (8 * number->width) : bits;
}
