/* A plain model of buffers: composites. */
#include "buffers_model.h"

#include <stdlib.h>
#include <string.h>

#include "composite.h"

#define DEEP 4u /* composites in each other; the calls recurse */

/* ---- Components in the model ------------------------------------------------------------------------------------- */

static const composite *inside(const model_buffer *buffer) {
    return buffer->real->origin;
}

poolbuf *model_real_part(const model_buffer *composite_buffer, uint32_t index) {
    const composite *self = inside(composite_buffer);
    return index < self->count ? self->components[index].buffer : NULL;
}

void model_insert_part(model_buffer *buffer, uint32_t index, model_part part) {
    model_part *parts = realloc(buffer->parts, (buffer->part_count + 1) * sizeof *parts);
    if (parts == NULL) {
        abort();
    }
    memmove(&parts[index + 1], &parts[index], (buffer->part_count - index) * sizeof *parts);
    parts[index] = part;
    buffer->parts = parts;
    buffer->part_count++;
    buffer->capacity += part.length;
}

/* The indices are the caller's. */
void model_remove_parts(model *self, model_buffer *buffer, uint32_t index, uint32_t count) {
    if (count == 0) {
        return; /* there may be no list yet */
    }
    for (uint32_t i = 0; i < count; i++) {
        buffer->capacity -= buffer->parts[index + i].length;
        model_drop(self, buffer->parts[index + i].buffer, 1, false);
    }
    buffer->part_count -= count;
    memmove(&buffer->parts[index], &buffer->parts[index + count], (buffer->part_count - index) * sizeof *buffer->parts);
}

static size_t start_of(const model_buffer *buffer, uint32_t index) {
    size_t start = 0;
    for (uint32_t i = 0; i < index; i++) {
        start += buffer->parts[i].length;
    }
    return start;
}

/* They have become one block. */
void model_consolidate(model *self, model_buffer *buffer, uint32_t index, uint32_t count) {
    size_t start = start_of(buffer, index);
    size_t length = start_of(buffer, index + count) - start;
    model_buffer *whole = model_add_block(self, model_real_part(buffer, index), length, length, buffer->direct, 0);
    whole->writer = length;
    model_take(buffer, start, whole->bytes, length);
    model_remove_parts(self, buffer, index, count);
    model_insert_part(buffer, index, (model_part){whole, 0, length});
}

/* It may fail unnoticed, where the system does or where bytes are gone: then nothing has changed. */
void model_consolidate_if_many(model *self, model_buffer *buffer) {
    if (buffer->part_count <= buffer->part_max || buffer->part_count < 2 ||
        (self->fault_left != 0 && inside(buffer)->count != 1) || model_check(buffer, 0, buffer->capacity, false) != 0) {
        return;
    }
    model_consolidate(self, buffer, 0, buffer->part_count);
}

static void move_mark(size_t *mark, size_t count) {
    *mark -= *mark < count ? *mark : count;
}

void model_discard_parts(model *self, model_buffer *buffer, bool partly) {
    size_t shift = 0;
    uint32_t gone = 0;
    if (buffer->reader == 0) {
        return;
    }
    while (gone < buffer->part_count && shift + buffer->parts[gone].length <= buffer->reader) {
        shift += buffer->parts[gone++].length;
    }
    model_remove_parts(self, buffer, 0, gone);
    if (partly && shift < buffer->reader) {
        size_t cut = buffer->reader - shift;
        buffer->parts[0].offset += cut;
        buffer->parts[0].length -= cut;
        buffer->capacity -= cut;
        shift += cut;
    }
    buffer->reader -= shift;
    buffer->writer -= shift;
    move_mark(&buffer->mark_reader, shift);
    move_mark(&buffer->mark_writer, shift);
    model_settle(self, buffer);
}

/* ---- Retained slices --------------------------------------------------------------------------------------------- */

static model_buffer *retain_leaf(model *self, poolbuf *real, const model_piece *piece, uint32_t held) {
    model_buffer *slice = model_add_range(self, real, piece->leaf, SHAPE_RETAINED, piece->leaf_index, piece->length);
    slice->read_only = piece->read_only;
    slice->held = held;
    return slice;
}

