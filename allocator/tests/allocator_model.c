/* A plain model of the allocator: its state, and what must be true of it. */
#include "allocator_model.h"

#include <stdlib.h>
#include <string.h>

#include <poolbuf/tracker.h>

#include "allocator.h"
#include "handle.h"
#include "os/os.h"
#include "payload.h"
#include "poison.h"
#include "random_options.h"

#define ENDS 256u /* bytes that are compared at each end, when not closely */

static model *running; /* the one that model_differs() and the tracker's callbacks belong to */

/* ---- Differences -------------------------------------------------------------------------------------------------- */

/* What is wrong comes last: the structures are long. */
void model_differs(const char *file, int line, const char *condition) {
    for (size_t i = 0; i < MODEL_ALLOCATORS; i++) {
        const model_allocator *from = &running->allocators[i];
        if (from->real != NULL) {
            (void)poolbuf_allocator_dump(from->real, stderr);
            (void)fprintf(stderr, "model: allocator %zu%s: %llu buffers, %llu bytes; options: ", i,
                          from->closed ? ", destroyed" : "", (unsigned long long)from->live_buffers,
                          (unsigned long long)from->live_bytes);
            random_options_print(&from->options, stderr);
        }
    }
    (void)fprintf(stderr, "model: %s:%d: %s\nmodel: operation %u, %s; %zu buffers alive%s\n", file, line, condition,
                  running->step, running->operation, running->count,
                  running->fault_left != 0 ? "; the system fails" : "");
    abort();
}

/* An allocator with a limit of its own would be asked for here. */
bool model_may_fail(const model *self, const model_allocator *from) {
    return self->fault_left != 0 || from->options.memory_limit_bytes != 0;
}

/* ---- Sizes -------------------------------------------------------------------------------------------------------- */

static size_t classes_per_doubling(const poolbuf_allocator_options *options) {
    return options->classes_per_doubling;
}

static size_t alignment(const poolbuf_allocator_options *options) {
    return options->alignment > 16 ? options->alignment : 16;
}

/* 16 apart from 16 on; each power of two that is large enough begins a doubling with steps of its own. */
size_t model_class_bytes(const poolbuf_allocator_options *options, size_t size) {
    size_t bytes = 16;
    size_t step = 16;
    while (bytes < size) {
        bytes += step;
        if ((bytes & (bytes - 1)) == 0 && bytes / classes_per_doubling(options) > step) {
            step = bytes / classes_per_doubling(options);
        }
    }
    return bytes;
}

static bool is_pooled(const model_allocator *from, int kind) {
    uint32_t arenas = kind == POOLBUF_KIND_DIRECT ? from->options.direct_arenas : from->options.heap_arenas;
    return from->options.pooling && arenas != 0;
}

size_t model_usable(const model_allocator *from, int kind, size_t size) {
    const size_t wanted = from->options.alignment;
    const size_t unit = kind == POOLBUF_KIND_DIRECT && wanted != 0 ? wanted : 1;
    if (!is_pooled(from, kind)) {
        return size;
    }
    if (size > from->options.chunk_size) {
        return (size + unit - 1) / unit * unit;
    }
    size_t bytes = model_class_bytes(&from->options, size);
    while (bytes % unit != 0) {
        bytes = model_class_bytes(&from->options, bytes + 1);
    }
    return bytes;
}

/* A slot lies at a multiple of its class in a run that begins with a page; a run and a huge buffer begin with a page. */
static size_t expected_alignment(const model_buffer *buffer) {
    const poolbuf_allocator_options *options = &buffer->from->options;
    if (!is_pooled(buffer->from, buffer->kind)) {
        return buffer->kind == POOLBUF_KIND_DIRECT ? alignment(options) : 16;
    }
    size_t low_bit = buffer->usable & (~buffer->usable + 1);
    /* A class is a run of its own from where all classes are whole pages. */
    bool has_pages =
        buffer->usable >= classes_per_doubling(options) * options->page_size || low_bit > options->page_size;
    return has_pages ? options->page_size : low_bit;
}

/* ---- What is alive ------------------------------------------------------------------------------------------------ */

static void count_memory(model *self, const model_buffer *buffer, bool comes) {
    model_allocator *from = buffer->from;
    uint64_t sign = comes ? 1 : (uint64_t)-1;
    bool unpooled = !is_pooled(from, buffer->kind);
    from->live_buffers += sign;
    from->live_bytes += sign * buffer->usable;
    self->live_bytes += sign * buffer->usable;
    if (unpooled || buffer->usable > from->options.chunk_size) {
        from->huge_buffers += sign;
        from->huge_bytes += sign * buffer->usable;
        from->unpooled_buffers += unpooled ? sign : 0;
    }
}

