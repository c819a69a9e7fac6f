/* Text from one encoding to another. */
#include "transcode.h"

#include <string.h>

#include "pieces.h"

#define ASCII_END      0x80u
#define LATIN1_END     0x100u
#define BMP_END        0x10000u /* above it UTF-16 needs two units */
#define UNICODE_END    0x110000u
#define LEAD_FIRST     0xd800u /* surrogates: leading ones, then trailing ones, 1,024 each */
#define TRAIL_FIRST    0xdc00u
#define SURROGATES_END 0xe000u
#define REPLACEMENT    0xfffdu

/* ---- ASCII, many bytes at a time --------------------------------------------------------------------------------- */

static uint64_t high_bits(const uint8_t *bytes) {
    uint64_t word = 0;
    memcpy(&word, bytes, sizeof word);
    return word & 0x8080808080808080u;
}

size_t transcode_ascii_prefix(const uint8_t *bytes, size_t length) {
    size_t done = 0;
    for (; length - done >= 32; done += 32) {
        const uint8_t *at = bytes + done;
        if ((high_bits(at) | high_bits(at + 8) | high_bits(at + 16) | high_bits(at + 24)) != 0) {
            break;
        }
    }
    for (; length - done >= 8 && high_bits(bytes + done) == 0; done += 8) {
    }
    while (done < length && bytes[done] < ASCII_END) {
        done++;
    }
    return done;
}

/* ---- One code point ---------------------------------------------------------------------------------------------- */

/* How many bytes after the first of a sequence of UTF-8; 0 for one that begins none. Overlong ones begin with c0 or c1,
 * and what is above U+10FFFF, with f5 or more. */
static size_t utf8_tail(uint8_t first) {
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 1 : (first < 0xf0 ? 2 : 3);
}

/* Returns how many bytes make the code point; of what is none, the longest beginning of a sequence that could have
 * become one, or one byte: each such part is replaced by one character, as the Unicode standard recommends. The second
 * byte alone tells other overlong forms (e0, f0), surrogates (ed) and what is too large (f4). */
static size_t utf8_decode(const uint8_t *bytes, size_t length, uint32_t *code) {
    uint8_t first = bytes[0];
    *code = first;
    if (first < ASCII_END) {
        return 1;
    }
    size_t tail = utf8_tail(first);
    uint8_t low = first == 0xe0 ? 0xa0 : (first == 0xf0 ? 0x90 : 0x80);
    uint8_t high = first == 0xed ? 0x9f : (first == 0xf4 ? 0x8f : 0xbf);
    uint32_t bits = first & (0x3fu >> tail);
    for (size_t i = 1; i <= tail; i++) {
        if (i == length || bytes[i] < low || bytes[i] > high) {
            *code = TRANSCODE_BAD;
            return i;
        }
        bits = bits << 6 | (bytes[i] & 0x3fu);
        low = 0x80;
        high = 0xbf;
    }
    *code = tail != 0 ? bits : TRANSCODE_BAD;
    return tail + 1;
}

static uint32_t utf16_unit(const uint8_t *bytes, bool big) {
    return big ? (uint32_t)bytes[0] << 8 | bytes[1] : (uint32_t)bytes[1] << 8 | bytes[0];
}

static size_t utf16_decode(const uint8_t *bytes, size_t length, bool big, uint32_t *code) {
    *code = TRANSCODE_BAD;
    if (length < 2) {
        return length;
    }
    uint32_t unit = utf16_unit(bytes, big);
    if (unit < LEAD_FIRST || unit >= SURROGATES_END) {
        *code = unit;
        return 2;
    }
    if (unit >= TRAIL_FIRST || length < 4) {
        return 2;
    }
    uint32_t trail = utf16_unit(bytes + 2, big);
    if (trail < TRAIL_FIRST || trail >= SURROGATES_END) {
        return 2;
    }
    *code = BMP_END + ((unit - LEAD_FIRST) << 10 | (trail - TRAIL_FIRST));
    return 4;
}

static size_t decode(poolbuf_text encoding, const uint8_t *bytes, size_t length, uint32_t *code) {
    switch (encoding) {
    case POOLBUF_TEXT_UTF8:
        return utf8_decode(bytes, length, code);
    case POOLBUF_TEXT_UTF16_BE:
    case POOLBUF_TEXT_UTF16_LE:
        return utf16_decode(bytes, length, encoding == POOLBUF_TEXT_UTF16_BE, code);
    default:
        *code = encoding == POOLBUF_TEXT_LATIN1 || bytes[0] < ASCII_END ? bytes[0] : TRANSCODE_BAD;
        return 1;
    }
}

static size_t utf8_encode(uint32_t code, uint8_t *bytes) {
    if (code < ASCII_END) {
        bytes[0] = (uint8_t)code;
        return 1;
    }
    size_t tail = code < 0x800 ? 1 : (code < BMP_END ? 2 : 3);
    for (size_t i = tail; i != 0; i--, code >>= 6) {
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    }
    bytes[0] = (uint8_t)(0xff00u >> (tail + 1) | code); /* tail + 1 ones from the top, then a zero */
    return tail + 1;
}

