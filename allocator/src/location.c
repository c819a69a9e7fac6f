/* Where a buffer lies, for programs that have registered its chunk. */
#include <poolbuf/chunk.h>

#include "buffer.h"
#include "chunk.h"
#include "handle.h"

poolbuf_status poolbuf_chunk_location(const poolbuf *buffer, poolbuf_location *out) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    const poolbuf *root = buffer_root(buffer);
    const uint32_t elsewhere = POOLBUF_FLAG_UNPOOLED | POOLBUF_FLAG_COMPOSITE | POOLBUF_FLAG_WRAPPED;
    if ((handle_flags_of(handle_state_get(root)) & elsewhere) != 0 || root->kind != POOLBUF_KIND_DIRECT) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    /* The chunk stays while the buffer lives, and what is read of it changes only where its owner changes its capacity: no lock. */
    const chunk *home = root->origin;
    out->chunk_index = home->region_index;
    out->offset = (size_t)(buffer->memory - (home->region + home->lead));
    return POOLBUF_OK;
}
