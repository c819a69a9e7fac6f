/* Text from one encoding to another, code point by code point, out of memory or a buffer into memory or a buffer.
 *
 * A source is a range of bytes; it shows at least one whole code point in one piece, or all that is left, whatever
 * pieces the bytes lie in. A sink takes bytes and counts them; one without a place only counts. So a call that must not
 * fail half-way runs twice: once to count and to find what is wrong, and once to write.
 *
 *     source [ buffer: piece | piece ]  ->  decode  ->  code point or TRANSCODE_BAD  ->  encode  ->  sink
 *                                            whole runs of ASCII go straight across */
#ifndef TRANSCODE_H
#define TRANSCODE_H

#include <stddef.h>
#include <stdint.h>

#include <poolbuf/text.h>

/* The longest code point of any encoding, in bytes. */
#define TRANSCODE_WINDOW ((size_t)4)

/* What stands for bytes that are no code point. */
#define TRANSCODE_BAD UINT32_MAX

#define TRANSCODE_UTF16_NATIVE (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? POOLBUF_TEXT_UTF16_BE : POOLBUF_TEXT_UTF16_LE)

typedef struct transcode_source {
    poolbuf_text encoding;
    const poolbuf *buffer; /* NULL: all bytes lie at bytes */
    size_t index, end;     /* in the buffer, what is behind bytes[run] */
    const uint8_t *bytes;  /* the next ones; run of them in one piece */
    size_t run;
    uint8_t window[TRANSCODE_WINDOW]; /* where those lie that cross from one piece into the next */
} transcode_source;

typedef struct transcode_sink {
    poolbuf_text encoding;
    uint8_t *memory;       /* NULL: not in one piece */
    const poolbuf *buffer; /* NULL as well: count only */
    size_t index;          /* in the buffer, of the first byte */
    size_t count;          /* bytes taken so far */
} transcode_sink;

transcode_source transcode_from_memory(poolbuf_text encoding, const void *bytes, size_t length);
transcode_source transcode_from_buffer(poolbuf_text encoding, const poolbuf *buffer, size_t index, size_t length);

transcode_sink transcode_to_nowhere(poolbuf_text encoding);
transcode_sink transcode_to_memory(poolbuf_text encoding, void *memory);
transcode_sink transcode_to_buffer(poolbuf_text encoding, const poolbuf *buffer, size_t index, size_t length);

/* Runs a source dry. POOLBUF_ERROR_BAD_DATA: policy is POOLBUF_TEXT_REFUSE and there was something to refuse; the sink
 * then has what came before. The source may be a copy of one that is to run again. */
poolbuf_status transcode(transcode_source source, transcode_sink *sink, poolbuf_text_policy policy);

/* How many of these bytes are below 0x80 before the first that is not. */
size_t transcode_ascii_prefix(const uint8_t *bytes, size_t length);

#endif
