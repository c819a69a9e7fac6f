/* The composite: its components, how they are found, and how they come and go. What is made of a composite (retained slices, the
 * parts of a range, one component of many) is in composite_parts.c.
 *
 * Every change ends in settle(), which makes P1 and P2 true again and lets duplicates of the composite follow. */
#include "composite.h"

#include <string.h>

#include "buffer.h"
#include "composite_parts.h"
#include "handle.h"
#include "indices.h"
#include "naked.h"
#include "os/os.h"
#include "pieces.h"
#include "poison.h"

#define FIRST_ROOM 8u

static size_t block_bytes(uint32_t room) {
    return sizeof(composite) + room * sizeof(component);
}

static composite *take_block(uint32_t room) {
    void *block = NULL;
    if (os->acquire(OS_HEAP, block_bytes(room), _Alignof(max_align_t), &block) != 0) {
        return NULL;
    }
    poison_heap_region_kept(block); /* a handle refers to it, and handles lie in mappings */
    return block;
}

/* The list of components is not left behind in malloc's free memory: a search for references to buffers would take it
 * for some, and handles come back soon. */
static void give_block(composite *self) {
    memset(self->components, 0, self->count * sizeof(component));
    (void)os->give_back(OS_HEAP, self, block_bytes(self->room));
}

static uint32_t flags_of(const poolbuf *buffer) {
    return handle_flags_of(handle_state_get(buffer));
}

static bool is_one_itself(const poolbuf *buffer) {
    return (flags_of(buffer) & (POOLBUF_FLAG_COMPOSITE | POOLBUF_FLAG_SLICE)) == POOLBUF_FLAG_COMPOSITE;
}

bool composite_is_fixed(const poolbuf *buffer) {
    return is_one_itself(buffer) && ((const composite *)buffer->origin)->fixed;
}

/* What a composite keeps; NULL, with the reason, for what is none or a view of one, or may not be changed. */
static composite *inside(const poolbuf *buffer) {
    bool one = buffer_check_alive(buffer) && is_one_itself(buffer) && !composite_is_fixed(buffer);
    return one ? buffer->origin : NULL;
}

static composite *changeable(const poolbuf *buffer, poolbuf_status *status) {
    composite *self = inside(buffer);
    *status = POOLBUF_ERROR_UNSUPPORTED;
    if (self != NULL && poolbuf_is_read_only(buffer)) {
        *status = POOLBUF_ERROR_READ_ONLY;
        self = NULL;
    }
    return self;
}

/* ---- Beginning and end -------------------------------------------------------------------------------------------- */

poolbuf *composite_make(poolbuf_allocator *allocator, uint32_t max_count, uint32_t room, poolbuf_kind kind) {
    composite *self = take_block(room);
    if (self == NULL) {
        return NULL;
    }
    poolbuf *buffer = naked_take(allocator);
    self->room = room;
    self->count = 0;
    if (buffer == NULL) {
        give_block(self);
        return NULL;
    }
    *self = (composite){.allocator = allocator, .room = room, .max_count = max_count};
    *buffer = (poolbuf){
        .max_capacity = POOLBUF_CAPACITY_LIMIT,
        .origin = self,
        .bin = (uint16_t)allocator->group.naked_bin,
        .slot = allocator->group.slot,
        .kind = (uint8_t)kind,
    };
    naked_begin(allocator, buffer, POOLBUF_FLAG_COMPOSITE);
    return buffer;
}

/* kind: negative for the preferred one. */
static poolbuf *allocate(poolbuf_allocator *allocator, int kind, uint32_t max_components) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL || allocator_is_closed(allocator)) {
        return NULL;
    }
    uint32_t most = max_components != 0 ? max_components : POOLBUF_COMPOSITE_DEFAULT_COMPONENTS;
    most = most < POOLBUF_COMPOSITE_COMPONENTS_LIMIT ? most : POOLBUF_COMPOSITE_COMPONENTS_LIMIT;
    poolbuf_kind preferred = allocator->options.prefer_direct ? POOLBUF_KIND_DIRECT : POOLBUF_KIND_HEAP;
    return composite_make(allocator, most, FIRST_ROOM, kind < 0 ? preferred : (poolbuf_kind)kind);
}