model_buffer *model_add_retained(model *self, poolbuf *real, model_buffer *buffer, size_t index, size_t length,
                                 uint32_t held) {
    model_piece piece = {0};
    if (buffer == &self->empty) {
        return buffer;
    }
    if (buffer->unreleasable || !model_in_pieces(buffer)) {
        model_buffer *slice =
            model_add_range(self, real, buffer, buffer->unreleasable ? SHAPE_VIEW : SHAPE_RETAINED, index, length);
        slice->held = buffer->unreleasable ? 0 : held;
        return slice;
    }
    if (length != 0 && model_find(buffer, index, length, &piece) && piece.length == length) {
        return retain_leaf(self, real, &piece, held);
    }
    model_buffer *slice = model_add(self, real, SHAPE_COMPOSITE, held);
    slice->made_as_slice = true;
    slice->read_only = buffer->read_only;
    slice->direct = buffer->direct;
    slice->max = length;
    for (size_t done = 0; done < length; done += piece.length) {
        MODEL_EXPECT(model_find(buffer, index + done, length - done, &piece));
        model_buffer *leaf = retain_leaf(self, model_real_part(slice, slice->part_count), &piece, 0);
        model_insert_part(slice, slice->part_count, (model_part){leaf, 0, piece.length});
    }
    slice->writer = length;
    return slice;
}

/* ---- Adding ------------------------------------------------------------------------------------------------------ */

bool model_composite_new(model *self) {
    uint32_t most = model_below(self, 8) * model_below(self, 8);
    if (model_is_full(self)) {
        return false;
    }
    poolbuf *real = poolbuf_allocate_composite(self->allocator, most);
    if (!model_expect_result(self, real, true, true)) {
        return false;
    }
    model_buffer *made = model_add(self, real, SHAPE_COMPOSITE, 1);
    made->max = POOLBUF_CAPACITY_LIMIT;
    made->part_max = most != 0 ? most : 16;
    made->direct = self->options.prefer_direct;
    model_look(self, made, true);
    return true;
}

