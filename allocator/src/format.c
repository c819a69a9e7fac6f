/* Formatted text in buffers, and a line of text about one. */
#include <poolbuf/text.h>

#include <stdio.h>
#include <stdlib.h>

#include "buffer.h"
#include "handle.h"
#include "pieces.h"

/* ---- Into a buffer ----------------------------------------------------------------------------------------------- */

/* So long a text, its NUL included, is formatted on the stack and copied, which is cheaper than to format it twice. */
#define SHORT_FORMAT ((size_t)256)

/* Formats a text of a known length to where length + 1 bytes lie in one piece. The byte behind the text gets its value
 * back from under vsnprintf()'s NUL. */
POOLBUF_PRINTF_(3, 0)
static bool format_in_place(uint8_t *to, size_t length, const char *format, va_list arguments) {
    uint8_t behind = to[length];
    int printed = vsnprintf((char *)to, length + 1, format, arguments);
    to[length] = behind;
    return printed >= 0 && (size_t)printed == length;
}

/* Where that may be done: nobody else is about who could be reading the byte behind. */
static uint8_t *place_for(const poolbuf *buffer, size_t length) {
    const uint32_t shared =
        POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE | POOLBUF_FLAG_COMPOSITE | POOLBUF_FLAG_WRAPPED;
    uint64_t state = handle_state_get(buffer);
    return handle_count_of(state) == 1 && (handle_flags_of(state) & shared) == 0
               ? poolbuf_bytes_at(buffer, poolbuf_writer_index(buffer), length + 1)
               : NULL;
}

/* The same anywhere else: by way of memory of malloc's. */
POOLBUF_PRINTF_(3, 0)
static poolbuf_status format_aside(const poolbuf *buffer, size_t length, const char *format, va_list arguments) {
    uint8_t *text = malloc(length + 1);
    if (text == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    text[length] = 0;
    bool same = format_in_place(text, length, format, arguments);
    if (same) {
        pieces_set(buffer, poolbuf_writer_index(buffer), text, length);
    }
    free(text);
    return same ? POOLBUF_OK : POOLBUF_ERROR_BAD_DATA;
}

POOLBUF_PRINTF_(3, 0)
static poolbuf_status write_long(poolbuf *buffer, size_t length, const char *format, va_list arguments) {
    poolbuf_status status = pieces_make_room(buffer, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    uint8_t *place = place_for(buffer, length);
    if (place == NULL) {
        status = format_aside(buffer, length, format, arguments);
    } else if (!format_in_place(place, length, format, arguments)) {
        status = POOLBUF_ERROR_BAD_DATA;
    }
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, true);
        handle_wrote(buffer, length);
    }
    return status;
}

poolbuf_status poolbuf_write_format_list(poolbuf *buffer, const char *format, va_list arguments) {
    char text[SHORT_FORMAT];
    va_list again;
    va_copy(again, arguments);
    int printed = vsnprintf(text, sizeof text, format, arguments);
    poolbuf_status status = POOLBUF_ERROR_BAD_DATA;
    if (printed >= 0) {
        size_t length = (size_t)printed;
        status = length < sizeof text ? poolbuf_write_bytes(buffer, text, length)
                                      : write_long(buffer, length, format, again);
    }
    va_end(again);
    return status;
}

poolbuf_status poolbuf_write_format(poolbuf *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    poolbuf_status status = poolbuf_write_format_list(buffer, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- About a buffer ---------------------------------------------------------------------------------------------- */

static const char *shape_of(uint32_t flags) {
    if ((flags & POOLBUF_FLAG_DUPLICATE) != 0) {
        return " duplicate";
    }
    if ((flags & (POOLBUF_FLAG_SLICE | POOLBUF_FLAG_RETAINED_SLICE)) != 0) {
        return " slice";
    }
    return (flags & POOLBUF_FLAG_WRAPPED) != 0 ? " wrapped" : "";
}

size_t poolbuf_to_string(const poolbuf *buffer, char *text, size_t room) {
    if (handle_count_of(handle_state_get(buffer)) == 0) {
        return (size_t)snprintf(text, room, "poolbuf(dead)");
    }
    uint32_t flags = handle_flags_of(handle_state_get(buffer));
    char max[sizeof "/4294967295"] = "";
    if (buffer->max_capacity != POOLBUF_CAPACITY_LIMIT) {
        (void)snprintf(max, sizeof max, "/%u", buffer->max_capacity);
    }
    return (size_t)snprintf(text, room, "poolbuf(%s%s%s%s%s%s, ridx: %u, widx: %zu, cap: %zu%s)",
                            poolbuf_is_direct(buffer) ? "direct" : "heap",
                            (flags & POOLBUF_FLAG_COMPOSITE) != 0 ? " composite" : "", shape_of(flags),
                            (flags & POOLBUF_FLAG_READ_ONLY) != 0 ? ", read-only" : "",
                            (flags & POOLBUF_FLAG_UNRELEASABLE) != 0 ? ", unreleasable" : "",
                            (flags & POOLBUF_FLAG_HUGE) != 0 ? ", huge" : "", buffer->reader_index,
                            poolbuf_writer_index(buffer), poolbuf_capacity(buffer), max);
}
