/* Running a program under the recorder, and finding what it left: the harness's side of spool.h. */
#ifndef POOLBUF_BENCH_RECORD_RUN_H
#define POOLBUF_BENCH_RECORD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/child.h"
#include "record/spool.h"

typedef struct record_plan {
    char *const *command; /* the program and its arguments; ends with NULL */
    const char *folder;   /* where the spools may lie while the program runs: a folder is made in it, and removed */
    uint64_t max_events;  /* of each process; at most TRACE_EVENTS_MAX */
    const char *events;   /* malloc, buffers, or auto: buffers in a process that has libpoolbuf.so, else malloc */
} record_plan;

/* One process image's recording, mapped for reading. */
typedef struct record_spool {
    const spool_header *header;
    const uint8_t *events;
    size_t size;      /* of the events, complete ones only */
    size_t mapped;    /* of the mapping that starts at header */
    unsigned image;   /* 0 for a process's first recorded image, 1 for the one it executed next, ... */
    bool is_outlived; /* the process still runs, so this is its beginning */
} record_spool;

typedef struct record_result {
    child_end end;
    record_spool *spools; /* those with events, most events first */
    size_t spool_count;
    size_t without_space, without_memory; /* processes of which nothing could be recorded: the folder was full, ... */
    size_t without_folder;                /* it was out of their reach */
} record_result;

/* record_check() says why a program cannot be recorded, before it is run.
 *   program  as execvp() would take it.
 *   returns  true when it can, as far as one can see; otherwise reason has half a line, "what; what would be right",
 *            and *missing tells whether there is no such program (else it is one that the loader will not serve). */
bool record_check(const char *program, bool *missing, char *reason, size_t reason_size);

/* record_run() runs a program to its end under the recorder. Signals that ask this process to end go to the program, so
 * that an interrupted recording is still written.
 *   returns  false, with half a line in reason, when it could not be run. record_result_fini() releases the result. */
bool record_run(const record_plan *plan, record_result *result, char *reason, size_t reason_size);
void record_result_fini(record_result *result);

#endif
