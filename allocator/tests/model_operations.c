/* A plain model of the allocator: the calls, one function each, and the loop that chooses among them. */
#include <stdlib.h>

#include <poolbuf/tracker.h>

#include "allocator_model.h"
#include "os/os.h"
#include "payload.h"
#include "random_options.h"

#define WRITE_MAX 2048u /* bytes of one read or write */

/* ---- Choosing ----------------------------------------------------------------------------------------------------- */

static uint32_t below(const model *self, uint32_t limit) {
    return choices_below(self->source, limit);
}

/* An allocator that is there and not destroyed; NULL if there is none. */
static model_allocator *some_allocator(model *self) {
    uint32_t first = below(self, MODEL_ALLOCATORS);
    for (uint32_t i = 0; i < MODEL_ALLOCATORS; i++) {
        model_allocator *from = &self->allocators[(first + i) % MODEL_ALLOCATORS];
        if (from->real != NULL && !from->closed) {
            return from;
        }
    }
    return NULL;
}

static model_buffer *some_buffer(const model *self) {
    return self->count != 0 ? self->buffers[below(self, (uint32_t)self->count)] : NULL;
}

/* One that the test has a reference to, by which it may be changed. */
static model_buffer *some_owned_buffer(const model *self) {
    model_buffer *buffer = some_buffer(self);
    return buffer != NULL && buffer->own != 0 ? buffer : NULL;
}

/* A slice or NULL. */
static model_slice *some_slice(const model *self, model_buffer *buffer) {
    model_slice *slice = &buffer->slices[below(self, MODEL_SLICES)];
    return slice->handle != NULL ? slice : NULL;
}

/* Sizes at which something changes: classes and their neighbours, pages, the chunk, what is larger; and any. */
static size_t some_size(const model *self, const model_allocator *from) {
    const poolbuf_allocator_options *options = &from->options;
    size_t chunk = options->chunk_size;
    size_t size = 0;
    switch (below(self, 16)) {
    case 0:
        size = chunk - 1 + below(self, 3);
        break;
    case 1:
        size = chunk + below(self, (uint32_t)chunk);
        break;
    case 2:
        size = options->page_size * (1 + below(self, 16)) - below(self, 2);
        break;
    case 3: /* any class's last byte, or the next one's first */
        for (uint32_t steps = below(self, 80); steps > 0 && size < chunk; steps--) {
            size = model_class_bytes(options, size + 1);
        }
        size += below(self, 2);
        break;
    case 4:
        size = below(self, 65);
        break;
    case 5:
        size = below(self, 32768);
        break;
    default: /* often the same, so that subpages fill, and caches and depot have something to do */
        size = self->favourites[below(self, MODEL_FAVOURITES)];
        break;
    }
    return self->live_bytes + size <= self->limits.live_bytes ? size : size % 2048;
}

static size_t some_max(const model *self, size_t size) {
    switch (below(self, 4)) {
    case 0:
        return size;
    case 1:
        return SIZE_MAX - below(self, 3);
    default:
        return size * (1 + below(self, 8)) + below(self, 100);
    }
}

/* ---- Allocators --------------------------------------------------------------------------------------------------- */

static void create_allocator(model *self) {
    model_allocator *place = NULL;
    for (size_t i = 0; i < MODEL_ALLOCATORS && place == NULL; i++) {
        place = self->allocators[i].real == NULL ? &self->allocators[i] : NULL;
    }
    if (place == NULL) {
        return;
    }
    *place = (model_allocator){0};
    random_options_draw(&place->options, self->source, self->limits.largest_chunk);
    poolbuf_status status = poolbuf_allocator_create(&place->options, &place->real);
    if (status != POOLBUF_OK) {
        MODEL_EXPECT(status == POOLBUF_ERROR_NO_MEMORY);
        MODEL_EXPECT(model_may_fail(self, place));
        MODEL_EXPECT(place->real == NULL);
    }
}

static void destroy(model_allocator *from) {
    poolbuf_status expected = from->live_buffers != 0 ? POOLBUF_ERROR_LIVE_BUFFERS : POOLBUF_OK;
    MODEL_EXPECT(poolbuf_allocator_destroy(from->real) == expected);
    from->closed = true;
    if (from->live_buffers == 0) {
        from->real = NULL;
    }
}

