/* A plain model of buffers: what there is, and what must be true of it. */
#include "buffers_model.h"

#include <stdlib.h>
#include <string.h>

#include <poolbuf/tracker.h>

#include "allocator.h"
#include "composite.h"
#include "os/os.h"
#include "poison.h"

#define ENDS 64u /* bytes that are compared at each end, when not closely */

static model *running; /* the one that model_differs() belongs to */
static const model_buffer *looked_at;

/* ---- Differences ------------------------------------------------------------------------------------------------- */

static void print_buffer(const model_buffer *buffer) {
    static const char *const SHAPES[] = {"block", "composite", "view", "retained"};
    (void)fprintf(stderr, "model: %3zu: %s%s%s%s, %u references, %u the test's; %zu <= %zu <= %zu <= %zu",
                  buffer->index, SHAPES[buffer->shape], buffer->read_only ? ", read-only" : "",
                  buffer->unreleasable ? ", unreleasable" : "", buffer->follows ? ", follows" : "", buffer->count,
                  buffer->held, buffer->reader, buffer->writer, buffer->capacity, buffer->max);
    if (buffer->of != NULL) {
        (void)fprintf(stderr, "; of %zu from %zu", buffer->of->index, buffer->offset);
    }
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        const model_part *part = &buffer->parts[i];
        (void)fprintf(stderr, " [%zu: %zu+%zu]", part->buffer->index, part->offset, part->length);
    }
    (void)fputc('\n', stderr);
}

void model_differs(const char *file, int line, const char *condition) {
    for (size_t i = 0; i < running->count; i++) {
        print_buffer(running->buffers[i]);
    }
    if (looked_at != NULL) {
        (void)fprintf(stderr, "model: the one that was looked at is\n");
        print_buffer(looked_at);
    }
    (void)fprintf(stderr, "model: %s:%d: %s\nmodel: seed %llu, operation %u, %s; %zu buffers and views%s\n", file, line,
                  condition, (unsigned long long)running->seed, running->step, running->operation, running->count,
                  running->fault_left != 0 ? "; the system fails" : "");
    abort();
}

bool model_expect(const model *self, poolbuf_status status, model_wrongs wrongs, bool needs_memory) {
    bool excused = needs_memory && self->fault_left != 0 && status == POOLBUF_ERROR_NO_MEMORY;
    if (status != POOLBUF_OK ? !excused && (wrongs >> status & 1) == 0 : wrongs != 0) {
        (void)fprintf(stderr, "model: the status is %d, the set of what is wrong %#x\n", (int)status, wrongs);
        model_differs(__FILE__, __LINE__, "another status");
    }
    return status == POOLBUF_OK;
}

bool model_expect_result(const model *self, const void *result, bool should, bool needs_memory) {
    MODEL_EXPECT((result != NULL) == should || (should && needs_memory && self->fault_left != 0));
    return result != NULL;
}

/* ---- Choosing ---------------------------------------------------------------------------------------------------- */

uint32_t model_below(const model *self, uint32_t limit) {
    return choices_below(self->source, limit);
}

model_buffer *model_some(model *self) {
    uint32_t at = model_below(self, 256);
    return self->count == 0 || at == 255 ? &self->empty : self->buffers[at % self->count];
}

model_buffer *model_some_composite(model *self) {
    uint32_t first = model_below(self, 256);
    for (size_t i = 0; i < self->count && first % 16 != 0; i++) {
        model_buffer *buffer = self->buffers[(first + i) % self->count];
        if (model_is_composite(buffer)) {
            return buffer;
        }
    }
    return model_some(self); /* which is most likely none */
}

size_t model_some_index(const model *self, size_t limit) {
    uint32_t how = model_below(self, 64);
    switch (how) {
    case 0:
        return limit + 1;
    case 1:
        return SIZE_MAX - model_below(self, 4);
    case 2:
    case 3:
        return limit;
    case 4:
        return UINT32_MAX - 1 + (size_t)model_below(self, 4);
    default:
        return how < 8 || limit == 0 ? 0 : model_below(self, (uint32_t)limit);
    }
}

