/* The texts of poolbuf_status, one a code. */
#include <poolbuf/status.h>

static const char *const TEXTS[] = {
    [POOLBUF_OK] = "success",
    [POOLBUF_ERROR_NO_MEMORY] = "out of memory",
    [POOLBUF_ERROR_OUT_OF_BOUNDS] = "index or length out of bounds",
    [POOLBUF_ERROR_MAX_CAPACITY] = "maximum capacity exceeded",
    [POOLBUF_ERROR_BAD_OPTION] = "illegal option value",
    [POOLBUF_ERROR_BAD_ARGUMENT] = "illegal argument",
    [POOLBUF_ERROR_LIVE_BUFFERS] = "buffers are still alive",
    [POOLBUF_ERROR_UNSUPPORTED] = "not supported by this buffer",
    [POOLBUF_ERROR_READ_ONLY] = "buffer is read-only",
    [POOLBUF_ERROR_BAD_DATA] = "malformed data",
    [POOLBUF_ERROR_SYSTEM] = "system call failed",
    [POOLBUF_ERROR_WOULD_BLOCK] = "operation would block",
};

_Static_assert(sizeof TEXTS / sizeof TEXTS[0] == POOLBUF_STATUS_COUNT, "every status has a text");

const char *poolbuf_status_text(poolbuf_status status) {
    if ((unsigned)status >= POOLBUF_STATUS_COUNT) {
        return "unknown status";
    }
    return TEXTS[status];
}
