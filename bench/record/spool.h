/* The spool: the file through which the recorder, inside the recorded program, hands its events to `poolbuf record`.
 *
 * The file is sparse. The recorder maps this header and a window that moves on, closes the file, and appends encoded
 * events (trace.h) behind the header; `committed` says how far they are complete. So an event is safe in the page cache
 * the moment it is committed: however the program ends, by exit, _exit, a signal or SIGKILL, nothing has to be flushed
 * and nothing is lost. A full disk, or a limit on the size of files, ends the recording and not the program. The file
 * lives in a folder of its own for the time of one recording; each process and each program image that runs under the
 * recorder has its own. */
#ifndef POOLBUF_BENCH_SPOOL_H
#define POOLBUF_BENCH_SPOOL_H

#include <stdatomic.h>
#include <stdint.h>

#include "record/trace.h"

#define SPOOL_MAGIC       "PBSPOOL1"
#define SPOOL_HEADER_SIZE 4096u
#define SPOOL_EVENT_SIZE  ((size_t)18) /* the most bytes one event takes, with a thread switch before it */

/* The environment that carries the folder, the limit and what is recorded. These names are a private matter between `poolbuf record` and
 * the recorder, and do not start with POOLBUF_, so that the library's own option parser does not stumble over them. */
#define SPOOL_ENV_FOLDER     "LIBPOOLBUF_RECORD_FOLDER"
#define SPOOL_ENV_MAX_EVENTS "LIBPOOLBUF_RECORD_MAX_EVENTS"
#define SPOOL_ENV_EVENTS     "LIBPOOLBUF_RECORD_EVENTS" /* malloc or buffers; anything else: buffers where there are any */

typedef enum spool_end {
    SPOOL_COMPLETE,  /* nothing was cut off */
    SPOOL_LIMIT,     /* --max-events was reached */
    SPOOL_NO_SPACE,  /* no room on the disk, or none for so large a file */
    SPOOL_NO_MEMORY, /* none for the tables */
    SPOOL_THREADS    /* more than TRACE_THREADS_MAX have come */
} spool_end;

/* A file of one of these sizes, in bytes, tells that its process could not be recorded, and why: it takes no room,
 * which there may not be. A larger one without a header must not be read through a mapping: where there was no room for a
 * page, a full disk has none for the reader either, and answers with SIGBUS. */
#define SPOOL_REFUSED_SPACE  0
#define SPOOL_REFUSED_MEMORY 1

typedef struct spool_header {
    char magic[8];
    char program[TRACE_NAME_MAX]; /* base name; ends with a zero byte unless it is full */
    int32_t pid;
    int32_t end;                /* spool_end; written once */
    int32_t source;             /* trace_source */
    _Atomic uint64_t committed; /* bytes of events; release, after the bytes */
    uint64_t event_count;
    uint64_t skipped_releases;
    uint64_t clamped_sizes;
    _Atomic uint64_t
        lost_children; /* processes that it forked, or they did, which could make no spool; they count here */
} spool_header;

_Static_assert(sizeof(spool_header) <= SPOOL_HEADER_SIZE, "the header has its room");

#endif