size_t model_some_length(const model *self, size_t limit) {
    uint32_t how = model_below(self, 64);
    switch (how) {
    case 0:
        return limit + 1;
    case 1:
        return SIZE_MAX - model_below(self, 4);
    case 2:
    case 3:
    case 4:
    case 5:
        return limit;
    case 6:
        return UINT32_MAX - 1 + (size_t)model_below(self, 4);
    case 7:
        return 0;
    default:
        return limit == 0 ? 0 : 1 + model_below(self, (uint32_t)(how < 48 && limit > 64 ? 64 : limit));
    }
}

void model_read_on(model *self, model_buffer *buffer) {
    if (model_below(self, 4) != 0 && buffer->writer != 0) {
        buffer->reader = buffer->reader + model_below(self, (uint32_t)(buffer->writer - buffer->reader) + 1);
        MODEL_EXPECT(poolbuf_set_reader_index(buffer->real, buffer->reader) == POOLBUF_OK);
    }
}

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

/* 16 apart from 16 on; each power of two that is large enough begins a doubling with steps of its own. */
size_t model_usable(const model *self, size_t size) {
    size_t bytes = 16;
    size_t step = 16;
    if (!self->options.pooling || size > self->options.chunk_size) {
        return size;
    }
    while (bytes < size) {
        bytes += step;
        if ((bytes & (bytes - 1)) == 0 && bytes / self->options.classes_per_doubling > step) {
            step = bytes / self->options.classes_per_doubling;
        }
    }
    return bytes;
}

bool model_is_full(const model *self) {
    size_t bytes = 0;
    for (size_t i = 0; i < self->count; i++) {
        bytes += self->buffers[i]->usable;
    }
    return self->count >= self->limits.buffers || bytes > self->limits.live_bytes;
}

/* ---- Buffers come and go ----------------------------------------------------------------------------------------- */

static void *or_abort(void *block) {
    if (block == NULL) {
        abort(); /* the machine's memory, not the allocator's */
    }
    return block;
}

model_buffer *model_add(model *self, poolbuf *real, model_shape shape, uint32_t held) {
    model_buffer *buffer = or_abort(calloc(1, sizeof *buffer));
    MODEL_EXPECT(self->count < MODEL_BUFFERS);
    buffer->real = real;
    buffer->shape = shape;
    buffer->count = shape == SHAPE_VIEW ? 0 : 1;
    buffer->held = held;
    buffer->index = self->count;
    self->buffers[self->count++] = buffer;
    return buffer;
}

model_buffer *model_add_block(model *self, poolbuf *real, size_t capacity, size_t max, bool direct, uint32_t held) {
    model_buffer *buffer = model_add(self, real, SHAPE_BLOCK, held);
    buffer->capacity = capacity;
    buffer->max = max < POOLBUF_CAPACITY_LIMIT ? max : POOLBUF_CAPACITY_LIMIT;
    buffer->direct = direct;
    buffer->usable = model_usable(self, capacity);
    buffer->bytes = or_abort(calloc(1, capacity + 1));
    return buffer;
}

model_buffer *model_counted(model_buffer *buffer) {
    return buffer->shape == SHAPE_VIEW ? buffer->of : buffer;
}

const model_buffer *model_root(const model_buffer *buffer) {
    while (buffer->of != NULL) {
        buffer = buffer->of;
    }
    return buffer;
}

model_buffer *model_add_range(model *self, poolbuf *real, const model_buffer *buffer, model_shape shape, size_t index,
                              size_t length) {
    model_buffer *range = model_add(self, real, shape, 0);
    range->of = buffer->shape == SHAPE_VIEW ? buffer->of : (model_buffer *)(uintptr_t)buffer;
    range->offset = index + (buffer->shape == SHAPE_VIEW ? buffer->offset : 0);
    range->capacity = length;
    range->max = length;
    range->writer = length;
    range->direct = buffer->direct;
    range->read_only = buffer->read_only;
    range->unreleasable = buffer->unreleasable;
    if (shape == SHAPE_VIEW) {
        range->of->hung_on = true;
    } else {
        range->of->count++;
    }
    return range;
}

