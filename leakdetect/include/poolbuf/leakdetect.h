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
 *   threads  any; not in a signal handler, since it takes locks: have that wake a thread. Every thread starts a new sampling gap
 *            at its next allocation. What is tracked already stays tracked, and is reported unless the level is disabled when the
 *            report is made. */
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
 *   resource the resource's address, its identity; not NULL. An address that is tracked already is tracked anew, if the
 *            sample chooses it: its old record counts as leaked no longer. Else that record stays.
 *   size     in bytes, or 0 where bytes mean nothing. Reports cut what is larger than 2^63 - 1, and sums of it, to that.
 *   type     what it is called in reports; copied. The first 63 bytes count.
 *   returns  true if it is tracked now. A program may remember that and skip leakdetect_untrack() otherwise.
 *   threads  any.
 *   cost     one decrement where the sample passes it by; else a stack capture and one insertion. */
POOLBUF_API bool leakdetect_track(const void *resource, size_t size, const char *type);

/* A kind of resource that the program has registered; 0 is none. */
typedef uint32_t leakdetect_type;

enum {
    LEAKDETECT_TYPES_MAX = 64,         /* registered types of a process */
    LEAKDETECT_DESCRIPTION_BYTES = 120 /* of a description, its end included */
};

/* leakdetect_describe writes what a person should know of one resource into a report: a socket's peer, a file's name. It is
 * called when a report is made, for the eight oldest resources of a group, and no lock of the detector is held.
 *   resource as it was given to leakdetect_track(). It stays tracked until the function returns: a thread that wants to
 *            untrack it waits. So a program that untracks a resource before it takes it apart can read it here; the
 *            function must not wait for anything that such a thread may hold.
 *   text     one line of UTF-8, empty when the function is called; left empty, there is no description.
 *   size     of text, its end included; LEAKDETECT_DESCRIPTION_BYTES.
 *   context  as it was registered.
 *   threads  whichever makes the report. At the end of the process that is after main() and its exit handlers. What the
 *            function allocates is not tracked. It must not jump out of the report. */
typedef void leakdetect_describe(const void *resource, char *text, size_t size, void *context);

/* What to know of a type. Callers set struct_size to sizeof(leakdetect_type_options); what is 0 has its default. */
typedef struct leakdetect_type_options {
    size_t struct_size;
    const char *unit; /* what sizes count, in the plural, such as "pages"; copied; NULL: bytes */
    uint32_t
        sampling_interval; /* one in so many is tracked at the levels simple and advanced, from the first on; 1: every
                                     one; 0: as POOLBUF_LEAK_SAMPLING_INTERVAL and its kin say */
    leakdetect_describe *describe; /* NULL: none. Must stay loaded until the process ends */
    void *context;                 /* handed to describe */
} leakdetect_type_options;

/* leakdetect_register_type() makes a type known, for leakdetect_track_as() and for reports. What is tracked by
 * leakdetect_track() under the same name is of the type too, but sampled as other resources are.
 *   name     1 to 63 bytes; copied. "poolbuf" is taken.
 *   options  NULL: the defaults.
 *   type     set on success only.
 *   returns  POOLBUF_OK, also for a name that is registered with the same options already: two users of one library may
 *            both register its types. POOLBUF_ERROR_BAD_ARGUMENT for other options, or what contradicts the above;
 *            POOLBUF_ERROR_NO_MEMORY beyond LEAKDETECT_TYPES_MAX types.
 *   threads  any. A child after fork() knows them too. Types stay until the process ends.
 *   cost     a look through the table under a lock. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status leakdetect_register_type(const char *name,
                                                                      const leakdetect_type_options *options,
                                                                      leakdetect_type *type);

/* leakdetect_find_type() looks a type up by its name.
 *   returns  0 if there is none.
 *   threads  any.
 *   cost     a look through the table. */
POOLBUF_API leakdetect_type leakdetect_find_type(const char *name);

/* leakdetect_track_as() is leakdetect_track() for a registered type, with the type's own sample where it has one.
 *   size     in the type's unit; 0 where that means nothing.
 *   type     from leakdetect_register_type(); what is no type tracks nothing.
 *   returns, threads   as leakdetect_track().
 *   cost     the same; with an interval of the type's own a random number in place of the decrement. */
POOLBUF_API bool leakdetect_track_as(const void *resource, size_t size, leakdetect_type type);

/* leakdetect_untrack() ends tracking: the resource was closed as it should be.
 *   returns  true if it was tracked.
 *   threads  any.
 *   cost     one hash lookup under a lock that few share; of what was tracked, also a stack capture where closing stacks
 *            are kept. */
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
 *   path     `%p` in it stands for the process id, `%t` for the time of the process's first report, which tells apart
 *            processes of one id, `%n` for the number of the report, from 1, and `%%` for a percent sign; JSON unless it
 *            ends in .txt.
 *   returns  as above, and POOLBUF_ERROR_BAD_ARGUMENT, with one line on stderr, where the file cannot be written. */
POOLBUF_API poolbuf_status leakdetect_write_report(const char *path);

/* One group of what leaked: what is of one type and was allocated by one call stack. The library sets struct_size; a
 * later one may add fields at the end. */
typedef struct leakdetect_leak {
    size_t struct_size;
    const char *type;         /* "poolbuf", or the resources' */
    const char *site;         /* the innermost function, and where it is known its file and line; never NULL */
    uint64_t fingerprint;     /* of the stack's functions, as reports print it: another run and build has the same */
    uint64_t count, bytes;    /* that were tracked: at a sampled level a part; bytes in the type's unit */
    uint64_t estimated_count; /* what that part stands for, with its 95 % interval; where all is tracked, count */
    uint64_t estimated_low, estimated_high;
    uint64_t lost;                 /* of count: two scans found them unreachable */
    uint64_t oldest_ms, newest_ms; /* ages */
} leakdetect_leak;