/* How deep composites lie in what a buffer shows, and whether a certain one is among them. */
static uint32_t depth_of(const model_buffer *buffer, const model_buffer *wanted, bool *found) {
    uint32_t deepest = 0;
    buffer = model_root(buffer);
    *found = *found || buffer == wanted;
    for (uint32_t i = 0; i < buffer->part_count; i++) {
        uint32_t depth = depth_of(buffer->parts[i].buffer, wanted, found);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (buffer->shape == SHAPE_COMPOSITE ? 1 : 0);
}

/* Whether a buffer shows a composite, or one that shows it, and so on. */
static bool leads_to(const model_buffer *buffer, const model_buffer *wanted) {
    bool found = false;
    (void)depth_of(buffer, wanted, &found);
    return found;
}

/* Whether a buffer may be put to the test as a component. One that must be refused may; else it is not to become too
 * much. */
static bool may_try(const model_buffer *composite_buffer, const model_buffer *added) {
    bool found = false;
    uint32_t depth = depth_of(added, composite_buffer, &found);
    bool small = model_leaves(composite_buffer) + model_leaves(added) <= MODEL_LEAVES &&
                 composite_buffer->capacity + added->capacity <= 4 * (size_t)MODEL_LARGEST;
    return found || (depth < DEEP && small);
}

/* One that is to be given away, while the composite that it is offered to lives on. */
static bool own_beside(model *self, const model_buffer *composite_buffer, model_buffer *part) {
    bool given = model_own(self, part);
    model_buffer *counted = model_counted(part);
    if (given && !part->unreleasable && counted == composite_buffer && counted->count < 2) {
        (void)poolbuf_retain(counted->real);
        counted->count++;
        counted->held++;
    }
    return given;
}

static size_t readable(const model_buffer *buffer) {
    return buffer->writer - buffer->reader;
}

static model_wrongs check_added(const model_buffer *composite_buffer, model_buffer *const *added, uint32_t count) {
    model_wrongs wrongs = WRONG_IF(!model_is_composite(composite_buffer), UNSUPPORTED);
    for (uint32_t i = 0; i < count; i++) {
        wrongs |= WRONG_IF(leads_to(added[i], composite_buffer), BAD_ARGUMENT);
    }
    return wrongs;
}

/* A reference of the test's becomes the composite's. */
static void put_in(model_buffer *buffer, uint32_t index, model_buffer *part, bool increase) {
    model_counted(part)->held -= part->unreleasable ? 0 : 1;
    model_insert_part(buffer, index, (model_part){part, part->reader, readable(part)});
    buffer->writer += increase ? readable(part) : 0;
}

/* After a call that was to add buffers: they are in the composite now, or released. */
static bool added(model *self, model_buffer *buffer, uint32_t index, model_buffer **list, uint32_t count, bool increase,
                  bool done) {
    model_buffer *counted = model_counted(buffer);
    counted->count++; /* those that are released may be what keeps it alive; then it goes below, once we have looked */
    for (uint32_t i = 0; i < count; i++) {
        if (done) {
            put_in(buffer, index + i, list[i], increase);
        } else {
            model_drop(self, list[i], 1, true);
        }
    }
    if (counted->count == 1 && !counted->unreleasable) {
        model_drop(self, counted, 1, false);
        return false;
    }
    counted->count--;
    if (done) {
        model_settle(self, buffer);
        model_consolidate_if_many(self, buffer);
    }
    model_look(self, buffer, false);
    return done;
}

bool model_add_component(model *self) {
    model_buffer *buffer = model_some_composite(self);
    model_buffer *part = model_some(self);
    if (!may_try(buffer, part) || model_is_full(self) || !own_beside(self, buffer, part)) {
        return false;
    }
    model_wrongs wrongs = check_added(buffer, &part, 1);
    bool increase = model_below(self, 4) != 0;
    bool append = model_below(self, 2) != 0;
    uint32_t index = buffer->part_count;
    index = append ? index : (uint32_t)model_some_index(self, index);
    wrongs |= WRONG_IF(index > buffer->part_count, OUT_OF_BOUNDS);
    poolbuf_status status = append ? poolbuf_composite_add_component(buffer->real, part->real, increase)
                                   : poolbuf_composite_insert_component(buffer->real, index, part->real, increase);
    bool done = model_expect(self, status, wrongs, true);
    return added(self, buffer, index, &part, 1, increase, done);
}

/* Some buffers to give away; with what is left out among them, fewer than wanted. */
static uint32_t some_list(model *self, const model_buffer *composite_buffer, model_buffer **list, poolbuf **real) {
    uint32_t count = 0;
    for (uint32_t wanted = model_below(self, MODEL_LIST); wanted > 0; wanted--) {
        list[count] = model_some(self);
        bool good = composite_buffer == NULL || may_try(composite_buffer, list[count]);
        if (good && model_own(self, list[count])) {
            real[count] = list[count]->real;
            count++;
        }
    }
    return count;
}

/* Each buffer of the list must have as many references of the test as it is listed, which model_own() does not know,
 * and the composite one more. */
static void own_all(const model_buffer *composite_buffer, model_buffer *const *list, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t wanted = model_counted(list[i]) == composite_buffer ? 1 : 0;
        model_buffer *counted = model_counted(list[i]);
        for (uint32_t j = 0; j < count; j++) {
            wanted += model_counted(list[j]) == counted ? 1 : 0;
        }
        if (!list[i]->unreleasable && counted->held < wanted) {
            (void)poolbuf_retain_n(counted->real, wanted - counted->held);
            counted->count += wanted - counted->held;
            counted->held = wanted;
        }
    }
}

bool model_add_components(model *self) {
    model_buffer *list[MODEL_LIST];
    poolbuf *real[MODEL_LIST];
    model_buffer *buffer = model_some_composite(self);
    if (model_is_full(self)) {
        return false;
    }
    uint32_t count = some_list(self, buffer, list, real);
    own_all(buffer, list, count);
    bool increase = model_below(self, 4) != 0;
    uint32_t index = buffer->part_count;
    model_wrongs wrongs = check_added(buffer, list, count);
    poolbuf_status status = poolbuf_composite_add_components(buffer->real, count != 0 ? real : NULL, count, increase);
    bool done = model_expect(self, status, wrongs, true);
    return added(self, buffer, index, list, count, increase, done) && count > 1;
}

