/* Handles without memory of their own. */
#include "naked.h"

#include "buffer.h"
#include "counter.h"
#include "handle.h"
#include "os/os.h"
#include "poison.h"
#include "probe.h"
#include "withhold.h"

static bool is_pooled(const poolbuf_allocator *allocator) {
    return allocator->pooled[0] || allocator->pooled[1];
}

poolbuf *naked_take(poolbuf_allocator *allocator) {
    if (is_pooled(allocator)) {
        poolbuf *handle = buffer_take_handle(allocator, allocator->group.naked_bin);
        if (handle != NULL && allocator->group.annotated) {
            poison_handle_out(allocator_anchor(allocator), handle);
        }
        return handle;
    }
    void *block = NULL;
    if (os->acquire(OS_HEAP, sizeof(poolbuf), sizeof(poolbuf), &block) != 0) {
        return NULL;
    }
    return block;
}

void naked_give(poolbuf_allocator *allocator, poolbuf *handle) {
    naked_clear(handle);
    if (is_pooled(allocator)) {
        if (allocator->group.annotated) {
            poison_handle_back(allocator_anchor(allocator), handle);
        }
        buffer_give_handle(allocator, allocator->group.naked_bin, handle);
    } else {
        (void)os->give_back(OS_HEAP, handle, sizeof *handle);
    }
}

poolbuf *naked_take_for(const poolbuf *buffer, uint32_t *bin) {
    poolbuf_allocator *allocator = poolbuf_owner(buffer);
    *bin = allocator->group.naked_bin;
    return naked_take(allocator);
}

void naked_begin(poolbuf_allocator *allocator, poolbuf *buffer, uint32_t flags) {
    handle_state_set(buffer, handle_state(flags, 1));
    striped_add(&allocator->hollow_buffers, buffer->kind, 1);
    if (allocator_is_closed(allocator)) { /* a retained slice of an orphan, which keeps the allocator meanwhile */
        counter_add_shared(&allocator->orphans, 1);
    }
    buffer_count_and_sample(allocator, buffer);
    PROBE3(allocate, buffer, handle_capacity(buffer), allocator->is_default ? NULL : allocator);
}

void naked_end(poolbuf_allocator *allocator, poolbuf *buffer) {
    bool orphan = allocator_is_closed(allocator);
    bool tracked = (handle_flags_of(handle_state_get(buffer)) & POOLBUF_FLAG_TRACKED) != 0;
    striped_add(&allocator->hollow_buffers, buffer->kind, (uint64_t)0 - 1);
    if (!tracked || !withhold_naked(allocator, buffer)) {
        naked_give(allocator, buffer);
    }
    if (orphan) {
        allocator_orphan_gone(allocator);
    }
}
