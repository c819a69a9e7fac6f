/* Buffers whose memory is not the pool's.
 *
 *      buffer -- memory --> the caller's bytes
 *         |
 *         +--- origin --> record: the allocator, whom to tell, and with what
 *
 * The record lies in a second naked handle, since the first has no room for it and taking one is cheap. */
#include "wrapped.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <poolbuf/composite.h>
#include <poolbuf/wrapped.h>

#include "buffer.h"
#include "handle.h"
#include "naked.h"
#include "os/os.h"
#include "pieces.h"

typedef struct record {
    poolbuf_allocator *allocator;
    poolbuf_wrap_release *release; /* NULL: nobody is told */
    void *context;
} record;

_Static_assert(sizeof(record) <= sizeof(poolbuf), "a record lies in a handle");
_Static_assert(_Alignof(record) <= 64, "a handle is aligned to a cache line");

/* The memory of buffers that have none. */
static uint8_t no_bytes[1];

static _Alignas(64) poolbuf empty_one = {
    .memory = no_bytes,
    .state = (uint64_t)(POOLBUF_FLAG_WRAPPED | POOLBUF_FLAG_READ_ONLY | POOLBUF_FLAG_UNRELEASABLE) << 32 | 1,
    .kind = POOLBUF_KIND_HEAP,
};

poolbuf *poolbuf_empty(void) {
    return &empty_one;
}

bool buffer_is_empty_one(const poolbuf *buffer) {
    return buffer == &empty_one;
}

poolbuf_allocator *wrapped_allocator(const poolbuf *buffer) {
    const record *from = buffer->origin;
    return from != NULL ? from->allocator : NULL;
}

/* ---- Wrapping ----------------------------------------------------------------------------------------------------- */

static poolbuf *wrap(poolbuf_allocator *allocator, uint32_t flags, void *memory, size_t length,
                     poolbuf_wrap_release *release, void *context) {
    allocator = allocator_resolve(allocator);
    if (allocator == NULL || length > POOLBUF_CAPACITY_LIMIT || allocator_is_closed(allocator)) {
        return NULL;
    }
    poolbuf *buffer = naked_take(allocator);
    if (buffer == NULL) {
        return NULL;
    }
    poolbuf *handle = naked_take(allocator);
    if (handle == NULL) {
        naked_give(allocator, buffer);
        return NULL;
    }
    record *from = (record *)(void *)handle;
    *from = (record){.allocator = allocator, .release = release, .context = context};
    *buffer = (poolbuf){
        .memory = memory != NULL || length != 0 ? memory : no_bytes, /* a buffer without memory is one in pieces */
        .writer_index = (uint32_t)length,
        .capacity = (flags & POOLBUF_FLAG_READ_ONLY) != 0 ? 0 : (uint32_t)length,
        .max_capacity = (uint32_t)length,
        .origin = from,
        .usable = (uint32_t)length,
        .bin = (uint16_t)allocator->group.naked_bin,
        .slot = allocator->group.slot,
        .kind = POOLBUF_KIND_HEAP,
    };
    naked_begin(allocator, buffer, POOLBUF_FLAG_WRAPPED | flags);
    return buffer;
}

poolbuf *poolbuf_wrap(poolbuf_allocator *allocator, void *memory, size_t length, poolbuf_wrap_release *release,
                      void *context) {
    return wrap(allocator, 0, memory, length, release, context);
}

poolbuf *poolbuf_wrap_read_only(poolbuf_allocator *allocator, const void *memory, size_t length,
                                poolbuf_wrap_release *release, void *context) {
    return wrap(allocator, POOLBUF_FLAG_READ_ONLY, (void *)(uintptr_t)memory, length, release, context);
}

void wrapped_end(poolbuf_allocator *allocator, poolbuf *buffer) {
    record *from = buffer->origin;
    const record told = *from;
    void *memory = buffer->memory != no_bytes ? buffer->memory : NULL;
    size_t length = buffer->usable;
    naked_give(allocator, (poolbuf *)(void *)from);
    naked_end(allocator, buffer);
    if (told.release != NULL) {
        told.release(memory, length, told.context);
    }
}

