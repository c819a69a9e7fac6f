/* Traces: what a program allocated, resized and released, in order, as slots, sizes and threads. No addresses, no
 * contents, no symbols, no times: a trace can be shared.
 *
 * File: the magic "PBTRACE1", then one zstd frame with a content checksum, and nothing after it. Inside the frame, all
 * numbers are varints (7 bits a byte, lowest first, the top bit says that more follow):
 *   header   version (2), length of the program's base name, that name, and what was recorded (trace_source)
 *   events   slot << 4 | kind, and then, for ALLOCATE and RESIZE, the size; for RETAIN, DROP and SLICE, the number of
 *            references. THREAD has the thread in the slot's place.
 *   end      the kind END with slot 0, then event_count, thread_count, slot_count, live_buffers, live_bytes, and
 *            three counts of what could not be recorded: skipped_releases, clamped_sizes, dropped_events
 * The events are one total order, made under one lock. THREAD says which thread the next events are of; it starts as 0.
 * CHECKPOINT has live_buffers in the slot's place and live_bytes behind it: what the recorder itself counted as live up
 * to there. Version 1, which is still read, has neither checkpoints nor references, and its header ends with the name.
 *
 * Invariants, which trace_read() checks, so that its users need not:
 *   T1  an ALLOCATE fills an empty slot; RESIZE and RELEASE meet a full one.
 *   T2  slots, and threads, come into use in order: a new number is the next one. So every slot < slot_count, and
 *       what a damaged file can make the reader allocate is bounded by the file's own size. No more than
 *       TRACE_SWITCHES_MAX of THREAD lie between two events: how long a file can keep its reader busy is bounded, too.
 *   T3  sizes are 1 .. TRACE_SIZE_MAX. A recorded size of 0 is 1; a larger one is clamped, and counted.
 *   T4  the end's counts are those of the events. So a trace that lost its tail is refused, wherever it was cut.
 *   T5  each checkpoint's counts are those of the events before it, and at least one event lies between two. So the
 *       live curve of the events is the recorder's own.
 *   T6  RETAIN, DROP and SLICE meet a full slot; they change neither what is live nor its size. */
#ifndef POOLBUF_BENCH_TRACE_H
#define POOLBUF_BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_MAGIC           "PBTRACE1"
#define TRACE_MAGIC_SIZE      8u
#define TRACE_VERSION         2u
#define TRACE_VERSION_OLD     1u
#define TRACE_SIZE_MAX        ((UINT32_C(1) << 28) - 1)
#define TRACE_EVENTS_MAX      (UINT64_C(1) << 26) /* 768 MiB in memory */
#define TRACE_FILE_MAX        (UINT32_C(1) << 30) /* bytes */
#define TRACE_SLOTS_MAX       (UINT32_C(1) << 26)
#define TRACE_THREADS_MAX     (UINT32_C(1) << 20)
#define TRACE_NAME_MAX        64u
#define TRACE_REFERENCES_MAX  (UINT32_C(1) << 30)
#define TRACE_CHECKPOINTS_MAX 256u /* twice as many as a recorder writes */
#define TRACE_SWITCHES_MAX    8u   /* a recorder makes one */
#define TRACE_VARINT_MAX      10u  /* bytes */

typedef enum trace_kind {
    TRACE_ALLOCATE,
    TRACE_RELEASE,
    TRACE_RESIZE,
    TRACE_THREAD,     /* in the file only; readers see the thread in each event */
    TRACE_CHECKPOINT, /* in the file only; readers see them beside the events */
    TRACE_RETAIN,     /* references were taken */
    TRACE_DROP,       /* references were given back, and others remain */
    TRACE_SLICE,      /* a slice was cut, with so many references of its own: 0 or 1 */
    TRACE_END = 15    /* in the file only */
} trace_kind;

/* What the events of a trace are about. */
typedef enum trace_source {
    TRACE_OF_MALLOC,   /* blocks of malloc and its family */
    TRACE_OF_BUFFERS,  /* poolbuf's buffers; RESIZE is a change of capacity */
    TRACE_SOURCE_COUNT /* how many there are; not a source */
} trace_source;

