/* A plain model of buffers: how they come and go, their capacity, indices and views; and the loop that chooses among
 * all calls. */
#include <stdlib.h>
#include <string.h>

#include "buffers_model.h"
#include "os/os.h"

/* ---- Buffers come ------------------------------------------------------------------------------------------------ */

static size_t some_size(const model *self) {
    switch (model_below(self, 32)) {
    case 0:
        return model_below(self, MODEL_HUGE);
    case 1:
        return 0;
    case 2:
    case 3:
    case 4:
        return model_below(self, MODEL_LARGEST);
    case 5:
    case 6:
    case 7:
    case 8:
        return model_below(self, 4096);
    default:
        return 1 + model_below(self, 128);
    }
}

static size_t some_max(const model *self, size_t size) {
    switch (model_below(self, 4)) {
    case 0:
        return size;
    case 1:
        return SIZE_MAX - model_below(self, 3);
    default:
        return size * (1 + model_below(self, 8)) + model_below(self, 100);
    }
}

static bool allocate(model *self) {
    size_t size = some_size(self);
    size_t max = some_max(self, size);
    uint32_t how = model_below(self, 4);
    bool good = model_below(self, 32) != 0;
    if (model_is_full(self)) {
        return false;
    }
    if (!good) {
        max = max < POOLBUF_CAPACITY_LIMIT ? max : POOLBUF_CAPACITY_LIMIT;
        size = max + 1;
    }
    poolbuf *real = how == 0   ? poolbuf_allocate_direct(self->allocator, size, max)
                    : how == 1 ? poolbuf_allocate_heap(self->allocator, size, max)
                    : how == 2 ? poolbuf_allocate_unpooled(self->allocator, size, max)
                               : poolbuf_allocate(self->allocator, size, max);
    if (!model_expect_result(self, real, good, true)) {
        return false;
    }
    bool direct = how == 3 ? self->options.prefer_direct : how == 0;
    model_buffer *buffer = model_add_block(self, real, size, max, direct, 1);
    buffer->unpooled = how == 2;
    buffer->usable = how == 2 ? size : buffer->usable;
    model_fill(self, buffer, 0, size);
    if (model_below(self, 4) != 0) {
        buffer->writer = model_below(self, (uint32_t)size + 1);
        MODEL_EXPECT(poolbuf_set_writer_index(buffer->real, buffer->writer) == POOLBUF_OK);
    }
    model_look(self, buffer, true);
    return true;
}

static bool allocate_copy(model *self) {
    static uint8_t bytes[4096];
    size_t length = model_below(self, sizeof bytes + 1);
    memset(bytes, (int)model_below(self, 256), length);
    if (model_is_full(self)) {
        return false;
    }
    poolbuf *real = poolbuf_allocate_copy(self->allocator, length != 0 ? bytes : NULL, length);
    if (!model_expect_result(self, real, true, true)) {
        return false;
    }
    model_buffer *buffer = model_add_block(self, real, length, POOLBUF_CAPACITY_LIMIT, self->options.prefer_direct, 1);
    memcpy(buffer->bytes, bytes, length);
    buffer->writer = length;
    model_look(self, buffer, true);
    return true;
}

static void memory_done(void *memory, size_t length, void *context) {
    model_memory *wrapped = context;
    MODEL_EXPECT(wrapped->told == 0);
    MODEL_EXPECT(memory == wrapped->bytes);
    MODEL_EXPECT(length == wrapped->length);
    wrapped->told++;
}

static void *or_abort(void *block) {
    if (block == NULL) {
        abort();
    }
    return block;
}

