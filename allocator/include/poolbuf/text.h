/* Text in buffers: written, read and checked in an encoding, as a C string, and by format.
 *
 * A program's own text is UTF-8 in an array of char, with a length, or UTF-16 in an array of char16_t; a buffer may
 * hold it in any encoding below. What cannot be carried over is refused or replaced, as the call says:
 *
 *                                         POOLBUF_TEXT_REFUSE   _QUESTION_MARK   _REPLACE
 *   bytes that are no text                error                 ?                U+FFFD, or ? where there is none
 *   a character the encoding lacks        error                 ?                ?
 *
 * Ill-formed parts are cut as the Unicode standard recommends: the longest beginning of something well-formed is one
 * part, any other byte one by itself. UTF-8 is strict: no overlong forms, no surrogates, nothing above U+10FFFF. No
 * byte order mark is written, and one that is there is a character like any other. A NUL is one as well.
 *
 * Errors of all that return a status:
 *   POOLBUF_ERROR_BAD_DATA      there was something to refuse.
 *   POOLBUF_ERROR_BAD_ARGUMENT  no such encoding or policy; the caller's array is too small.
 *   what access.h says of get, set, read and write.
 * A call that fails changes nothing and sets nothing. Threads: as in access.h. Cost: the bytes are looked at twice, to
 * count and then to write; ASCII, in all but UTF-16, 32 bytes at a time, other characters one by one. */
#ifndef POOLBUF_TEXT_H
#define POOLBUF_TEXT_H

#include <stdarg.h>  /* va_list */
#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#ifndef __cplusplus
#include <uchar.h> /* char16_t */
#endif

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

typedef enum poolbuf_text {
    POOLBUF_TEXT_ASCII = 0,    /* bytes below 0x80 */
    POOLBUF_TEXT_LATIN1 = 1,   /* ISO-8859-1: U+0000 to U+00FF, a byte each */
    POOLBUF_TEXT_UTF8 = 2,     /* 1 to 4 bytes */
    POOLBUF_TEXT_UTF16_BE = 3, /* 2 or 4 bytes, the high byte of each unit first */
    POOLBUF_TEXT_UTF16_LE = 4, /* the low byte first */
    POOLBUF_TEXT_COUNT         /* how many there are; not an encoding */
} poolbuf_text;

typedef enum poolbuf_text_policy {
    POOLBUF_TEXT_REFUSE = 0,        /* fail with POOLBUF_ERROR_BAD_DATA */
    POOLBUF_TEXT_QUESTION_MARK = 1, /* '?' instead: what Netty writes */
    POOLBUF_TEXT_REPLACE = 2        /* U+FFFD instead, in encodings that have it: what decoders show */
} poolbuf_text_policy;

/* ---- The program's UTF-8 ----------------------------------------------------------------------------------------- */

/* poolbuf_write_text() appends a text, and poolbuf_set_text() puts one at an index, in an encoding of the buffer's.
 *   text    length bytes, taken for UTF-8; may be NULL where length is 0. They do not lie in the buffer.
 *   length  bytes; no NUL is looked for, and none is written.
 *   size    set: how many bytes it took; NULL if that is not wanted. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_text(poolbuf *buffer, const char *text, size_t length,
                                                                poolbuf_text encoding, poolbuf_text_policy policy);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_text(poolbuf *buffer, size_t index, const char *text,
                                                              size_t length, poolbuf_text encoding,
                                                              poolbuf_text_policy policy, size_t *size);

/* poolbuf_text_size() tells how many bytes such a text would take.
 *   size    set on success. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_text_size(const char *text, size_t length, poolbuf_text encoding,
                                                               poolbuf_text_policy policy, size_t *size);

/* poolbuf_read_text() takes the next readable bytes, and poolbuf_get_text() a range, for a text in an encoding, and
 * gives it as UTF-8 with a NUL after it.
 *   length       bytes of the buffer.
 *   text, room   an array of room bytes. 3 * length + 1 suffice for any encoding (2 * length + 1 for Latin-1, length +
 *                1 for ASCII and UTF-8, unless the policy is POOLBUF_TEXT_REPLACE).
 *   text_length  set to the bytes of the result, without the NUL; NULL if that is not wanted. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_text(poolbuf *buffer, size_t length, poolbuf_text encoding,
                                                               poolbuf_text_policy policy, char *text, size_t room,
                                                               size_t *text_length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_text(const poolbuf *buffer, size_t index, size_t length,
                                                              poolbuf_text encoding, poolbuf_text_policy policy,
                                                              char *text, size_t room, size_t *text_length);

/* The same for one encoding, inline: for each NAME of ascii, latin1, utf8, utf16_be and utf16_le,
 *     poolbuf_status poolbuf_write_NAME(poolbuf *buffer, const char *text, size_t length, poolbuf_text_policy policy);
 *     poolbuf_status poolbuf_set_NAME(poolbuf *buffer, size_t index, const char *text, size_t length,
 *                                     poolbuf_text_policy policy, size_t *size); */

/* poolbuf_check_text() tells whether a range is text in an encoding; poolbuf_is_text() says so in a bool, which is
 * false for a range that is out of bounds. A character that lies in two components is whole; one that the range cuts is
 * not. In Latin-1 all bytes are.
 *   errors  POOLBUF_ERROR_BAD_DATA: it is not. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_check_text(const poolbuf *buffer, size_t index, size_t length,
                                                                poolbuf_text encoding);
static inline bool poolbuf_is_text(const poolbuf *buffer, size_t index, size_t length, poolbuf_text encoding) {
    return poolbuf_check_text(buffer, index, length, encoding) == POOLBUF_OK;
}

/* ---- The program's UTF-16 ---------------------------------------------------------------------------------------- */