/* What a listener is told at one time. */
typedef struct leakdetect_leaks {
    size_t struct_size;
    const char *reason; /* "process exit", "allocator destroyed", "scan, 3 lost" */
    uint64_t leaked; /* in all: exact where somebody counts exactly, tracked ones otherwise; of a scan, the lost ones */
    const leakdetect_leak *const *groups; /* in the order of the text; none where the exact count alone knows */
    size_t group_count;
    const char *text; /* the report as stderr would have it, of text_length bytes and a 0 */
    size_t text_length;
} leakdetect_leaks;

/* leakdetect_listener is called with each report that accuses somebody: when an allocator is destroyed before its buffers
 * and when the process ends, with what no call named before, and when the scans of POOLBUF_LEAK_SCAN_INTERVAL_S have found
 * more lost than ever. Not with what is suppressed, and not with reports that were asked for, by a signal or an
 * interval either: what is alive there is no leak yet.
 *   leaks    valid until the function returns.
 *   context  as it was set.
 *   returns  true: the text is dealt with, say in the program's own log, and does not go to stderr. A report file is written,
 *            and POOLBUF_LEAK_EXIT_CODE rules, either way.
 *   threads  whichever makes the report; two may at once. At the end of the process that is after main() and its exit
 *            handlers. No lock of the detector is held. What the function allocates is not tracked, and reports that it asks
 *            for are refused as without memory. It must not jump out. */
typedef bool leakdetect_listener(const leakdetect_leaks *leaks, void *context);

/* leakdetect_set_listener() sets the function that is told of leaks, as ResourceLeakDetector.LeakListener is in Netty; one
 * for the process.
 *   listener NULL: nobody, as at the start. Must stay loaded until another is set.
 *   context  handed to it.
 *   threads  any, the listener itself included. A call that has begun may still run when this returns. A child after fork()
 *            has the same.
 *   cost     waits for a report that is being made. */
POOLBUF_API void leakdetect_set_listener(leakdetect_listener *listener, void *context);

/* How to scan. Callers set struct_size to sizeof(leakdetect_scan_options); what is 0 has its default. */
typedef struct leakdetect_scan_options {
    size_t struct_size;
    uint32_t apart_ms;           /* two scans must lie at least so far apart to agree; 200 */
    uint32_t deadline_ms;        /* for each scan, after which the child is killed; 10,000 */
    uint64_t memory_limit_bytes; /* of the child's tables; 512 MiB */
    bool once;              /* scan once, and compare with the call before; else, if need be, wait and scan again */
    bool trust_blind_spots; /* call buffers lost though there are some: nothing there is a buffer's only reference */
} leakdetect_scan_options;

/* Where references may be that a scan cannot see, and that this process has. */
typedef enum leakdetect_blind_spot {
    LEAKDETECT_BLIND_IO_URING = 1 << 0,  /* an io_uring: requests under way keep their user_data in the kernel */
    LEAKDETECT_BLIND_UNREADABLE = 1 << 1 /* writable memory that could not be read, as that of devices */
} leakdetect_blind_spot;

/* What a scan found. Callers set struct_size; see leakdetect_counts. */
typedef struct leakdetect_scan_result {
    size_t struct_size;
    uint64_t judged;      /* buffers that were tracked and alive; untracked ones are not judged */
    uint64_t unreachable; /* in the last scan */
    uint64_t lost;        /* in two scans that agree; reports mark them */
    uint64_t lost_bytes;
    uint64_t read_bytes;       /* memory that the last scan has looked through */
    uint64_t unreadable_bytes; /* writable memory that it could not read */
    uint64_t stopped_ns;       /* how long the last fork kept the calling thread; other threads may have waited as long
                                  for page faults */
    uint64_t took_ns;          /* the whole call */
    uint32_t scans;            /* that this call made */
    uint32_t blind_spots;      /* of leakdetect_blind_spot, or-ed; where there are some, nothing is called lost */
} leakdetect_scan_result;

/* leakdetect_scan() looks for tracked buffers that nothing in the process refers to: nobody can release them any more. A
 * child, a copy of the process at one moment, searches writable memory, stacks, thread-local storage, what epoll keeps
 * for the program and what threads that wait in the kernel have in registers. A buffer is lost that two scans, some time
 * apart, find unreachable and unchanged. docs/leak-detection.md says what a scan cannot know.
 *   options  NULL: the defaults.
 *   result   NULL, or its struct_size set by the caller; set on success alone.
 *   returns  POOLBUF_OK; POOLBUF_ERROR_BAD_ARGUMENT for a struct_size that is too small to be one;
 *            POOLBUF_ERROR_WOULD_BLOCK if another thread scans, or the pool kept mapping and unmapping memory;
 *            POOLBUF_ERROR_NO_MEMORY; POOLBUF_ERROR_UNSUPPORTED under Valgrind, whose own leak check does this,
 *            and under ThreadSanitizer, whose shadow of the program's memory would have to be searched;
 *            POOLBUF_ERROR_SYSTEM, with errno, if there can be no child, it died or /proc does not tell (ECHILD: it
 *            died; ETIMEDOUT: it was too slow). A failed scan marks nothing and clears no mark.
 *   threads  any. Others go on; they wait for the fork, and then at most for page faults.
 *   cost     the fork copies page tables, some 10 ms for each GiB in use; the child reads about 1 GiB a second at low priority,
 *            and pages that are written meanwhile exist twice. */
POOLBUF_API poolbuf_status leakdetect_scan(const leakdetect_scan_options *options, leakdetect_scan_result *result);

POOLBUF_END_DECLS

#endif