static bool wrap(model *self) {
    size_t length = model_below(self, 1 + (model_below(self, 4) == 0 ? 4096 : 128));
    bool read_only = model_below(self, 2) != 0;
    uint8_t value = (uint8_t)model_below(self, 256);
    if (model_is_full(self)) {
        return false;
    }
    model_memory *wrapped = or_abort(calloc(1, sizeof *wrapped));
    wrapped->bytes = or_abort(malloc(length + 1)); /* not NULL, with no bytes too */
    wrapped->length = length;
    wrapped->wants_to_know = model_below(self, 4) != 0;
    for (size_t i = 0; i < length; i++) {
        wrapped->bytes[i] = (uint8_t)(value + i * 7);
    }
    poolbuf_wrap_release *done = wrapped->wants_to_know ? memory_done : NULL;
    MODEL_EXPECT(poolbuf_wrap(self->allocator, wrapped->bytes, POOLBUF_CAPACITY_LIMIT + 1, done, wrapped) == NULL);
    poolbuf *real = read_only ? poolbuf_wrap_read_only(self->allocator, wrapped->bytes, length, done, wrapped)
                              : poolbuf_wrap(self->allocator, wrapped->bytes, length, done, wrapped);
    if (!model_expect_result(self, real, true, true)) {
        MODEL_EXPECT(wrapped->told == 0);
        free(wrapped->bytes);
        free(wrapped);
        return false;
    }
    model_buffer *buffer = model_add_block(self, real, length, length, false, 1);
    buffer->wrapped = wrapped;
    buffer->usable = length;
    buffer->read_only = read_only;
    buffer->writer = length;
    memcpy(buffer->bytes, wrapped->bytes, length);
    model_look(self, buffer, true);
    return true;
}

/* ---- References -------------------------------------------------------------------------------------------------- */

static bool retain(model *self) {
    model_buffer *buffer = model_some(self);
    model_buffer *counted = model_counted(buffer);
    uint32_t more = model_below(self, 4);
    if (counted->held > 64) {
        return false;
    }
    MODEL_EXPECT((more == 1 ? poolbuf_retain(buffer->real) : poolbuf_retain_n(buffer->real, more)) == buffer->real);
    if (!buffer->unreleasable) {
        counted->count += more;
        counted->held += more;
    }
    model_look(self, buffer, false);
    return more != 0 && !buffer->unreleasable;
}

static void release_of(model *self, model_buffer *buffer, uint32_t count) {
    bool last = !buffer->unreleasable && count != 0 && model_counted(buffer)->count == count;
    bool said = count == 1 ? poolbuf_release(buffer->real) : poolbuf_release_n(buffer->real, count);
    MODEL_EXPECT(said == last);
    if (count != 0) {
        model_drop(self, buffer, count, true);
    }
}

static bool release(model *self) {
    model_buffer *buffer = model_some(self);
    uint32_t count = model_below(self, 4);
    uint32_t held = model_counted(buffer)->held;
    if (!buffer->unreleasable && count > held) {
        return false;
    }
    bool releases = count != 0 && !buffer->unreleasable;
    release_of(self, buffer, count);
    return releases;
}

/* One of all that the test has a reference to. */
static bool release_one(model *self) {
    size_t first = model_below(self, 256);
    for (size_t i = 0; i < self->count; i++) {
        model_buffer *buffer = self->buffers[(first + i) % self->count];
        if (buffer->held != 0) {
            release_of(self, buffer, buffer->held);
            return true;
        }
    }
    return false;
}

/* ---- Capacity ---------------------------------------------------------------------------------------------------- */

/* The end of the furthest slice of a buffer: to cut it off would leave bytes undefined. Composites have no such bytes.
 * */
static size_t end_of_slices(const model *self, const model_buffer *buffer) {
    size_t end = 0;
    for (size_t i = 0; i < self->count && buffer->shape == SHAPE_BLOCK; i++) {
        const model_buffer *view = self->buffers[i];
        if (view->of == buffer && !view->follows && view->offset + view->capacity > end) {
            end = view->offset + view->capacity;
        }
    }
    return end;
}

static bool set_capacity(model *self) {
    model_buffer *buffer = model_some(self);
    const model_buffer *target = model_resizable(buffer);
    size_t capacity = model_below(self, 4) == 0 ? some_size(self) : model_some_index(self, buffer->capacity);
    if ((capacity > buffer->capacity && capacity <= buffer->max && model_is_full(self)) ||
        (capacity > MODEL_HUGE && capacity <= buffer->max) ||
        (target != NULL && capacity < end_of_slices(self, target))) {
        return false;
    }
    model_wrongs wrongs = model_check_capacity(self, buffer, capacity);
    bool changes = capacity != buffer->capacity;
    if (!model_expect(self, poolbuf_set_capacity(buffer->real, capacity), wrongs, true)) {
        model_look(self, buffer, false);
        return false;
    }
    model_resized(self, buffer, capacity, 0);
    model_look(self, buffer, true);
    return changes;
}