poolbuf *poolbuf_allocate_composite(poolbuf_allocator *allocator, uint32_t max_components) {
    return allocate(allocator, -1, max_components);
}

poolbuf *poolbuf_allocate_composite_direct(poolbuf_allocator *allocator, uint32_t max_components) {
    return allocate(allocator, POOLBUF_KIND_DIRECT, max_components);
}

poolbuf *poolbuf_allocate_composite_heap(poolbuf_allocator *allocator, uint32_t max_components) {
    return allocate(allocator, POOLBUF_KIND_HEAP, max_components);
}

static _Thread_local poolbuf *ending;        /* by link; the innermost first */
static _Thread_local const poolbuf *leaving; /* the component that is being released */

/* The first of `ending` goes on; with its last component it is over. */
static void end_further(void) {
    poolbuf *first = ending;
    composite *self = first->origin;
    if (self->ended < self->count) {
        poolbuf *part = self->components[self->ended++].buffer;
        leaving = buffer_counted(part);
        (void)poolbuf_release(part);
        leaving = NULL;
        return;
    }
    poolbuf_allocator *allocator = self->allocator;
    ending = first->link;
    give_block(self);
    naked_end(allocator, first);
}

/* A component that is over is put before the composite around it, which goes on afterwards: what a recursion would do, but composites
 * may lie in each other deeper than a stack is. Others that end meanwhile, as a callback of wrapped memory releases them, are over
 * when that returns. */
void composite_end(poolbuf *buffer) {
    if (buffer == leaving) {
        buffer->link = ending;
        ending = buffer;
        return;
    }
    poolbuf *around = ending;
    const poolbuf *left_around = leaving;
    buffer->link = NULL;
    ending = buffer;
    while (ending != NULL) {
        end_further();
    }
    ending = around;
    leaving = left_around;
}

/* ---- Finding ------------------------------------------------------------------------------------------------------ */

static size_t end_of(const component *part) {
    return (size_t)part->start + part->length;
}

const component *composite_find(composite *self, size_t offset) {
    /* The one that was found last, or the next, as in a walk; only then a search. */
    uint32_t last = __atomic_load_n(&self->last, __ATOMIC_RELAXED);
    for (uint32_t i = last; i < self->count && i - last < 2 && offset >= self->components[i].start; i++) {
        if (offset < end_of(&self->components[i])) {
            if (i != last) {
                __atomic_store_n(&self->last, i, __ATOMIC_RELAXED);
            }
            return &self->components[i];
        }
    }
    uint32_t low = 0; /* the first that ends above the offset: it lies in [low, high] */
    uint32_t high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (end_of(&self->components[middle]) > offset) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low == self->count) {
        return NULL;
    }
    __atomic_store_n(&self->last, low, __ATOMIC_RELAXED);
    return &self->components[low];
}

uint32_t poolbuf_composite_component_count(const poolbuf *composite_buffer) {
    const composite *self = inside(composite_buffer);
    return self != NULL ? self->count : 0;
}

uint32_t poolbuf_composite_max_components(const poolbuf *composite_buffer) {
    const composite *self = inside(composite_buffer);
    return self != NULL ? self->max_count : 0;
}

poolbuf *poolbuf_composite_component(const poolbuf *composite_buffer, uint32_t index) {
    const composite *self = inside(composite_buffer);
    return self != NULL && index < self->count ? self->components[index].buffer : NULL;
}

poolbuf *poolbuf_composite_component_at_offset(const poolbuf *composite_buffer, size_t offset) {
    composite *self = inside(composite_buffer);
    const component *part = self != NULL ? composite_find(self, offset) : NULL;
    return part != NULL ? part->buffer : NULL;
}

