/* A plain model of buffers: reading and writing. */
#include "buffers_model.h"

#include <string.h>
#include <sys/uio.h>

#define TRANSFER_MAX 8192u /* bytes of one call; a few are longer */
#define PIECES_MAX   4u

typedef enum access {
    ACCESS_GET,
    ACCESS_SET,
    ACCESS_READ,
    ACCESS_WRITE,
    ACCESS_COUNT
} access;

/* A call that is to be made: where, how much, and what is wrong with it. */
typedef struct call {
    model_buffer *buffer;
    access how;
    size_t index, length;
    size_t capacity; /* afterwards */
    model_wrongs wrongs;
} call;

static bool writes(const call *made) {
    return made->how == ACCESS_SET || made->how == ACCESS_WRITE;
}

/* As the length, and for get and set the index, are given. */
static void check(model *self, call *made) {
    model_buffer *buffer = made->buffer;
    made->capacity = buffer->capacity;
    if (made->how == ACCESS_READ) {
        size_t readable = buffer->writer - buffer->reader;
        made->index = buffer->reader;
        made->wrongs =
            made->length > readable ? WRONG(OUT_OF_BOUNDS) : model_check(buffer, made->index, made->length, false);
    } else if (made->how == ACCESS_WRITE) {
        size_t there = buffer->capacity - buffer->writer;
        made->index = buffer->writer;
        made->wrongs = model_check_room(self, buffer, made->length, &made->capacity) |
                       model_check(buffer, made->index, made->length < there ? made->length : there, true);
    } else {
        made->wrongs = model_check(buffer, made->index, made->length, made->how == ACCESS_SET);
    }
}

/* How much there is to get, read or set; to write, a little more than fits without growing. */
static size_t length_limit(const call *made) {
    const model_buffer *buffer = made->buffer;
    switch (made->how) {
    case ACCESS_READ:
        return buffer->writer - buffer->reader;
    case ACCESS_WRITE:
        return buffer->max - buffer->writer < TRANSFER_MAX ? buffer->max - buffer->writer : TRANSFER_MAX;
    default:
        return made->index < buffer->capacity ? buffer->capacity - made->index : 0;
    }
}

static call some_call(model *self) {
    call made = {.buffer = model_some(self), .how = (access)model_below(self, ACCESS_COUNT)};
    made.index = model_some_index(self, made.buffer->capacity);
    made.length = model_some_length(self, length_limit(&made));
    check(self, &made);
    return made;
}

/* Whether the call has done something; then the model follows it. bytes: what was written. */
static bool follow(model *self, const call *made, poolbuf_status status, const uint8_t *bytes) {
    model_buffer *buffer = made->buffer;
    model_wrongs wrongs = made->wrongs;
    if (made->length == 0 && wrongs == WRONG(READ_ONLY)) {
        wrongs = status == POOLBUF_OK ? 0 : wrongs; /* no byte is written: both are right */
    }
    if (!model_expect(self, status, wrongs, made->capacity != buffer->capacity)) {
        model_look(self, buffer, false);
        return false;
    }
    if (made->how == ACCESS_WRITE) {
        model_resized(self, buffer, made->capacity, buffer->writer + made->length);
    }
    if (writes(made)) {
        model_put(buffer, made->index, bytes, made->length);
    }
    buffer->reader += made->how == ACCESS_READ ? made->length : 0;
    buffer->writer += made->how == ACCESS_WRITE ? made->length : 0;
    model_look(self, buffer, false);
    return made->length != 0;
}