static void destroy_allocator(model *self) {
    model_allocator *from = some_allocator(self);
    if (from != NULL && choices_one_in(self->source, 3)) {
        destroy(from);
    }
}

static void trim(model *self) {
    model_allocator *from = some_allocator(self);
    if (from != NULL) {
        poolbuf_trim_thread_cache(from->real);
        model_check_metrics(self, from);
    }
}

/* With one thread, nothing is cached and no chunk is spare afterwards; without a live buffer there is none at all. */
static void purge(model *self) {
    model_allocator *from = some_allocator(self);
    if (from != NULL) {
        poolbuf_metrics m = {.struct_size = sizeof m};
        (void)poolbuf_allocator_purge(from->real);
        MODEL_EXPECT(poolbuf_allocator_metrics(from->real, &m) == POOLBUF_OK);
        MODEL_EXPECT(m.cached_buffers == 0);
        MODEL_EXPECT(m.spare_chunks == 0);
        MODEL_EXPECT(m.live_buffers != 0 || m.chunk_count == 0);
    }
}

static void metrics(model *self) {
    model_allocator *from = some_allocator(self);
    if (from != NULL) {
        model_check_metrics(self, from);
    }
}

static void dump(model *self) {
    model_allocator *from = some_allocator(self);
    if (from != NULL && choices_one_in(self->source, 4)) {
        MODEL_EXPECT(poolbuf_allocator_dump(from->real, self->nowhere) == POOLBUF_OK);
    }
}

static void reset_sampling(model *self) {
    if (choices_one_in(self->source, 4)) {
        poolbuf_tracker_reset_sampling();
    }
}

/* ---- The system --------------------------------------------------------------------------------------------------- */

static void pass_time(model *self) {
    static const uint64_t STEPS_MS[] = {1, 50, 101, 10001};
    os_fault_pass_ms(STEPS_MS[below(self, sizeof STEPS_MS / sizeof STEPS_MS[0])]);
}

/* For the next few operations: one call of the system fails, or all from one on, or it is full. */
static void break_system(model *self) {
    self->fault_left = 1 + below(self, 24);
    uint32_t kind = below(self, 4);
    if (kind == 0) {
        os_fault_limit(os_fault_regions() + below(self, 4));
    } else {
        os_fault_arm(below(self, 6), kind == 1);
    }
}

static void repair_system(model *self) {
    os_fault_disarm();
    self->fault_left = 0;
}

/* ---- Buffers come ------------------------------------------------------------------------------------------------- */

static int preferred(const model_allocator *from) {
    return from->options.prefer_direct ? POOLBUF_KIND_DIRECT : POOLBUF_KIND_HEAP;
}

static poolbuf *allocate_of(int kind, poolbuf_allocator *real, size_t size, size_t max) {
    return kind == POOLBUF_KIND_DIRECT ? poolbuf_allocate_direct(real, size, max)
           : kind == POOLBUF_KIND_HEAP ? poolbuf_allocate_heap(real, size, max)
                                       : poolbuf_allocate(real, size, max);
}

static void allocate(model *self) {
    model_allocator *from = some_allocator(self);
    if (from == NULL || self->count >= self->limits.buffers) {
        return;
    }
    int kind = (int)below(self, 4);
    size_t size = some_size(self, from);
    size_t max = some_max(self, size);
    if (below(self, 64) == 1) { /* beyond what there can be */
        size_t limit = max < POOLBUF_CAPACITY_LIMIT ? max : POOLBUF_CAPACITY_LIMIT;
        MODEL_EXPECT(allocate_of(kind, from->real, limit + 1, max) == NULL);
    }
    poolbuf *handle = allocate_of(kind, from->real, size, max);
    if (handle == NULL) {
        MODEL_EXPECT(model_may_fail(self, from));
        return;
    }
    bool asked = kind == POOLBUF_KIND_DIRECT || kind == POOLBUF_KIND_HEAP;
    (void)model_add(self, from, handle, asked ? kind : preferred(from), size, max);
}

static void allocate_many(model *self) {
    model_allocator *from = some_allocator(self);
    poolbuf *handles[MODEL_BULK];
    size_t room = self->limits.buffers - self->count;
    if (from == NULL || room < MODEL_BULK) {
        return;
    }
    size_t count = below(self, MODEL_BULK + 1);
    size_t size = some_size(self, from);
    size_t most = self->limits.live_bytes / MODEL_BULK;
    size = size <= most ? size : size % 2048;
    size_t max = some_max(self, size);
    size_t given = poolbuf_allocate_many(from->real, size, max, handles, count);
    MODEL_EXPECT(given == count || (given < count && model_may_fail(self, from)));
    for (size_t i = 0; i < given; i++) {
        (void)model_add(self, from, handles[i], preferred(from), size, max);
    }
}