bool model_add_flattened(model *self) {
    model_buffer *buffer = model_some_composite(self);
    model_buffer *part = model_below(self, 2) != 0 ? model_some_composite(self) : model_some(self);
    bool in_pieces = model_in_pieces(part);
    bool itself = model_counted(part) == buffer;
    if (!may_try(buffer, part) || model_is_full(self) || (leads_to(part, buffer) && !itself) ||
        (!own_beside(self, buffer, part) && !in_pieces)) {
        return false; /* the leaves of a circle close none, but its release may end the composite */
    }
    bool increase = model_below(self, 4) != 0;
    model_wrongs wrongs = check_added(buffer, &part, 1);
    wrongs |= in_pieces ? model_check(part, part->reader, readable(part), false) : 0;
    poolbuf_status status = poolbuf_composite_add_flattened(buffer->real, part->real, increase);
    bool done = model_expect(self, status, wrongs, true);
    if (!in_pieces || !done) {
        return added(self, buffer, buffer->part_count, &part, 1, increase, done);
    }
    model_piece piece = {0};
    for (size_t at = part->reader; at < part->writer; at += piece.length) {
        MODEL_EXPECT(model_find(part, at, part->writer - at, &piece));
        model_buffer *slice = retain_leaf(self, model_real_part(buffer, buffer->part_count), &piece, 0);
        model_insert_part(buffer, buffer->part_count, (model_part){slice, 0, piece.length});
    }
    buffer->writer += increase ? readable(part) : 0;
    model_drop(self, part, 1, true);
    return added(self, buffer, 0, NULL, 0, false, true);
}

bool model_wrap_buffers(model *self) {
    model_buffer *list[MODEL_LIST];
    poolbuf *real[MODEL_LIST];
    if (model_is_full(self)) {
        return false;
    }
    uint32_t count = some_list(self, &self->empty, list, real);
    own_all(NULL, list, count);
    uint32_t with_bytes = 0;
    model_buffer *only = &self->empty;
    for (uint32_t i = 0; i < count; i++) {
        with_bytes += readable(list[i]) != 0 ? 1 : 0;
        only = readable(list[i]) != 0 ? list[i] : only;
    }
    poolbuf *made = poolbuf_wrap_buffers(self->allocator, count != 0 ? real : NULL, count);
    bool done = model_expect_result(self, made, true, true);
    model_buffer *whole = only;
    if (done && with_bytes > 1) {
        whole = model_add(self, made, SHAPE_COMPOSITE, 1);
        whole->max = POOLBUF_CAPACITY_LIMIT;
        whole->part_max = with_bytes;
        whole->direct = self->options.prefer_direct;
    }
    MODEL_EXPECT(!done || made == whole->real);
    for (uint32_t i = 0; i < count; i++) {
        if (!done || readable(list[i]) == 0) {
            model_drop(self, list[i], 1, true);
        } else if (with_bytes > 1) {
            put_in(whole, whole->part_count, list[i], true);
        }
    }
    if (done) {
        model_look(self, whole, true);
    }
    return done && with_bytes > 1;
}

/* As model_expect(), and where the call has failed a look at what it has not changed. */
static bool succeeds(model *self, model_buffer *buffer, poolbuf_status status, model_wrongs wrongs, bool needs_memory) {
    bool done = model_expect(self, status, wrongs, needs_memory);
    if (!done) {
        model_look(self, buffer, false);
    }
    return done;
}

/* ---- Taking apart ------------------------------------------------------------------------------------------------ */

/* A range of components, and what is wrong with it. */
static model_wrongs some_parts(model *self, const model_buffer *buffer, uint32_t *index, uint32_t *count) {
    *index = (uint32_t)model_some_index(self, buffer->part_count);
    *count = (uint32_t)model_some_length(self, *index <= buffer->part_count ? buffer->part_count - *index : 0);
    bool out = *index > buffer->part_count || *count > buffer->part_count - *index;
    return WRONG_IF(!model_is_composite(buffer), UNSUPPORTED) | WRONG_IF(out, OUT_OF_BOUNDS);
}

