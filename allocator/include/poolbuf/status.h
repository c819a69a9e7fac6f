/* Status codes of every call that can fail for an expected reason, and their texts.
 *
 * A call that returns anything but POOLBUF_OK has changed nothing, and has set none of its outputs; the three
 * exceptions, poolbuf_allocator_destroy(), poolbuf_option_read_*() and leakscope_close(), say so where they are declared. */
#ifndef POOLBUF_STATUS_H
#define POOLBUF_STATUS_H

#include <poolbuf/export.h>

POOLBUF_BEGIN_DECLS

typedef enum poolbuf_status {
    POOLBUF_OK = 0,
    POOLBUF_ERROR_NO_MEMORY,     /* the system, or a limit that was set, has no memory for this */
    POOLBUF_ERROR_OUT_OF_BOUNDS, /* an index or a length lies outside the readable or the addressable bytes */
    POOLBUF_ERROR_MAX_CAPACITY,  /* a write or a growth would pass the buffer's maximum capacity */
    POOLBUF_ERROR_BAD_OPTION,    /* an option's value is not legal; the message on stderr names it */
    POOLBUF_ERROR_BAD_ARGUMENT,  /* an argument contradicts its documentation */
    POOLBUF_ERROR_LIVE_BUFFERS,  /* an allocator was destroyed while buffers of it were alive */
    POOLBUF_ERROR_UNSUPPORTED,   /* this kind of buffer cannot do that */
    POOLBUF_ERROR_READ_ONLY,     /* a write to a buffer that is read-only, or to a component that is */
    POOLBUF_ERROR_BAD_DATA,      /* bytes that are not what was to be read: a number, a text, a hex dump */
    POOLBUF_ERROR_SYSTEM,        /* the system refused; errno says why */
    POOLBUF_ERROR_WOULD_BLOCK,   /* the system has nothing to give, or no room to take, at the moment */
    POOLBUF_STATUS_COUNT         /* how many there are; not a status */
} poolbuf_status;

/* poolbuf_status_text() names a status for people.
 *   returns  a static string, never NULL, owned by the library; unknown values have a text of their own.
 *   threads  any. */
POOLBUF_API const char *poolbuf_status_text(poolbuf_status status);

POOLBUF_END_DECLS

#endif