static void memory_comes(model *self, model_buffer *buffer, size_t usable) {
    buffer->usable = usable;
    buffer->memory = poolbuf_memory(buffer->handle);
    MODEL_EXPECT(buffer->handle->usable == usable);
    MODEL_EXPECT((uintptr_t)buffer->memory % expected_alignment(buffer) == 0);
    MODEL_EXPECT(span_map_add(&self->spans, buffer->memory, usable));
    count_memory(self, buffer, true);
}

static void memory_goes(model *self, const model_buffer *buffer) {
    MODEL_EXPECT(span_map_remove(&self->spans, buffer->memory, buffer->usable));
    count_memory(self, buffer, false);
}

void model_fill(model_buffer *buffer) {
    payload_write(buffer->seed, 0, poolbuf_memory(buffer->handle), buffer->known, buffer->capacity);
    buffer->known = buffer->capacity;
}

model_buffer *model_add(model *self, model_allocator *from, poolbuf *handle, int kind, size_t size, size_t max) {
    model_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer == NULL) {
        abort(); /* the machine's memory, not the allocator's */
    }
    *buffer = (model_buffer){
        .handle = handle,
        .from = from,
        .index = self->count,
        .kind = kind,
        .own = 1,
        .capacity = size,
        .max = max < POOLBUF_CAPACITY_LIMIT ? max : POOLBUF_CAPACITY_LIMIT,
        .tracked = (handle_flags_of(handle_state_get(handle)) & POOLBUF_FLAG_TRACKED) != 0,
        .seed = choices_seed(self->source),
    };
    self->buffers[self->count++] = buffer;
    self->tracked_here += buffer->tracked ? 1 : 0;
    from->allocations++;
    self->allocations++;
    MODEL_EXPECT(span_map_add(&self->spans, handle, sizeof *handle));
    memory_comes(self, buffer, model_usable(from, kind, size));
    if (!choices_one_in(self->source, 8)) {
        model_fill(buffer);
    }
    model_look(buffer, false);
    return buffer;
}

uint32_t model_references(const model_buffer *buffer) {
    uint32_t references = buffer->own;
    for (size_t i = 0; i < MODEL_SLICES; i++) {
        references += buffer->slices[i].own != 0 ? 1 : 0;
    }
    return references;
}

static bool is_shared(const model_buffer *buffer) {
    return model_references(buffer) != buffer->own;
}

void model_add_slice(model *self, model_buffer *buffer, model_slice *place, const model_slice *slice) {
    *place = *slice;
    buffer->has_slices = buffer->has_slices || slice->own == 0;
    MODEL_EXPECT(span_map_add(&self->spans, slice->handle, sizeof *slice->handle));
}

static void slice_goes(model *self, model_slice *slice) {
    MODEL_EXPECT(span_map_remove(&self->spans, slice->handle, sizeof *slice->handle));
    slice->handle = NULL;
}

static void buffer_goes(model *self, model_buffer *buffer) {
    model_allocator *from = buffer->from;
    for (size_t i = 0; i < MODEL_SLICES; i++) {
        if (buffer->slices[i].handle != NULL) {
            slice_goes(self, &buffer->slices[i]);
        }
    }
    memory_goes(self, buffer);
    MODEL_EXPECT(span_map_remove(&self->spans, buffer->handle, sizeof *buffer->handle));
    self->tracked_here -= buffer->tracked ? 1 : 0;
    model_buffer *last = self->buffers[--self->count];
    self->buffers[buffer->index] = last;
    last->index = buffer->index;
    free(buffer);
    if (from->closed && from->live_buffers == 0) {
        from->real = NULL; /* goes with its last buffer */
    }
}

bool model_drop(model *self, model_buffer *buffer, model_slice *slice) {
    bool last = false;
    if (model_references(buffer) == 1) { /* what was written must be there to the end */
        MODEL_EXPECT(payload_check(buffer->seed, 0, buffer->memory, 0, buffer->known));
    }
    if (slice != NULL) {
        last = --slice->own == 0;
        if (last) {
            slice_goes(self, slice);
        }
    } else {
        buffer->own--;
    }
    if (model_references(buffer) == 0) {
        buffer_goes(self, buffer);
        last = true;
    }
    return last;
}

/* ---- Capacity ----------------------------------------------------------------------------------------------------- */

