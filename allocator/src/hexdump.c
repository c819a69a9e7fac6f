/* Hex dumps of buffers, plain and pretty, and the way back.
 *
 * A dump is made row by row, of 16 bytes, on the stack, so that it does not matter which pieces the bytes lie in; the
 * rows go to one of three sinks. The way back reads a row and makes it anew from the bytes that it found: what is not
 * the same was no row. */
#include <poolbuf/hexdump.h>

#include <string.h>

#include "buffer.h"
#include "handle.h"
#include "pieces.h"

#define ROW_BYTES     ((size_t)16)
#define OFFSET_DIGITS 8
#define HEX_COLUMN    ((size_t)10) /* where a row's first byte begins, with a blank */
#define ASCII_COLUMN  (HEX_COLUMN + 3 * ROW_BYTES + 2)

static const char head[] = "         +-------------------------------------------------+\n"
                           "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n"
                           "+--------+-------------------------------------------------+----------------+\n";
static const char foot[] = "+--------+-------------------------------------------------+----------------+\n";

#define HEAD_SIZE (sizeof head - 1)
#define ROW_SIZE  (sizeof foot - 1)
_Static_assert(ASCII_COLUMN + ROW_BYTES + 2 == ROW_SIZE, "rows are as wide as their frame");

static const char digits[] = "0123456789abcdef";

size_t poolbuf_hex_dump_size(size_t length) {
    return 2 * length;
}

size_t poolbuf_pretty_hex_dump_size(size_t length) {
    size_t rows = (length + ROW_BYTES - 1) / ROW_BYTES;
    return length == 0 ? 0 : HEAD_SIZE + (rows + 1) * ROW_SIZE;
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static void format_byte(char *text, uint8_t byte) {
    text[0] = digits[byte >> 4];
    text[1] = digits[byte & 15];
}

/* ROW_SIZE characters; count is at least 1. */
static void format_row(char *row, size_t offset, const uint8_t *bytes, size_t count) {
    memset(row, ' ', ROW_SIZE);
    for (unsigned i = 0; i < OFFSET_DIGITS; i++) {
        row[1 + i] = digits[offset >> 4 * (OFFSET_DIGITS - 1 - i) & 15];
    }
    for (size_t i = 0; i < count; i++) {
        format_byte(row + HEX_COLUMN + 3 * i + 1, bytes[i]);
        row[ASCII_COLUMN + i] = (char)(bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.');
    }
    row[0] = row[HEX_COLUMN - 1] = row[ASCII_COLUMN - 1] = row[ASCII_COLUMN + ROW_BYTES] = '|';
    row[ROW_SIZE - 1] = '\n';
}

/* ---- Where dumps go ---------------------------------------------------------------------------------------------- */

typedef struct sink {
    char *text;        /* an array, or */
    const poolbuf *to; /* a buffer with room, or */
    FILE *stream;      /* a stream */
    size_t index;      /* in the array or the buffer, of the next character */
    bool failed;       /* the stream has: nothing more goes there */
} sink;

static void put(sink *out, const char *text, size_t length) {
    if (out->text != NULL) {
        memcpy(out->text + out->index, text, length);
    } else if (out->to != NULL) {
        pieces_set(out->to, out->index, text, length);
    } else if (!out->failed) {
        out->failed = fwrite(text, 1, length, out->stream) != length;
    }
    out->index += length;
}

/* Dumps a range that was checked. */
static void dump(const poolbuf *buffer, size_t index, size_t length, bool pretty, sink *out) {
    if (length == 0) {
        return;
    }
    poolbuf_note_access_(buffer, false);
    if (pretty) {
        put(out, head, HEAD_SIZE);
    }
    for (size_t done = 0, count = 0; done < length; done += count) {
        uint8_t bytes[ROW_BYTES];
        char row[ROW_SIZE];
        count = smaller(ROW_BYTES, length - done);
        pieces_get(buffer, index + done, bytes, count);
        if (pretty) {
            format_row(row, done, bytes, count);
        } else {
            for (size_t i = 0; i < count; i++) {
                format_byte(row + 2 * i, bytes[i]);
            }
        }
        put(out, row, pretty ? ROW_SIZE : 2 * count);
    }
    if (pretty) {
        put(out, foot, ROW_SIZE);
    }
}

static size_t size_of(size_t length, bool pretty) {
    return pretty ? poolbuf_pretty_hex_dump_size(length) : poolbuf_hex_dump_size(length);
}

static poolbuf_status dump_to_array(const poolbuf *buffer, size_t index, size_t length, bool pretty, char *text,
                                    size_t room) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status != POOLBUF_OK) {
        return status;
    }
    size_t size = size_of(length, pretty);
    if (size >= room) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    sink array = {.text = text};
    dump(buffer, index, length, pretty, &array);
    text[size] = '\0';
    return POOLBUF_OK;
}

static poolbuf_status dump_to_buffer(poolbuf *to, const poolbuf *buffer, size_t index, size_t length, bool pretty) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status != POOLBUF_OK) {
        return status;
    }
    size_t size = size_of(length, pretty);
    poolbuf *held = pieces_hold_source(to, buffer, size);
    status = pieces_make_room(to, size);
    if (status == POOLBUF_OK) {
        sink end = {.to = to, .index = poolbuf_writer_index(to)};
        dump(buffer, index, length, pretty, &end);
        poolbuf_note_access_(to, true);
        handle_wrote(to, size);
    }
    if (held != NULL) {
        (void)poolbuf_release(held);
    }
    return status;
}