static void some_bytes(model *self, uint8_t *bytes, size_t length) {
    uint32_t state = model_below(self, 256) + 1;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static bool is_there(const call *made, const uint8_t *bytes, size_t length) {
    model_piece piece = {0};
    bool there = true;
    for (size_t done = 0; there && done < length; done += piece.length) {
        MODEL_EXPECT(model_find(made->buffer, made->index + done, length - done, &piece));
        there = memcmp(piece.bytes, bytes + done, piece.length) == 0;
    }
    return there;
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------- */

static uint8_t bytes_of_call[4 * MODEL_LARGEST];

bool model_bytes(model *self) {
    call made = some_call(self);
    poolbuf *real = made.buffer->real;
    poolbuf_status status = POOLBUF_OK;
    if (made.wrongs == 0 && made.length > sizeof bytes_of_call) {
        return false;
    }
    if (writes(&made)) {
        some_bytes(self, bytes_of_call, made.wrongs == 0 ? made.length : 0);
    }
    switch (made.how) {
    case ACCESS_GET:
        status = poolbuf_get_bytes(real, made.index, bytes_of_call, made.length);
        break;
    case ACCESS_SET:
        status = poolbuf_set_bytes(real, made.index, bytes_of_call, made.length);
        break;
    case ACCESS_READ:
        status = poolbuf_read_bytes(real, bytes_of_call, made.length);
        break;
    default:
        status = poolbuf_write_bytes(real, bytes_of_call, made.length);
        break;
    }
    bool done = follow(self, &made, status, bytes_of_call);
    MODEL_EXPECT(writes(&made) || !done || is_there(&made, bytes_of_call, made.length));
    return done;
}

bool model_zero(model *self) {
    call made = some_call(self);
    if (!writes(&made) || (made.wrongs == 0 && made.length > sizeof bytes_of_call)) {
        return false;
    }
    poolbuf_status status = made.how == ACCESS_SET ? poolbuf_set_zero(made.buffer->real, made.index, made.length)
                                                   : poolbuf_write_zero(made.buffer->real, made.length);
    memset(bytes_of_call, 0, made.wrongs == 0 ? made.length : 0);
    return follow(self, &made, status, bytes_of_call);
}

/* ---- In pieces --------------------------------------------------------------------------------------------------- */

/* Cuts so many bytes into pieces, some without any. */
static size_t cut(model *self, struct iovec *pieces, size_t length) {
    size_t count = model_below(self, PIECES_MAX);
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        size_t run = model_below(self, (uint32_t)(length - done + 1));
        pieces[i] = (struct iovec){run != 0 ? bytes_of_call + done : NULL, run};
        done += run;
    }
    pieces[count] = (struct iovec){bytes_of_call + done, length - done};
    return count + 1;
}

static poolbuf_status call_iovec(const call *made, const struct iovec *pieces, size_t count) {
    poolbuf *real = made->buffer->real;
    switch (made->how) {
    case ACCESS_GET:
        return poolbuf_get_iovec(real, made->index, pieces, count);
    case ACCESS_SET:
        return poolbuf_set_iovec(real, made->index, pieces, count);
    case ACCESS_READ:
        return poolbuf_read_iovec(real, pieces, count);
    default:
        return poolbuf_write_iovec(real, pieces, count);
    }
}

bool model_iovec(model *self) {
    struct iovec pieces[PIECES_MAX + 1];
    size_t count = 0;
    call made = some_call(self);
    if (made.length > sizeof bytes_of_call) { /* a list that names too much, and of which nothing may be touched */
        pieces[0] = (struct iovec){bytes_of_call, POOLBUF_CAPACITY_LIMIT};
        pieces[1] = (struct iovec){bytes_of_call, model_below(self, 2) != 0 ? 1 : SIZE_MAX};
        made.wrongs |= WRONG(BAD_ARGUMENT);
        count = 2;
    } else if (made.length != 0 || model_below(self, 2) != 0) {
        some_bytes(self, bytes_of_call, writes(&made) && made.wrongs == 0 ? made.length : 0);
        count = cut(self, pieces, made.length);
    }
    poolbuf_status status = call_iovec(&made, count != 0 ? pieces : NULL, count);
    bool done = follow(self, &made, status, bytes_of_call);
    MODEL_EXPECT(writes(&made) || !done || is_there(&made, bytes_of_call, made.length));
    return done;
}

/* ---- From buffer to buffer --------------------------------------------------------------------------------------- */

/* Both sides at once; a growth that a failing system stops in the middle is allowed to show, so it is not tried. */
bool model_transfer(model *self) {
    bool moves = model_below(self, 2) != 0;
    bool reversed = model_below(self, 2) != 0; /* the call is made on the source */
    call from = {.buffer = model_some(self), .how = moves ? ACCESS_READ : ACCESS_GET};
    call to = {.buffer = model_below(self, 4) != 0 ? model_some(self) : from.buffer,
               .how = moves ? ACCESS_WRITE : ACCESS_SET};
    from.index = model_some_index(self, from.buffer->capacity);
    to.index = model_some_index(self, to.buffer->capacity);
    size_t limit = length_limit(&from) < length_limit(&to) ? length_limit(&from) : length_limit(&to);
    from.length = model_some_length(self, limit);
    to.length = from.length;
    check(self, &from);
    check(self, &to);
    to.wrongs |= from.wrongs;
    /* A composite that grows may let its components go, so one that is only lent is no source. */
    if (self->fault_left != 0 || (model_counted(from.buffer)->held == 0 && from.buffer != &self->empty) ||
        (to.wrongs == 0 && to.length > sizeof bytes_of_call)) {
        return false;
    }
    if (to.wrongs == 0) {
        model_take(from.buffer, from.index, bytes_of_call, from.length);
    }
    poolbuf_status status =
        moves ? (reversed ? poolbuf_read_buffer(from.buffer->real, to.buffer->real, to.length)
                          : poolbuf_write_buffer(to.buffer->real, from.buffer->real, to.length))
              : (reversed ? poolbuf_get_buffer(from.buffer->real, from.index, to.buffer->real, to.index, to.length)
                          : poolbuf_set_buffer(to.buffer->real, to.index, from.buffer->real, from.index, to.length));
    from.buffer->reader += moves && status == POOLBUF_OK ? from.length : 0;
    bool done = follow(self, &to, status, bytes_of_call);
    model_look(self, from.buffer, false);
    return done;
}

/* ---- Copies ------------------------------------------------------------------------------------------------------ */

static bool copied(model *self, poolbuf *real, const call *made) {
    const model_buffer *buffer = made->buffer;
    size_t max = buffer->max > made->length ? buffer->max : made->length;
    model_buffer *copy = model_add_block(self, real, made->length, max, buffer->direct, 1);
    copy->writer = made->length;
    model_take(made->buffer, made->index, copy->bytes, made->length);
    model_look(self, copy, true);
    return made->length != 0;
}

/* What a retained slice would keep alive. */
static size_t pinned_by_slice(const call *made) {
    model_piece piece = {0};
    size_t bytes = 0;
    if (!model_in_pieces(made->buffer)) {
        return model_pinned(made->buffer);
    }
    for (size_t done = 0; done < made->length; done += piece.length) {
        MODEL_EXPECT(model_find(made->buffer, made->index + done, made->length - done, &piece));
        bytes += model_pinned(piece.leaf);
    }
    return bytes;
}

static bool copied_or_shared(model *self, poolbuf *real, const call *made) {
    if (made->length > POOLBUF_COPY_BREAK_EVEN && pinned_by_slice(made) / POOLBUF_COPY_PINNED_FACTOR <= made->length) {
        model_look(self, model_add_retained(self, real, made->buffer, made->index, made->length, 1), true);
        return true;
    }
    return copied(self, real, made);
}

bool model_copy(model *self) {
    uint32_t which = model_below(self, 3);
    call made = {.buffer = model_some(self), .how = which == 0 ? ACCESS_READ : ACCESS_GET};
    made.index = model_some_index(self, made.buffer->capacity);
    made.length = model_some_length(self, length_limit(&made));
    check(self, &made);
    if (which == 2 && made.buffer->unreleasable && made.length > POOLBUF_COPY_BREAK_EVEN) {
        return false; /* like a slice, it may show a range that is not there any more */
    }
    if (model_is_full(self) || (made.buffer == &self->empty && made.wrongs == 0) ||
        model_leaves(made.buffer) > MODEL_LEAVES || (which == 2 && self->fault_left != 0)) {
        return false;
    }
    poolbuf *real = which == 0   ? poolbuf_read_copy(made.buffer->real, made.length)
                    : which == 1 ? poolbuf_copy(made.buffer->real, made.index, made.length)
                                 : poolbuf_copy_if_small(made.buffer->real, made.index, made.length);
    if (!model_expect_result(self, real, made.wrongs == 0, true)) {
        model_look(self, made.buffer, false);
        return false;
    }
    made.buffer->reader += which == 0 ? made.length : 0;
    bool done = which == 2 ? copied_or_shared(self, real, &made) : copied(self, real, &made);
    model_look(self, made.buffer, false);
    return done;
}

bool model_bytes_at(model *self) {
    call made = {.buffer = model_some(self), .how = ACCESS_GET};
    made.index = model_some_index(self, made.buffer->capacity);
    made.length = model_some_length(self, length_limit(&made));
    check(self, &made);
    model_piece piece = {0};
    const uint8_t *bytes = poolbuf_bytes_at(made.buffer->real, made.index, made.length);
    if (made.wrongs != 0) {
        MODEL_EXPECT(bytes == NULL);
        return false;
    }
    if (made.length == 0 || !model_find(made.buffer, made.index, made.length, &piece)) {
        return false;
    }
    MODEL_EXPECT((bytes != NULL) == (piece.length == made.length));
    if (bytes != NULL) {
        MODEL_EXPECT(bytes == poolbuf_memory(piece.leaf->real) + piece.leaf_index);
        MODEL_EXPECT(is_there(&made, bytes, made.length));
    }
    return bytes != NULL;
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

/* What a caller's number is in 64 bits, and back. */
typedef struct number {
    uint32_t width; /* bytes */
    bool little, with_sign;
    poolbuf_status (*write)(poolbuf *buffer, uint64_t bits);
    poolbuf_status (*read)(poolbuf *buffer, uint64_t *bits);
    poolbuf_status (*set)(poolbuf *buffer, size_t index, uint64_t bits);
    poolbuf_status (*get)(const poolbuf *buffer, size_t index, uint64_t *bits);
} number;

#define TO_INTEGER(T, bits) T value = (T)(bits)
#define FROM_INTEGER(bits)  *(bits) = (uint64_t)value
#define TO_FLOATING(T, bits)                                                                                           \
    T value = 0;                                                                                                       \
    memcpy(&value, &(bits), sizeof value)
#define FROM_FLOATING(bits)                                                                                            \
    *(bits) = 0;                                                                                                       \
    memcpy(bits, &value, sizeof value)

/* NOLINTBEGIN(bugprone-macro-parentheses): types take none */
#define NUMBER(name, T, to, from)                                                                                      \
    static poolbuf_status write_##name(poolbuf *buffer, uint64_t bits) {                                               \
        to(T, bits);                                                                                                   \
        return poolbuf_write_##name(buffer, value);                                                                    \
    }                                                                                                                  \
    static poolbuf_status set_##name(poolbuf *buffer, size_t index, uint64_t bits) {                                   \
        to(T, bits);                                                                                                   \
        return poolbuf_set_##name(buffer, index, value);                                                               \
    }                                                                                                                  \
    static poolbuf_status read_##name(poolbuf *buffer, uint64_t *bits) {                                               \
        T value = 0;                                                                                                   \
        poolbuf_status status = poolbuf_read_##name(buffer, &value);                                                   \
        from(bits);                                                                                                    \
        return status;                                                                                                 \
    }                                                                                                                  \
    static poolbuf_status get_##name(const poolbuf *buffer, size_t index, uint64_t *bits) {                            \
        T value = 0;                                                                                                   \
        poolbuf_status status = poolbuf_get_##name(buffer, index, &value);                                             \
        from(bits);                                                                                                    \
        return status;                                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