static void forget(model *self, model_buffer *buffer) {
    model_buffer *last = self->buffers[--self->count];
    self->buffers[buffer->index] = last;
    last->index = buffer->index;
    if (buffer->wrapped != NULL) {
        MODEL_EXPECT(buffer->wrapped->told == (buffer->wrapped->wants_to_know ? 1 : 0));
        free(buffer->wrapped->bytes);
        free(buffer->wrapped);
    }
    free(buffer->bytes);
    free(buffer->parts);
    free(buffer);
}

/* The last reference is gone: views die with it, and what it holds is let go. */
static void die(model *self, model_buffer *buffer) {
    for (size_t i = self->count; i-- > 0;) {
        if (self->buffers[i]->shape == SHAPE_VIEW && self->buffers[i]->of == buffer) {
            forget(self, self->buffers[i]); /* the one that takes its place has been looked at */
        }
    }
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        model_drop(self, buffer->parts[i].buffer, 1, false);
    }
    if (buffer->shape == SHAPE_RETAINED) {
        model_drop(self, buffer->of, 1, false);
    }
    forget(self, buffer);
}

void model_drop(model *self, model_buffer *buffer, uint32_t count, bool of_test) {
    model_buffer *counted = model_counted(buffer);
    if (buffer->unreleasable) {
        return;
    }
    MODEL_EXPECT(counted->count >= count);
    counted->count -= count;
    counted->held -= of_test ? count : 0;
    if (counted->count == 0) {
        die(self, counted);
    }
}

bool model_own(model *self, model_buffer *buffer) {
    model_buffer *counted = model_counted(buffer);
    if (buffer->unreleasable) {
        return buffer == &self->empty;
    }
    if (counted->held == 0 || model_below(self, 2) == 0) {
        MODEL_EXPECT(poolbuf_retain(buffer->real) == buffer->real);
        counted->count++;
        counted->held++;
    }
    return true;
}

/* ---- Where bytes lie --------------------------------------------------------------------------------------------- */

bool model_in_pieces(const model_buffer *buffer) {
    return buffer->shape == SHAPE_COMPOSITE || (buffer->shape == SHAPE_VIEW && buffer->of->shape == SHAPE_COMPOSITE);
}

bool model_is_composite(const model_buffer *buffer) {
    return buffer->shape == SHAPE_COMPOSITE && !buffer->made_as_slice;
}

/* A block's byte, seen through views that lie in one piece. */
static uint8_t *byte_of(model_buffer *buffer, size_t index) {
    while (buffer->of != NULL) {
        index += buffer->offset;
        buffer = buffer->of;
    }
    return buffer->bytes + index;
}

bool model_find(model_buffer *buffer, size_t index, size_t length, model_piece *piece) {
    if (index >= buffer->capacity) {
        return false;
    }
    size_t left = buffer->capacity - index;
    length = length < left ? length : left;
    if (!model_in_pieces(buffer)) {
        *piece = (model_piece){buffer, index, byte_of(buffer, index), length, buffer->read_only};
        return true;
    }
    bool found = false;
    if (buffer->shape == SHAPE_VIEW) {
        found = model_find(buffer->of, buffer->offset + index, length, piece);
    }
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        const model_part *part = &buffer->parts[i];
        if (index < part->length) {
            left = part->length - index;
            found = model_find(part->buffer, part->offset + index, length < left ? length : left, piece);
            break;
        }
        index -= part->length;
    }
    piece->read_only = found && (piece->read_only || buffer->read_only);
    return found;
}