/* poolbuf_write_utf16_as_utf8() and poolbuf_set_utf16_as_utf8() do so with the UTF-16 of the machine's byte order, into
 * UTF-8.
 *   units   count of them; may be NULL where count is 0. They do not lie in the buffer. A surrogate without its other
 *           half is what the policy is about; POOLBUF_TEXT_QUESTION_MARK does what Netty's writeUtf8() does.
 *   size    set: as poolbuf_set_text(). */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_utf16_as_utf8(poolbuf *buffer, const char16_t *units,
                                                                         size_t count, poolbuf_text_policy policy);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_utf16_as_utf8(poolbuf *buffer, size_t index,
                                                                       const char16_t *units, size_t count,
                                                                       poolbuf_text_policy policy, size_t *size);

/* poolbuf_utf8_size_of_utf16() tells how many bytes of UTF-8 they would take. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_utf8_size_of_utf16(const char16_t *units, size_t count,
                                                                        poolbuf_text_policy policy, size_t *size);

/* poolbuf_read_utf8_as_utf16() takes the next readable bytes, and poolbuf_get_utf8_as_utf16() a range, for UTF-8.
 *   length       bytes of the buffer.
 *   units, room  an array of room units; length of them always suffice. No NUL is added.
 *   count        set to how many units there are. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_utf8_as_utf16(poolbuf *buffer, size_t length,
                                                                        poolbuf_text_policy policy, char16_t *units,
                                                                        size_t room, size_t *count);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_utf8_as_utf16(const poolbuf *buffer, size_t index,
                                                                       size_t length, poolbuf_text_policy policy,
                                                                       char16_t *units, size_t room, size_t *count);

/* ---- Bytes as a C string, and formats ---------------------------------------------------------------------------- */

/* poolbuf_read_string() copies the next readable bytes, and poolbuf_get_string() a range, and puts a NUL after them.
 * The bytes are not looked at: a NUL among them is copied like the others.
 *   length      bytes of the buffer.
 *   text, room  an array of room bytes, at least length + 1. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_string(poolbuf *buffer, size_t length, char *text,
                                                                 size_t room);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_string(const poolbuf *buffer, size_t index, size_t length,
                                                                char *text, size_t room);

#if defined(__GNUC__)
#define POOLBUF_PRINTF_(text, arguments) __attribute__((__format__(__printf__, text, arguments)))
#else
#define POOLBUF_PRINTF_(text, arguments)
#endif

/* poolbuf_write_format() appends what printf() would print, without a NUL; _list() takes the arguments as vprintf()
 * does.
 *   format  a format of printf(). Neither it nor what its arguments point to lies in the buffer.
 *   errors  as poolbuf_write_bytes(), but that the buffer may have grown; POOLBUF_ERROR_BAD_DATA: vsnprintf() refuses
 *           (a wide character without a multibyte form), or what the arguments point to has changed meanwhile;
 *           POOLBUF_ERROR_NO_MEMORY also for a long text in a buffer that is shared or a view.
 *   cost    vsnprintf() once for less than 256 bytes, and a copy. For more, twice: the second time straight into a
 *           plain buffer with one reference, if it has room for one byte more than the text; otherwise into memory of
 *           malloc()'s, and from there. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_format(poolbuf *buffer, const char *format, ...)
    POOLBUF_PRINTF_(2, 3);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_format_list(poolbuf *buffer, const char *format,
                                                                       va_list arguments) POOLBUF_PRINTF_(2, 0);

/* poolbuf_to_string() describes the handle, and not the bytes, in a line for logs and debuggers, such as
 *     poolbuf(direct slice, read-only, ridx: 3, widx: 5, cap: 16/256)
 * with the maximum capacity after the slash, unless it is POOLBUF_CAPACITY_LIMIT. The text may gain words.
 *   text, room  an array of room bytes; what does not fit is cut. It ends in a NUL unless room is 0; then text may be
 *               NULL.
 *   returns     the bytes of the whole line, without the NUL, as snprintf() does; below 160.
 *   errors      none; a dead buffer is described as such. (Its handle is the pool's then: a debugger may look, a
 *               program should not.)
 *   threads     any owner, while none changes the buffer. */
POOLBUF_API size_t poolbuf_to_string(const poolbuf *buffer, char *text, size_t room);

/* ---- The inline functions above ---------------------------------------------------------------------------------- */

#define POOLBUF_TEXT_(name, encoding)                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_##name(poolbuf *buffer, const char *text,             \
                                                                        size_t length, poolbuf_text_policy policy) {   \
        return poolbuf_write_text(buffer, text, length, encoding, policy);                                             \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_##name(                                                 \
        poolbuf *buffer, size_t index, const char *text, size_t length, poolbuf_text_policy policy, size_t *size) {    \
        return poolbuf_set_text(buffer, index, text, length, encoding, policy, size);                                  \
    }

POOLBUF_TEXT_(ascii, POOLBUF_TEXT_ASCII)
POOLBUF_TEXT_(latin1, POOLBUF_TEXT_LATIN1)
POOLBUF_TEXT_(utf8, POOLBUF_TEXT_UTF8)
POOLBUF_TEXT_(utf16_be, POOLBUF_TEXT_UTF16_BE)
POOLBUF_TEXT_(utf16_le, POOLBUF_TEXT_UTF16_LE)

POOLBUF_END_DECLS

#endif