static void utf16_put(uint32_t unit, bool big, uint8_t *bytes) {
    bytes[big ? 0 : 1] = (uint8_t)(unit >> 8);
    bytes[big ? 1 : 0] = (uint8_t)unit;
}

static size_t utf16_encode(uint32_t code, bool big, uint8_t *bytes) {
    if (code < BMP_END) {
        utf16_put(code, big, bytes);
        return 2;
    }
    code -= BMP_END;
    utf16_put(LEAD_FIRST + (code >> 10), big, bytes);
    utf16_put(TRAIL_FIRST + (code & 0x3ff), big, bytes + 2);
    return 4;
}

/* The first code point that an encoding has no bytes for. */
static uint32_t encoding_end(poolbuf_text encoding) {
    return encoding == POOLBUF_TEXT_ASCII ? ASCII_END : (encoding == POOLBUF_TEXT_LATIN1 ? LATIN1_END : UNICODE_END);
}

static size_t encode(poolbuf_text encoding, uint32_t code, uint8_t *bytes) {
    switch (encoding) {
    case POOLBUF_TEXT_UTF8:
        return utf8_encode(code, bytes);
    case POOLBUF_TEXT_UTF16_BE:
    case POOLBUF_TEXT_UTF16_LE:
        return utf16_encode(code, encoding == POOLBUF_TEXT_UTF16_BE, bytes);
    default:
        bytes[0] = (uint8_t)code;
        return 1;
    }
}

/* ---- Sources and sinks ------------------------------------------------------------------------------------------- */

transcode_source transcode_from_memory(poolbuf_text encoding, const void *bytes, size_t length) {
    return (transcode_source){.encoding = encoding, .bytes = bytes, .run = length};
}

transcode_source transcode_from_buffer(poolbuf_text encoding, const poolbuf *buffer, size_t index, size_t length) {
    return (transcode_source){.encoding = encoding, .buffer = buffer, .index = index, .end = index + length};
}

/* False: it has run dry. The window is filled where a piece ends too early; what it shows twice is taken back first. */
static bool source_fill(transcode_source *source) {
    if (source->run >= TRANSCODE_WINDOW || source->buffer == NULL || source->index == source->end) {
        return source->run != 0;
    }
    source->index -= source->run;
    size_t left = source->end - source->index;
    source->bytes = piece_at(source->buffer, source->index, &source->run);
    source->run = smaller(source->run, left);
    if (source->run < TRANSCODE_WINDOW && source->run < left) {
        source->run = smaller(TRANSCODE_WINDOW, left);
        pieces_get(source->buffer, source->index, source->window, source->run);
        source->bytes = source->window;
    }
    source->index += source->run;
    return true;
}

static void source_skip(transcode_source *source, size_t length) {
    source->bytes += length;
    source->run -= length;
}

transcode_sink transcode_to_nowhere(poolbuf_text encoding) {
    return (transcode_sink){.encoding = encoding};
}

transcode_sink transcode_to_memory(poolbuf_text encoding, void *memory) {
    return (transcode_sink){.encoding = encoding, .memory = memory};
}

transcode_sink transcode_to_buffer(poolbuf_text encoding, const poolbuf *buffer, size_t index, size_t length) {
    return (transcode_sink){
        .encoding = encoding,
        .memory = length != 0 ? poolbuf_bytes_at(buffer, index, length) : NULL,
        .buffer = buffer,
        .index = index,
    };
}

static void sink_put(transcode_sink *sink, const uint8_t *bytes, size_t length) {
    if (sink->memory != NULL) {
        memcpy(sink->memory + sink->count, bytes, length);
    } else if (sink->buffer != NULL) {
        pieces_set(sink->buffer, sink->index + sink->count, bytes, length);
    }
    sink->count += length;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static bool holds_ascii_as_is(poolbuf_text encoding) {
    return encoding != POOLBUF_TEXT_UTF16_BE && encoding != POOLBUF_TEXT_UTF16_LE;
}

poolbuf_status transcode(transcode_source source, transcode_sink *sink, poolbuf_text_policy policy) {
    bool runs = holds_ascii_as_is(source.encoding) && holds_ascii_as_is(sink->encoding);
    uint32_t end = encoding_end(sink->encoding);
    uint32_t replacement = policy == POOLBUF_TEXT_REPLACE && end > REPLACEMENT ? REPLACEMENT : '?';
    while (source_fill(&source)) {
        size_t ascii = runs ? transcode_ascii_prefix(source.bytes, source.run) : 0;
        if (ascii != 0) {
            sink_put(sink, source.bytes, ascii);
            source_skip(&source, ascii);
            continue;
        }
        uint32_t code = 0;
        source_skip(&source, decode(source.encoding, source.bytes, source.run, &code));
        if (code >= end) {
            if (policy == POOLBUF_TEXT_REFUSE) {
                return POOLBUF_ERROR_BAD_DATA;
            }
            code = replacement;
        }
        uint8_t bytes[TRANSCODE_WINDOW];
        sink_put(sink, bytes, encode(sink->encoding, code, bytes));
    }
    return POOLBUF_OK;
}