/* ---- References --------------------------------------------------------------------------------------------------- */

/* A reference that the test holds: to the buffer, or to a retained slice (slice set); and a handle to drop it by. */
static poolbuf *some_reference(const model *self, model_buffer *buffer, model_slice **slice) {
    model_slice *found = some_slice(self, buffer);
    *slice = found != NULL && found->own != 0 ? found : NULL;
    for (size_t i = 0; i < MODEL_SLICES && *slice == NULL && buffer->own == 0; i++) {
        *slice = buffer->slices[i].own != 0 ? &buffer->slices[i] : NULL;
    }
    /* By a plain slice the buffer itself is counted. */
    return *slice != NULL ? (*slice)->handle : found != NULL ? found->handle : buffer->handle;
}

static void release(model *self) {
    model_buffer *buffer = some_buffer(self);
    if (buffer != NULL) {
        model_slice *slice = NULL;
        poolbuf *handle = some_reference(self, buffer, &slice);
        model_look(buffer, false);
        bool last = model_drop(self, buffer, slice);
        MODEL_EXPECT(poolbuf_release(handle) == last);
    }
}

/* Neighbours in the list are often of one class, as they were allocated together; some are listed twice. */
static void release_many(model *self) {
    poolbuf *handles[MODEL_BULK];
    size_t count = 0;
    size_t expected = 0;
    uint32_t wanted = below(self, MODEL_BULK + 1);
    bool neighbours = choices_one_in(self->source, 2);
    size_t at = self->count != 0 ? below(self, (uint32_t)self->count) : 0;
    while (count < wanted && self->count != 0) {
        model_buffer *buffer = neighbours ? self->buffers[at % self->count] : some_buffer(self);
        model_slice *slice = NULL;
        handles[count++] = some_reference(self, buffer, &slice);
        expected += model_drop(self, buffer, slice) ? 1 : 0;
    }
    MODEL_EXPECT(poolbuf_release_many(handles, count) == expected);
}

static void retain(model *self) {
    model_buffer *buffer = some_buffer(self);
    if (buffer != NULL) {
        model_slice *slice = NULL;
        poolbuf *handle = some_reference(self, buffer, &slice);
        uint32_t *own = slice != NULL ? &slice->own : &buffer->own;
        if (*own < 8) {
            MODEL_EXPECT(poolbuf_retain(handle) == handle);
            (*own)++;
        }
        poolbuf_touch(handle, "retained");
        model_look(buffer, false);
    }
}

static void slice(model *self) {
    model_buffer *buffer = some_owned_buffer(self);
    model_slice *place = buffer != NULL ? &buffer->slices[below(self, MODEL_SLICES)] : NULL;
    if (place == NULL || place->handle != NULL) {
        return;
    }
    size_t offset = below(self, (uint32_t)buffer->capacity + 1);
    size_t length = below(self, (uint32_t)(buffer->capacity - offset) + 1);
    bool retained = choices_one_in(self->source, 2);
    MODEL_EXPECT(poolbuf_slice(buffer->handle, offset, buffer->capacity - offset + 1) == NULL);
    model_slice made = {.offset = offset, .length = length, .own = retained ? 1 : 0};
    made.handle = retained ? poolbuf_retained_slice(buffer->handle, offset, length)
                           : poolbuf_slice(buffer->handle, offset, length);
    if (made.handle == NULL) {
        MODEL_EXPECT(model_may_fail(self, buffer->from));
    } else {
        model_add_slice(self, buffer, place, &made);
    }
    model_look(buffer, false);
}

/* ---- Capacity and bytes ------------------------------------------------------------------------------------------- */

/* A call that was to change the capacity has said so or failed. */
static bool capacity_call_done(model *self, model_buffer *buffer, poolbuf_status status, size_t capacity) {
    poolbuf_status expected = model_expect_capacity(self, buffer, capacity);
    if (status == POOLBUF_ERROR_NO_MEMORY && expected == POOLBUF_OK) {
        MODEL_EXPECT(model_may_fail(self, buffer->from) && capacity > buffer->usable);
    } else {
        MODEL_EXPECT(status == expected);
    }
    if (status == POOLBUF_OK) {
        model_capacity_changed(self, buffer, capacity);
    }
    model_look(buffer, false); /* where it failed, nothing has changed */
    return status == POOLBUF_OK;
}