static size_t some_room(const model *self, const model_buffer *buffer) {
    size_t room = buffer->max - buffer->writer;
    return model_some_length(self, room < 8192 || (room < MODEL_HUGE && model_below(self, 2) == 0) ? room : 8192);
}

static bool ensure_writable(model *self) {
    size_t capacity = 0;
    model_buffer *buffer = model_some(self);
    size_t length = some_room(self, buffer);
    if (model_is_full(self)) {
        return false;
    }
    model_wrongs wrongs = model_check_room(self, buffer, length, &capacity);
    bool changes = capacity != buffer->capacity;
    if (!model_expect(self, poolbuf_ensure_writable(buffer->real, length), wrongs, true)) {
        model_look(self, buffer, false);
        return false;
    }
    model_resized(self, buffer, capacity, 0);
    model_look(self, buffer, false);
    return changes;
}

/* Netty's four answers. */
static bool ensure_writable_try(model *self) {
    size_t capacity = 0;
    model_buffer *buffer = model_some(self);
    size_t length = some_room(self, buffer);
    bool too_long = length > buffer->max - buffer->writer;
    bool force = model_below(self, 2) != 0 && (!too_long || buffer->max < MODEL_HUGE);
    if (model_is_full(self)) {
        return false;
    }
    model_wrongs wrongs = model_check_room(self, buffer, length, &capacity);
    poolbuf_room expected = POOLBUF_ROOM_CANNOT;
    if (wrongs == 0) {
        expected = length <= buffer->capacity - buffer->writer ? POOLBUF_ROOM_ENOUGH : POOLBUF_ROOM_GREW;
    } else if (too_long && force && !buffer->read_only && buffer->capacity < buffer->max &&
               model_check_capacity(self, buffer, buffer->max) == 0) {
        expected = POOLBUF_ROOM_GREW_TO_MAX;
        capacity = buffer->max;
    }
    poolbuf_room room = poolbuf_ensure_writable_try(buffer->real, length, force);
    MODEL_EXPECT(room == expected || (self->fault_left != 0 && room == POOLBUF_ROOM_CANNOT));
    if (room == POOLBUF_ROOM_GREW || room == POOLBUF_ROOM_GREW_TO_MAX) {
        model_resized(self, buffer, capacity, 0);
    }
    model_look(self, buffer, false);
    return room != POOLBUF_ROOM_CANNOT;
}

/* As if through a third place: a composite may show a byte twice. */
static void move_down(model_buffer *buffer) {
    size_t readable = buffer->writer - buffer->reader;
    uint8_t *bytes = or_abort(malloc(readable + 1));
    model_take(buffer, buffer->reader, bytes, readable);
    model_put(buffer, 0, bytes, readable);
    free(bytes);
    buffer->mark_reader -= buffer->mark_reader < buffer->reader ? buffer->mark_reader : buffer->reader;
    buffer->mark_writer -= buffer->mark_writer < buffer->reader ? buffer->mark_writer : buffer->reader;
    buffer->reader = 0;
    buffer->writer = readable;
}

/* Whether a retained slice shows bytes of a block. */
static bool is_shared(const model *self, const model_buffer *block) {
    for (size_t i = 0; i < self->count; i++) {
        if (self->buffers[i]->shape == SHAPE_RETAINED && model_root(self->buffers[i]) == block) {
            return true;
        }
    }
    return false;
}

/* Whether one shows bytes of what is behind a buffer: of the block, or of any that a composite's components lie in. */
static bool is_looked_at(const model *self, model_buffer *buffer) {
    model_buffer *root = (model_buffer *)(uintptr_t)model_root(buffer);
    if (root->made_as_slice || !model_in_pieces(root)) {
        return root->made_as_slice || is_shared(self, root);
    }
    model_piece piece = {0};
    for (size_t index = 0; index < root->capacity; index += piece.length) {
        if (!model_find(root, index, root->capacity - index, &piece) || is_shared(self, model_root(piece.leaf))) {
            return true;
        }
    }
    return false;
}

