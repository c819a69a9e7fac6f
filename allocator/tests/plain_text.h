/* A second implementation of the encodings, plain and slow, for the first one to be compared with. */
#ifndef PLAIN_TEXT_H
#define PLAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uchar.h>

#define UNICODE_END 0x110000u

static inline bool is_surrogate(uint32_t code) {
    return code >= 0xd800 && code <= 0xdfff;
}

/* UTF-8 by the table of the standard, without loops over bits. */
static inline size_t plain_utf8(uint32_t code, uint8_t *to) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 + code / 64);
        to[1] = (uint8_t)(0x80 + code % 64);
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 + code / 4096);
        to[1] = (uint8_t)(0x80 + code / 64 % 64);
        to[2] = (uint8_t)(0x80 + code % 64);
        return 3;
    }
    to[0] = (uint8_t)(0xf0 + code / 262144);
    to[1] = (uint8_t)(0x80 + code / 4096 % 64);
    to[2] = (uint8_t)(0x80 + code / 64 % 64);
    to[3] = (uint8_t)(0x80 + code % 64);
    return 4;
}

static inline size_t plain_utf16(uint32_t code, char16_t *to) {
    if (code < 0x10000) {
        to[0] = (char16_t)code;
        return 1;
    }
    to[0] = (char16_t)(0xd800 + (code - 0x10000) / 1024);
    to[1] = (char16_t)(0xdc00 + (code - 0x10000) % 1024);
    return 2;
}

#endif