/* The readable buffers of a list as one; releases the others, and on failure all. */
poolbuf *poolbuf_wrap_buffers(poolbuf_allocator *allocator, poolbuf **buffers, size_t count) {
    poolbuf *only = NULL;
    size_t readable = 0;
    for (size_t i = 0; i < count; i++) {
        if (poolbuf_readable_bytes(buffers[i]) != 0) {
            only = buffers[i];
            readable++;
        }
    }
    if (readable <= 1) {
        for (size_t i = 0; i < count; i++) {
            if (buffers[i] != only) {
                (void)poolbuf_release(buffers[i]);
            }
        }
        return only != NULL ? only : poolbuf_empty();
    }
    uint32_t most = (uint32_t)smaller(readable, POOLBUF_COMPOSITE_COMPONENTS_LIMIT);
    poolbuf *whole = poolbuf_allocate_composite(allocator, most);
    poolbuf_status status = whole != NULL ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (status != POOLBUF_OK || poolbuf_readable_bytes(buffers[i]) == 0) {
            (void)poolbuf_release(buffers[i]);
        } else {
            status = poolbuf_composite_add_component(whole, buffers[i], true);
        }
    }
    if (status != POOLBUF_OK && whole != NULL) {
        (void)poolbuf_release(whole);
        whole = NULL;
    }
    return whole;
}

/* ---- Files -------------------------------------------------------------------------------------------------------- */

/* The context is how far into the first page the range begins. */
static void unmap(void *memory, size_t length, void *context) {
    size_t into_page = (size_t)(uintptr_t)context;
    (void)munmap((uint8_t *)memory - into_page, length + into_page);
}

static poolbuf_status map_range(poolbuf_allocator *allocator, int descriptor, uint64_t offset, size_t length,
                                poolbuf_map mode, poolbuf **buffer) {
    size_t into_page = (size_t)(offset % os_page_size());
    int protection = mode == POOLBUF_MAP_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    int sharing = mode == POOLBUF_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
    void *mapping = mmap(NULL, length + into_page, protection, sharing, descriptor, (off_t)(offset - into_page));
    if (mapping == MAP_FAILED) {
        return errno == ENOMEM ? POOLBUF_ERROR_NO_MEMORY : POOLBUF_ERROR_SYSTEM;
    }
    uint32_t flags = mode == POOLBUF_MAP_READ_ONLY ? POOLBUF_FLAG_READ_ONLY : 0;
    uint8_t *memory = (uint8_t *)mapping + into_page;
    poolbuf *made = wrap(allocator, flags, memory, length, unmap, (void *)(uintptr_t)into_page);
    if (made == NULL) {
        unmap(memory, length, (void *)(uintptr_t)into_page);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    *buffer = made;
    return POOLBUF_OK;
}

poolbuf_status poolbuf_map_file(poolbuf_allocator *allocator, int descriptor, uint64_t offset, size_t length,
                                poolbuf_map mode, poolbuf **buffer) {
    struct stat file;
    if ((unsigned)mode > POOLBUF_MAP_SHARED) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    if (fstat(descriptor, &file) != 0) {
        return POOLBUF_ERROR_SYSTEM;
    }
    if (!S_ISREG(file.st_mode)) {
        errno = ENODEV; /* as mmap() says it of what has no pages */
        return POOLBUF_ERROR_SYSTEM;
    }
    uint64_t size = (uint64_t)file.st_size;
    if (offset > size || length > size - offset) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    length = length != 0 ? length : (size_t)(size - offset);
    if (length > POOLBUF_CAPACITY_LIMIT) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (length == 0) { /* there is no mapping of no bytes */
        poolbuf *made = poolbuf_wrap_read_only(allocator, no_bytes, 0, NULL, NULL);
        if (made != NULL) {
            *buffer = made;
        }
        return made != NULL ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
    }
    return map_range(allocator, descriptor, offset, length, mode, buffer);
}

/* ---- Memory of malloc's own, and copies --------------------------------------------------------------------------- */

poolbuf *poolbuf_allocate_unpooled(poolbuf_allocator *allocator, size_t initial_capacity, size_t max_capacity) {
    size_t most = smaller(max_capacity, POOLBUF_CAPACITY_LIMIT);
    allocator = allocator_resolve(allocator);
    if (allocator == NULL || initial_capacity > most || allocator_is_closed(allocator)) {
        return NULL;
    }
    poolbuf *buffer = buffer_take_unpooled(allocator, POOLBUF_KIND_HEAP, initial_capacity);
    if (buffer != NULL) {
        buffer_begin(allocator, buffer, initial_capacity, most);
    }
    return buffer;
}

poolbuf *poolbuf_allocate_copy(poolbuf_allocator *allocator, const void *bytes, size_t length) {
    poolbuf *buffer = poolbuf_allocate(allocator, length, POOLBUF_CAPACITY_LIMIT);
    if (buffer != NULL && poolbuf_write_bytes(buffer, bytes, length) != POOLBUF_OK) {
        (void)poolbuf_release(buffer);
        return NULL;
    }
    return buffer;
}
