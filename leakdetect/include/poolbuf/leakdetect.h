/* The leak detector's public face: levels, tracking of any counted resource, counts and reports.
 *
 * A program that only uses poolbuf's buffers never needs this header: the detector registers itself when the library
 * is loaded, reads POOLBUF_LEAK_LEVEL and friends (`poolbuf options` lists them), and reports at finalization. This
 * header is for programs that change the level while they run, ask for a report, or track resources of their own:
 *
 *     int fd = open_session(...);
 *     session *s = session_create(fd);
 *     leakdetect_track(s, sizeof *s, "session");
 *     ...
 *     leakdetect_untrack(s);            // in session_destroy()
 *
 * Tracking is by address: a resource is tracked from leakdetect_track() to leakdetect_untrack() of the same pointer.
 * All functions may be called from any thread; none may be called from a signal handler. */
#ifndef POOLBUF_LEAKDETECT_H
#define POOLBUF_LEAKDETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

typedef enum leakdetect_level {
    LEAKDETECT_DISABLED = 0, /* tracks nothing, prints nothing; exact counters of live buffers stay */
    LEAKDETECT_SIMPLE,       /* tracks 1 in POOLBUF_LEAK_SAMPLING_INTERVAL; keeps the stack of the allocation */
    LEAKDETECT_ADVANCED,     /* the same sample, and the stacks of its last accesses */
    LEAKDETECT_PARANOID,     /* tracks everything, with accesses */
    LEAKDETECT_LEVEL_COUNT   /* how many there are; not a level */
} leakdetect_level;

typedef enum leakdetect_format {
    LEAKDETECT_TEXT,
    LEAKDETECT_JSON /* schema poolbuf.leaks/1 */
} leakdetect_format;

/* What the detector holds at this moment. Callers set struct_size to sizeof(leakdetect_counts); fields are only ever
 * added at the end, and those that the caller's header does not know are not written. */
typedef struct leakdetect_counts {
    size_t struct_size;
    uint64_t live;       /* tracked resources that were not untracked; at sampled levels, the sample only */
    uint64_t live_bytes; /* the sum of their sizes */
    uint64_t seen;       /* resources ever tracked */
    uint64_t untracked;  /* resources that the sample chose and a limit turned away */
    uint64_t stacks;     /* distinct call stacks held */
    uint64_t memory;     /* bytes of address space that the detector mapped for its tables */
} leakdetect_counts;

/* leakdetect_get_level() tells the level in force.
 *   threads  any; a change by another thread may be seen late.
 *   cost     one load. */
POOLBUF_API leakdetect_level leakdetect_get_level(void);

/* leakdetect_set_level() changes the level for allocations from now on.
 *   level    one of the four.
 *   returns  POOLBUF_OK, or POOLBUF_ERROR_BAD_ARGUMENT for anything else, which changes nothing.
 *   threads  any. Every thread starts a new sampling gap at its next allocation. What is tracked already stays tracked,
 *            and is reported unless the level is disabled when the report is made. */
POOLBUF_API poolbuf_status leakdetect_set_level(leakdetect_level level);

/* leakdetect_name_level() names a level as the environment spells it.
 *   returns  a static string, never NULL; "unknown" for what is no level. */
POOLBUF_API const char *leakdetect_name_level(leakdetect_level level);

/* leakdetect_parse_level() reads a level's name or ordinal.
 *   text     not NULL: disabled, simple, advanced, paranoid in any case, or 0 to 3.
 *   level    set on success only.
 *   returns  false if the text is no level. */
POOLBUF_API POOLBUF_NODISCARD bool leakdetect_parse_level(const char *text, leakdetect_level *level);

/* leakdetect_track() begins to track a resource, if the level's sample chooses it.
 *   resource the resource's address, its identity; not NULL. An address that is tracked already is tracked anew: its
 *            old record counts as leaked no longer.
 *   size     in bytes, or 0 where bytes mean nothing.
 *   type     what it is called in reports; copied. The first 63 bytes count.
 *   returns  true if it is tracked now. A program may remember that and skip leakdetect_untrack() otherwise.
 *   threads  any.
 *   cost     one decrement where the sample passes it by; else a stack capture and one insertion. */
