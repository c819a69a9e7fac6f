/* Slices: handles that show part of another buffer's memory.
 *
 *      buffer (counts) <-- origin -- slice            shares the count; hangs on the buffer's list; dies with it
 *             ^
 *             +--- origin --- retained slice (counts) <-- origin -- slice of it
 *                             holds one reference; shares++ keeps the memory from moving
 *
 * A slice of a slice is made of the buffer that counts, with the offset added, so chains are no longer than the counts
 * are deep. A retained slice of a retained slice holds its parent, as in Netty, and adds to the shares of the root.
 *
 * The list of slices (poolbuf.link) only grows while the buffer lives, so two owners may add to it at once: pushing is a
 * compare-and-swap, and nobody takes single slices off. It is walked when the buffer moves, which its owners order, and
 * when it has died, which is the last owner's alone. */
#include "buffer.h"

#include "check.h"
#include "handle.h"
#include "os/os.h"
#include "poison.h"

/* A handle without memory. Where nothing is pooled, it is a block of malloc like everything else. */
static poolbuf *take_naked(poolbuf_allocator *allocator) {
    if (allocator->pooled[0] || allocator->pooled[1]) {
        return buffer_take_handle(allocator, allocator->group.naked_bin);
    }
    void *block = NULL;
    if (os->acquire(OS_HEAP, sizeof(poolbuf), sizeof(poolbuf), &block) != 0) {
        return NULL;
    }
    return block;
}

static void give_naked(poolbuf_allocator *allocator, poolbuf *slice) {
    slice->memory = NULL;
    slice->origin = NULL;
    slice->link = NULL;
    handle_kill(slice, 0);
    if (allocator->pooled[0] || allocator->pooled[1]) {
        if (allocator->group.annotated) {
            poison_handle_back(allocator_anchor(allocator), slice);
        }
        buffer_give_handle(allocator, allocator->group.naked_bin, slice);
    } else {
        (void)os->give_back(OS_HEAP, slice, sizeof *slice);
    }
}

/* Makes a slice of a live buffer; the range has been checked against it. */
static poolbuf *make_slice(const poolbuf *buffer, poolbuf *origin, poolbuf_flag flag, size_t index, size_t length) {
    poolbuf_allocator *allocator = poolbuf_owner(buffer);
    poolbuf *slice = take_naked(allocator);
    if (slice == NULL) {
        return NULL;
    }
    if (allocator->group.annotated && (allocator->pooled[0] || allocator->pooled[1])) {
        poison_handle_out(allocator_anchor(allocator), slice);
    }
    *slice = (poolbuf){
        .memory = buffer->memory + index,
        .writer_index = (uint32_t)length,
        .capacity = (uint32_t)length,
        .max_capacity = (uint32_t)length,
        .origin = origin,
        .usable = (uint32_t)length,
        .bin = (uint16_t)allocator->group.naked_bin,
        .slot = buffer->slot,
        .kind = buffer->kind,
    };
    handle_state_set(slice, handle_state(flag, 1));
    return slice;
}

static bool range_good(const poolbuf *buffer, size_t index, size_t length) {
    return buffer_check_alive(buffer) && index <= buffer->capacity && length <= buffer->capacity - index;
}

poolbuf *poolbuf_slice(poolbuf *buffer, size_t index, size_t length) {
    if (!range_good(buffer, index, length)) {
        return NULL;
    }
    poolbuf *counted = buffer_counted(buffer);
    poolbuf *slice = make_slice(buffer, counted, POOLBUF_FLAG_SLICE, index, length);
    if (slice == NULL) {
        return NULL;
    }
    poolbuf *first = __atomic_load_n(&counted->link, __ATOMIC_RELAXED);
    do {
        slice->link = first;
    } while (!__atomic_compare_exchange_n(&counted->link, &first, slice, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    (void)__atomic_fetch_or(&counted->state, handle_state(POOLBUF_FLAG_HAS_SLICES, 0), __ATOMIC_RELEASE);
    buffer_note(buffer, POOLBUF_ACCESS_SLICE, NULL);
    return slice;
}

poolbuf *poolbuf_retained_slice(poolbuf *buffer, size_t index, size_t length) {
    if (!range_good(buffer, index, length)) {
        return NULL;
    }
    poolbuf *counted = buffer_counted(buffer);
    poolbuf *slice = make_slice(buffer, counted, POOLBUF_FLAG_RETAINED_SLICE, index, length);
    if (slice == NULL) {
        return NULL;
    }
    (void)__atomic_fetch_add(&buffer_root(buffer)->shares, 1, __ATOMIC_RELAXED);
    buffer_note(buffer, POOLBUF_ACCESS_SLICE, NULL);
    (void)poolbuf_retain(counted);
    return slice;
}

void derived_end_slices(poolbuf_allocator *allocator, poolbuf *buffer) {
    poolbuf *slice = __atomic_exchange_n(&buffer->link, NULL, __ATOMIC_ACQUIRE);
    while (slice != NULL) {
        poolbuf *next = slice->link;
        give_naked(allocator, slice);
        slice = next;
    }
}

void derived_end_retained(poolbuf *slice) {
    poolbuf *parent = slice->origin;
    poolbuf *root = buffer_root(parent);
    poolbuf_allocator *allocator = allocator_of(root);
    derived_end_slices(allocator, slice);
    give_naked(allocator, slice);
    /* The reference to the parent goes last: with it the allocator itself may go. The release orders our last look at
     * the bytes before the move that the owner may make once it sees no shares. */
    (void)__atomic_fetch_sub(&root->shares, 1, __ATOMIC_RELEASE);
    (void)poolbuf_release(parent);
}

void derived_follow(poolbuf *buffer, const uint8_t *old_memory) {
    for (poolbuf *slice = __atomic_load_n(&buffer->link, __ATOMIC_ACQUIRE); slice != NULL; slice = slice->link) {
        slice->memory = buffer->memory + (slice->memory - old_memory);
    }
}
