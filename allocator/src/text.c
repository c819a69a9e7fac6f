/* Text in buffers: what transcode.c does, between buffers and the caller's arrays.
 *
 * Every call counts first, which also finds what is to be refused, checks the room, and writes last. */
#include <poolbuf/text.h>

#include <string.h>

#include "buffer.h"
#include "handle.h"
#include "pieces.h"
#include "transcode.h"

static poolbuf_status check_choices(poolbuf_text encoding, poolbuf_text_policy policy) {
    /* Through unsigned: a caller's enumeration may hold anything. */
    return (unsigned)encoding < POOLBUF_TEXT_COUNT && (unsigned)policy <= POOLBUF_TEXT_REPLACE
               ? POOLBUF_OK
               : POOLBUF_ERROR_BAD_ARGUMENT;
}

/* How many bytes a source takes in an encoding. */
static poolbuf_status count_bytes(transcode_source source, poolbuf_text encoding, poolbuf_text_policy policy,
                                  size_t *size) {
    poolbuf_status status = check_choices(encoding, policy);
    if (status != POOLBUF_OK) {
        return status;
    }
    transcode_sink sink = transcode_to_nowhere(encoding);
    status = transcode(source, &sink, policy);
    if (status == POOLBUF_OK) {
        *size = sink.count;
    }
    return status;
}

/* ---- Into buffers ------------------------------------------------------------------------------------------------ */

static void put(const poolbuf *buffer, size_t index, size_t size, transcode_source source, poolbuf_text encoding,
                poolbuf_text_policy policy) {
    transcode_sink sink = transcode_to_buffer(encoding, buffer, index, size);
    (void)transcode(source, &sink, policy); /* benign: it has been counted, so nothing is left to refuse */
    poolbuf_note_access_(buffer, true);
}

static poolbuf_status write_source(poolbuf *buffer, transcode_source source, poolbuf_text encoding,
                                   poolbuf_text_policy policy) {
    size_t size = 0;
    poolbuf_status status = count_bytes(source, encoding, policy, &size);
    if (status == POOLBUF_OK) {
        status = pieces_make_room(buffer, size);
    }
    if (status == POOLBUF_OK) {
        put(buffer, poolbuf_writer_index(buffer), size, source, encoding, policy);
        handle_wrote(buffer, size);
    }
    return status;
}

static poolbuf_status set_source(const poolbuf *buffer, size_t index, transcode_source source, poolbuf_text encoding,
                                 poolbuf_text_policy policy, size_t *size_out) {
    size_t size = 0;
    poolbuf_status status = count_bytes(source, encoding, policy, &size);
    if (status == POOLBUF_OK) {
        status = pieces_check(buffer, index, size, true);
    }
    if (status != POOLBUF_OK) {
        return status;
    }
    put(buffer, index, size, source, encoding, policy);
    if (size_out != NULL) {
        *size_out = size;
    }
    return POOLBUF_OK;
}

poolbuf_status poolbuf_write_text(poolbuf *buffer, const char *text, size_t length, poolbuf_text encoding,
                                  poolbuf_text_policy policy) {
    return write_source(buffer, transcode_from_memory(POOLBUF_TEXT_UTF8, text, length), encoding, policy);
}

poolbuf_status poolbuf_set_text(poolbuf *buffer, size_t index, const char *text, size_t length, poolbuf_text encoding,
                                poolbuf_text_policy policy, size_t *size) {
    return set_source(buffer, index, transcode_from_memory(POOLBUF_TEXT_UTF8, text, length), encoding, policy, size);
}

poolbuf_status poolbuf_text_size(const char *text, size_t length, poolbuf_text encoding, poolbuf_text_policy policy,
                                 size_t *size) {
    return count_bytes(transcode_from_memory(POOLBUF_TEXT_UTF8, text, length), encoding, policy, size);
}

static transcode_source from_units(const char16_t *units, size_t count) {
    return transcode_from_memory(TRANSCODE_UTF16_NATIVE, units, count * sizeof *units);
}

poolbuf_status poolbuf_write_utf16_as_utf8(poolbuf *buffer, const char16_t *units, size_t count,
                                           poolbuf_text_policy policy) {
    return write_source(buffer, from_units(units, count), POOLBUF_TEXT_UTF8, policy);
}

poolbuf_status poolbuf_set_utf16_as_utf8(poolbuf *buffer, size_t index, const char16_t *units, size_t count,
                                         poolbuf_text_policy policy, size_t *size) {
    return set_source(buffer, index, from_units(units, count), POOLBUF_TEXT_UTF8, policy, size);
}

poolbuf_status poolbuf_utf8_size_of_utf16(const char16_t *units, size_t count, poolbuf_text_policy policy,
                                          size_t *size) {
    return count_bytes(from_units(units, count), POOLBUF_TEXT_UTF8, policy, size);
}

/* ---- Out of buffers ---------------------------------------------------------------------------------------------- */

