/* Runs one program to its end, and brings back what it said. */
#ifndef POOLBUF_BENCH_PROCESS_H
#define POOLBUF_BENCH_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum process_end {
    PROCESS_EXITED,    /* by itself: `code` is its exit status */
    PROCESS_KILLED,    /* by a signal: `code` is its number */
    PROCESS_TIMED_OUT, /* by us, after its time was over */
    PROCESS_NOT_RUN,   /* it could not be started: `code` is an errno value */
} process_end;

typedef struct process_result {
    process_end end;
    int code;
    char *output; /* its stdout, from malloc, closed by a zero; NULL when nothing was read */
    size_t output_size;
    char complaint[256]; /* the last line of its stderr; "" when it wrote none */
} process_result;

enum {
    PROCESS_OUTPUT_MAX = 1 << 20
}; /* bytes of stdout that are kept; the rest is read and dropped */

typedef struct process_command {
    const char *program;               /* path */
    const char *const *argv;           /* ends with NULL */
    const char *const *envp;           /* ends with NULL */
    int inherited;                     /* a descriptor that the program gets under the same number; -1 for none */
    bool is_pinned;                    /* its addresses are not randomised, where the kernel lets us ask for that */
    unsigned timeout_ms;               /* after which it is killed; see process_watch */
    const volatile sig_atomic_t *stop; /* when it is set, the program is killed, as after its time; NULL for never */
} process_command;

/* The time that a program has. Who waits for it looks again and again; where more than PROCESS_PAUSE_MS lie between two looks,
 * everything has been stopped (by Ctrl-Z, or the host that took the machine away), and that is no time of the program's. */
typedef struct process_watch {
    long long deadline_ms, looked_ms; /* of a clock that goes on meanwhile */
} process_watch;

enum {
    PROCESS_PAUSE_MS = 1000
};

/* process_watch_left() looks.
 *   returns  how long the program may still take; 0 or less when its time is over. */
long long process_watch_left(process_watch *self, long long now_ms);

/* process_run() starts a program and waits for its end. The program dies with the calling thread.
 *   result  always filled; release it with process_result_fini(). */
void process_run(const process_command *command, process_result *result);
void process_result_fini(process_result *result);

/* process_describe() says in a few words how a program ended badly, such as "killed by signal 11 (Segmentation fault)". */
void process_describe(const process_result *result, unsigned timeout_ms, char *text, size_t text_size);

/* process_environment() makes the environment of a measured process: this one's, without what would change the measuring
 * (POOLBUF_*, BENCHMARK_*, LD_PRELOAD), with leak detection off and a library preloaded where one is given.
 *   preload  NULL for none.
 *   returns  an array that ends with NULL, one block from malloc; NULL without memory. */
const char **process_environment(const char *preload);

#endif