model_wrongs model_check(model_buffer *buffer, size_t index, size_t length, bool write) {
    model_wrongs wrongs = WRONG_IF(write && buffer->read_only, READ_ONLY);
    if (index > buffer->capacity || length > buffer->capacity - index) {
        return wrongs | WRONG(OUT_OF_BOUNDS);
    }
    model_piece piece = {0};
    for (size_t done = 0; done < length; done += piece.length) {
        if (!model_find(buffer, index + done, length - done, &piece)) {
            return wrongs | WRONG(OUT_OF_BOUNDS);
        }
        wrongs |= WRONG_IF(write && piece.read_only, READ_ONLY);
    }
    return wrongs;
}

void model_take(model_buffer *buffer, size_t index, uint8_t *bytes, size_t length) {
    model_piece piece = {0};
    for (size_t done = 0; done < length; done += piece.length) {
        MODEL_EXPECT(model_find(buffer, index + done, length - done, &piece));
        memcpy(bytes + done, piece.bytes, piece.length);
    }
}

void model_put(model_buffer *buffer, size_t index, const uint8_t *bytes, size_t length) {
    model_piece piece = {0};
    for (size_t done = 0; done < length; done += piece.length) {
        MODEL_EXPECT(model_find(buffer, index + done, length - done, &piece));
        memcpy(piece.bytes, bytes + done, piece.length);
    }
}

void model_fill(model *self, model_buffer *buffer, size_t from, size_t to) {
    uint8_t bytes[1024];
    uint32_t state = model_below(self, 256);
    for (size_t done = from, run = 0; done < to; done += run) {
        run = to - done < sizeof bytes ? to - done : sizeof bytes;
        for (size_t i = 0; i < run; i++) {
            state = state * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(state >> 24);
        }
        MODEL_EXPECT(poolbuf_set_bytes(buffer->real, done, bytes, run) == POOLBUF_OK);
        model_put(buffer, done, bytes, run);
    }
}

size_t model_leaves(const model_buffer *buffer) {
    size_t leaves = 0;
    buffer = model_root(buffer);
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        leaves += model_leaves(buffer->parts[i].buffer);
    }
    return buffer->shape == SHAPE_COMPOSITE ? leaves : 1;
}

size_t model_pinned(const model_buffer *buffer) {
    size_t bytes = 0;
    buffer = model_root(buffer);
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        bytes += model_pinned(buffer->parts[i].buffer);
    }
    return buffer->shape == SHAPE_BLOCK ? buffer->usable : bytes;
}

/* ---- Capacity ---------------------------------------------------------------------------------------------------- */

/* Whether a retained slice looks at the memory, so that it stays where it is. */
static bool is_shared(const model *self, const model_buffer *root) {
    for (size_t i = 0; i < self->count; i++) {
        if (self->buffers[i]->shape == SHAPE_RETAINED && model_root(self->buffers[i]) == root) {
            return true;
        }
    }
    return false;
}

model_buffer *model_resizable(model_buffer *buffer) {
    model_buffer *target = buffer->follows ? buffer->of : buffer;
    bool fixed = buffer->read_only || target->of != NULL || target->wrapped != NULL || target->made_as_slice;
    return fixed ? NULL : target;
}

model_wrongs model_check_capacity(model *self, model_buffer *buffer, size_t capacity) {
    const model_buffer *target = model_resizable(buffer);
    if (target == NULL) {
        return (buffer->read_only ? WRONG(READ_ONLY) : WRONG(UNSUPPORTED)) |
               WRONG_IF(capacity > buffer->max, MAX_CAPACITY);
    }
    bool moves = target->shape == SHAPE_BLOCK && capacity > target->usable;
    return WRONG_IF(capacity > target->max, MAX_CAPACITY) | WRONG_IF(moves && is_shared(self, target), UNSUPPORTED);
}

model_wrongs model_check_room(model *self, model_buffer *buffer, size_t length, size_t *capacity) {
    *capacity = buffer->capacity;
    model_wrongs wrongs = WRONG_IF(buffer->read_only, READ_ONLY);
    if (length > buffer->max - buffer->writer) {
        return wrongs | WRONG(MAX_CAPACITY);
    }
    size_t least = buffer->writer + length;
    if (wrongs != 0 || least <= buffer->capacity) {
        return wrongs;
    }
    size_t grown = 64;
    while (grown < least) {
        grown *= 2;
    }
    const model_buffer *target = model_resizable(buffer);
    if (target != NULL) {
        bool there = target->shape == SHAPE_BLOCK && least <= target->usable;
        grown = there ? target->usable : grown;
        grown = grown < target->max ? grown : target->max;
    }
    *capacity = grown;
    return model_check_capacity(self, buffer, grown);
}