POOLBUF_API bool leakdetect_track(const void *resource, size_t size, const char *type);

/* leakdetect_untrack() ends tracking: the resource was closed as it should be.
 *   returns  true if it was tracked.
 *   threads  any.
 *   cost     one hash lookup under a lock that few share. */
POOLBUF_API bool leakdetect_untrack(const void *resource);

/* leakdetect_touch() records who has a resource now, with a hint; at levels advanced and paranoid, tracked ones only.
 *   hint     NULL or a text, copied. The first 63 bytes count. */
POOLBUF_API void leakdetect_touch(const void *resource, const char *hint);

/* leakdetect_count() takes counts without stopping anybody; exact when nobody allocates or releases.
 *   counts   its struct_size set by the caller.
 *   returns  POOLBUF_OK, or POOLBUF_ERROR_BAD_ARGUMENT for a NULL or a struct_size that is too small to be one. */
POOLBUF_API poolbuf_status leakdetect_count(leakdetect_counts *counts);

/* leakdetect_report() writes a report of everything tracked and alive now, whatever its age; it changes nothing. What the
 * rules of POOLBUF_LEAK_SUPPRESSIONS cover is counted in it, and not listed.
 *   out      an open stream; the report is complete when this returns, but the stream is not flushed.
 *   returns  POOLBUF_OK; POOLBUF_ERROR_NO_MEMORY; POOLBUF_ERROR_BAD_ARGUMENT for a NULL or an unknown format.
 *   cost     symbols are looked up for every distinct stack: milliseconds, and more the first time. */
POOLBUF_API poolbuf_status leakdetect_report(FILE *out, leakdetect_format format);

/* leakdetect_report_older_than() writes the same report of what has been alive for a time: in a server whose requests
 * take milliseconds, what is a minute old has been lost, or is meant to stay.
 *   age_ms   in milliseconds, as precise as a tick of the kernel's clock (1 to 10 ms); 0 lists everything.
 *   returns, threads, cost   as leakdetect_report(). */
POOLBUF_API poolbuf_status leakdetect_report_older_than(FILE *out, leakdetect_format format, uint64_t age_ms);

/* leakdetect_checkpoint() remembers what each call stack holds now, for leakdetect_report_since().
 *   returns  its id, greater than that of any before; 0: no memory. The last eight checkpoints are kept. A child after
 *            fork() has none.
 *   threads  any; exact when nobody allocates or releases meanwhile.
 *   cost     one pass over what is tracked and alive, no symbols; 32 bytes a distinct stack, of 10,000 at most. */
POOLBUF_API uint64_t leakdetect_checkpoint(void);

/* leakdetect_report_since() writes a report of the call stacks that hold more than they did at a checkpoint, in
 * resources or bytes, those that grew most first, with the difference. What turns over without growing is only counted.
 *   checkpoint an id from leakdetect_checkpoint().
 *   returns  as leakdetect_report(), and POOLBUF_ERROR_BAD_ARGUMENT, with nothing written, for an id that is not, or no
 *            longer, known.
 *   threads, cost   as leakdetect_report(). */
POOLBUF_API poolbuf_status leakdetect_report_since(FILE *out, leakdetect_format format, uint64_t checkpoint);

/* leakdetect_write_report() does the same into a file, which appears whole or not at all.
 *   path     `%p` in it stands for the process id, `%n` for the number of the report, from 1, and `%%` for a percent sign;
 *            JSON unless it ends in .txt.
 *   returns  as above, and POOLBUF_ERROR_BAD_ARGUMENT, with one line on stderr, where the file cannot be written. */
POOLBUF_API poolbuf_status leakdetect_write_report(const char *path);

POOLBUF_END_DECLS

#endif