poolbuf_status poolbuf_composite_to_component_index(const poolbuf *composite_buffer, size_t offset, uint32_t *index) {
    composite *self = inside(composite_buffer);
    if (self == NULL) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    const component *part = composite_find(self, offset);
    if (part == NULL) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    *index = (uint32_t)(part - self->components);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_composite_to_byte_index(const poolbuf *composite_buffer, uint32_t index, size_t *offset) {
    const composite *self = inside(composite_buffer);
    if (self == NULL) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    if (index >= self->count) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    *offset = self->components[index].start;
    return POOLBUF_OK;
}

poolbuf_composite_iterator poolbuf_composite_iterate(const poolbuf *composite_buffer) {
    const composite *self = inside(composite_buffer);
    return (poolbuf_composite_iterator){.composite = composite_buffer, .changes = self != NULL ? self->changes : 0};
}

poolbuf_status poolbuf_composite_next(poolbuf_composite_iterator *iterator, poolbuf **component_buffer) {
    const composite *self = inside(iterator->composite);
    if (self == NULL) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    if (self->changes != iterator->changes) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    bool more = iterator->index < self->count;
    *component_buffer = more ? self->components[iterator->index].buffer : NULL;
    iterator->index += more ? 1 : 0;
    return POOLBUF_OK;
}

/* ---- Changing ----------------------------------------------------------------------------------------------------- */

/* After the components have changed from index on. */
static void settle(poolbuf *buffer, uint32_t index) {
    composite *self = buffer->origin;
    size_t start = index != 0 ? end_of(&self->components[index - 1]) : 0;
    for (uint32_t i = index; i < self->count; i++) {
        self->components[i].start = (uint32_t)start;
        start += self->components[i].length;
    }
    self->changes++;
    buffer->usable = (uint32_t)start;
    handle_set_indices(buffer, smaller(buffer->reader_index, start), smaller(poolbuf_writer_index(buffer), start));
    if ((flags_of(buffer) & POOLBUF_FLAG_HAS_SLICES) != 0) {
        derived_follow_capacity(buffer);
    }
    buffer_note(buffer, POOLBUF_ACCESS_GROW, NULL);
}

/* Room for more components; false without memory. */
static bool make_room(poolbuf *buffer, size_t more) {
    composite *self = buffer->origin;
    if (more <= self->room - self->count) {
        return true;
    }
    size_t doubled = 2 * (size_t)self->room;
    size_t room = doubled > self->count + more ? doubled : self->count + more;
    if (room > 2 * (size_t)POOLBUF_COMPOSITE_COMPONENTS_LIMIT) {
        return false;
    }
    composite *larger = take_block((uint32_t)room);
    if (larger == NULL) {
        return false;
    }
    memcpy(larger, self, block_bytes(self->count));
    larger->room = (uint32_t)room;
    give_block(self);
    buffer->origin = larger;
    return true;
}

static bool is_composite(const poolbuf *buffer) {
    return (flags_of(buffer_root(buffer)) & POOLBUF_FLAG_COMPOSITE) != 0;
}

/* Whether buffers may be components; makes room for them. */
static poolbuf_status admit(poolbuf *buffer, poolbuf **added, size_t count) {
    poolbuf_status status = POOLBUF_OK;
    const composite *self = changeable(buffer, &status);
    if (self == NULL) {
        return status;
    }
    size_t total = buffer->usable;
    for (size_t i = 0; i < count; i++) {
        if (!buffer_check_alive(added[i]) || composite_nests_too_deep(added[i], buffer)) {
            return POOLBUF_ERROR_BAD_ARGUMENT;
        }
        if (poolbuf_readable_bytes(added[i]) > buffer->max_capacity - total) {
            return POOLBUF_ERROR_MAX_CAPACITY;
        }
        total += poolbuf_readable_bytes(added[i]);
    }
    return make_room(buffer, count) ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
}

/* Puts admitted buffers before component index. */
static void insert(poolbuf *buffer, uint32_t index, poolbuf **added, size_t count, bool increase_writer_index) {
    composite *self = buffer->origin;
    component *first = &self->components[index];
    memmove(first + count, first, (self->count - index) * sizeof *first);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)poolbuf_readable_bytes(added[i]);
        first[i] = (component){.buffer = added[i], .offset = added[i]->reader_index, .length = length};
        self->nested = self->nested || is_composite(added[i]);
        bytes += length;
    }
    self->count += (uint32_t)count;
    settle(buffer, index);
    handle_wrote(buffer, increase_writer_index ? bytes : 0);
}