bool model_remove_components(model *self) {
    uint32_t index = 0;
    uint32_t count = 0;
    model_buffer *buffer = model_some_composite(self);
    model_wrongs wrongs = some_parts(self, buffer, &index, &count);
    if (succeeds(self, buffer, poolbuf_composite_remove_components(buffer->real, index, count), wrongs, false)) {
        model_remove_parts(self, buffer, index, count);
        model_settle(self, buffer);
        model_look(self, buffer, false);
        return count != 0;
    }
    return false;
}

bool model_consolidate_some(model *self) {
    uint32_t index = 0;
    uint32_t count = 0;
    model_buffer *buffer = model_some_composite(self);
    model_wrongs wrongs = some_parts(self, buffer, &index, &count);
    uint32_t wanted = count;
    if (index <= buffer->part_count && (wanted == UINT32_MAX || model_below(self, 4) == 0)) { /* all that follow */
        wanted = UINT32_MAX;
        count = buffer->part_count - index;
        wrongs &= ~WRONG(OUT_OF_BOUNDS);
    }
    if (wrongs == 0 && count > 1) {
        size_t start = start_of(buffer, index);
        wrongs = model_check(buffer, start, start_of(buffer, index + count) - start, false);
    }
    poolbuf_status status = poolbuf_composite_consolidate(buffer->real, index, wanted);
    if (!succeeds(self, buffer, status, wrongs, true)) {
        return false;
    }
    if (count > 1) {
        model_consolidate(self, buffer, index, count);
    }
    model_look(self, buffer, true);
    return count > 1;
}

bool model_discard_components(model *self) {
    model_buffer *buffer = model_some_composite(self);
    model_wrongs wrongs = WRONG_IF(!model_is_composite(buffer), UNSUPPORTED);
    uint32_t before = buffer->part_count;
    model_read_on(self, buffer);
    if (!succeeds(self, buffer, poolbuf_composite_discard_read_components(buffer->real), wrongs, false)) {
        return false;
    }
    model_discard_parts(self, buffer, false);
    model_look(self, buffer, false);
    return buffer->part_count < before;
}

bool model_decompose(model *self) {
    poolbuf *slices[MODEL_BUFFERS];
    model_buffer *buffer = model_some_composite(self);
    size_t index = model_below(self, 2) != 0 ? model_some_index(self, buffer->capacity) : 0;
    size_t limit = index < buffer->capacity ? buffer->capacity - index : 0;
    size_t length = model_below(self, 2) != 0 ? model_some_length(self, limit) : limit;
    size_t count = model_below(self, 8) == 0 ? model_below(self, 2) : buffer->part_count;
    if (model_is_full(self) || model_leaves(buffer) > MODEL_LEAVES) {
        return false;
    }
    model_wrongs wrongs =
        model_check(buffer, index, length, false) | WRONG_IF(!model_is_composite(buffer), UNSUPPORTED);
    size_t start = 0;
    size_t parts = 0;
    for (uint32_t i = 0; wrongs == 0 && i < buffer->part_count; i++) {
        size_t end = start + buffer->parts[i].length;
        parts += length != 0 && end > index && start < index + length && end > start ? 1 : 0;
        start = end;
    }
    wrongs |= WRONG_IF(parts > count, BAD_ARGUMENT);
    poolbuf_status status = poolbuf_composite_decompose(buffer->real, index, length, slices, &count);
    if (!succeeds(self, buffer, status, wrongs, true)) {
        return false;
    }
    MODEL_EXPECT(count == parts);
    start = 0;
    for (uint32_t i = 0, at = 0; at < count; i++) {
        model_part part = buffer->parts[i];
        size_t first = index > start ? index : start;
        size_t end = start + part.length < index + length ? start + part.length : index + length;
        if (first < end) {
            model_buffer *slice =
                model_add_retained(self, slices[at++], part.buffer, part.offset + first - start, end - first, 1);
            model_look(self, slice, false);
        }
        start += part.length;
    }
    return count > 1;
}