static void cut_indices(model_buffer *buffer) {
    buffer->writer = buffer->writer < buffer->capacity ? buffer->writer : buffer->capacity;
    buffer->reader = buffer->reader < buffer->capacity ? buffer->reader : buffer->capacity;
}

void model_settle(model *self, model_buffer *buffer) {
    cut_indices(buffer);
    for (size_t i = 0; i < self->count; i++) {
        model_buffer *view = self->buffers[i];
        if (view->follows && view->of == buffer) {
            view->capacity = buffer->capacity;
            cut_indices(view);
        }
    }
}

/* Netty's rule: half of the memory is free, or, of little, a class could be saved. Where there is no memory to shrink
 * into, it stays; the library's own word is taken for that. */
static void block_resized(model *self, model_buffer *block, size_t capacity) {
    size_t fitting = block->unpooled ? capacity : model_usable(self, capacity);
    bool worth_it = capacity <= block->usable / 2 || (block->usable <= 512 && capacity + 16 <= block->usable);
    bool shrinks = capacity < block->capacity && worth_it && !block->hung_on && !is_shared(self, block);
    if (capacity > block->usable || (shrinks && (self->fault_left == 0 || block->real->usable == fitting))) {
        block->usable = fitting;
    }
    MODEL_EXPECT(block->real->usable == block->usable);
    block->bytes = or_abort(realloc(block->bytes, capacity + 1));
    block->capacity = capacity;
}

/* A composite grows by a component, and shrinks from its end. */
static void composite_resized(model *self, model_buffer *buffer, size_t capacity) {
    if (capacity > buffer->capacity) {
        size_t length = capacity - buffer->capacity;
        uint32_t last = buffer->part_count;
        model_buffer *padding = model_add_block(self, NULL, length, length, buffer->direct, 0);
        padding->writer = length;
        model_insert_part(buffer, last, (model_part){padding, 0, length});
        padding->real = model_real_part(buffer, last); /* NULL: it has gone into one with the others */
        model_consolidate_if_many(self, buffer);
        return;
    }
    size_t start = 0;
    uint32_t keep = 0;
    while (keep < buffer->part_count && start < capacity) {
        start += buffer->parts[keep++].length;
    }
    model_remove_parts(self, buffer, keep, buffer->part_count - keep);
    if (start > capacity) {
        buffer->parts[keep - 1].length -= start - capacity;
    }
    buffer->capacity = capacity;
}

void model_resized(model *self, model_buffer *buffer, size_t capacity, size_t written_to) {
    model_buffer *target = model_resizable(buffer);
    if (capacity == buffer->capacity) {
        return;
    }
    MODEL_EXPECT(target != NULL);
    size_t old_capacity = target->capacity;
    if (target->shape == SHAPE_COMPOSITE) {
        composite_resized(self, target, capacity);
    } else {
        block_resized(self, target, capacity);
    }
    model_settle(self, target);
    model_fill(self, target, written_to > old_capacity ? written_to : old_capacity, capacity);
}

/* ---- Comparing --------------------------------------------------------------------------------------------------- */

static void look_at_bytes(model_buffer *buffer, size_t from, size_t to) {
    uint8_t expected[1024];
    uint8_t real[sizeof expected];
    for (size_t run = 0; from < to; from += run) {
        run = to - from < sizeof expected ? to - from : sizeof expected;
        model_wrongs wrongs = model_check(buffer, from, run, false);
        MODEL_EXPECT(poolbuf_get_bytes(buffer->real, from, real, run) ==
                     (wrongs == 0 ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS));
        if (wrongs == 0) {
            model_take(buffer, from, expected, run);
            MODEL_EXPECT(memcmp(expected, real, run) == 0);
        }
    }
}

