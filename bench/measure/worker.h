/* The worker: one subject, one scenario, one round, in a process of its own.
 *
 * A worker is `poolbuf worker`, which people do not call. Its job is its arguments and a stream image on an inherited
 * descriptor; its result is one line of JSON on stdout, which nothing else reaches: what a subject prints goes to
 * stderr. It looks at itself before it measures, and refuses when the library that serves it is not its subject's
 * (provenance.h). */
#ifndef POOLBUF_BENCH_WORKER_H
#define POOLBUF_BENCH_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/provenance.h"
#include "subjects/subject.h"

typedef enum worker_status {
    WORKER_OK,
    WORKER_FAILED,      /* the subject failed, or could not be measured */
    WORKER_REFUSED,     /* another library serves than should */
    WORKER_UNSUPPORTED, /* the subject is not made for this stream */
    WORKER_STATUS_COUNT /* how many there are; not a status */
} worker_status;

/* What a worker measures. */
typedef enum worker_pass {
    WORKER_TIME,            /* time an operation, peak memory, faults: what a round is made of */
    WORKER_INSTRUCTIONS,    /* under callgrind */
    WORKER_LATENCY,         /* of single operations, in a closed loop */
    WORKER_LATENCY_AT_RATE, /* and at a fixed rate */
    WORKER_MEMORY,          /* over time */
    WORKER_PASS_COUNT       /* how many there are; not a pass */
} worker_pass;

enum {
    WORKER_MESSAGE_SIZE = 2560,
    WORKER_PHASES_MAX = 4096
};

#define WORKER_UNKNOWN UINT64_MAX

/* What a worker tells. After WORKER_FAILED and WORKER_REFUSED only status, message, library and version mean anything. */
typedef struct worker_report {
    worker_status status;
    char message[WORKER_MESSAGE_SIZE]; /* one line; "" after WORKER_OK */
    char library[PROVENANCE_PATH_SIZE];
    char version[PROVENANCE_VERSION_SIZE];
    double time_ns_per_op;     /* wall time over stream_critical_operations() */
    uint64_t operations;       /* timed, of all threads together */
    double line_round_trip_ns; /* NaN without threads */
    uint64_t peak_live_bytes;
    uint64_t
        peak_usable_bytes; /* what live buffers had room for, at most; WORKER_UNKNOWN if the subject does not tell */
    uint64_t peak_resident_bytes;   /* of the process, less what the harness itself maps; WORKER_UNKNOWN if not known */
    uint64_t resident_growth_bytes; /* peak over what was resident before the subject was prepared; or WORKER_UNKNOWN */
    uint64_t page_faults_minor;     /* of one play of the stream: those of the timed part over its plays */
    uint64_t page_faults_major;
    subject_held *phases; /* at each phase's end; from malloc, NULL when phase_count is 0 */
    size_t phase_count;
    uint64_t switches_voluntary; /* context switches of the timed part, all plays together */
    uint64_t switches_involuntary;
    bool had_threads;      /* the process had a second thread before or while it was measured */
    struct json_t *passes; /* what a pass measured, as a results file has it (json_passes); NULL for none; owned */
    uint64_t instructions; /* what callgrind counted; set by whoever started the worker, and not in its line */
} worker_report;

void worker_report_fini(worker_report *report);

/* worker_report_parse() reads a worker's line.
 *   returns  true; release the report with worker_report_fini(). False when the text is not such a line. */
bool worker_report_parse(const char *text, size_t length, worker_report *report);

/* worker_report_format() makes the line: from malloc, ends with a newline, NULL without memory. */
char *worker_report_format(const worker_report *report);

/* What a worker is asked to do. */
typedef struct worker_job {
    const subject *subject;
    const char *plays;     /* the subject's name on the command line; NULL: its name */
    const char *program;   /* that plays it; NULL: the plan's. Not one of the words */
    const char *preload;   /* resolved path, NULL for none */
    int stream_descriptor; /* of a stream image */
    double seconds;        /* of the timed part */
    bool is_examination;   /* of a user's library: nothing is played, stream and seconds are not looked at */
    double spin_share;     /* of each play's time is wasted after it */
    uint32_t stall_every;  /* in so many operations one stalls; 0 for none */
    uint64_t stall_ns;     /* so long */
    worker_pass pass;
    double rate;         /* LATENCY_AT_RATE: operations a second, of all threads together */
    double idle_seconds; /* MEMORY: after the last release */
} worker_job;

/* worker_arguments() writes a job as the words of a command line, the way worker_main() reads them.
 *   storage  gets the numbers' texts.
 *   argv     gets at most WORKER_ARGUMENTS_MAX words and a NULL. */
enum {
    WORKER_ARGUMENTS_MAX = 32,
    WORKER_STORAGE_SIZE = 448
};
void worker_arguments(const worker_job *job, const char *program, char *storage, const char **argv);

/* worker_main() does a job given as words, argv[0] being "worker"; prints the line.
 *   returns  the exit status: 0 even when the subject failed, as long as the line says so; 2 for words that are no job. */
int worker_main(int argc, char **argv);

#endif