/* Takes count components from index on out, and releases them; what is made true afterwards is the caller's. */
static void take_out(composite *self, uint32_t index, uint32_t count) {
    component *first = &self->components[index];
    for (uint32_t i = 0; i < count; i++) {
        (void)poolbuf_release(first[i].buffer);
    }
    memmove(first, first + count, (self->count - index - count) * sizeof *first);
    self->count -= count;
}

/* A buffer to grow by, or to consolidate into: readable as a whole, its bytes undefined. */
static poolbuf *new_component(const poolbuf *buffer, size_t length) {
    poolbuf_allocator *allocator = ((const composite *)buffer->origin)->allocator;
    poolbuf *made = buffer->kind == POOLBUF_KIND_DIRECT ? poolbuf_allocate_direct(allocator, length, length)
                                                        : poolbuf_allocate_heap(allocator, length, length);
    if (made != NULL) {
        made->writer_index = (uint32_t)length;
    }
    return made;
}

/* Copies count components from index on, at least 2, into one. */
static poolbuf_status consolidate(poolbuf *buffer, uint32_t index, uint32_t count) {
    composite *self = buffer->origin;
    size_t start = self->components[index].start;
    size_t length = end_of(&self->components[index + count - 1]) - start;
    poolbuf_status status = pieces_check(buffer, start, length, false);
    if (status != POOLBUF_OK) {
        return status;
    }
    poolbuf *whole = new_component(buffer, length);
    if (whole == NULL) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    pieces_get(buffer, start, whole->memory, length);
    take_out(self, index + 1, count - 1);
    (void)poolbuf_release(self->components[index].buffer);
    self->components[index] = (component){.buffer = whole, .length = (uint32_t)length};
    settle(buffer, index);
    return POOLBUF_OK;
}

/* More components than there may be become one. Without memory for that they stay as they are, and the next call tries again. */
static void consolidate_if_many(poolbuf *buffer) {
    const composite *self = buffer->origin;
    if (self->count > self->max_count && self->count > 1) {
        (void)consolidate(buffer, 0, self->count);
    }
}