/* A composite drops components; all others copy, which must not happen under the eyes of retained slices. */
static bool discard(model *self) {
    model_buffer *buffer = model_some(self);
    bool some = model_below(self, 2) != 0;
    model_read_on(self, buffer);
    size_t reader = buffer->reader;
    size_t readable = buffer->writer - reader;
    bool nothing = reader == 0 || (some && reader < buffer->capacity / 2 && readable != 0);
    model_wrongs wrongs = WRONG_IF(buffer->read_only, READ_ONLY);
    if (!model_is_composite(buffer) && !nothing) {
        wrongs |= model_check(buffer, reader, readable, false) | model_check(buffer, 0, readable, true);
        wrongs |= WRONG_IF(is_looked_at(self, buffer), UNSUPPORTED);
    }
    poolbuf_status status =
        some ? poolbuf_discard_some_read_bytes(buffer->real) : poolbuf_discard_read_bytes(buffer->real);
    if (!model_expect(self, status, wrongs, true)) {
        model_look(self, buffer, false);
        return false;
    }
    if (model_is_composite(buffer)) {
        model_discard_parts(self, buffer, !some);
    } else if (!nothing) {
        move_down(buffer);
    }
    model_look(self, buffer, true);
    return buffer->reader < reader;
}

/* ---- Indices ----------------------------------------------------------------------------------------------------- */

static bool indices(model *self) {
    model_buffer *buffer = model_some(self);
    size_t reader = buffer->reader;
    size_t writer = buffer->writer;
    poolbuf_status status = POOLBUF_OK;
    switch (model_below(self, 6)) {
    case 0:
        reader = model_some_index(self, writer);
        status = poolbuf_set_reader_index(buffer->real, reader);
        break;
    case 1:
    case 2:
        writer = model_some_index(self, buffer->capacity);
        status = poolbuf_set_writer_index(buffer->real, writer);
        break;
    case 3:
        writer = model_some_index(self, buffer->capacity);
        reader = model_some_index(self, writer < buffer->capacity ? writer : 0);
        status = poolbuf_set_indices(buffer->real, reader, writer);
        break;
    case 4: {
        size_t length = model_some_length(self, writer - reader);
        status = poolbuf_skip_bytes(buffer->real, length);
        reader = length <= writer - reader ? reader + length : SIZE_MAX;
        break;
    }
    default:
        reader = 0;
        writer = 0;
        poolbuf_clear(buffer->real);
        break;
    }
    bool done =
        model_expect(self, status, WRONG_IF(reader > writer || writer > buffer->capacity, OUT_OF_BOUNDS), false);
    if (done) {
        buffer->reader = reader;
        buffer->writer = writer;
    }
    model_look(self, buffer, false);
    return done;
}

static bool marks(model *self) {
    model_buffer *buffer = model_some(self);
    bool of_reader = model_below(self, 2) != 0;
    poolbuf_status status =
        of_reader ? poolbuf_mark_reader_index(buffer->real) : poolbuf_mark_writer_index(buffer->real);
    bool done = model_expect(self, status, 0, true);
    if (done && buffer != &self->empty) {
        buffer->mark_reader = of_reader ? buffer->reader : buffer->mark_reader;
        buffer->mark_writer = of_reader ? buffer->mark_writer : buffer->writer;
        model_counted(buffer)->hung_on = true;
    }
    model_look(self, buffer, false);
    return done;
}