/* Whether fewer bytes are worth other memory: half of it is free, or, of a small one, a class could be saved. */
static bool shrinks_by_moving(const model_buffer *buffer, size_t capacity) {
    return capacity < buffer->capacity && !buffer->has_slices && !is_shared(buffer) && !buffer->from->closed &&
           (capacity <= buffer->usable / 2 || (buffer->usable <= 512 && capacity + 16 <= buffer->usable));
}

/* Whether its mapping, or its block of malloc's, has another size, and need not lie elsewhere for that. */
static bool is_resized_in_place(const model_buffer *buffer, size_t capacity) {
    const size_t chunk_size = buffer->from->options.chunk_size;
    bool has_mapping = buffer->kind == POOLBUF_KIND_DIRECT && buffer->usable > chunk_size && capacity > chunk_size;
    return (has_mapping || !is_pooled(buffer->from, buffer->kind)) &&
           poolbuf_memory(buffer->handle) == buffer->memory && buffer->handle->usable != buffer->usable;
}

poolbuf_status model_expect_capacity(const model *self, const model_buffer *buffer, size_t capacity) {
    (void)self;
    if (capacity > buffer->max) {
        return POOLBUF_ERROR_MAX_CAPACITY;
    }
    if (capacity > buffer->usable && is_shared(buffer)) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    return capacity > buffer->usable && buffer->from->closed ? POOLBUF_ERROR_LIVE_BUFFERS : POOLBUF_OK;
}

void model_capacity_changed(model *self, model_buffer *buffer, size_t capacity) {
    const uint8_t *memory = poolbuf_memory(buffer->handle);
    bool must = capacity > buffer->usable;
    bool moved = must || shrinks_by_moving(buffer, capacity);
    bool changed = memory != buffer->memory || is_resized_in_place(buffer, capacity);
    if (model_may_fail(self, buffer->from) && !must && !changed) {
        moved = false; /* where there is no memory to shrink into, it stays */
    }
    MODEL_EXPECT(moved == changed);
    if (moved) {
        memory_goes(self, buffer);
        memory_comes(self, buffer, model_usable(buffer->from, buffer->kind, capacity));
    }
    buffer->capacity = capacity;
    buffer->writer = buffer->writer < capacity ? buffer->writer : capacity;
    buffer->reader = buffer->reader < capacity ? buffer->reader : capacity;
    buffer->known = buffer->known < capacity ? buffer->known : capacity;
    model_look(buffer, moved);
}

/* ---- Comparing ---------------------------------------------------------------------------------------------------- */

/* The payload of bytes that are in [from, to) of a buffer, seen through its own handle or through a slice's. */
static bool holds(const model_buffer *buffer, const poolbuf *handle, size_t offset, size_t from, size_t to) {
    return payload_check(buffer->seed, offset, poolbuf_memory(handle), from, to);
}

static void look_at_bytes(const model_buffer *buffer, const poolbuf *handle, size_t offset, size_t length,
                          bool closely) {
    size_t known = buffer->known > offset ? buffer->known - offset : 0;
    size_t end = known < length ? known : length;
    if (closely || end <= 2 * (size_t)ENDS) {
        MODEL_EXPECT(holds(buffer, handle, offset, 0, end));
    } else {
        MODEL_EXPECT(holds(buffer, handle, offset, 0, ENDS));
        MODEL_EXPECT(holds(buffer, handle, offset, end - ENDS, end));
    }
}

static void look_at_slice(const model_buffer *buffer, const model_slice *slice, bool closely) {
    const poolbuf *handle = slice->handle;
    MODEL_EXPECT(poolbuf_capacity(handle) == slice->length);
    MODEL_EXPECT(poolbuf_max_capacity(handle) == slice->length);
    MODEL_EXPECT(poolbuf_memory(handle) == buffer->memory + slice->offset);
    MODEL_EXPECT(poolbuf_ref_count(handle) == (slice->own != 0 ? slice->own : model_references(buffer)));
    MODEL_EXPECT(poolbuf_owner(handle) == buffer->from->real);
    look_at_bytes(buffer, handle, slice->offset, slice->length, closely);
}