static void set_capacity(model *self) {
    model_buffer *buffer = some_owned_buffer(self);
    if (buffer == NULL) {
        return;
    }
    size_t capacity = below(self, 3) != 0 ? some_size(self, buffer->from) : below(self, (uint32_t)buffer->usable + 2);
    poolbuf_status status = poolbuf_set_capacity(buffer->handle, capacity);
    if (capacity_call_done(self, buffer, status, capacity) && below(self, 4) != 0) {
        model_fill(buffer);
    }
    model_slice *slice = some_slice(self, buffer);
    if (slice != NULL) {
        MODEL_EXPECT(poolbuf_set_capacity(slice->handle, capacity) == POOLBUF_ERROR_UNSUPPORTED);
    }
}

/* The capacity after room has been made for so many bytes: what is there; the class's slack; or the next power of two
 * from 64 on, and from 4 MiB on the next multiple of that. */
static size_t grown(const model_buffer *buffer, size_t least) {
    const size_t step = (size_t)4 << 20;
    size_t slack = buffer->usable < buffer->max ? buffer->usable : buffer->max;
    if (least <= buffer->capacity) {
        return buffer->capacity;
    }
    if (least <= slack || least > buffer->max) {
        return least <= slack ? slack : least;
    }
    size_t capacity = 64;
    while (capacity < least && capacity < step) {
        capacity *= 2;
    }
    while (capacity < least || (capacity == least && least > step)) {
        capacity += step;
    }
    return capacity < buffer->max ? capacity : buffer->max;
}

static void write_bytes(model *self) {
    static uint8_t data[WRITE_MAX];
    model_buffer *buffer = some_owned_buffer(self);
    if (buffer == NULL) {
        return;
    }
    size_t length = below(self, 2) != 0 ? below(self, 64) : below(self, WRITE_MAX + 1);
    size_t start = buffer->writer;
    bool only_room = choices_one_in(self->source, 4);
    payload_make(buffer->seed, start, data, length);
    size_t capacity = grown(buffer, start + length);
    poolbuf_status status =
        only_room ? poolbuf_ensure_writable(buffer->handle, length) : poolbuf_write_bytes(buffer->handle, data, length);
    if (status == POOLBUF_OK && !only_room) {
        buffer->writer += length;
    }
    size_t known = buffer->known;
    if (!capacity_call_done(self, buffer, status, capacity) || only_room) {
        return;
    }
    buffer->known = known >= start && known < start + length ? start + length : known;
    model_look(buffer, false);
}

static void read_bytes(model *self) {
    static uint8_t data[WRITE_MAX];
    model_buffer *buffer = some_owned_buffer(self);
    if (buffer == NULL) {
        return;
    }
    size_t length = below(self, 2) != 0 ? below(self, 64) : below(self, WRITE_MAX + 1);
    poolbuf_status status = poolbuf_read_bytes(buffer->handle, data, length);
    if (length > buffer->writer - buffer->reader) {
        MODEL_EXPECT(status == POOLBUF_ERROR_OUT_OF_BOUNDS);
        return;
    }
    MODEL_EXPECT(status == POOLBUF_OK);
    size_t known = buffer->known > buffer->reader ? buffer->known - buffer->reader : 0;
    MODEL_EXPECT(payload_check(buffer->seed, buffer->reader, data, 0, known < length ? known : length));
    buffer->reader += length;
    model_look(buffer, false);
}