/* ---- Looking ----------------------------------------------------------------------------------------------------- */

bool model_look_up(model *self) {
    model_buffer *buffer = model_some_composite(self);
    bool is_one = model_is_composite(buffer);
    size_t offset = model_some_index(self, buffer->capacity);
    uint32_t index = (uint32_t)model_some_index(self, buffer->part_count);
    size_t at = SIZE_MAX;
    uint32_t which = UINT32_MAX;
    model_wrongs no_composite = WRONG_IF(!is_one, UNSUPPORTED);
    bool has_index = is_one && index < buffer->part_count;
    bool has_offset = is_one && offset < buffer->capacity;
    poolbuf *real = poolbuf_composite_component(buffer->real, index);
    MODEL_EXPECT(real == (has_index ? buffer->parts[index].buffer->real : NULL));
    poolbuf_status status = poolbuf_composite_to_byte_index(buffer->real, index, &at);
    (void)model_expect(self, status, no_composite | WRONG_IF(!has_index, OUT_OF_BOUNDS), false);
    MODEL_EXPECT(at == (has_index ? start_of(buffer, index) : SIZE_MAX));
    status = poolbuf_composite_to_component_index(buffer->real, offset, &which);
    (void)model_expect(self, status, no_composite | WRONG_IF(!has_offset, OUT_OF_BOUNDS), false);
    real = poolbuf_composite_component_at_offset(buffer->real, offset);
    if (has_offset) {
        MODEL_EXPECT(which < buffer->part_count);
        MODEL_EXPECT(offset >= start_of(buffer, which));
        MODEL_EXPECT(offset < start_of(buffer, which + 1));
        MODEL_EXPECT(real == buffer->parts[which].buffer->real);
    }
    MODEL_EXPECT(has_offset || (which == UINT32_MAX && real == NULL));
    return has_index && has_offset;
}

/* One walk to the end, and one that a new component, without bytes, puts an end to. */
bool model_walk(model *self) {
    model_buffer *buffer = model_some_composite(self);
    poolbuf *real = buffer->real;
    poolbuf_composite_iterator walk = poolbuf_composite_iterate(buffer->real);
    if (!model_is_composite(buffer)) {
        MODEL_EXPECT(poolbuf_composite_next(&walk, &real) == POOLBUF_ERROR_UNSUPPORTED);
        MODEL_EXPECT(real == buffer->real);
        return false;
    }
    for (uint32_t i = 0; i <= buffer->part_count; i++) {
        MODEL_EXPECT(poolbuf_composite_next(&walk, &real) == POOLBUF_OK);
        MODEL_EXPECT(real == (i < buffer->part_count ? buffer->parts[i].buffer->real : NULL));
    }
    bool changes = model_below(self, 8) == 0;
    if (changes && model_expect(self, poolbuf_composite_add_component(buffer->real, poolbuf_empty(), true), 0, true)) {
        model_buffer *empty = &self->empty;
        (void)added(self, buffer, buffer->part_count, &empty, 1, true, true);
        MODEL_EXPECT(poolbuf_composite_next(&walk, &real) == POOLBUF_ERROR_BAD_ARGUMENT);
    }
    return buffer->part_count > 1;
}

bool model_component_slice(model *self) {
    model_buffer *buffer = model_some_composite(self);
    uint32_t index = (uint32_t)model_some_index(self, buffer->part_count);
    bool there = model_is_composite(buffer) && index < buffer->part_count;
    model_part part = there ? buffer->parts[index] : (model_part){0};
    if (model_is_full(self)) {
        return false;
    }
    there = there && part.offset <= part.buffer->capacity && part.length <= part.buffer->capacity - part.offset;
    poolbuf *real = poolbuf_composite_component_slice(buffer->real, index);
    if (!model_expect_result(self, real, there, true)) {
        return false;
    }
    if (part.buffer == &self->empty) {
        MODEL_EXPECT(real == self->empty.real);
        return false;
    }
    model_look(self, model_add_range(self, real, part.buffer, SHAPE_VIEW, part.offset, part.length), true);
    return true;
}