static bool reset(model *self) {
    model_buffer *buffer = model_some(self);
    bool of_reader = model_below(self, 2) != 0;
    size_t reader = of_reader ? buffer->mark_reader : buffer->reader;
    size_t writer = of_reader ? buffer->writer : buffer->mark_writer;
    bool changes = reader != buffer->reader || writer != buffer->writer;
    poolbuf_status status =
        of_reader ? poolbuf_reset_reader_index(buffer->real) : poolbuf_reset_writer_index(buffer->real);
    if (model_expect(self, status, WRONG_IF(reader > writer || writer > buffer->capacity, OUT_OF_BOUNDS), false)) {
        buffer->reader = reader;
        buffer->writer = writer;
        changes = changes || buffer->mark_reader != 0;
    } else {
        changes = false;
    }
    model_look(self, buffer, false);
    return changes;
}

/* ---- Views ------------------------------------------------------------------------------------------------------- */

static bool slice(model *self) {
    model_buffer *buffer = model_some(self);
    bool reads = model_below(self, 3) == 0;
    bool retained = model_below(self, 2) != 0;
    size_t index = reads ? buffer->reader : model_some_index(self, buffer->capacity);
    size_t end = reads ? buffer->writer : buffer->capacity;
    size_t length = model_some_length(self, index < end ? end - index : 0);
    if (model_is_full(self) || (retained && model_leaves(buffer) > MODEL_LEAVES)) {
        return false;
    }
    bool there = index <= end && length <= end - index;
    bool by_leaves = retained && model_in_pieces(buffer) && !buffer->unreleasable;
    there = there && (!by_leaves || model_check(buffer, index, length, false) == 0);
    poolbuf *real = reads ? (retained ? poolbuf_read_retained_slice(buffer->real, length)
                                      : poolbuf_read_slice(buffer->real, length))
                          : (retained ? poolbuf_retained_slice(buffer->real, index, length)
                                      : poolbuf_slice(buffer->real, index, length));
    if (!model_expect_result(self, real, there, true)) {
        model_look(self, buffer, false);
        return false;
    }
    buffer->reader += reads ? length : 0;
    if (buffer == &self->empty) {
        MODEL_EXPECT(real == buffer->real);
        return false;
    }
    model_buffer *made = retained ? model_add_retained(self, real, buffer, index, length, 1)
                                  : model_add_range(self, real, buffer, SHAPE_VIEW, index, length);
    model_look(self, made, true);
    model_look(self, buffer, false);
    return length != 0;
}

static bool retained_duplicate(model *self) {
    model_buffer *buffer = model_some(self);
    bool there = !model_in_pieces(buffer) || model_check(buffer, 0, buffer->capacity, false) == 0;
    if (model_is_full(self) || model_leaves(buffer) > MODEL_LEAVES || buffer->unreleasable) {
        return false;
    }
    poolbuf *real = poolbuf_retained_duplicate(buffer->real);
    if (!model_expect_result(self, real, there, true)) {
        return false;
    }
    model_buffer *made = model_add_retained(self, real, buffer, 0, buffer->capacity, 1);
    made->reader = buffer->reader;
    made->writer = buffer->writer;
    model_look(self, made, true);
    return true;
}

/* What shares the count. Of an unreleasable buffer a retained duplicate does so, too. */
static bool duplicate(model *self) {
    model_buffer *buffer = model_some(self);
    uint32_t which = model_below(self, buffer->unreleasable ? 4 : 3);
    if (model_is_full(self)) {
        return false;
    }
    poolbuf *real = which == 0   ? poolbuf_duplicate(buffer->real)
                    : which == 1 ? poolbuf_as_read_only(buffer->real)
                    : which == 2 ? poolbuf_unreleasable(buffer->real)
                                 : poolbuf_retained_duplicate(buffer->real);
    if (!model_expect_result(self, real, true, true)) {
        return false;
    }
    if (buffer == &self->empty) {
        MODEL_EXPECT(real == buffer->real);
        return false;
    }
    model_buffer *made = model_add_range(self, real, buffer, SHAPE_VIEW, 0, buffer->capacity);
    made->follows = buffer->shape != SHAPE_VIEW || buffer->follows;
    made->read_only = made->read_only || which == 1;
    made->unreleasable = made->unreleasable || which == 2;
    made->max = buffer->max;
    made->reader = buffer->reader;
    made->writer = buffer->writer;
    model_look(self, made, true);
    return true;
}