static poolbuf_status dump_to_stream(FILE *stream, const poolbuf *buffer, size_t index, size_t length, bool pretty) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status != POOLBUF_OK) {
        return status;
    }
    sink file = {.stream = stream};
    dump(buffer, index, length, pretty, &file);
    return file.failed ? POOLBUF_ERROR_SYSTEM : POOLBUF_OK;
}

poolbuf_status poolbuf_hex_dump(const poolbuf *buffer, size_t index, size_t length, char *text, size_t room) {
    return dump_to_array(buffer, index, length, false, text, room);
}

poolbuf_status poolbuf_pretty_hex_dump(const poolbuf *buffer, size_t index, size_t length, char *text, size_t room) {
    return dump_to_array(buffer, index, length, true, text, room);
}

poolbuf_status poolbuf_write_hex_dump(poolbuf *to, const poolbuf *buffer, size_t index, size_t length) {
    return dump_to_buffer(to, buffer, index, length, false);
}

poolbuf_status poolbuf_write_pretty_hex_dump(poolbuf *to, const poolbuf *buffer, size_t index, size_t length) {
    return dump_to_buffer(to, buffer, index, length, true);
}

poolbuf_status poolbuf_print_hex_dump(FILE *stream, const poolbuf *buffer, size_t index, size_t length) {
    return dump_to_stream(stream, buffer, index, length, false);
}

poolbuf_status poolbuf_print_pretty_hex_dump(FILE *stream, const poolbuf *buffer, size_t index, size_t length) {
    return dump_to_stream(stream, buffer, index, length, true);
}

/* ---- And back ---------------------------------------------------------------------------------------------------- */

/* 0 to 15, or more: no digit. */
static unsigned digit_of(char character) {
    unsigned decimal = (unsigned)(uint8_t)character - '0';
    unsigned letter = ((unsigned)(uint8_t)character | 0x20u) - 'a';
    return decimal <= 9 ? decimal : (letter <= 5 ? letter + 10 : 16);
}

static bool decode_byte(const char *text, uint8_t *byte) {
    unsigned high = digit_of(text[0]);
    unsigned low = digit_of(text[1]);
    *byte = (uint8_t)(high << 4 | low);
    return high < 16 && low < 16;
}

poolbuf_status poolbuf_decode_hex(poolbuf *to, const char *text, size_t length) {
    uint8_t bytes[ROW_BYTES];
    for (size_t i = 0; i + 1 < length; i += 2) {
        if (!decode_byte(text + i, bytes)) {
            return POOLBUF_ERROR_BAD_DATA;
        }
    }
    if (length % 2 != 0) {
        return POOLBUF_ERROR_BAD_DATA;
    }
    size_t size = length / 2;
    poolbuf_status status = pieces_make_room(to, size);
    if (status != POOLBUF_OK) {
        return status;
    }
    for (size_t done = 0, count = 0; done < size; done += count) {
        count = smaller(ROW_BYTES, size - done);
        for (size_t i = 0; i < count; i++) {
            (void)decode_byte(text + 2 * (done + i), &bytes[i]); /* benign: they have been looked at */
        }
        pieces_set(to, poolbuf_writer_index(to) + done, bytes, count);
    }
    poolbuf_note_access_(to, true);
    handle_wrote(to, size);
    return POOLBUF_OK;
}

/* How many bytes a row is of, and which; 0: it is no row. */
static size_t decode_row(const char *row, size_t offset, uint8_t *bytes) {
    size_t count = 0;
    while (count < ROW_BYTES && decode_byte(row + HEX_COLUMN + 3 * count + 1, &bytes[count])) {
        count++;
    }
    if (count == 0) {
        return 0;
    }
    char same[ROW_SIZE];
    format_row(same, offset, bytes, count);
    return memcmp(row, same, ROW_SIZE) == 0 ? count : 0;
}

/* The rows of a dump, without its frame and the newlines around it; false: it has none, or the frame is another. */
static bool find_rows(const char *text, size_t length, const char **rows, size_t *count) {
    if (length != 0 && text[0] == '\n') {
        text++;
        length--;
    }
    const size_t frame = HEAD_SIZE + ROW_SIZE;
    if (length + 1 < frame + ROW_SIZE) {
        return false;
    }
    length += text[length - 1] == '\n' ? 0 : 1; /* as if it were there; it is not looked at */
    *rows = text + HEAD_SIZE;
    *count = (length - frame) / ROW_SIZE;
    return (length - frame) % ROW_SIZE == 0 && memcmp(text, head, HEAD_SIZE) == 0 &&
           memcmp(text + length - ROW_SIZE, foot, ROW_SIZE - 1) == 0;
}

poolbuf_status poolbuf_decode_pretty_hex(poolbuf *to, const char *text, size_t length) {
    const char *rows = NULL;
    size_t count = 0;
    if (length != 0 && !find_rows(text, length, &rows, &count)) {
        return POOLBUF_ERROR_BAD_DATA;
    }
    uint8_t bytes[ROW_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size_t found = decode_row(rows + i * ROW_SIZE, i * ROW_BYTES, bytes);
        if (found == 0 || (found != ROW_BYTES && i + 1 != count)) {
            return POOLBUF_ERROR_BAD_DATA;
        }
        size += found;
    }
    poolbuf_status status = pieces_make_room(to, size);
    if (status != POOLBUF_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        size_t found = decode_row(rows + i * ROW_SIZE, i * ROW_BYTES, bytes);
        pieces_set(to, poolbuf_writer_index(to) + i * ROW_BYTES, bytes, found);
    }
    poolbuf_note_access_(to, true);
    handle_wrote(to, size);
    return POOLBUF_OK;
}
