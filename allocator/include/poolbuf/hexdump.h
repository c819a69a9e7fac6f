/* Hex dumps of buffers, plain and pretty, and the way back.
 *
 * Plain: two lower-case digits a byte and nothing else. Pretty: Netty's table, each line ended by a newline; of no
 * bytes, nothing:
 *
 *              +-------------------------------------------------+
 *              |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
 *     +--------+-------------------------------------------------+----------------+
 *     |00000000| 68 65 6c 6c 6f 0a                               |hello.          |
 *     +--------+-------------------------------------------------+----------------+
 *
 * with the offset from the first byte of the range, 16 bytes a row, and '.' for what is not printable ASCII.
 *
 * Errors of all of them, which have then changed nothing unless they say so:
 *   POOLBUF_ERROR_OUT_OF_BOUNDS  the range does not lie within the capacity.
 *   POOLBUF_ERROR_BAD_ARGUMENT   the caller's array is too small.
 *   POOLBUF_ERROR_BAD_DATA       back: that is no dump.
 *   what poolbuf_write_bytes() fails for  into a buffer.
 * Threads: as in access.h. Cost: one pass over the bytes; back, two over the text. */
#ifndef POOLBUF_HEXDUMP_H
#define POOLBUF_HEXDUMP_H

#include <stddef.h> /* size_t */
#include <stdio.h>  /* FILE */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* poolbuf_hex_dump_size() and poolbuf_pretty_hex_dump_size() tell how many characters a dump of so many bytes has.
 *   length  at most POOLBUF_CAPACITY_LIMIT.
 *   errors  none.     threads  any.     cost  a few instructions. */
POOLBUF_API size_t poolbuf_hex_dump_size(size_t length);
POOLBUF_API size_t poolbuf_pretty_hex_dump_size(size_t length);

/* poolbuf_hex_dump() and poolbuf_pretty_hex_dump() dump a range into an array and put a NUL after it.
 *   text, room  an array of room bytes, at least one more than the size above. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_hex_dump(const poolbuf *buffer, size_t index, size_t length,
                                                              char *text, size_t room);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_pretty_hex_dump(const poolbuf *buffer, size_t index, size_t length,
                                                                     char *text, size_t room);

/* poolbuf_write_hex_dump() and poolbuf_write_pretty_hex_dump() append a dump of a range to another buffer, without a
 * NUL.
 *   to  the dump goes here. It may be the same buffer, or a view of it, or a composite that the buffer is a component
 *       of, as long as no byte of the range lies where the dump will be written. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_hex_dump(poolbuf *to, const poolbuf *buffer, size_t index,
                                                                    size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_pretty_hex_dump(poolbuf *to, const poolbuf *buffer,
                                                                           size_t index, size_t length);

/* poolbuf_print_hex_dump() and poolbuf_print_pretty_hex_dump() print a dump of a range to a stream.
 *   errors  POOLBUF_ERROR_SYSTEM: the stream failed; errno says why, and some of the dump may be out. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_print_hex_dump(FILE *stream, const poolbuf *buffer, size_t index,
                                                                    size_t length);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_print_pretty_hex_dump(FILE *stream, const poolbuf *buffer,
                                                                           size_t index, size_t length);

/* poolbuf_decode_hex() appends the bytes that a plain dump is of. Upper-case digits are digits too.
 *   text    length characters, not in the buffer; may be NULL where length is 0.
 *   errors  POOLBUF_ERROR_BAD_DATA: an odd number of them, or one that is no hex digit. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_decode_hex(poolbuf *to, const char *text, size_t length);

/* poolbuf_decode_pretty_hex() appends the bytes that a pretty dump is of. It takes what poolbuf_pretty_hex_dump()
 * gives, to the letter, but that the newline may stand before the dump, as Netty has it, instead of after it, or on
 * both sides, or on none.
 *   text    length characters, not in the buffer; may be NULL where length is 0.
 *   errors  POOLBUF_ERROR_BAD_DATA: anything else; a row whose columns say different things is no row. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_decode_pretty_hex(poolbuf *to, const char *text, size_t length);

POOLBUF_END_DECLS

#endif