void model_look(const model_buffer *buffer, bool closely) {
    const poolbuf *handle = buffer->handle;
    uint32_t flags = handle_flags_of(handle_state_get(handle));
    MODEL_EXPECT(poolbuf_capacity(handle) == buffer->capacity);
    MODEL_EXPECT(poolbuf_max_capacity(handle) == buffer->max);
    MODEL_EXPECT(poolbuf_reader_index(handle) == buffer->reader);
    MODEL_EXPECT(poolbuf_writer_index(handle) == buffer->writer);
    MODEL_EXPECT(poolbuf_memory(handle) == buffer->memory);
    MODEL_EXPECT(poolbuf_ref_count(handle) == model_references(buffer));
    MODEL_EXPECT(poolbuf_is_direct(handle) == (buffer->kind == POOLBUF_KIND_DIRECT));
    MODEL_EXPECT(poolbuf_owner(handle) == buffer->from->real);
    MODEL_EXPECT(((flags & POOLBUF_FLAG_TRACKED) != 0) == buffer->tracked);
    MODEL_EXPECT(((flags & POOLBUF_FLAG_ANNOTATED) != 0) == (is_pooled(buffer->from, buffer->kind) && poison_wanted()));
    MODEL_EXPECT(((flags & POOLBUF_FLAG_HAS_SLICES) != 0) == buffer->has_slices);
    look_at_bytes(buffer, handle, 0, buffer->capacity, closely);
    for (size_t i = 0; i < MODEL_SLICES; i++) {
        if (buffer->slices[i].handle != NULL) {
            look_at_slice(buffer, &buffer->slices[i], closely);
        }
    }
}

/* Handles that arenas have given out: those with memory, alive or cached, and those of slices, alive or cached. */
static void check_handles(const model *self, const model_allocator *from, uint64_t with_memory) {
    const cache_group *group = &from->real->group;
    uint64_t expected = with_memory;
    for (size_t i = 0; i < self->count; i++) {
        for (size_t j = 0; j < MODEL_SLICES && self->buffers[i]->from == from; j++) {
            expected += self->buffers[i]->slices[j].handle != NULL ? 1 : 0;
        }
    }
    expected += (uint64_t)depot_count(&group->depot[group->naked_bin]) * group->bins[group->naked_bin].batch;
    for (const thread_cache *cache = group->first; cache != NULL; cache = cache->next_of_group) {
        expected += thread_cache_idle(cache, group->naked_bin);
    }
    uint64_t out = 0;
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        for (uint32_t i = 0; i < group->arena_counts[kind]; i++) {
            out += group->arenas[kind][i].handles.out;
        }
    }
    MODEL_EXPECT(out == expected || (!from->real->pooled[0] && !from->real->pooled[1]));
}

void model_check_metrics(const model *self, const model_allocator *from) {
    poolbuf_metrics m = {.struct_size = sizeof m};
    const poolbuf_allocator_options *options = &from->options;
    MODEL_EXPECT(poolbuf_allocator_metrics(from->real, &m) == POOLBUF_OK);
    MODEL_EXPECT(m.live_buffers == from->live_buffers);
    MODEL_EXPECT(m.live_bytes == from->live_bytes);
    MODEL_EXPECT(m.huge_buffers == from->huge_buffers);
    MODEL_EXPECT(m.huge_bytes == from->huge_bytes);
    MODEL_EXPECT(m.allocations == from->allocations);
    MODEL_EXPECT(m.releases == from->allocations - from->live_buffers);
    MODEL_EXPECT(m.pinned_bytes == m.live_bytes + m.cached_bytes);
    MODEL_EXPECT(m.cached_bytes >= m.cached_buffers * 16);
    MODEL_EXPECT(m.arena_allocations - m.arena_releases == m.live_buffers - from->unpooled_buffers + m.cached_buffers);
    MODEL_EXPECT(m.chunk_bytes == m.chunk_count * options->chunk_size);
    MODEL_EXPECT(m.chunk_bytes >= m.pinned_bytes - m.huge_bytes);
    MODEL_EXPECT(m.chunk_maps - m.chunk_unmaps == m.chunk_count);
    MODEL_EXPECT(options->memory_limit_bytes == 0 || m.chunk_bytes + m.huge_bytes <= options->memory_limit_bytes);
    MODEL_EXPECT(m.spare_chunks <= m.chunk_count);
    MODEL_EXPECT(m.spare_chunks == 0 || options->decay_ms != 0);
    MODEL_EXPECT(m.spare_chunks == 0 || !from->closed);
    MODEL_EXPECT(m.cached_buffers == 0 || (options->cache_limit_bytes != 0 && !from->closed));
    MODEL_EXPECT(m.thread_caches <= (options->cache_limit_bytes != 0 && !from->closed ? 1 : 0));
    MODEL_EXPECT(m.metadata_bytes >= sizeof(struct poolbuf_allocator));
    check_handles(self, from, m.live_buffers - from->unpooled_buffers + m.cached_buffers);
}