static void look_at_parts(const model_buffer *buffer) {
    bool one = model_is_composite(buffer);
    MODEL_EXPECT(poolbuf_composite_component_count(buffer->real) == (one ? buffer->part_count : 0));
    MODEL_EXPECT(poolbuf_composite_max_components(buffer->real) == (one ? buffer->part_max : 0));
    if (buffer->shape == SHAPE_COMPOSITE) {
        MODEL_EXPECT(composite_audit(buffer->real));
    }
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        MODEL_EXPECT(model_real_part(buffer, i) == buffer->parts[i].buffer->real);
    }
}

/* Marks show only in a reset, so the indices are put back afterwards. */
static void look_at_marks(const model_buffer *buffer) {
    bool good = buffer->mark_reader <= buffer->writer;
    MODEL_EXPECT(poolbuf_reset_reader_index(buffer->real) == (good ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS));
    MODEL_EXPECT(poolbuf_reader_index(buffer->real) == (good ? buffer->mark_reader : buffer->reader));
    MODEL_EXPECT(poolbuf_set_indices(buffer->real, 0, buffer->writer) == POOLBUF_OK);
    good = buffer->mark_writer <= buffer->capacity;
    MODEL_EXPECT(poolbuf_reset_writer_index(buffer->real) == (good ? POOLBUF_OK : POOLBUF_ERROR_OUT_OF_BOUNDS));
    MODEL_EXPECT(poolbuf_writer_index(buffer->real) == (good ? buffer->mark_writer : buffer->writer));
    MODEL_EXPECT(poolbuf_set_indices(buffer->real, buffer->reader, buffer->writer) == POOLBUF_OK);
}

void model_look(model *self, model_buffer *buffer, bool closely) {
    const poolbuf *real = buffer->real;
    const model_buffer *counted = model_counted(buffer);
    size_t room = buffer->read_only ? 0 : buffer->capacity - buffer->writer;
    looked_at = buffer;
    MODEL_EXPECT(poolbuf_capacity(real) == buffer->capacity);
    MODEL_EXPECT(poolbuf_max_capacity(real) == buffer->max);
    MODEL_EXPECT(poolbuf_reader_index(real) == buffer->reader);
    MODEL_EXPECT(poolbuf_writer_index(real) == buffer->writer);
    MODEL_EXPECT(poolbuf_readable_bytes(real) == buffer->writer - buffer->reader);
    MODEL_EXPECT(poolbuf_is_readable(real, buffer->writer - buffer->reader));
    MODEL_EXPECT(!poolbuf_is_readable(real, buffer->writer - buffer->reader + 1));
    MODEL_EXPECT(poolbuf_writable_bytes(real) == room);
    MODEL_EXPECT(poolbuf_is_writable(real, room) == !buffer->read_only);
    MODEL_EXPECT(!poolbuf_is_writable(real, room + 1));
    MODEL_EXPECT(poolbuf_max_writable_bytes(real) == (buffer->read_only ? 0 : buffer->max - buffer->writer));
    MODEL_EXPECT(poolbuf_ref_count(real) == counted->count);
    MODEL_EXPECT(poolbuf_is_read_only(real) == buffer->read_only);
    MODEL_EXPECT(poolbuf_is_direct(real) == buffer->direct);
    MODEL_EXPECT(poolbuf_is_contiguous(real) == !model_in_pieces(buffer));
    MODEL_EXPECT((poolbuf_memory(real) == NULL) == model_in_pieces(buffer));
    MODEL_EXPECT(buffer == &self->empty || poolbuf_owner(real) == self->allocator);
    MODEL_EXPECT(poolbuf_unwrap(real) == (buffer->of != NULL ? buffer->of->real : NULL));
    MODEL_EXPECT(poolbuf_pinned_bytes(real) == model_pinned(buffer));
    const model_buffer *target = model_resizable(buffer);
    size_t fast = target != NULL && target->shape == SHAPE_BLOCK
                      ? (target->usable < buffer->max ? target->usable : buffer->max) - buffer->writer
                      : room;
    MODEL_EXPECT(poolbuf_max_fast_writable_bytes(real) == fast);
    look_at_parts(buffer);
    if (closely) {
        look_at_marks(buffer);
    }
    if (closely || buffer->capacity <= 2 * (size_t)ENDS) {
        look_at_bytes(buffer, 0, buffer->capacity);
    } else {
        look_at_bytes(buffer, 0, ENDS);
        look_at_bytes(buffer, buffer->capacity - ENDS, buffer->capacity);
    }
    looked_at = NULL;
}