typedef struct trace_event {
    uint32_t slot;
    uint32_t size; /* bytes; 0 for RELEASE; references for RETAIN, DROP and SLICE */
    uint32_t kind : 4;
    uint32_t thread : 28;
} trace_event;

/* What a trace's end says. */
typedef struct trace_summary {
    uint64_t event_count; /* without THREAD */
    uint32_t thread_count;
    uint32_t slot_count;       /* the most buffers that were live at once */
    uint64_t live_buffers;     /* at the end */
    uint64_t live_bytes;       /* at the end */
    uint64_t skipped_releases; /* of memory that the recorder had not seen allocated */
    uint64_t clamped_sizes;    /* of allocations and resizes, larger than TRACE_SIZE_MAX */
    uint64_t dropped_events;   /* 1 when a limit stopped the recording early: later events are missing */
} trace_summary;

/* What the recorder counted as live when it had recorded so many events. */
typedef struct trace_checkpoint {
    uint64_t event_count;
    uint64_t live_buffers;
    uint64_t live_bytes;
} trace_checkpoint;

#define TRACE_DOUBLINGS 29u

/* What a trace is like, for people. */
typedef struct trace_statistics {
    uint64_t allocations, resizes, releases;
    uint64_t retains, drops, slices;
    uint64_t peak_live_bytes;
    uint64_t by_doubling[TRACE_DOUBLINGS]; /* allocations and resizes of 2^(i-1) + 1 to 2^i bytes; [0]: 1 byte */
} trace_statistics;

typedef struct trace {
    char program[TRACE_NAME_MAX + 1];
    trace_source source;
    trace_event *events;
    uint64_t event_count;
    uint64_t reference_count;      /* of the events: RETAIN, DROP and SLICE */
    trace_checkpoint *checkpoints; /* in order */
    uint32_t checkpoint_count;
    uint32_t thread_count;
    uint32_t slot_count;
    uint64_t peak_live_bytes;
    trace_summary summary;
} trace;

/* trace_read() reads and checks a whole file.
 *   out      set on success; release it with trace_destroy().
 *   error    on failure gets one line, "FILE: what is wrong; what would be right".
 *   returns  false for anything but a complete, sound trace. */
bool trace_read(const char *path, trace **out, char *error, size_t error_size);

/* trace_open() opens a file to read, and waits for nobody: a pipe without a writer is no reason to hang.
 *   returns  NULL, with errno set, when it cannot be opened. */
FILE *trace_open(const char *path);

/* trace_parse() does the same with bytes in memory; name stands for the file in errors. */
bool trace_parse(const void *bytes, size_t size, const char *name, trace **out, char *error, size_t error_size);
void trace_destroy(trace *read);

/* trace_parse_raw() does the same with events as the recorder leaves them, see trace_write_raw(). The trace has no program
 * and no counts of what could not be recorded. */
bool trace_parse_raw(const uint8_t *events, size_t size, const char *name, trace **out, char *error, size_t error_size);

/* trace_varint() writes a number and returns how many bytes it took; there must be room for TRACE_VARINT_MAX. It calls
 * nothing, so that the recorder can use it inside malloc. */
static inline size_t trace_varint(uint8_t *to, uint64_t number) {
    size_t n = 0;
    while (number >= 0x80) {
        to[n++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    to[n++] = (uint8_t)number;
    return n;
}

/* trace_write_raw() compresses events that are already encoded, as the recorder leaves them, into a file.
 *   of       what the events are about.
 *   events   the encoded events, without header and end; they are decoded on the way, and refused when unsound.
 *   counts   only the last three fields are used; the others are counted from the events.
 *   file     open for writing; the caller makes it appear under its name when all is well.
 *   summary, statistics  set on success; statistics may be NULL.
 *   returns  false, with one line in error, for unsound events, when writing fails, and without memory. */
bool trace_write_raw(FILE *file, const char *program, trace_source of, const uint8_t *events, size_t size,
                     const trace_summary *counts, trace_summary *summary, trace_statistics *statistics, char *error,
                     size_t error_size);

#endif