/* A checked range into an array of room bytes, of which tail stay free at the end of the text. */
static poolbuf_status take(const poolbuf *buffer, size_t index, size_t length, poolbuf_text from, poolbuf_text to,
                           poolbuf_text_policy policy, void *array, size_t room, size_t tail, size_t *size_out) {
    poolbuf_status status = check_choices(from, policy);
    if (status != POOLBUF_OK) {
        return status;
    }
    transcode_source source = transcode_from_buffer(from, buffer, index, length);
    size_t size = 0;
    status = count_bytes(source, to, policy, &size);
    if (status != POOLBUF_OK) {
        return status;
    }
    if (room < tail || size > room - tail) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    transcode_sink sink = transcode_to_memory(to, array);
    (void)transcode(source, &sink, policy); /* benign: it has been counted, so nothing is left to refuse */
    poolbuf_note_access_(buffer, false);
    *size_out = size;
    return POOLBUF_OK;
}

static poolbuf_status take_text(const poolbuf *buffer, size_t index, size_t length, poolbuf_text encoding,
                                poolbuf_text_policy policy, char *text, size_t room, size_t *text_length) {
    size_t size = 0;
    poolbuf_status status =
        take(buffer, index, length, encoding, POOLBUF_TEXT_UTF8, policy, text, room, sizeof(char), &size);
    if (status != POOLBUF_OK) {
        return status;
    }
    text[size] = '\0';
    if (text_length != NULL) {
        *text_length = size;
    }
    return POOLBUF_OK;
}

poolbuf_status poolbuf_get_text(const poolbuf *buffer, size_t index, size_t length, poolbuf_text encoding,
                                poolbuf_text_policy policy, char *text, size_t room, size_t *text_length) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    return status == POOLBUF_OK ? take_text(buffer, index, length, encoding, policy, text, room, text_length) : status;
}

poolbuf_status poolbuf_read_text(poolbuf *buffer, size_t length, poolbuf_text encoding, poolbuf_text_policy policy,
                                 char *text, size_t room, size_t *text_length) {
    poolbuf_status status = pieces_check_read(buffer, length);
    if (status == POOLBUF_OK) {
        status = take_text(buffer, buffer->reader_index, length, encoding, policy, text, room, text_length);
    }
    if (status == POOLBUF_OK) {
        handle_read(buffer, length);
    }
    return status;
}

static poolbuf_status take_units(const poolbuf *buffer, size_t index, size_t length, poolbuf_text_policy policy,
                                 char16_t *units, size_t room, size_t *count) {
    size_t size = 0;
    size_t bytes = room <= SIZE_MAX / sizeof *units ? room * sizeof *units : SIZE_MAX;
    poolbuf_status status =
        take(buffer, index, length, POOLBUF_TEXT_UTF8, TRANSCODE_UTF16_NATIVE, policy, units, bytes, 0, &size);
    if (status == POOLBUF_OK) {
        *count = size / sizeof *units;
    }
    return status;
}

poolbuf_status poolbuf_get_utf8_as_utf16(const poolbuf *buffer, size_t index, size_t length, poolbuf_text_policy policy,
                                         char16_t *units, size_t room, size_t *count) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    return status == POOLBUF_OK ? take_units(buffer, index, length, policy, units, room, count) : status;
}

poolbuf_status poolbuf_read_utf8_as_utf16(poolbuf *buffer, size_t length, poolbuf_text_policy policy, char16_t *units,
                                          size_t room, size_t *count) {
    poolbuf_status status = pieces_check_read(buffer, length);
    if (status == POOLBUF_OK) {
        status = take_units(buffer, buffer->reader_index, length, policy, units, room, count);
    }
    if (status == POOLBUF_OK) {
        handle_read(buffer, length);
    }
    return status;
}

poolbuf_status poolbuf_check_text(const poolbuf *buffer, size_t index, size_t length, poolbuf_text encoding) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status == POOLBUF_OK) {
        status = check_choices(encoding, POOLBUF_TEXT_REFUSE);
    }
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf_note_access_(buffer, false);
    size_t size = 0;
    return count_bytes(transcode_from_buffer(encoding, buffer, index, length), POOLBUF_TEXT_UTF8, POOLBUF_TEXT_REFUSE,
                       &size);
}

/* ---- C strings --------------------------------------------------------------------------------------------------- */

poolbuf_status poolbuf_get_string(const poolbuf *buffer, size_t index, size_t length, char *text, size_t room) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status != POOLBUF_OK) {
        return status;
    }
    if (length >= room) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    poolbuf_note_access_(buffer, false);
    pieces_get(buffer, index, text, length);
    text[length] = '\0';
    return POOLBUF_OK;
}

poolbuf_status poolbuf_read_string(poolbuf *buffer, size_t length, char *text, size_t room) {
    poolbuf_status status = pieces_check_read(buffer, length);
    if (status == POOLBUF_OK) {
        status = poolbuf_get_string(buffer, buffer->reader_index, length, text, room);
    }
    if (status == POOLBUF_OK) {
        handle_read(buffer, length);
    }
    return status;
}