/* ---- The loop ---------------------------------------------------------------------------------------------------- */

static bool system_fails(model *self) {
    if (!self->limits.system_fails) {
        return false;
    }
    self->fault_left = 1 + model_below(self, 8);
    os_fault_arm(model_below(self, 3), model_below(self, 2) != 0);
    return true;
}

static void repair_system(model *self) {
    os_fault_disarm();
    self->fault_left = 0;
}

/* The pool gives back what it keeps, so that the next calls ask the system, which may fail. */
static bool purge(model *self) {
    (void)poolbuf_allocator_purge(self->allocator);
    return true;
}

typedef struct operation_row {
    const char *name;
    model_operation *run;
    uint32_t weight; /* of 256 in all, so that one byte of a fuzzer's decides */
} operation_row;

static const operation_row OPERATIONS[] = {
    {"allocate", allocate, 16},
    {"allocate a copy", allocate_copy, 3},
    {"wrap", wrap, 6},
    {"composite", model_composite_new, 7},
    {"retain", retain, 6},
    {"release", release, 14},
    {"capacity", set_capacity, 10},
    {"ensure writable", ensure_writable, 8},
    {"ensure writable, try", ensure_writable_try, 7},
    {"discard", discard, 8},
    {"indices", indices, 14},
    {"mark", marks, 4},
    {"reset", reset, 4},
    {"slice", slice, 14},
    {"duplicate", duplicate, 9},
    {"retained duplicate", retained_duplicate, 5},
    {"bytes", model_bytes, 14},
    {"zero", model_zero, 6},
    {"iovec", model_iovec, 8},
    {"transfer", model_transfer, 14},
    {"copy", model_copy, 6},
    {"bytes at", model_bytes_at, 5},
    {"number", model_number, 13},
    {"add component", model_add_component, 16},
    {"add components", model_add_components, 5},
    {"add flattened", model_add_flattened, 5},
    {"wrap buffers", model_wrap_buffers, 3},
    {"remove components", model_remove_components, 4},
    {"consolidate", model_consolidate_some, 4},
    {"discard components", model_discard_components, 4},
    {"decompose", model_decompose, 4},
    {"look up", model_look_up, 3},
    {"walk", model_walk, 3},
    {"component slice", model_component_slice, 2},
    {"purge", purge, 1},
    {"system fails", system_fails, 1},
};
#define OPERATIONS_COUNT (sizeof OPERATIONS / sizeof OPERATIONS[0])

static uint64_t called[OPERATIONS_COUNT];
static uint64_t done[OPERATIONS_COUNT];

bool model_counts(FILE *stream) {
    bool all = true;
    for (size_t i = 0; i < OPERATIONS_COUNT; i++) {
        (void)fprintf(stream, "%-22s %10llu %10llu\n", OPERATIONS[i].name, (unsigned long long)called[i],
                      (unsigned long long)done[i]);
        all = all && done[i] != 0;
    }
    return all;
}

static size_t some_operation(const model *self) {
    uint32_t at = model_below(self, 256);
    size_t i = 0;
    for (; at >= OPERATIONS[i].weight; i++) {
        at -= OPERATIONS[i].weight;
    }
    return i;
}

static void step(model *self) {
    size_t i = some_operation(self);
    self->operation = OPERATIONS[i].name;
    called[i]++;
    done[i] += OPERATIONS[i].run(self) ? 1 : 0;
    if (self->fault_left != 0 && --self->fault_left == 0) {
        repair_system(self);
    }
    while (model_is_full(self) && release_one(self) && model_below(self, 4) != 0) {
        self->operation = "release";
    }
    if (++self->step % self->limits.audit_interval == 0) {
        model_look_at_all(self);
    }
}

void model_run(choices *source, const model_limits *limits) {
    model *self = malloc(sizeof *self);
    if (self == NULL) {
        abort();
    }
    model_init(self, source, limits);
    while (self->step < limits->operations && !choices_spent(source)) {
        step(self);
    }
    self->operation = "finish";
    repair_system(self);
    model_look_at_all(self);
    while (release_one(self)) {
    }
    model_fini(self);
    free(self);
}