/* New contents, by the buffer or by a slice of it; or new places for the indices. */
static void rewrite(model *self) {
    model_buffer *buffer = some_owned_buffer(self);
    if (buffer == NULL) {
        return;
    }
    if (choices_one_in(self->source, 2)) {
        size_t writer = below(self, (uint32_t)buffer->capacity + 1);
        size_t reader = below(self, (uint32_t)writer + 1);
        poolbuf_clear(buffer->handle);
        MODEL_EXPECT(poolbuf_set_writer_index(buffer->handle, writer) == POOLBUF_OK);
        MODEL_EXPECT(poolbuf_set_reader_index(buffer->handle, reader) == POOLBUF_OK);
        MODEL_EXPECT(poolbuf_set_writer_index(buffer->handle, buffer->capacity + 1) == POOLBUF_ERROR_OUT_OF_BOUNDS);
        buffer->writer = writer;
        buffer->reader = reader;
    } else {
        buffer->seed = choices_seed(self->source);
        buffer->known = 0;
        model_slice *through = some_slice(self, buffer);
        if (through != NULL && through->offset == 0 && through->length <= buffer->capacity) {
            payload_write(buffer->seed, 0, poolbuf_memory(through->handle), 0, through->length);
            buffer->known = through->length;
        }
        model_fill(buffer);
    }
    model_look(buffer, false);
}

/* ---- The loop ----------------------------------------------------------------------------------------------------- */

typedef struct operation_row {
    const char *name;
    void (*run)(model *self);
    uint32_t weight; /* of 256 in all, so that one byte of a fuzzer's decides */
} operation_row;

static const operation_row OPERATIONS[] = {
    {"allocate", allocate, 63},
    {"allocate_many", allocate_many, 8},
    {"release", release, 55},
    {"release_many", release_many, 8},
    {"retain", retain, 10},
    {"slice", slice, 14},
    {"set_capacity", set_capacity, 20},
    {"write", write_bytes, 28},
    {"read", read_bytes, 8},
    {"rewrite", rewrite, 8},
    {"trim", trim, 4},
    {"purge", purge, 3},
    {"metrics", metrics, 8},
    {"dump", dump, 2},
    {"time", pass_time, 5},
    {"system fails", break_system, 5},
    {"create", create_allocator, 3},
    {"destroy", destroy_allocator, 2},
    {"sampling", reset_sampling, 2},
};

static const operation_row *some_operation(const model *self) {
    uint32_t at = below(self, 256);
    const operation_row *row = OPERATIONS;
    while (at >= row->weight) {
        at -= row->weight;
        row++;
    }
    return row;
}

/* How many buffers are alive wanders: without that it would stay where allocating and releasing are in balance, and few
 * chunks would ever fill or empty. */
static const operation_row *steered(model *self, const operation_row *row) {
    if (choices_one_in(self->source, 128)) {
        self->target = below(self, self->limits.buffers + 1);
    }
    bool crowded = self->count >= self->target || self->live_bytes >= self->limits.live_bytes;
    if (row->run == allocate && crowded) {
        return &OPERATIONS[2];
    }
    if (row->run == release && self->count < self->target / 2) {
        return &OPERATIONS[0];
    }
    return row;
}

static void step(model *self) {
    const operation_row *row = steered(self, some_operation(self));
    self->operation = row->name;
    row->run(self);
    if (self->fault_left != 0 && --self->fault_left == 0) {
        repair_system(self);
    }
    if (++self->step % self->limits.audit_interval == 0) {
        model_audit(self);
        model_buffer *buffer = some_buffer(self);
        if (buffer != NULL) {
            model_look(buffer, true);
        }
    }
}

/* Releases and destroys what is left, in an order that is the source's. */
static void finish(model *self) {
    self->operation = "finish";
    repair_system(self);
    bool buffers_first = choices_one_in(self->source, 2);
    for (int turn = 0; turn < 2; turn++) {
        while ((turn == 0) == buffers_first && self->count != 0) {
            release(self);
        }
        for (size_t i = 0; (turn == 0) != buffers_first && i < MODEL_ALLOCATORS; i++) {
            if (self->allocators[i].real != NULL && !self->allocators[i].closed) {
                destroy(&self->allocators[i]);
            }
        }
        model_audit(self);
    }
}

void model_run(choices *source, const model_limits *limits) {
    model *self = malloc(sizeof *self);
    if (self == NULL) {
        abort();
    }
    model_init(self, source, limits);
    for (size_t i = 0; i < MODEL_FAVOURITES; i++) {
        self->favourites[i] = below(self, (uint32_t)16 << below(self, 12));
    }
    uint32_t wanted = 1 + below(self, 3);
    for (uint32_t i = 0; i < wanted; i++) {
        create_allocator(self);
    }
    self->target = limits->buffers / 2;
    while (self->step < limits->operations && !choices_spent(source)) {
        step(self);
    }
    finish(self);
    model_fini(self);
    free(self);
}