void model_look_at_all(model *self) {
    poolbuf_metrics m = {.struct_size = sizeof m};
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < self->count; i++) {
        model_buffer *buffer = self->buffers[i];
        model_look(self, buffer, true);
        buffers += buffer->shape == SHAPE_BLOCK || buffer->shape == SHAPE_COMPOSITE ? 1 : 0;
        bytes += buffer->shape == SHAPE_BLOCK && buffer->wrapped == NULL ? buffer->usable : 0;
        MODEL_EXPECT(buffer->wrapped == NULL || buffer->wrapped->told == 0);
    }
    model_look(self, &self->empty, true);
    MODEL_EXPECT(allocator_audit(self->allocator));
    MODEL_EXPECT(poolbuf_allocator_metrics(self->allocator, &m) == POOLBUF_OK);
    MODEL_EXPECT(m.live_buffers == buffers);
    MODEL_EXPECT(m.live_bytes == bytes);
}

/* ---- From start to end ------------------------------------------------------------------------------------------- */

static uint32_t each_third(void) {
    return 3;
}

static bool is_tracked(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    (void)capacity;
    MODEL_EXPECT(poolbuf_owner(buffer) == allocator);
    return true;
}

static void on_misuse(const poolbuf *buffer, poolbuf_misuse misuse) {
    (void)buffer;
    (void)misuse;
    model_differs(__FILE__, __LINE__, "the library says that a call was wrong");
}

static const poolbuf_tracker model_tracker = {
    .struct_size = sizeof(poolbuf_tracker),
    .next_gap = each_third,
    .allocated = is_tracked,
    .misuse = on_misuse,
};

void model_init(model *self, choices *source, const model_limits *limits) {
    static const size_t CHUNKS[] = {(size_t)64 << 10, (size_t)256 << 10};
    *self = (model){.source = source, .seed = source->random.state, .limits = *limits, .operation = "start"};
    running = self;
    os = &os_fault;
    os_fault_disarm();
    poison_asan_ignored = model_below(self, 2) != 0;
    MODEL_EXPECT(poolbuf_tracker_register(&model_tracker) == POOLBUF_OK);
    poolbuf_allocator_options_init(&self->options);
    self->options.page_size = 4096;
    self->options.chunk_size = CHUNKS[model_below(self, 2)];
    self->options.pooling = model_below(self, 8) != 0;
    self->options.prefer_direct = model_below(self, 2) != 0;
    self->options.classes_per_doubling = model_below(self, 4) != 0 ? 4 : 8;
    self->options.alignment = 0;
    self->options.heap_arenas = 1;
    self->options.direct_arenas = 1;
    MODEL_EXPECT(poolbuf_allocator_create(&self->options, &self->allocator) == POOLBUF_OK);
    self->empty = (model_buffer){.real = poolbuf_empty(), .read_only = true, .unreleasable = true, .count = 1};
    self->empty.bytes = or_abort(calloc(1, 1));
}

void model_fini(model *self) {
    MODEL_EXPECT(self->count == 0);
    MODEL_EXPECT(poolbuf_allocator_destroy(self->allocator) == POOLBUF_OK);
    MODEL_EXPECT(os_fault_regions() == 0);
    free(self->empty.bytes);
    (void)poolbuf_tracker_register(NULL);
    os = &os_linux;
    poison_asan_ignored = false;
    running = NULL;
}