static poolbuf_status add(poolbuf *buffer, uint32_t index, poolbuf **added, size_t count, bool increase_writer_index) {
    poolbuf_status status = admit(buffer, added, count);
    if (status == POOLBUF_OK && index > ((const composite *)buffer->origin)->count) {
        status = POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (status != POOLBUF_OK) {
        for (size_t i = 0; i < count; i++) {
            (void)poolbuf_release(added[i]);
        }
        return status;
    }
    insert(buffer, index, added, count, increase_writer_index);
    consolidate_if_many(buffer);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_composite_add_component(poolbuf *composite_buffer, poolbuf *buffer, bool increase_writer_index) {
    return add(composite_buffer, poolbuf_composite_component_count(composite_buffer), &buffer, 1,
               increase_writer_index);
}

poolbuf_status poolbuf_composite_insert_component(poolbuf *composite_buffer, uint32_t index, poolbuf *buffer,
                                                  bool increase_writer_index) {
    return add(composite_buffer, index, &buffer, 1, increase_writer_index);
}

poolbuf_status poolbuf_composite_add_components(poolbuf *composite_buffer, poolbuf **buffers, size_t count,
                                                bool increase_writer_index) {
    return add(composite_buffer, poolbuf_composite_component_count(composite_buffer), buffers, count,
               increase_writer_index);
}

poolbuf_status poolbuf_composite_remove_components(poolbuf *composite_buffer, uint32_t index, uint32_t count) {
    poolbuf_status status = POOLBUF_OK;
    composite *self = changeable(composite_buffer, &status);
    if (self == NULL) {
        return status;
    }
    if (index > self->count || count > self->count - index) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    take_out(self, index, count);
    settle(composite_buffer, index);
    return POOLBUF_OK;
}

poolbuf_status poolbuf_composite_consolidate(poolbuf *composite_buffer, uint32_t index, uint32_t count) {
    poolbuf_status status = POOLBUF_OK;
    composite *self = changeable(composite_buffer, &status);
    if (self == NULL) {
        return status;
    }
    if (index > self->count || (count != UINT32_MAX && count > self->count - index)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    count = count == UINT32_MAX ? self->count - index : count;
    return count <= 1 ? POOLBUF_OK : consolidate(composite_buffer, index, count);
}

/* ---- Capacity ----------------------------------------------------------------------------------------------------- */

poolbuf_status composite_set_capacity(poolbuf *buffer, size_t capacity) {
    composite *self = buffer->origin;
    if (capacity > buffer->usable) {
        if (!make_room(buffer, 1)) {
            return POOLBUF_ERROR_NO_MEMORY;
        }
        poolbuf *padding = new_component(buffer, capacity - buffer->usable);
        if (padding == NULL) {
            return POOLBUF_ERROR_NO_MEMORY;
        }
        self = buffer->origin;
        insert(buffer, self->count, &padding, 1, false);
        consolidate_if_many(buffer);
        return POOLBUF_OK;
    }
    uint32_t keep = 0; /* those that begin below the new capacity */
    while (keep < self->count && self->components[keep].start < capacity) {
        keep++;
    }
    take_out(self, keep, self->count - keep);
    if (keep != 0) {
        component *last = &self->components[keep - 1];
        last->length = (uint32_t)smaller(last->length, capacity - last->start);
    }
    settle(buffer, keep);
    return POOLBUF_OK;
}

void composite_discard(poolbuf *buffer, bool partly) {
    composite *self = buffer->origin;
    uint32_t reader_index = buffer->reader_index;
    size_t writer_index = poolbuf_writer_index(buffer);
    uint32_t gone = 0; /* components */
    while (gone < self->count && end_of(&self->components[gone]) <= reader_index) {
        gone++;
    }
    if (reader_index == 0 || (gone == 0 && !partly)) {
        return;
    }
    uint32_t shift = gone < self->count ? self->components[gone].start : reader_index; /* bytes */
    if (partly && gone < self->count) {
        component *first = &self->components[gone];
        uint32_t cut = reader_index - first->start;
        first->offset += cut;
        first->length -= cut;
        shift = reader_index;
    }
    take_out(self, 0, gone);
    handle_set_indices(buffer, reader_index - shift, writer_index - shift);
    settle(buffer, 0);
    marks_move_down(buffer, shift);
}

poolbuf_status poolbuf_composite_discard_read_components(poolbuf *composite_buffer) {
    poolbuf_status status = POOLBUF_OK;
    if (changeable(composite_buffer, &status) == NULL) {
        return status;
    }
    composite_discard(composite_buffer, false);
    return POOLBUF_OK;
}

/* ---- Audit -------------------------------------------------------------------------------------------------------- */

bool composite_audit(const poolbuf *buffer) {
    const composite *self = buffer->origin;
    size_t start = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        const component *part = &self->components[i];
        if (part->start != start || poolbuf_ref_count(part->buffer) == 0) {
            return false;
        }
        start += part->length;
    }
    return start == buffer->usable && poolbuf_writer_index(buffer) <= start && buffer->memory == NULL &&
           buffer->capacity == 0 && self->count <= self->room;
}