NUMBER(bool, bool, TO_INTEGER, FROM_INTEGER)
NUMBER(u8, uint8_t, TO_INTEGER, FROM_INTEGER)
NUMBER(i8, int8_t, TO_INTEGER, FROM_INTEGER)

#define NUMBER_IN_BOTH_ORDERS(name, T, to, from)                                                                       \
    NUMBER(name##_be, T, to, from)                                                                                     \
    NUMBER(name##_le, T, to, from)

NUMBER_IN_BOTH_ORDERS(u16, uint16_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(i16, int16_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(u24, uint32_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(i24, int32_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(u32, uint32_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(i32, int32_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(u64, uint64_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(i64, int64_t, TO_INTEGER, FROM_INTEGER)
NUMBER_IN_BOTH_ORDERS(float, float, TO_FLOATING, FROM_FLOATING)
NUMBER_IN_BOTH_ORDERS(double, double, TO_FLOATING, FROM_FLOATING)

#define ROW(name, width, little, with_sign)                                                                            \
    { width, little, with_sign, write_##name, read_##name, set_##name, get_##name }
#define ROWS(name, width, with_sign) ROW(name##_be, width, false, with_sign), ROW(name##_le, width, true, with_sign)

static const number NUMBERS[] = {
    ROW(bool, 1, false, false), ROW(u8, 1, false, false), ROW(i8, 1, false, true), ROWS(u16, 2, false),
    ROWS(i16, 2, true),         ROWS(u24, 3, false),      ROWS(i24, 3, true),      ROWS(u32, 4, false),
    ROWS(i32, 4, true),         ROWS(u64, 8, false),      ROWS(i64, 8, true),      ROWS(float, 4, false),
    ROWS(double, 8, false),
};

/* A sign is what is above the number's own bits as well. */
static uint64_t number_of(const number *kind, const uint8_t *bytes) {
    uint8_t highest = bytes[kind->little ? kind->width - 1 : 0];
    uint64_t bits = kind->with_sign && (highest & 0x80) != 0 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < kind->width; i++) {
        bits = bits << 8 | bytes[kind->little ? kind->width - 1 - i : i];
    }
    return kind->get == get_bool && bits != 0 ? 1 : bits;
}

static void bytes_of_number(const number *kind, uint64_t bits, uint8_t *bytes) {
    bits = kind->get == get_bool && bits != 0 ? 1 : bits;
    for (uint32_t i = 0; i < kind->width; i++) {
        bytes[kind->little ? i : kind->width - 1 - i] = (uint8_t)(bits >> 8 * i);
    }
}

bool model_number(model *self) {
    const number *kind = &NUMBERS[model_below(self, sizeof NUMBERS / sizeof NUMBERS[0])];
    call made = {.buffer = model_some(self), .how = (access)model_below(self, ACCESS_COUNT), .length = kind->width};
    size_t capacity = made.buffer->capacity;
    made.index = model_some_index(self, capacity >= kind->width ? capacity - kind->width + 1 : capacity);
    check(self, &made);
    uint8_t bytes[8] = {0};
    uint64_t bits = 0;
    if (writes(&made)) {
        some_bytes(self, bytes, sizeof bytes);
        memcpy(&bits, bytes, sizeof bits);
        bits = model_below(self, 8) == 0 ? 0 : bits;
        bytes_of_number(kind, bits, bytes);
    } else if (made.wrongs == 0) {
        model_take(made.buffer, made.index, bytes, kind->width);
    }
    poolbuf *real = made.buffer->real;
    poolbuf_status status = made.how == ACCESS_GET    ? kind->get(real, made.index, &bits)
                            : made.how == ACCESS_SET  ? kind->set(real, made.index, bits)
                            : made.how == ACCESS_READ ? kind->read(real, &bits)
                                                      : kind->write(real, bits);
    bool done = follow(self, &made, status, bytes);
    MODEL_EXPECT(writes(&made) || bits == (done ? number_of(kind, bytes) : 0));
    return done;
}