static void check_totals(const model *self) {
    uint64_t alive = self->others_buffers;
    uint64_t alive_bytes = self->others_bytes;
    uint64_t orphans = 0;
    uint64_t orphan_bytes = 0;
    for (size_t i = 0; i < MODEL_ALLOCATORS; i++) {
        const model_allocator *from = &self->allocators[i];
        if (from->real != NULL) {
            alive += from->live_buffers;
            alive_bytes += from->live_bytes;
            orphans += from->closed ? from->live_buffers : 0;
            orphan_bytes += from->closed ? from->live_bytes : 0;
        }
    }
    uint64_t allocated = 0;
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    poolbuf_live_totals(&buffers, &bytes, &allocated);
    MODEL_EXPECT(allocated == self->others_allocated + self->allocations);
    MODEL_EXPECT(buffers == alive);
    MODEL_EXPECT(bytes == alive_bytes);
    poolbuf_orphan_totals(&buffers, &bytes);
    MODEL_EXPECT(buffers == orphans);
    MODEL_EXPECT(bytes == orphan_bytes);
    MODEL_EXPECT(self->tracked == self->tracked_here);
}

void model_audit(model *self) {
    for (size_t i = 0; i < MODEL_ALLOCATORS; i++) {
        const model_allocator *from = &self->allocators[i];
        if (from->real != NULL) {
            MODEL_EXPECT(allocator_audit(from->real));
            model_check_metrics(self, from); /* of one that is destroyed too: nobody else may ask, but it must be so */
        }
    }
    check_totals(self);
}

/* ---- The tracker -------------------------------------------------------------------------------------------------- */

static uint32_t next_gap(void) {
    return running->gap;
}

/* Not all that it is offered, so that there are sampled buffers that nobody tracks. */
static bool on_allocated(poolbuf *buffer, poolbuf_allocator *allocator, size_t capacity) {
    MODEL_EXPECT(poolbuf_owner(buffer) == allocator);
    MODEL_EXPECT(poolbuf_capacity(buffer) == capacity);
    bool wanted = choices_below(running->source, 4) != 3;
    running->tracked += wanted ? 1 : 0;
    return wanted;
}

static void on_released(const poolbuf *buffer) {
    MODEL_EXPECT((handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_TRACKED) != 0);
    MODEL_EXPECT(running->tracked != 0);
    running->tracked--;
}

static void on_misuse(const poolbuf *buffer, poolbuf_misuse misuse) {
    (void)buffer;
    (void)misuse;
    model_differs(__FILE__, __LINE__, "the library says that a call was wrong");
}

static void on_allocator_destroyed(poolbuf_allocator *allocator, uint64_t live_buffers, uint64_t live_bytes) {
    for (size_t i = 0; i < MODEL_ALLOCATORS; i++) {
        const model_allocator *from = &running->allocators[i];
        if (from->real == allocator) {
            MODEL_EXPECT(live_buffers == from->live_buffers);
            MODEL_EXPECT(live_bytes == from->live_bytes);
            return;
        }
    }
    model_differs(__FILE__, __LINE__, "an allocator is destroyed that the model does not know");
}

static const poolbuf_tracker model_tracker = {
    .struct_size = sizeof(poolbuf_tracker),
    .next_gap = next_gap,
    .allocated = on_allocated,
    .released = on_released,
    .misuse = on_misuse,
    .allocator_destroyed = on_allocator_destroyed,
};

/* ---- From start to end -------------------------------------------------------------------------------------------- */

void model_init(model *self, choices *source, const model_limits *limits) {
    static const uint32_t GAPS[] = {UINT32_MAX, 0, 1, 2, 7, 64};
    *self = (model){.source = source, .limits = *limits, .operation = "start"};
    running = self;
    os = &os_fault;
    os_fault_disarm();
    MODEL_EXPECT(os_fault_regions() == 0);
    poison_asan_ignored = choices_one_in(source, 2);
    self->nowhere = fopen("/dev/null", "w");
    MODEL_EXPECT(self->nowhere != NULL);
    self->gap = GAPS[choices_below(source, sizeof GAPS / sizeof GAPS[0])];
    MODEL_EXPECT(poolbuf_tracker_register(&model_tracker) == POOLBUF_OK);
    poolbuf_live_totals(&self->others_buffers, &self->others_bytes, &self->others_allocated);
}

void model_fini(model *self) {
    MODEL_EXPECT(self->count == 0);
    MODEL_EXPECT(self->spans.count == 0);
    MODEL_EXPECT(self->tracked == 0);
    MODEL_EXPECT(os_fault_regions() == 0);
    (void)fclose(self->nowhere);
    (void)poolbuf_tracker_register(NULL);
    os = &os_linux;
    poison_asan_ignored = false;
    running = NULL;
}
